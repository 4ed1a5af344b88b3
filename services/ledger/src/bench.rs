//! What micro-benchmarks may call of the inside of the ledger: writing and reading a record batch as it is stored, and the
//! fold of a round of compaction. Cursors need no door, because [`crate::model::cursor`] is open already.
//!
//! Nothing is measured here, and nothing of it is in a normal build: `just bench-micro` does, by `tests/benches/ledger.rs`.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::compact;
use crate::error::Result;
use crate::model::{Event, Record};
use crate::store::body::Body;
use crate::store::{Attributes, RecordBatch, packed};
use crate::table::SORT_KEY;

/// Encodes events as the body of a record batch: what a publish does for each item that it puts.
#[must_use]
pub fn encode(events: &[Event]) -> Vec<u8> {
    packed(&Body::encode(events))
}

/// An item of the log, as a query of the table brings it.
#[derive(Clone, Debug)]
pub struct StoredItem(Attributes);

impl StoredItem {
    /// The item at a slot, with these events from an offset on.
    #[must_use]
    pub fn new(slot: u64, base_offset: u64, events: &[Event]) -> Self {
        let number = |number: u64| AttributeValue::N(number.to_string());
        let bytes = |bytes: Vec<u8>| AttributeValue::B(Blob::new(bytes));
        let attributes = [
            (SORT_KEY, AttributeValue::S(format!("SEQ#{slot:020}"))),
            ("base_offset", number(base_offset)),
            ("count", number(events.len() as u64)),
            ("accepted_at", number(1_790_000_000_000)),
            ("batch_id", bytes(vec![7; 16])),
            ("body", bytes(encode(events))),
        ];
        Self(attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Reads its records: what a poll does with each item that it finds.
    ///
    /// # Errors
    /// `Internal` when it is no record batch, which one made by [`StoredItem::new`] is.
    pub fn records(&self) -> Result<Vec<Record>> {
        RecordBatch::read(&self.0)?.records(0)
    }
}

/// Reads items and folds them to the latest record of each key, as a round of compaction does, and answers how many keys there
/// are.
///
/// # Errors
/// As [`StoredItem::records`].
pub fn fold(items: &[StoredItem]) -> Result<usize> {
    compact::fold(items.iter().map(|item| &item.0))
}
