//! The times of a history: periods of a length that people know, few enough to be seen side by side.

use ledger::Timestamp;

use crate::failure::{Failure, Result};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// How many periods there are at most, and the one that has begun.
const MOST: u64 = 84;
/// For how long CloudWatch keeps what it has.
const KEPT_DAYS: u64 = 455;
/// The longest period that CloudWatch is asked for; what is longer is put together here.
const LONGEST_ASKED_MS: u64 = DAY_MS;
/// Each divides the ones that are shown on axes.
const STEPS: [u64; 17] = [
    MINUTE_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    15 * MINUTE_MS,
    20 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    3 * HOUR_MS,
    4 * HOUR_MS,
    6 * HOUR_MS,
    8 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    7 * DAY_MS,
];

/// Periods, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// When the first begins, which is a multiple of their length, as CloudWatch has it.
    start: Timestamp,
    /// How long each is.
    pub(super) step_ms: u64,
    /// How many, with the one of now.
    pub(super) slots: usize,
}

impl Grid {
    /// The periods from so long ago until now.
    pub(super) fn of(now: Timestamp, since_ms: u64) -> Result<Self> {
        if since_ms > KEPT_DAYS * DAY_MS {
            return Err(Failure::Usage(format!(
                "CloudWatch keeps metrics for {KEPT_DAYS} days; ask for --since {KEPT_DAYS}d"
            )));
        }
        let fits = |step: &u64| since_ms.div_ceil(*step) <= MOST;
        let step_ms = STEPS.into_iter().find(fits).unwrap_or(7 * DAY_MS);
        let start = now.0.saturating_sub(since_ms) / step_ms * step_ms;
        let slots = now.since(Timestamp(start)) / step_ms + 1;
        Ok(Self { start: Timestamp(start), step_ms, slots: usize::try_from(slots).unwrap_or(usize::MAX) })
    }

    /// When a period begins.
    pub(super) fn time(&self, slot: usize) -> Timestamp {
        self.start.plus(self.step_ms.saturating_mul(slot as u64))
    }

    /// When the last one ends.
    pub(super) fn end(&self) -> Timestamp {
        self.time(self.slots)
    }

    /// The period that a time is in.
    pub(super) fn slot(&self, time: Timestamp) -> Option<usize> {
        if time < self.start || time >= self.end() {
            return None;
        }
        usize::try_from(time.since(self.start) / self.step_ms).ok()
    }

    /// The period that CloudWatch is asked for, in seconds: one or several make one of these.
    pub(super) fn asked_seconds(&self) -> i32 {
        i32::try_from(self.step_ms.min(LONGEST_ASKED_MS) / 1_000).unwrap_or(i32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_as_long_as_it_takes_to_have_few() {
        let now = Timestamp::parse("2026-01-31T12:34:56Z").unwrap();
        for (since, step, slots, start) in [
            (HOUR_MS, MINUTE_MS, 61, "2026-01-31T11:34:00.000Z"),
            (DAY_MS, 20 * MINUTE_MS, 73, "2026-01-30T12:20:00.000Z"),
            (7 * DAY_MS, 2 * HOUR_MS, 85, "2026-01-24T12:00:00.000Z"),
            (30 * DAY_MS, 12 * HOUR_MS, 61, "2026-01-01T12:00:00.000Z"),
        ] {
            let grid = Grid::of(now, since).unwrap();
            assert_eq!((grid.step_ms, grid.slots, grid.time(0).to_string().as_str()), (step, slots, start));
            assert!(grid.slot(now) == Some(slots - 1) && grid.end() > now, "{grid:?}");
            assert_eq!(u64::try_from(grid.asked_seconds()).unwrap() * 1_000, step);
        }
        let longest = Grid::of(now, KEPT_DAYS * DAY_MS).unwrap();
        assert!(longest.slots <= 85 && longest.asked_seconds() == 86_400, "{longest:?}");
        assert_eq!(Grid::of(now, (KEPT_DAYS + 1) * DAY_MS).unwrap_err().exit(), crate::exit::Exit::Usage);
    }

    #[test]
    fn a_time_is_in_one_period_or_none() {
        let grid = Grid::of(Timestamp(10 * MINUTE_MS), 5 * MINUTE_MS).unwrap();
        let slots = [4, 5, 6, 10, 11].map(|minute| grid.slot(Timestamp(minute * MINUTE_MS + 1)));
        assert_eq!(slots, [None, Some(0), Some(1), Some(5), None]);
    }
}
