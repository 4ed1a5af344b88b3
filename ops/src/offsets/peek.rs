//! Records as they are stored.

use ledger::model::{Data, Record, StreamName};
use ledger::{StoredBatch, StoredRecords};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::names;
use crate::output::Row;

/// Shows records as they are stored.
#[derive(Clone, Debug, clap::Args)]
pub struct Peek {
    /// The stream
    #[arg(value_parser = names::stream)]
    stream: StreamName,
    /// Partition
    #[arg(long, default_value_t = 0)]
    partition: u16,
    /// First offset
    #[arg(long, value_name = "OFFSET")]
    offset: u64,
    /// How many records
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    count: u16,
    /// Show what they say; it may be about people
    #[arg(long)]
    payload: bool,
}

/// A record, or a record batch that cannot be read.
#[derive(Clone, Debug, Serialize)]
struct StoredRow {
    offset: u64,
    slot: u64,
    accepted_at: String,
    state: &'static str,
    key: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    /// Of its data; absent for a tombstone.
    bytes: Option<usize>,
    /// Only where it was asked for.
    data: Option<Box<RawValue>>,
}

impl Row for StoredRow {
    const COLUMNS: &'static [&'static str] =
        &["offset", "slot", "accepted at", "state", "key", "type", "bytes", "data"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.offset.to_string(),
            self.slot.to_string(),
            self.accepted_at.clone(),
            self.state.to_owned(),
            self.key.clone().unwrap_or_default(),
            self.event_type.clone().unwrap_or_default(),
            self.bytes.map_or_else(String::new, |bytes| bytes.to_string()),
            self.data.as_ref().map_or_else(String::new, |data| data.get().to_owned()),
        ]
    }
}

impl Peek {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let count = usize::from(self.count);
        let batches = desk.ledger.peek(&self.stream, self.partition, self.offset, count).await;
        let batches = batches.map_err(|error| match error {
            ledger::Error::Refused { detail, .. } => Failure::NotFound(format!("{}: {detail}", self.stream)),
            other => other.into(),
        })?;
        let mut rows: Vec<_> = batches.iter().flat_map(|batch| self.rows(batch)).collect();
        rows.truncate(count);
        desk.output.rows("records", &rows)?;
        let damaged = batches.iter().any(|batch| matches!(batch.records, StoredRecords::Damaged));
        Ok(if damaged { Exit::Failed } else { Exit::Done })
    }

    fn rows(&self, batch: &StoredBatch) -> Vec<StoredRow> {
        let row = |offset: u64, state| StoredRow {
            offset,
            slot: batch.slot,
            accepted_at: batch.accepted_at.to_string(),
            state,
            key: None,
            event_type: None,
            bytes: None,
            data: None,
        };
        let record = |record: &Record| {
            let event = &record.event;
            let text = event.data.as_ref().map(Data::as_str);
            let state = if batch.expired { "expired" } else { "readable" };
            StoredRow {
                key: event.key.as_ref().map(|key| key.as_str().to_owned()),
                event_type: Some(event.event_type.as_str().to_owned()),
                bytes: text.map(str::len),
                // As it was sent, to the last digit.
                data: text.filter(|_| self.payload).and_then(|text| RawValue::from_string(text.to_owned()).ok()),
                ..row(record.offset, state)
            }
        };
        match &batch.records {
            StoredRecords::Readable(records) => {
                records.iter().filter(|record| record.offset >= self.offset).map(record).collect()
            }
            StoredRecords::Damaged => vec![row(batch.base_offset, "DAMAGED")],
            StoredRecords::Gone => vec![row(batch.base_offset, "gone")],
        }
    }
}
