//! Workloads: what is published and read in a month, as a file says. What a file does not know is refused, and so is what the bill
//! knows nothing of.

use std::path::Path;

use ledger::limits;
use serde::Deserialize;

use super::figures::Assumed;
use crate::failure::{Failure, Result};

/// Those that are used when none is named.
const BUILT_IN: [&str; 2] =
    [include_str!("../../../cost/scenarios/batched.json"), include_str!("../../../cost/scenarios/single.json")];

/// Hours in a month, as AWS counts them.
pub const HOURS: f64 = 730.0;
/// Seconds in a month.
pub const SECONDS: f64 = HOURS * 3_600.0;
/// A fleet that is asked for less is no fleet, and one that is asked for more is another bill.
const EVENTS_PER_MONTH: std::ops::RangeInclusive<u64> = 1..=100_000_000_000;

/// What is published and read, at several volumes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// What it is called.
    pub name: String,
    /// Each is a bill of its own.
    pub volumes: Vec<Volume>,
    /// The JSON of an event.
    pub event_bytes: u32,
    /// Events of a publish.
    pub events_per_publish: u32,
    /// Whether publishes carry an Idempotency-Key.
    pub idempotency_keys: bool,
    /// Subscriptions that read everything and commit each page.
    pub subscribers: u32,
    /// Events of a page.
    pub events_per_poll: u32,
    /// How much of the month events come, evenly; else none do.
    pub busy_share: f64,
    /// Seconds between the polls of a subscriber that finds nothing.
    pub idle_poll_seconds: f64,
    /// Of the events that a round of compaction reads, how many are the last of their key.
    pub last_of_key_share: f64,
    /// How many keys there are for each event of a month.
    pub keys_share: f64,
    /// For how long events can be read.
    pub retention_hours: u32,
    /// How much of what is read leaves AWS for the internet.
    pub internet_share: f64,
    /// The environment that does it.
    pub environment: Environment,
}

/// How much.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// Events of a month.
    pub events_per_month: u64,
    /// Partitions of the stream.
    pub partitions: u16,
    /// What it is meant to cost at the most, in US dollars.
    #[serde(default)]
    pub target_dollars: Option<f64>,
}

/// What an environment has, as `infra/modules` and `environments/*/terraform.tfvars` set it up.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Memory of a Lambda.
    pub memory_megabytes: u32,
    /// For how long lines are kept.
    pub log_retention_days: u32,
    /// Whether the table can be restored to any second.
    pub recovery: bool,
    /// Whether there is a canary.
    pub canary: bool,
    /// Whether API Gateway writes a line for each request.
    pub access_log: bool,
    /// Whether there are alarms and dashboards, and series for them.
    pub watched: bool,
}

impl Workload {
    /// That of a file, or the built-in ones.
    ///
    /// # Errors
    /// When the file cannot be read, or is no such file, or what it says is beyond what the bill knows.
    pub fn read(file: Option<&Path>, assumed: &Assumed) -> Result<Vec<Self>> {
        let workloads: Vec<Self> = match file {
            Some(_) => vec![super::read("workload", file, "")?],
            None => BUILT_IN.iter().map(|text| super::read("workload", None, text)).collect::<Result<_>>()?,
        };
        workloads.iter().try_for_each(|workload| workload.check(assumed))?;
        Ok(workloads)
    }

    fn check(&self, assumed: &Assumed) -> Result<()> {
        let share = |share: f64| (0.0..=1.0).contains(&share);
        let within = |count: u32, most: usize| count >= 1 && count as usize <= most;
        let known = [
            (within(self.event_bytes, limits::DATA_BYTES), format!("event_bytes is 1 to {}", limits::DATA_BYTES)),
            (
                within(self.events_per_publish, limits::EVENTS_PER_REQUEST),
                format!("events_per_publish is 1 to {}", limits::EVENTS_PER_REQUEST),
            ),
            (
                within(self.events_per_poll, limits::PAGE_ITEMS as usize),
                format!("events_per_poll is 1 to {}", limits::PAGE_ITEMS),
            ),
            (within(self.subscribers, 1_000), "subscribers is 1 to 1000".to_owned()),
            (share(self.busy_share) && self.busy_share > 0.0, "busy_share is more than 0, and 1 at most".to_owned()),
            (self.idle_poll_seconds >= 0.2, "idle_poll_seconds is 0.2 or more".to_owned()),
            (share(self.last_of_key_share), "last_of_key_share is 0 to 1".to_owned()),
            (share(self.keys_share), "keys_share is 0 to 1".to_owned()),
            (share(self.internet_share), "internet_share is 0 to 1".to_owned()),
            (limits::RETENTION_HOURS.contains(&self.retention_hours), "retention_hours is 1 to 87600".to_owned()),
            (
                (128..=10_240).contains(&self.environment.memory_megabytes),
                "memory_megabytes is 128 to 10240".to_owned(),
            ),
            (!self.volumes.is_empty(), "volumes has one at least".to_owned()),
        ];
        let wrong = known.into_iter().find(|(holds, _)| !holds).map(|(_, sentence)| sentence);
        let wrong = wrong.or_else(|| self.volumes.iter().find_map(|volume| self.beyond(volume, assumed)));
        match wrong {
            Some(sentence) => Err(Failure::Failed(format!("workload `{}`: {sentence}", self.name))),
            None => Ok(()),
        }
    }

    /// Why a volume is beyond what the bill knows.
    fn beyond(&self, volume: &Volume, assumed: &Assumed) -> Option<String> {
        if !EVENTS_PER_MONTH.contains(&volume.events_per_month) {
            return Some("events_per_month is 1 to 100000000000".to_owned());
        }
        if !(1..=limits::PARTITIONS).contains(&volume.partitions) {
            return Some(format!("partitions is 1 to {}", limits::PARTITIONS));
        }
        let (most, each) = (assumed.publishes_per_second.value, self.publishes_per_partition_and_second(volume));
        (each > most).then(|| {
            format!(
                "{} events a month are {each:.0} publishes a second for each partition, and a fleet is planned for \
                 {most:.0} at most: more partitions, or more events in a publish",
                volume.events_per_month
            )
        })
    }

    /// Publishes of a second in which events come.
    #[must_use]
    pub fn publishes_per_second(&self, volume: &Volume) -> f64 {
        volume.events_per_month as f64 / f64::from(self.events_per_publish) / (SECONDS * self.busy_share)
    }

    /// How many partitions a publish touches: each key has its own, drawn evenly.
    #[must_use]
    pub fn touched(&self, volume: &Volume) -> f64 {
        let partitions = f64::from(volume.partitions);
        partitions * (1.0 - (1.0 - 1.0 / partitions).powi(self.events_per_publish.cast_signed()))
    }

    /// Publishes that each partition gets in a second in which events come.
    #[must_use]
    pub fn publishes_per_partition_and_second(&self, volume: &Volume) -> f64 {
        self.publishes_per_second(volume) * self.touched(volume) / f64::from(volume.partitions)
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::Figures;
    use super::*;

    fn assumed() -> Assumed {
        Figures::built_in().unwrap().assumed
    }

    #[test]
    fn the_built_in_workloads_are_of_three_volumes_each() {
        let workloads = Workload::read(None, &assumed()).unwrap();
        let told = workloads.iter().map(|workload| {
            let volumes = workload.volumes.iter().map(|volume| volume.events_per_month / 1_000_000);
            (workload.event_bytes, workload.events_per_publish, workload.subscribers, volumes.collect::<Vec<_>>())
        });
        assert_eq!(told.collect::<Vec<_>>(), [(600, 25, 2, vec![3, 30, 300]), (600, 1, 2, vec![3, 30, 300])]);
        let targets = workloads[0].volumes.iter().map(|volume| volume.target_dollars);
        assert_eq!(targets.collect::<Vec<_>>(), [12.0, 27.0, 172.0].map(Some));
    }

    #[test]
    fn what_the_bill_knows_nothing_of_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("workload.json");
        let told = |from: &str, to: &str| {
            assert!(BUILT_IN[1].contains(from), "{from}");
            std::fs::write(&file, BUILT_IN[1].replace(from, to)).unwrap();
            Workload::read(Some(&file), &assumed()).unwrap_err().to_string()
        };
        let misspelt = told("\"subscribers\"", "\"subscriber\"");
        assert!(misspelt.contains("unknown field `subscriber`"), "{misspelt}");
        assert!(told("\"busy_share\": 0.5", "\"busy_share\": 0").contains("busy_share is more than 0"));
        assert!(told("\"events_per_publish\": 1", "\"events_per_publish\": 1001").contains("is 1 to 1000"));
        let hot = told("\"partitions\": 8", "\"partitions\": 1");
        assert!(hot.contains("228 publishes a second for each partition"), "{hot}");
    }
}
