//! What happened to a subscription, as far as it is remembered.

use ledger::limits::HOUR_MS;
use ledger::{AuditRecord, Timestamp};
use serde::Serialize;

use super::Which;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::Row;
use crate::time::Duration;

/// Shows what happened to a subscription.
#[derive(Clone, Debug, clap::Args)]
pub struct History {
    #[command(flatten)]
    which: Which,
    /// How far to look back for changes by hand
    #[arg(long, value_name = "DURATION", default_value = "90d")]
    since: Duration,
}

/// Something that happened to it.
#[derive(Clone, Debug, Serialize)]
struct HistoryRow {
    at: String,
    what: String,
    /// Events that lay beyond a commit.
    lag_events: Option<u64>,
    who: Option<String>,
    reason: Option<String>,
    /// Offsets by partition, of a change by hand.
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
}

impl Row for HistoryRow {
    const COLUMNS: &'static [&'static str] = &["at", "what", "lag", "who", "before", "after", "reason"];

    fn cells(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let value = |value: &Option<serde_json::Value>| value.as_ref().map_or_else(String::new, ToString::to_string);
        vec![
            self.at.clone(),
            self.what.clone(),
            self.lag_events.map_or_else(String::new, |events| events.to_string()),
            text(&self.who),
            value(&self.before),
            value(&self.after),
            text(&self.reason),
        ]
    }
}

impl History {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let seen = desk.ledger.observe(&self.which.stream, Some(&self.which.subscription)).await?;
        let now = desk.ledger.clock().now();
        let since = Timestamp(now.0.saturating_sub(self.since.0));
        let subject = self.which.subject();
        let event = |at: Timestamp, what: &str| HistoryRow {
            at: at.to_string(),
            what: what.to_owned(),
            lag_events: None,
            who: None,
            reason: None,
            before: None,
            after: None,
        };
        let mut records = desk.ledger.audit_records(since).await?;
        records.retain(|record| record.subject == subject);
        let mut rows = Vec::new();
        for seen in &seen {
            rows.push((seen.created_at, event(seen.created_at, "created")));
            // One by hand is told by its record, which is written a moment later.
            let is_told = |record: &AuditRecord| seen.begun_at.is_within(HOUR_MS, record.at);
            if seen.begun_at != seen.created_at && !records.iter().any(is_told) {
                rows.push((seen.begun_at, event(seen.begun_at, "moved by a seek")));
            }
            let commit = |commit: &ledger::KnownCommit| {
                (commit.at, HistoryRow { lag_events: Some(commit.lag_events), ..event(commit.at, "commit") })
            };
            rows.extend(seen.commits.iter().map(commit));
        }
        for record in records {
            let by_hand = HistoryRow {
                who: Some(record.who),
                reason: Some(record.reason),
                before: serde_json::from_str(&record.before).ok(),
                after: serde_json::from_str(&record.after).ok(),
                ..event(record.at, &record.what)
            };
            rows.push((record.at, by_hand));
        }
        rows.sort_by_key(|(at, _)| *at);
        desk.output.rows("history", &rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>())?;
        Ok(Exit::Done)
    }
}
