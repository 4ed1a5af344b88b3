//! The work of those that watch: the keeper's samples and sweeps, and the rounds of the canary with all that they ask for.

use platform::functions::SCHEDULES;

use super::units::{self, Stored};
use super::work::{BEGUN_MS, Month, Part, Work};
use super::workload::HOURS;

/// What the canary's event takes, compressed or not.
const CANARY_EVENT_BYTES: f64 = 80.0;
/// The requests of a round of the canary, in turn (`services/canary/src/round.rs`).
pub const ROUND: [&str; 7] = ["create_stream", "create_subscription", "poll", "publish", "poll", "commit", "poll"];
/// API keys that there are beside those of publishers and subscribers: an admin's and the canary's.
const FURTHER_KEYS: f64 = 2.0;

impl Month<'_> {
    /// How the canary's stream is.
    #[must_use]
    pub fn stored_of_canary(&self) -> Stored {
        self.figures.measured.stored_small(CANARY_EVENT_BYTES)
    }

    /// The keeper's look at the subscriptions. Who reads page by page is behind whenever it is looked at.
    #[must_use]
    pub fn sample(&self) -> Work {
        let places =
            f64::from(self.workload.subscribers) * f64::from(self.volume.partitions) * self.workload.busy_share;
        let canary = self.stored_of_canary().sampled(0.0) * f64::from(u8::from(self.workload.environment.canary));
        let units = units::keeper(false) + self.stored().sampled(places) + canary;
        let sample = self.woken(Part::Watching, "sample", "sample", times("sample"), self.busy_ms(6.0, 0.0));
        Work { units, ..sample }
    }

    /// The keeper's sweep.
    #[must_use]
    pub fn sweep(&self) -> Work {
        let keys = 1.0 + f64::from(self.workload.subscribers) + FURTHER_KEYS;
        let canary = self.stored_of_canary().swept() * f64::from(u8::from(self.workload.environment.canary));
        let units = units::keeper(true) + units::keys_looked_at(keys) + self.stored().swept() + canary;
        let sweep = self.woken(Part::Watching, "sweep", "sweep", times("sweep"), self.busy_ms(keys + 12.0, 0.0));
        Work { units, ..sweep }
    }

    /// A round of the canary: itself, and all that it asks for.
    #[must_use]
    pub fn round(&self) -> Work {
        let asked: f64 = ROUND.iter().map(|_| self.busy_ms(3.0, 1.0) + BEGUN_MS).sum();
        let requests = ROUND.len() as f64;
        let way = requests * self.figures.assumed.edge_ms.value;
        let lines = ROUND.iter().map(|operation| self.figures.measured.line(operation)).sum::<f64>();
        let woken = self.woken(Part::Watching, "round of the canary", "round", times("round"), asked + way);
        Work {
            requests,
            invocations: 1.0 + requests,
            compute_ms: woken.compute_ms + asked,
            log_bytes: woken.log_bytes + lines,
            access_bytes: self.access_lines(requests),
            units: units::canary(&self.stored_of_canary()),
            ..woken
        }
    }

    /// The compaction of the canary's event.
    #[must_use]
    pub fn canary_compaction(&self) -> Work {
        let name = "compaction of the canary's event";
        let woken = self.woken(Part::Watching, name, "compact_partitions", times("round"), self.busy_ms(4.0, 1.0));
        Work { units: self.stored_of_canary().compaction(0.0, 1.0), ..woken }
    }
}

/// How often something is due in a month.
fn times(name: &str) -> f64 {
    let schedule = SCHEDULES.iter().find(|schedule| schedule.name == name);
    match schedule.map(|schedule| schedule.rate) {
        Some("rate(1 minute)") => HOURS * 60.0,
        Some("rate(1 hour)") => HOURS,
        other => unreachable!("a schedule `{name}` that is due {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schedule_has_times() {
        let all: Vec<f64> = SCHEDULES.iter().map(|schedule| times(schedule.name)).collect();
        assert_eq!(all, [730.0, 43_800.0, 43_800.0]);
    }
}
