//! The report: where each subscription stands in each partition, how fast it moves, and when it will be there.

use std::collections::BTreeMap;

use ledger::{Observation, PartitionObservation, Status};
use serde::Serialize;

use super::observe::{Seen, Selection};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::{Row, is_watched, say};
use crate::time::{Duration, short};

/// Shows where each subscription stands.
#[derive(Clone, Debug, clap::Args)]
pub struct Report {
    #[command(flatten)]
    selection: Selection,
    /// How long to look, to tell how fast they move, as in 30s
    #[arg(long, value_name = "DURATION", default_value = "5s", conflicts_with = "once")]
    over: Duration,
    /// Look once, and tell no speed
    #[arg(long)]
    once: bool,
}

/// A subscription in a partition.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LagRow {
    pub(super) stream: String,
    pub(super) subscription: String,
    pub(super) partition: u16,
    pub(super) status: Status,
    pub(super) committed: u64,
    pub(super) tail: u64,
    pub(super) lag_events: u64,
    pub(super) lag_ms: u64,
    pub(super) in_per_second: Option<f64>,
    pub(super) out_per_second: Option<f64>,
    /// Until it has caught up at this speed; absent where it does not.
    pub(super) eta_ms: Option<u64>,
    /// Until the first event that it has not committed expires.
    pub(super) headroom_ms: Option<u64>,
}

impl Row for LagRow {
    const COLUMNS: &'static [&'static str] = &[
        "stream",
        "subscription",
        "partition",
        "status",
        "committed",
        "tail",
        "lag",
        "behind",
        "in/s",
        "out/s",
        "eta",
        "headroom",
    ];

    fn cells(&self) -> Vec<String> {
        let speed = |speed: Option<f64>| speed.map_or_else(String::new, |speed| format!("{speed:.1}"));
        let time = |ms: Option<u64>| ms.map_or_else(String::new, short);
        vec![
            self.stream.clone(),
            self.subscription.clone(),
            self.partition.to_string(),
            self.status.as_str().to_owned(),
            self.committed.to_string(),
            self.tail.to_string(),
            self.lag_events.to_string(),
            short(self.lag_ms),
            speed(self.in_per_second),
            speed(self.out_per_second),
            time(self.eta_ms),
            time(self.headroom_ms),
        ]
    }
}

impl Report {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let first = self.selection.observe(desk).await?;
        let (before, last) = if self.once {
            (None, first)
        } else {
            if is_watched() {
                say(&format!("looking again in {}; --once looks but once", short(self.over.0)));
            }
            desk.ledger.clock().sleep(self.over.0).await;
            (Some(first), self.selection.observe(desk).await?)
        };
        last.tell();
        desk.output.rows("positions", &rows(before.as_ref(), &last))?;
        Ok(if last.is_complete() { Exit::Done } else { Exit::Failed })
    }
}

/// A row for each partition of each subscription.
pub(super) fn rows(before: Option<&Seen>, now: &Seen) -> Vec<LagRow> {
    let key = |seen: &Observation| (seen.stream.clone(), seen.subscription.clone());
    let before: BTreeMap<_, _> =
        before.iter().flat_map(|seen| &seen.observations).map(|seen| (key(seen), seen)).collect();
    let of = |seen: &Observation| {
        // After a seek, or in another life, it did not move from there.
        let before = before.get(&key(seen)).filter(|before| before.generation == seen.generation).copied().cloned();
        let row = |partition: &PartitionObservation| row(before.as_ref(), seen, partition);
        seen.partitions.iter().map(row).collect::<Vec<_>>()
    };
    now.observations.iter().flat_map(of).collect()
}

fn row(before: Option<&Observation>, now: &Observation, partition: &PartitionObservation) -> LagRow {
    let earlier = before.and_then(|seen| seen.partitions.get(usize::from(partition.partition)).map(|one| (seen, one)));
    let speeds = earlier.and_then(|(seen, one)| {
        let seconds = now.observed_at.since(seen.observed_at) as f64 / 1_000.0;
        let speed = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds;
        (seconds > 0.0).then(|| (speed(one.tail, partition.tail), speed(one.committed, partition.committed)))
    });
    let eta_ms = match speeds {
        _ if partition.lag.events == 0 => Some(0),
        Some((comes, goes)) if goes > comes => Some((partition.lag.events as f64 / (goes - comes) * 1_000.0) as u64),
        _ => None,
    };
    LagRow {
        stream: now.stream.to_string(),
        subscription: now.subscription.to_string(),
        partition: partition.partition,
        status: now.status,
        committed: partition.committed,
        tail: partition.tail,
        lag_events: partition.lag.events,
        lag_ms: partition.lag.ms,
        in_per_second: speeds.map(|(comes, _)| comes),
        out_per_second: speeds.map(|(_, goes)| goes),
        eta_ms,
        headroom_ms: partition.headroom_ms,
    }
}
