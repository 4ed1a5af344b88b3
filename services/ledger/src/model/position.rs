//! Where a reader is: positions, the phases of a bootstrap, and how two commits are joined.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::partitioner::KeyHash;

/// The next record of a partition: its offset, and the slot of the record batch that holds or will hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Slot of the record batch, from 1.
    pub slot: u64,
    /// Offset of the record, from 0.
    pub offset: u64,
}

impl Position {
    /// Before the first record of a partition.
    pub const START: Self = Self { slot: 1, offset: 0 };
}

/// How far a reader has come, over all partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Which bootstrap it comes from: of one subscription, those that began later have larger numbers. 0 without one, and
    /// before one has begun.
    pub bootstrap: u64,
    /// What is read at present.
    pub phase: Phase,
    /// Per partition, where the log is read next. In a snapshot: where it will be read from when the snapshot ends,
    /// right after the watermarks. Empty only before a bootstrap has begun.
    pub positions: Vec<Position>,
}

/// What a reader reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Compacted state, partition after partition, keys in the order of their hashes.
    Snapshot {
        /// The partition that is read.
        partition: u16,
        /// The last key that was read there.
        after: Option<[u8; 16]>,
        /// Of each partition that was read to its end, the tail at that moment.
        targets: Vec<u64>,
    },
    /// The log.
    Live {
        /// After a bootstrap, per partition the tail that must be passed before what was built is the state of one
        /// moment; empty once it is, and when there was no bootstrap.
        targets: Vec<u64>,
    },
}

impl Progress {
    /// The beginning of a bootstrap; its number and the watermarks are found by the first poll.
    #[must_use]
    pub fn bootstrap() -> Self {
        let phase = Phase::Snapshot { partition: 0, after: None, targets: Vec::new() };
        Self { bootstrap: 0, phase, positions: Vec::new() }
    }

    /// Reading the log from these positions.
    #[must_use]
    pub fn live(positions: Vec<Position>) -> Self {
        Self { bootstrap: 0, phase: Phase::Live { targets: Vec::new() }, positions }
    }

    /// Whether compacted state is being read.
    #[must_use]
    pub fn in_snapshot(&self) -> bool {
        matches!(self.phase, Phase::Snapshot { .. })
    }

    /// Whether it is a bootstrap of which nothing is known yet.
    #[must_use]
    pub fn is_to_begin(&self) -> bool {
        self.positions.is_empty()
    }

    /// Whether what a reader built is the state of one moment: the log was read from its start, or the tail passed
    /// everything that the snapshot may have seen the effect of.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        matches!(&self.phase, Phase::Live { targets } if targets.is_empty())
    }

    /// Each position with its target, 0 where there is none.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Position, u64)> {
        let targets = match &self.phase {
            Phase::Live { targets } => targets.as_slice(),
            Phase::Snapshot { .. } => &[],
        };
        let target = |partition| targets.get(partition).copied().unwrap_or_default();
        self.positions.iter().enumerate().map(move |(partition, position)| (*position, target(partition)))
    }

    /// Forgets the targets that were reached: a reached one is 0, and there is none when all are.
    #[must_use]
    pub fn settled(mut self) -> Self {
        if let Phase::Live { targets } = &mut self.phase {
            for (target, position) in targets.iter_mut().zip(&self.positions) {
                *target = if position.offset >= *target { 0 } else { *target };
            }
            if targets.iter().all(|target| *target == 0) {
                targets.clear();
            }
        }
        self
    }

    /// Whether a reader that is moved here from there reads again what it has passed, or compacted state after the log.
    #[must_use]
    pub fn goes_back_from(&self, there: &Self) -> bool {
        match (&self.phase, &there.phase) {
            _ if self == there => false,
            (Phase::Snapshot { .. }, Phase::Live { .. }) => true,
            (Phase::Snapshot { .. }, Phase::Snapshot { .. }) => self.join(there) == *there,
            (Phase::Live { .. }, _) => self.positions.iter().zip(&there.positions).any(|(new, old)| new < old),
        }
    }

    /// Whether every part fits a stream of so many partitions.
    #[must_use]
    pub fn fits(&self, partition_count: u16) -> bool {
        let count = usize::from(partition_count);
        let positions = self.positions.len() == count && self.positions.iter().all(|position| position.slot > 0);
        match &self.phase {
            Phase::Snapshot { partition: 0, after: None, targets } if self.is_to_begin() => targets.is_empty(),
            Phase::Snapshot { partition, targets, .. } => {
                positions && *partition < partition_count && targets.len() == usize::from(*partition)
            }
            Phase::Live { targets } => positions && (targets.is_empty() || targets.len() == count),
        }
    }

    /// The farther of two: what both readers have together passed. Commutative, associative and idempotent, so commits
    /// can arrive in any order and more than once.
    ///
    /// Of two bootstraps the one that began later is farther, as a whole: their progress is never mixed, because what one
    /// passed, the other may have neither shown nor read yet. Within one, reading the log is farther than any snapshot, then
    /// the snapshot that read more. Readers of one bootstrap, as those of the log, together passed what each of them did. A
    /// bootstrap that has not begun yet is farther than the log without one: what is read there, it will not have shown.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        match self.bootstrap.cmp(&other.bootstrap) {
            Ordering::Greater => return self.clone(),
            Ordering::Less => return other.clone(),
            Ordering::Equal => {}
        }
        match (&self.phase, &other.phase) {
            _ if self.is_to_begin() => self.clone(),
            _ if other.is_to_begin() => other.clone(),
            (Phase::Live { .. }, Phase::Live { .. }) => {
                // Who is farther in a partition says what is still missing there.
                let farther = self.places().zip(other.places()).map(|(own, other)| own.max(other));
                let (positions, targets) = farther.unzip();
                Self { bootstrap: self.bootstrap, phase: Phase::Live { targets }, positions }.settled()
            }
            (Phase::Live { .. }, Phase::Snapshot { .. }) => self.clone(),
            (Phase::Snapshot { .. }, Phase::Live { .. }) => other.clone(),
            (
                Phase::Snapshot { partition: own_partition, after: own_after, targets: own_targets },
                Phase::Snapshot { partition, after, targets },
            ) => {
                let own = (&self.positions, own_partition, own_after, own_targets);
                if own >= (&other.positions, partition, after, targets) { self.clone() } else { other.clone() }
            }
        }
    }
}

impl From<KeyHash> for [u8; 16] {
    fn from(hash: KeyHash) -> Self {
        hash.0
    }
}

/// Any progress that fits a stream of so many partitions.
#[cfg(test)]
pub(crate) fn arbitrary_progress(
    partitions: std::ops::RangeInclusive<usize>,
) -> impl proptest::strategy::Strategy<Value = Progress> {
    use proptest::prelude::*;
    // Few different values, so that equal and unequal ones both occur.
    let position = |(slot, offset)| Position { slot, offset: slot * 10 + offset };
    partitions.prop_flat_map(move |count| {
        let positions = prop::collection::vec((1..4u64, 0..4u64).prop_map(position), count);
        let numbers = || prop_oneof![Just(Vec::new()), prop::collection::vec(0..40u64, count)];
        let snapshot =
            (0..count, prop::option::of(prop::array::uniform16(0..3u8))).prop_flat_map(|(partition, after)| {
                prop::collection::vec(0..40u64, partition).prop_map(move |targets| Phase::Snapshot {
                    partition: u16::try_from(partition).expect("few partitions"),
                    after,
                    targets,
                })
            });
        let live = numbers().prop_map(|targets| Phase::Live { targets });
        let phase = prop_oneof![live, snapshot];
        prop_oneof![
            1 => Just(Progress::bootstrap()),
            9 => (0..3u64, phase, positions)
                .prop_map(|(bootstrap, phase, positions)| Progress { bootstrap, phase, positions }.settled()),
        ]
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Commits form a ratchet: in any order, any number of times, the result is the same, and never behind.
        #[test]
        fn joining_is_a_least_upper_bound(
            one in arbitrary_progress(3..=3), other in arbitrary_progress(3..=3), third in arbitrary_progress(3..=3)
        ) {
            prop_assert_eq!(one.join(&one), one.clone());
            prop_assert_eq!(one.join(&other), other.join(&one));
            let joined = one.join(&other);
            prop_assert_eq!(joined.join(&one), joined.clone());
            prop_assert_eq!(one.join(&other).join(&third), one.join(&other.join(&third)));
            prop_assert!(joined.fits(3));
        }

        #[test]
        fn positions_never_go_back(one in arbitrary_progress(2..=2), other in arbitrary_progress(2..=2)) {
            let joined = one.join(&other);
            prop_assert!(joined.bootstrap >= one.bootstrap);
            if !one.in_snapshot() && joined.bootstrap == one.bootstrap && !joined.positions.is_empty() {
                prop_assert!(!joined.in_snapshot());
                prop_assert!(joined.positions.iter().zip(&one.positions).all(|(new, old)| new >= old));
            }
        }

        /// Whatever was committed before, what a bootstrap that began later has passed replaces it.
        #[test]
        fn a_later_bootstrap_replaces_an_earlier_one_as_a_whole(
            one in arbitrary_progress(2..=2), other in arbitrary_progress(2..=2)
        ) {
            let later = Progress { bootstrap: one.bootstrap + 1, ..other };
            prop_assert_eq!(one.join(&later), later);
        }

        #[test]
        fn the_log_is_farther_than_the_snapshot_before_it(
            snapshot in arbitrary_progress(2..=2)
                .prop_filter("a snapshot", |progress| progress.in_snapshot() && !progress.positions.is_empty()),
            log in arbitrary_progress(2..=2).prop_filter("the log", |progress| !progress.in_snapshot())
        ) {
            let mut log = log;
            log.bootstrap = snapshot.bootstrap;
            prop_assert_eq!(snapshot.join(&log), log.clone());
            prop_assert!(snapshot.goes_back_from(&log));
        }

        #[test]
        fn going_on_is_not_going_back(one in arbitrary_progress(2..=2), other in arbitrary_progress(2..=2)) {
            prop_assert!(!one.goes_back_from(&one));
            if !one.in_snapshot() && !other.in_snapshot() {
                let joined = Progress::live(one.positions.iter().zip(&other.positions).map(|(a, b)| *a.max(b)).collect());
                prop_assert!(!joined.goes_back_from(&one));
                prop_assert_eq!(one.goes_back_from(&joined), one.positions != joined.positions);
            }
        }

        #[test]
        fn progress_of_another_stream_does_not_fit(progress in arbitrary_progress(2..=5)) {
            if !progress.positions.is_empty() {
                prop_assert!(!progress.fits(u16::try_from(progress.positions.len()).expect("few") + 1));
                prop_assert!(!progress.fits(1));
            }
        }
    }
}
