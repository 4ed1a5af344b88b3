//! Bugs on purpose, for the test of the test: each is a plausible way to get the protocol wrong, and the simulation must
//! catch it. Without the feature `planted-bugs` none can be planted and the compiler removes the switches; only the tests
//! have the feature.

use crate::answers::PartitionId;
use crate::model::Position;

/// A way to get the protocol wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A failed condition is taken as a lost race, also when one's own batch is in the way.
    FailedConditionIsALostRace,
    /// A failed condition is taken as a failure without effect.
    FailedConditionIsAFailure,
    /// After an attempt of unknown outcome the next slot is tried.
    MovesOnAfterUnknown,
    /// Slots and offsets come from a counter, before anything is written.
    OffsetsFromACounter,
    /// What surely failed and what may have succeeded are both called failed.
    UnknownIsCalledNone,
    /// A transaction is written one item after the other.
    TransactionsAreSplit,
    /// The receipt of an Idempotency-Key is written after the batch.
    ReceiptAfterTheBatch,
    /// The head is read without strong consistency, in writes and reads alike.
    StaleHeads,
    /// Expired heads are not kept, and a used partition that is empty begins again.
    OffsetsBeginAgain,
    /// Compaction puts what it has without looking at what is there.
    LastCompactorWins,
    /// The watermark moves before its effects are written.
    WatermarkBeforeThePuts,
    /// Compaction goes on behind a gap in what it reads.
    CompactsPastGaps,
    /// A tombstone removes its item instead of staying in its place.
    TombstonesAreDeleted,
    /// A bootstrap takes its watermark after the scan.
    WatermarkAfterTheScan,
    /// A bootstrap reads its pages without strong consistency.
    StaleSnapshots,
    /// An empty page is taken as the end.
    EmptyPageIsTheEnd,
    /// A page always claims that there is no more.
    AlwaysCaughtUp,
    /// What is past its retention can be read.
    ExpiredIsReadable,
    /// A commit replaces the positions instead of joining them.
    CommitsReplace,
    /// A commit with a cursor from before a seek is taken.
    CommitsIgnoreSeeks,
    /// Keys of items do not hold the incarnation.
    KeysWithoutIncarnation,
    /// What was read once is taken as true for ever.
    CachesNeverExpire,
    /// A deleted name can be created again while services still know the old stream.
    NamesAreFreeAtOnce,
    /// A commit is written whether or not another one was since it looked.
    CommitsArePlain,
    /// A poll commits what it answers.
    PollsCommit,
    /// A page of three records passes over a fourth.
    PagesSkip,
    /// What is left of a deleted subscription is taken for a living one.
    EndedSubscriptionsLive,
    /// A condition is refused whether or not the tail stands there.
    ConditionsNeverHold,
    /// The state of an API key is answered and not written.
    KeysNeverChange,
    /// A tail that moved refuses a request, also when it was that request which moved it.
    TailBeforeReceipt,
    /// Commits of two bootstraps are joined as if they were of one.
    BootstrapsAreMixed,
    /// Requests that share a write are each told the places of the first.
    SharedPlaces,
}

impl Bug {
    /// Every one.
    pub const ALL: [Self; 32] = [
        Self::FailedConditionIsALostRace,
        Self::FailedConditionIsAFailure,
        Self::MovesOnAfterUnknown,
        Self::OffsetsFromACounter,
        Self::UnknownIsCalledNone,
        Self::TransactionsAreSplit,
        Self::ReceiptAfterTheBatch,
        Self::StaleHeads,
        Self::OffsetsBeginAgain,
        Self::LastCompactorWins,
        Self::WatermarkBeforeThePuts,
        Self::CompactsPastGaps,
        Self::TombstonesAreDeleted,
        Self::WatermarkAfterTheScan,
        Self::StaleSnapshots,
        Self::EmptyPageIsTheEnd,
        Self::AlwaysCaughtUp,
        Self::ExpiredIsReadable,
        Self::CommitsReplace,
        Self::CommitsIgnoreSeeks,
        Self::KeysWithoutIncarnation,
        Self::CachesNeverExpire,
        Self::NamesAreFreeAtOnce,
        Self::CommitsArePlain,
        Self::PollsCommit,
        Self::PagesSkip,
        Self::EndedSubscriptionsLive,
        Self::ConditionsNeverHold,
        Self::KeysNeverChange,
        Self::TailBeforeReceipt,
        Self::BootstrapsAreMixed,
        Self::SharedPlaces,
    ];
}

#[cfg(feature = "planted-bugs")]
mod switch {
    use std::cell::{Cell, RefCell};
    use std::collections::HashMap;

    use super::{Bug, PartitionId, Position};

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
        static COUNTERS: RefCell<HashMap<PartitionId, Position>> = RefCell::default();
    }

    /// Plants a bug in every ledger of this thread, or none.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
        COUNTERS.take();
    }

    pub(crate) fn is_planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    /// Takes so many slots and offsets from a counter, if that is planted.
    pub(crate) fn reserved(partition: &PartitionId, slots: u64, records: u64) -> Option<Position> {
        is_planted(Bug::OffsetsFromACounter).then(|| {
            COUNTERS.with_borrow_mut(|counters| {
                let next = counters.entry(partition.clone()).or_insert(Position::START);
                let reserved = *next;
                *next = Position { slot: next.slot + slots, offset: next.offset + records };
                reserved
            })
        })
    }
}

#[cfg(not(feature = "planted-bugs"))]
mod switch {
    use super::{Bug, PartitionId, Position};

    pub(crate) const fn is_planted(_: Bug) -> bool {
        false
    }

    pub(crate) const fn reserved(_: &PartitionId, _: u64, _: u64) -> Option<Position> {
        None
    }
}

#[cfg(feature = "planted-bugs")]
pub use switch::plant;
pub(crate) use switch::{is_planted, reserved};
