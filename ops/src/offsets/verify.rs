//! Whether what is stored keeps the invariants of the protocol.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ledger::Verified;
use ledger::model::StreamName;
use serde::Serialize;

use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::Result;
use crate::names;
use crate::output::{Row, is_watched, say};

/// Checks what is stored of a stream.
#[derive(Clone, Debug, clap::Args)]
pub struct Verify {
    /// The stream
    #[arg(value_parser = names::stream)]
    stream: StreamName,
}

/// Something that must not be.
#[derive(Clone, Debug, Serialize)]
struct ViolationRow {
    partition: u16,
    what: String,
}

impl Row for ViolationRow {
    const COLUMNS: &'static [&'static str] = &["partition", "what"];

    fn cells(&self) -> Vec<String> {
        vec![self.partition.to_string(), self.what.clone()]
    }
}

impl Verify {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let bar = bar(desk.ledger.describe_stream(&self.stream).await.map_or(0, |described| described.events));
        let verified = desk.ledger.verify(&self.stream, |records| bar.inc(records)).await;
        bar.finish_and_clear();
        let Verified { record_batches, keys, subscriptions, violations } = verified?;
        let looked_at = format!("{record_batches} record batches, {keys} keys and {subscriptions} subscriptions");
        say(&format!("looked at {looked_at} of {}", self.stream));
        let row = |violation: ledger::Violation| ViolationRow { partition: violation.partition, what: violation.what };
        let rows: Vec<_> = violations.into_iter().map(row).collect();
        desk.output.rows("violations", &rows)?;
        Ok(if rows.is_empty() { Exit::Done } else { Exit::Failed })
    }
}

fn bar(events: u64) -> ProgressBar {
    let bar = ProgressBar::new(events);
    if !is_watched() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} records, {eta} left") {
        bar.set_style(style);
    }
    bar
}
