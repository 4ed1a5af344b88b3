//! What can go wrong, sorted by what the caller should do about it.
//!
//! A variant says whether anything was written: only [`Error::OutcomeUnknown`] and [`Error::Internal`] leave that open,
//! every other one promises that the request had no effect. `Display` is for the client and never holds a value of the
//! client's or a text of the store's; causes are reached through `source` and are for the log.

use crate::clock::Timestamp;
use crate::model::cursor::Cursor;

/// The result of a ledger verb.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a verb did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such stream, or it is being deleted.
    #[error("there is no such stream")]
    StreamNotFound,
    /// A stream of this name has another definition.
    #[error("a stream of this name exists with another definition")]
    StreamExists,
    /// The name was deleted so recently that services may still know the old stream.
    #[error("a stream of this name was deleted a moment ago; the name is free again at {free_at}")]
    StreamDeleting {
        /// When a create can succeed.
        free_at: Timestamp,
        /// Milliseconds until then.
        wait_ms: u64,
    },
    /// No such subscription of this stream.
    #[error("there is no such subscription")]
    SubscriptionNotFound,
    /// A subscription of this name starts somewhere else.
    #[error("a subscription of this name exists with another start")]
    SubscriptionExists,
    /// Compacted state holds no such key, or its latest record is a tombstone.
    #[error("compacted state holds no record of this key")]
    KeyNotFound,
    /// The cursor is not one that this endpoint gave out for this stream and subscription.
    #[error("`cursor` was not given out here: pass one unchanged from an answer of this endpoint")]
    InvalidCursor,
    /// The cursor belongs to an earlier life of the stream's name.
    #[error(
        "the stream was deleted and created again since this cursor was given out; drop what was built from it and start again"
    )]
    StreamRecreated(Box<Restart>),
    /// Retention overtook the position.
    #[error("{} events after this position are past their retention; go on from the earliest cursor, or bootstrap again", .0.lost_events)]
    PositionExpired(Box<Expired>),
    /// The tail is not where the publisher expected it.
    #[error("`If-Match` names offset {expected}, but the tail of the partition is {tail}; nothing was written")]
    TailMismatch {
        /// What the publisher expected.
        expected: u64,
        /// What it is.
        tail: u64,
    },
    /// The request is well formed and not allowed.
    #[error("{detail}")]
    Refused {
        /// JSON pointer of the member at fault.
        pointer: &'static str,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// The Idempotency-Key was used with another body.
    #[error("this `Idempotency-Key` was used with another body; use a new key for a new request")]
    IdempotencyKeyReused,
    /// A request with the same Idempotency-Key is being processed.
    #[error("a request with this `Idempotency-Key` is being processed; ask again in a moment")]
    IdempotencyInProgress,
    /// The cursor was given out before the subscription was moved by a seek.
    #[error("the subscription was moved by a seek since this cursor was given out; poll without a cursor to go on")]
    GenerationMismatch,
    /// The cursor points beyond the last event.
    #[error("`cursor` points beyond the tail of the stream")]
    CommitBeyondTail,
    /// Too many lost races for the next slot.
    #[error("too many publishers at once on one partition; nothing was written")]
    Contention,
    /// The log was trimmed above the watermark, or expired there: an exact bootstrap is not possible now.
    #[error("compacted state is behind the retention of the log, so an exact bootstrap is not possible now")]
    CompactionGap,
    /// A used partition has no head; a write could reuse offsets, and no position can be checked.
    #[error("the head of a partition is missing, so nobody knows where its log ends; an operator is needed")]
    HeadLost,
    /// Compaction stands still for so long that appended events might expire before they are compacted.
    #[error("compaction of this stream stands still, so publishing is paused; nothing was written")]
    CompactorStalled,
    /// The store did not answer in time; nothing was written.
    #[error("the store did not answer; nothing was written")]
    Unavailable(#[source] Cause),
    /// The store may or may not have written it.
    #[error(
        "the store did not say whether it was written; repeat the request with the same `Idempotency-Key`, or read first"
    )]
    OutcomeUnknown(#[source] Cause),
    /// A broken promise of ours: an invariant does not hold, or the store refuses a request we built.
    #[error("an internal error")]
    Internal(#[source] Cause),
}

/// The cause of a failure, for the log.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Where a reader can go on after its position expired.
#[derive(Debug, Clone)]
pub struct Expired {
    /// How many events it missed, exactly.
    pub lost_events: u64,
    /// Where to go on.
    pub restart: Restart,
}

/// The cursors from which a reader can start again.
#[derive(Debug, Clone)]
pub struct Restart {
    /// The oldest readable position.
    pub earliest: Cursor,
    /// The start of a new bootstrap; absent when the stream is not compacted.
    pub bootstrap: Option<Cursor>,
    /// The subscription that the cursors are for; without one they are for reading the stream itself.
    pub subscription: Option<String>,
}

impl Error {
    /// The same failure of what follows a write that was applied or may have been: the effect is not none.
    #[must_use]
    pub(crate) fn after_write(self) -> Self {
        match self {
            Self::Unavailable(cause) => Self::OutcomeUnknown(cause),
            Self::OutcomeUnknown(_) | Self::Internal(_) => self,
            other => Self::OutcomeUnknown(other.into()),
        }
    }

    /// The same failure once more, for others who shared what failed.
    #[must_use]
    pub(crate) fn repeated(&self) -> Self {
        let cause = |cause: &Cause| sentence(&**cause).into();
        match self {
            Self::Unavailable(source) => Self::Unavailable(cause(source)),
            Self::OutcomeUnknown(source) => Self::OutcomeUnknown(cause(source)),
            Self::Internal(source) => Self::Internal(cause(source)),
            Self::Contention => Self::Contention,
            Self::HeadLost => Self::HeadLost,
            // What else there is, is of one request and not of a write.
            _ => Self::broken("what requests share fails in few ways"),
        }
    }

    /// For `map_err` of what follows an attempt to write whose outcome may be unknown.
    pub(crate) fn after_doubt(doubtful: bool) -> impl Fn(Self) -> Self + Copy {
        move |error| if doubtful { error.after_write() } else { error }
    }

    /// A broken invariant, named for the log.
    #[must_use]
    pub fn broken(invariant: &'static str) -> Self {
        tracing::error!(invariant, "an invariant of the ledger does not hold");
        Self::Internal(invariant.into())
    }
}

/// An error and its causes on one line. A cause that its error has already told is not told again.
#[must_use]
pub fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let told = cause.to_string();
        if !text.ends_with(&told) {
            text = format!("{text}: {told}");
        }
        source = cause.source();
    }
    text
}

/// Answers [`Error::Internal`] when an invariant does not hold, instead of going on with wrong data.
macro_rules! ensure {
    ($condition:expr, $invariant:literal) => {
        if !$condition {
            return Err($crate::error::Error::broken($invariant).into());
        }
    };
}
pub(crate) use ensure;

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn causes_follow_on_the_same_line_and_once() {
        let error = Error::Unavailable(Box::new(io::Error::other(io::Error::other("permission denied"))));
        let told = error.to_string();
        assert_eq!(sentence(&error), format!("{told}: permission denied"));
    }
}
