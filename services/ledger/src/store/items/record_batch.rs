//! Record batches: the log itself.

use super::super::body::Body;
use super::super::schema::{self, Key};
use super::super::{Attributes, Item, Outcome, Query, Range, Read, Refusal, Store, Write, packed};
use crate::answers::PartitionId;
use crate::clock::Timestamp;
use crate::error::{Result, ensure};
use crate::limits;
use crate::model::{Position, Producers, Record, TraceParent};
use crate::store::item::unreadable;
use crate::table::TIME_TO_LIVE;

const PRODUCERS: &str = "traceparents";

/// The records of one partition that were written by one put.
#[derive(Clone, Debug)]
pub(crate) struct RecordBatch {
    pub(crate) slot: u64,
    pub(crate) base_offset: u64,
    pub(crate) count: u64,
    /// Where the write that it is a part of begins in this partition.
    pub(crate) write_start: Position,
    /// Never before that of an earlier slot.
    pub(crate) accepted_at: Timestamp,
    /// Chosen by the writer: tells its own batch from another's.
    pub(crate) batch_id: [u8; 16],
    /// Where in traces they were published.
    pub(crate) producers: Producers,
    /// Absent in a stub, which is what is left of an expired head.
    pub(crate) body: Option<Body>,
    /// From when on time to live may delete it; absent in a stub that is the head.
    pub(crate) deletable_at: Option<Timestamp>,
}

impl RecordBatch {
    /// Where the next record batch begins.
    pub(crate) fn next(&self) -> Position {
        Position { slot: self.slot + 1, offset: self.base_offset + self.count }
    }

    /// Where this one begins.
    pub(crate) fn start(&self) -> Position {
        Position { slot: self.slot, offset: self.base_offset }
    }

    fn begins_write(&self) -> bool {
        self.write_start == self.start()
    }

    /// Whether newer record batches may have been deleted already, so that this need not be the head although it is the
    /// newest there is.
    pub(crate) fn is_unsafe_head(&self, now: Timestamp) -> bool {
        self.deletable_at.is_some_and(|at| at <= now.plus(limits::HEAD_UNSAFE_MS))
    }

    pub(crate) fn put(&self, partition: &PartitionId) -> Write {
        let mut producers = self.producers.runs();
        let (only, others) = (producers.next().and_then(|(_, traceparent)| traceparent), producers.next());
        let item = Item::new(Key::RecordBatch(partition, self.slot))
            .with("base_offset", self.base_offset)
            .with("count", self.count)
            .with("accepted_at", self.accepted_at)
            .with_some("write_slot", (!self.begins_write()).then_some(self.write_start.slot))
            .with_some("write_offset", (!self.begins_write()).then_some(self.write_start.offset))
            .with("batch_id", &self.batch_id[..])
            .traced(only.filter(|_| others.is_none()))
            .with_some(PRODUCERS, others.map(|_| packed(&stored(&self.producers))))
            .with_some("body", self.body.as_ref().map(packed))
            .with_some(TIME_TO_LIVE, self.deletable_at.map(Timestamp::seconds));
        Write::put(item).when("attribute_not_exists(PK)")
    }

    /// Reads where it lies. Whether its body reads back is found out by who asks for the records: a publisher that goes on
    /// behind it, and who counts what lies beyond a place, need not know.
    pub(crate) fn read(attributes: &Attributes) -> Result<Self> {
        let slot = attributes.sort_key_after("SEQ#")?.parse().map_err(|_| unreadable("SK"))?;
        let base_offset = attributes.number("base_offset")?;
        let write_start = Position {
            slot: attributes.optional_number("write_slot")?.unwrap_or(slot),
            offset: attributes.optional_number("write_offset")?.unwrap_or(base_offset),
        };
        let count = attributes.number("count")?;
        let batch = Self {
            slot,
            base_offset,
            write_start,
            count,
            accepted_at: Timestamp(attributes.number("accepted_at")?),
            batch_id: attributes.array("batch_id")?,
            producers: producers(attributes, count)?,
            body: attributes
                .attribute("body")
                .map(|_| attributes.unpacked("body").unwrap_or_else(|_| Body::unreadable())),
            deletable_at: attributes
                .optional_number(TIME_TO_LIVE)?
                .map(|seconds| Timestamp(seconds.saturating_mul(1000))),
        };
        ensure!(batch.slot > 0 && batch.count > 0, "a record batch has a slot and records");
        let end = batch.base_offset.checked_add(batch.count).filter(|end| *end < u64::MAX);
        ensure!(batch.slot < u64::MAX && end.is_some(), "a record batch leaves room for the next one");
        ensure!(
            batch.write_start.slot <= batch.slot && batch.write_start.offset <= batch.base_offset,
            "a write begins before its later parts"
        );
        ensure!((batch.slot == 1) == (batch.base_offset == 0), "only the first slot begins at offset 0");
        Ok(batch)
    }

    /// The records, with their places. None in a stub.
    ///
    /// # Errors
    /// `Internal` when what is stored of them does not read back.
    pub(crate) fn records(&self, partition: u16) -> Result<Vec<Record>> {
        let Some(body) = &self.body else { return Ok(Vec::new()) };
        let events = body.decode()?;
        ensure!(events.len() as u64 == self.count, "a record batch holds as many events as it says");
        let place = |((offset, event), traceparent)| Record {
            partition,
            offset,
            published_at: self.accepted_at,
            event,
            traceparent,
        };
        Ok((self.base_offset..).zip(events).zip(self.producers.of_each()).map(place).collect())
    }
}

/// Several producers, as they are stored.
type Stored = Vec<(u64, Option<[u8; TraceParent::BYTES]>)>;

fn stored(producers: &Producers) -> Stored {
    producers.runs().map(|(run, traceparent)| (run, traceparent.map(TraceParent::to_bytes))).collect()
}

fn producers(attributes: &Attributes, count: u64) -> Result<Producers> {
    if attributes.attribute(PRODUCERS).is_none() {
        return Ok(Producers::one(count, attributes.traceparent()?));
    }
    let mut producers = Producers::default();
    for (run, bytes) in attributes.unpacked::<Stored>(PRODUCERS)? {
        let read = |bytes| TraceParent::from_bytes(bytes).ok_or_else(|| unreadable(PRODUCERS));
        producers.add(run, bytes.map(read).transpose()?);
    }
    ensure!(producers.count() == count, "a record batch knows the producer of each of its records");
    Ok(producers)
}

impl Store {
    /// Query over the record batches from a slot on.
    pub(crate) fn log_from(partition: &PartitionId, slot: u64) -> Query {
        let range = Range::From(schema::sequence(slot));
        Query { partition_key: schema::log(partition), range, descending: false }
    }

    /// Query over the record batches from the newest on.
    pub(crate) fn log_backwards(partition: &PartitionId) -> Query {
        let range = Range::Prefix("SEQ#".to_owned());
        Query { partition_key: schema::log(partition), range, descending: true }
    }

    /// The newest record batch, stub or not.
    pub(crate) async fn head(&self, partition: &PartitionId) -> Result<Option<RecordBatch>> {
        self.first(&Self::log_backwards(partition)).await?.as_ref().map(RecordBatch::read).transpose()
    }

    /// The first record batch that a query sees at a slot or after it. It may see a write in part.
    pub(crate) async fn first_seen_from(&self, partition: &PartitionId, slot: u64) -> Result<Option<RecordBatch>> {
        self.first(&Self::log_from(partition, slot)).await?.as_ref().map(RecordBatch::read).transpose()
    }

    /// The first record batch that exists at a slot or after it. The one at the slot itself, when a query passes over it, is
    /// asked for by its key.
    pub(crate) async fn record_batch_from(&self, partition: &PartitionId, slot: u64) -> Result<Option<RecordBatch>> {
        let found = self.first_seen_from(partition, slot).await?;
        match &found {
            Some(batch) if batch.slot != slot => Ok(self.record_batch(partition, slot).await?.or(found)),
            _ => Ok(found),
        }
    }

    /// The newest record batch from a slot to another, both included.
    pub(crate) async fn last_record_batch(
        &self,
        partition: &PartitionId,
        from: u64,
        to: u64,
    ) -> Result<Option<RecordBatch>> {
        let range = Range::Between(schema::sequence(from), schema::sequence(to));
        let query = Query { partition_key: schema::log(partition), range, descending: true };
        self.first(&query).await?.as_ref().map(RecordBatch::read).transpose()
    }

    /// The record batch at a slot.
    pub(crate) async fn record_batch(&self, partition: &PartitionId, slot: u64) -> Result<Option<RecordBatch>> {
        self.get(Key::RecordBatch(partition, slot)).await?.as_ref().map(RecordBatch::read).transpose()
    }

    /// Reduces an expired head to a stub, which stays: the next writer must find where to go on. Refused when something came
    /// after it meanwhile.
    pub(crate) async fn reduce_to_stub(&self, partition: &PartitionId, head: &RecordBatch) -> Result<()> {
        let reduce =
            Write::update(Key::RecordBatch(partition, head.slot), "REMOVE body, traceparent, traceparents, expires_at")
                .when("batch_id = :this")
                .value(":this", &head.batch_id[..]);
        let last = Write::absent(Key::RecordBatch(partition, head.slot + 1));
        self.settle(vec![reduce, last], self.deadline()).await?;
        Ok(())
    }

    /// Lets a head that something comes after be deleted from this time on, whether or not it was a stub; refused when it is
    /// gone.
    pub(crate) fn release_head(partition: &PartitionId, slot: u64, at: Timestamp) -> Write {
        Write::update(Key::RecordBatch(partition, slot), "SET expires_at = :at")
            .when("attribute_exists(PK)")
            .value(":at", at.seconds())
    }

    /// Keeps a record batch until this time at least; never shortens its life. False when it is gone.
    pub(crate) async fn put_off_deletion(&self, partition: &PartitionId, slot: u64, until: Timestamp) -> Result<bool> {
        let write = Write::update(Key::RecordBatch(partition, slot), "SET expires_at = :until")
            .when("expires_at < :until")
            .value(":until", until.seconds());
        Ok(match self.settle_one(write).await? {
            Outcome::Applied => true,
            Outcome::Refused { refusals, .. } => matches!(refusals.as_slice(), [Refusal::Condition(Some(_))]),
        })
    }
}
