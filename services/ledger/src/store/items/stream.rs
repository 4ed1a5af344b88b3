//! What a stream is. The item outlives the stream, so that the next life of the name inherits the key that signs its
//! cursors: only then can a cursor of the old life be told from a forged one.

use super::super::schema::{Key, STREAMS};
use super::super::{Attributes, Item, Outcome, Query, Range, Read, Store, Write};
use crate::answers::{PartitionId, Stream, StreamDefinition};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::limits;
use crate::model::{Incarnation, PartitionCount, RetentionHours, StreamName};
use crate::planted::{Bug, is_planted};
use crate::store::item::unreadable;
use crate::table::SORT_KEY;

/// A stream's definition and what only the ledger knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamItem {
    pub(crate) stream: Stream,
    /// Signs the cursors of every life of the name.
    pub(crate) cursor_key: [u8; 32],
    /// Set by the sweeper while compaction stands still.
    pub(crate) compactor_stalled: bool,
    /// When it was deleted; the name can be created again some time later.
    pub(crate) deleted_at: Option<Timestamp>,
}

impl StreamItem {
    pub(crate) fn name(&self) -> &StreamName {
        &self.stream.definition.name
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.stream.incarnation
    }

    pub(crate) fn partition_count(&self) -> u16 {
        self.stream.definition.partition_count.get()
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = PartitionId> + use<> {
        let incarnation = self.incarnation();
        (0..self.partition_count()).map(move |partition| PartitionId { incarnation, partition })
    }

    pub(crate) fn partition(&self, partition: u16) -> PartitionId {
        PartitionId { incarnation: self.incarnation(), partition }
    }

    pub(crate) fn retention_ms(&self) -> u64 {
        u64::from(self.stream.definition.retention_hours.get()) * limits::HOUR_MS
    }

    /// Whether what was accepted at this time is past its retention.
    pub(crate) fn is_expired(&self, accepted_at: Timestamp, now: Timestamp) -> bool {
        now.since(accepted_at) >= self.retention_ms() && !is_planted(Bug::ExpiredIsReadable)
    }

    /// When time to live may delete a record batch that is accepted at this time.
    pub(crate) fn deletable_at(&self, accepted_at: Timestamp) -> Timestamp {
        accepted_at.plus(self.retention_ms() + limits::GRACE_MS)
    }

    fn item(&self) -> Item {
        let StreamDefinition { name, partition_count, retention_hours, compaction } = &self.stream.definition;
        Item::new(Key::Stream(name))
            .with("incarnation", &self.stream.incarnation.0[..])
            .with("partition_count", u64::from(partition_count.get()))
            .with("retention_hours", u64::from(retention_hours.get()))
            .with("compaction", *compaction)
            .with("created_at", self.stream.created_at)
            .with("cursor_key", &self.cursor_key[..])
    }

    pub(crate) fn read(attributes: &Attributes) -> Result<Self> {
        let name = StreamName::parse(attributes.text(SORT_KEY)?).ok_or_else(|| unreadable(SORT_KEY))?;
        let partition_count = PartitionCount::new(attributes.number("partition_count")?);
        let retention_hours = RetentionHours::new(attributes.number("retention_hours")?);
        Ok(Self {
            stream: Stream {
                definition: StreamDefinition {
                    name,
                    partition_count: partition_count.ok_or_else(|| unreadable("partition_count"))?,
                    retention_hours: retention_hours.ok_or_else(|| unreadable("retention_hours"))?,
                    compaction: attributes.flag("compaction"),
                },
                incarnation: Incarnation(attributes.array("incarnation")?),
                created_at: Timestamp(attributes.number("created_at")?),
            },
            cursor_key: attributes.array("cursor_key")?,
            compactor_stalled: attributes.flag("compactor_stalled"),
            deleted_at: attributes.optional_number("deleted_at")?.map(Timestamp),
        })
    }
}

impl Store {
    /// The stream of this name, deleted or not.
    pub(crate) async fn stream(&self, name: &StreamName) -> Result<Option<StreamItem>> {
        self.get(Key::Stream(name)).await?.as_ref().map(StreamItem::read).transpose()
    }

    /// Query over all streams whose names begin so and come after a name.
    pub(crate) fn streams(prefix: &str, after: Option<&str>) -> Query {
        // `~` sorts after every character of a name; a name and a space sorts right after the name itself.
        let last = format!("{prefix}~");
        let first = match after {
            Some(after) if after >= prefix => format!("{after} "),
            _ => prefix.to_owned(),
        };
        let first = if first.is_empty() { " ".to_owned() } else { first };
        // DynamoDB refuses a range that ends before it begins; this one is empty, because no name holds a `~`.
        let range = Range::Between(first.min(last.clone()), last);
        Query { partition_key: STREAMS.to_owned(), range, descending: false }
    }

    /// Begins a life of a name: the first, or the one after `predecessor`, which must be deleted and still be the last.
    pub(crate) async fn put_stream(&self, new: &StreamItem, predecessor: Option<&StreamItem>) -> Result<Outcome> {
        let write = Write::put(new.item());
        self.settle_one(match predecessor {
            None => write.when("attribute_not_exists(PK)"),
            Some(old) => write
                .when("incarnation = :old AND attribute_exists(deleted_at)")
                .value(":old", &old.incarnation().0[..]),
        })
        .await
    }

    /// Ends a life of a name and notes that its items are to be collected.
    pub(crate) async fn delete_stream(&self, stream: &StreamItem, now: Timestamp) -> Result<Outcome> {
        let end = Write::update(Key::Stream(stream.name()), "SET deleted_at = :now")
            .when("incarnation = :this AND attribute_not_exists(deleted_at)")
            .value(":this", &stream.incarnation().0[..])
            .value(":now", now);
        let note = Item::new(Key::Deleted(stream.incarnation()))
            .with("partition_count", u64::from(stream.partition_count()))
            .with("deleted_at", now);
        self.settle(vec![end, Write::put(note)], self.deadline()).await
    }

    /// Pauses or resumes publishing; refused when a later sweep has said otherwise, however late this one arrives.
    pub(crate) async fn mark_compactor(&self, stream: &StreamItem, stalled: bool, now: Timestamp) -> Result<Outcome> {
        let write =
            Write::update(Key::Stream(stream.name()), "SET compactor_stalled = :stalled, compactor_marked_at = :now")
                .when(
                    "incarnation = :this AND (attribute_not_exists(compactor_marked_at) OR compactor_marked_at < :now)",
                )
                .value(":this", &stream.incarnation().0[..])
                .value(":stalled", stalled)
                .value(":now", now);
        self.settle_one(write).await
    }
}
