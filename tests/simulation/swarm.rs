//! What is drawn first: which faults a run has and how strong, how large its world is, and what else happens in it. No run
//! has everything, because some faults hide others.

use crate::dice::Dice;

pub(crate) const HOUR_MS: u64 = 3_600_000;
pub(crate) const DAY_MS: u64 = 24 * HOUR_MS;

/// Chances per thousand of what befalls a call of the store. Zero where a run has none of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallFaults {
    pub(crate) throttle: u64,
    pub(crate) error_before: u64,
    pub(crate) reset: u64,
    pub(crate) conflict: u64,
    pub(crate) error_after: u64,
    pub(crate) lost_reply: u64,
    pub(crate) silence: u64,
    pub(crate) zombie: u64,
    pub(crate) cut_page: u64,
    pub(crate) empty_page: u64,
    pub(crate) torn: u64,
    /// A call that succeeds, late: between it and the next of its request much can happen.
    pub(crate) slow: u64,
    /// A transaction that is said to be at work already.
    pub(crate) in_progress: u64,
}

/// The doorbell's faults, per thousand rings.
#[derive(Clone, Debug, Default)]
pub(crate) struct DoorbellFaults {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    /// Longest delay of a ring; delays reorder rings.
    pub(crate) delay_ms: u64,
}

/// A leap of all clocks over a quiet time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leap {
    /// Past every cache.
    Caches,
    /// Past the retention, and not far past it.
    Retention,
    /// Past the age at which an uncompacted log stops publishing.
    Stall,
    /// Past retention and grace, in two steps with a sweep between; then time to live may delete.
    Grace,
    /// The same, and nobody swept: heads are lost.
    Neglect,
}

/// How one run is.
#[derive(Clone, Debug)]
pub(crate) struct Swarm {
    pub(crate) calls: CallFaults,
    pub(crate) doorbell: DoorbellFaults,
    /// Invocations that die at one of their store calls, per thousand.
    pub(crate) kill: u64,
    /// Invocations that are frozen at one of their store calls, per thousand.
    pub(crate) freeze: u64,
    /// Invocations that cannot reach the store any more after one of their writes, per thousand.
    pub(crate) cut_off: u64,
    /// Clocks of processes differ by up to so much from the true time, both ways.
    pub(crate) skew_ms: u64,
    pub(crate) partitions: u64,
    pub(crate) compaction: bool,
    pub(crate) publishers: u64,
    pub(crate) requests_each: u64,
    /// All publishers at once, without a pause.
    pub(crate) stampede: bool,
    /// Processes that publish take several requests at once, and notice when a client leaves.
    pub(crate) shares: bool,
    pub(crate) leaps: Vec<Leap>,
    /// Sweeps of the keeper while everybody is busy, besides those over quiet times.
    pub(crate) sweeps: u64,
    pub(crate) deletes: u64,
    /// Another stream shares the table.
    pub(crate) neighbour: bool,
    pub(crate) seeks: bool,
    /// A guest's API key is made, replaced and revoked.
    pub(crate) changes_keys: bool,
    pub(crate) floods: bool,
    pub(crate) poisons: bool,
    /// Before the world heals nothing can be compacted, by whomever.
    pub(crate) compactor_off: bool,
    /// Time to live deletes up to so much before its time, by its own clock.
    pub(crate) early_deletion_ms: u64,
}

/// Clocks of processes differ by no more than so much from the true time.
pub(crate) const MOST_SKEW_MS: u64 = 2_000;
/// The shortest retention there is, so that leaps need not be long.
pub(crate) const RETENTION_HOURS: u64 = 1;

impl Swarm {
    pub(crate) fn draw(dice: &Dice) -> Self {
        let often = |per_mille: u64, most: u64| if dice.chance(per_mille) { dice.between(1..=most) } else { 0 };
        let mut calls = CallFaults {
            throttle: often(400, 120),
            error_before: often(400, 100),
            reset: often(400, 100),
            conflict: often(400, 150),
            error_after: often(500, 150),
            lost_reply: often(500, 150),
            silence: often(300, 60),
            zombie: often(400, 100),
            cut_page: often(500, 300),
            empty_page: often(400, 80),
            torn: often(600, 900),
            slow: often(400, 300),
            in_progress: often(300, 60),
        };
        if dice.chance(200) {
            // A storm: for a while hardly anything gets through.
            let strength = dice.between(300..=950);
            match dice.between(0..=6) {
                0 => calls.throttle = strength,
                1 => calls.error_before = strength,
                // Only a conflict that does not end is answered as one.
                2..=4 => calls.conflict = 900 + strength / 10,
                5 => calls.error_after = strength,
                _ => calls.lost_reply = strength,
            }
        }
        let stampede = dice.chance(120);
        let doorbell =
            DoorbellFaults { lost: often(500, 300), doubled: often(500, 300), delay_ms: 50 + often(500, 5_000) };
        let leaps = match dice.between(0..=99) {
            0..=39 => Vec::new(),
            40..=54 => vec![Leap::Caches],
            55..=69 => vec![Leap::Retention],
            70..=79 => vec![Leap::Grace],
            80..=86 => vec![Leap::Stall],
            87..=89 => vec![Leap::Neglect],
            // What was kept once is neglected later.
            90 | 91 => vec![Leap::Grace, Leap::Neglect],
            _ => vec![Leap::Retention, Leap::Caches, Leap::Grace],
        };
        Self {
            calls,
            doorbell,
            kill: often(400, 200),
            freeze: often(300, 80),
            cut_off: often(400, 150),
            skew_ms: often(500, MOST_SKEW_MS),
            partitions: if stampede { 1 } else { *dice.one_of(&[1, 1, 2, 3]) },
            compaction: !dice.chance(40) || leaps.contains(&Leap::Stall),
            publishers: if stampede { 36 } else { dice.between(2..=4) },
            requests_each: if stampede { 1 } else { dice.between(5..=9) },
            stampede,
            shares: false,
            sweeps: often(300, 3),
            deletes: if dice.chance(250) { dice.between(1..=2) } else { 0 },
            neighbour: dice.chance(150),
            seeks: dice.chance(350),
            changes_keys: dice.chance(250),
            floods: dice.chance(80),
            poisons: dice.chance(80),
            compactor_off: dice.chance(100) || leaps.contains(&Leap::Stall),
            early_deletion_ms: often(500, 3 * HOUR_MS),
            leaps,
        }
    }

    /// The same with processes that take several requests at once, and in half of the runs with many who ask.
    pub(crate) fn crowded(self, stampede: bool) -> Self {
        let crowd = Self { shares: true, ..self };
        if stampede { Self { stampede, partitions: 1, publishers: 36, requests_each: 2, ..crowd } } else { crowd }
    }

    /// The world without any fault, of this size.
    pub(crate) fn calm(partitions: u64) -> Self {
        Self {
            calls: CallFaults::default(),
            doorbell: DoorbellFaults::default(),
            kill: 0,
            freeze: 0,
            cut_off: 0,
            skew_ms: 0,
            partitions,
            compaction: true,
            publishers: 0,
            requests_each: 0,
            stampede: false,
            shares: false,
            leaps: Vec::new(),
            sweeps: 0,
            deletes: 0,
            neighbour: false,
            seeks: false,
            changes_keys: false,
            floods: false,
            poisons: false,
            compactor_off: false,
            early_deletion_ms: 0,
        }
    }
}
