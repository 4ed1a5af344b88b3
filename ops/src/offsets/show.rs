//! Where a subscription stands.

use ledger::{Observation, PartitionObservation, Status};
use serde::Serialize;

use super::Which;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::Row;
use crate::time::short;

/// Shows where a subscription stands.
#[derive(Clone, Debug, clap::Args)]
pub struct Show {
    #[command(flatten)]
    which: Which,
}

/// Where it stands in a partition.
#[derive(Clone, Debug, Serialize)]
struct OffsetRow {
    partition: u16,
    committed: u64,
    tail: u64,
    lag_events: u64,
    lag_ms: u64,
    headroom_ms: Option<u64>,
    phase: &'static str,
    status: Status,
    generation: u64,
    begun_at: String,
    last_commit_at: Option<String>,
    last_poll_at: Option<String>,
}

impl Row for OffsetRow {
    const COLUMNS: &'static [&'static str] =
        &["partition", "committed", "tail", "lag", "behind", "headroom", "phase", "status", "last commit"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.partition.to_string(),
            self.committed.to_string(),
            self.tail.to_string(),
            self.lag_events.to_string(),
            short(self.lag_ms),
            self.headroom_ms.map_or_else(String::new, short),
            self.phase.to_owned(),
            self.status.as_str().to_owned(),
            self.last_commit_at.clone().unwrap_or_else(|| "never".to_owned()),
        ]
    }
}

impl OffsetRow {
    fn of(seen: &Observation, partition: &PartitionObservation) -> Self {
        Self {
            partition: partition.partition,
            committed: partition.committed,
            tail: partition.tail,
            lag_events: partition.lag.events,
            lag_ms: partition.lag.ms,
            headroom_ms: partition.headroom_ms,
            phase: if seen.in_snapshot { "snapshot" } else { "live" },
            status: seen.status,
            generation: seen.generation,
            begun_at: seen.begun_at.to_string(),
            last_commit_at: seen.commits.last().map(|commit| commit.at.to_string()),
            last_poll_at: seen.last_poll_at.map(|time| time.to_string()),
        }
    }
}

impl Show {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let seen = desk.ledger.observe(&self.which.stream, Some(&self.which.subscription)).await?;
        let rows = |seen: &Observation| {
            seen.partitions.iter().map(|partition| OffsetRow::of(seen, partition)).collect::<Vec<_>>()
        };
        desk.output.rows("offsets", &seen.iter().flat_map(rows).collect::<Vec<_>>())?;
        Ok(Exit::Done)
    }
}
