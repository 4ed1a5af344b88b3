//! What was changed by hand, whichever tool did it: the records that the table keeps for good.

use ledger::{AuditRecord, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::Row;
use crate::time::Duration;

/// Shows what was changed by hand.
#[derive(Clone, Debug, clap::Args)]
pub struct Audit {
    /// How far to look back
    #[arg(long, value_name = "DURATION", default_value = "7d")]
    since: Duration,
    /// Only where the subject holds this text, such as api-key/ or the id of a key
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
}

/// A change.
#[derive(Clone, Debug, Serialize)]
struct AuditRow {
    at: String,
    id: String,
    who: String,
    what: String,
    subject: String,
    before: Value,
    after: Value,
    reason: String,
}

impl From<AuditRecord> for AuditRow {
    fn from(record: AuditRecord) -> Self {
        // What is no JSON is shown as it is: this is where somebody looks when something is wrong.
        let value = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self {
            at: record.at.to_string(),
            id: record.id,
            who: record.who,
            what: record.what,
            subject: record.subject,
            before: value(record.before),
            after: value(record.after),
            reason: record.reason,
        }
    }
}

impl Row for AuditRow {
    const COLUMNS: &'static [&'static str] = &["at", "who", "what", "subject", "before", "after", "reason"];

    fn cells(&self) -> Vec<String> {
        let texts = [&self.at, &self.who, &self.what, &self.subject].map(String::clone);
        [&texts[..], &[self.before.to_string(), self.after.to_string(), self.reason.clone()]].concat()
    }
}

impl Audit {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let since = Timestamp(desk.ledger.clock().now().0.saturating_sub(self.since.0));
        let mut records = desk.ledger.audit_records(since).await?;
        records.retain(|record| self.subject.as_ref().is_none_or(|text| record.subject.contains(text)));
        desk.output.rows("audit_records", &records.into_iter().map(AuditRow::from).collect::<Vec<_>>())?;
        Ok(Exit::Done)
    }
}
