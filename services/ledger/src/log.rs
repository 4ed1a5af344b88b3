//! Reading the log of one partition: exactly the contiguous slots after a position, never past a gap.

use crate::answers::PartitionId;
use crate::clock::Timestamp;
use crate::error::{Error, Result, ensure};
use crate::ledger::Ledger;
use crate::limits;
use crate::model::{Position, Record};
use crate::store::{RecordBatch, Store, StreamItem};

/// What was read of a partition.
#[derive(Debug)]
pub(crate) struct Lane {
    /// The records from the position on, contiguous, each with the position after it.
    pub(crate) records: Vec<(Record, Position)>,
    /// Where reading went on from: the position, or the oldest readable one when the position expired.
    pub(crate) start: Position,
    /// Events between the position and `start`: they are past their retention.
    pub(crate) lost_events: u64,
    /// Whether the records go up to the tail.
    pub(crate) complete: bool,
}

impl Lane {
    /// After the last record that was read.
    pub(crate) fn end(&self) -> Position {
        self.records.last().map_or(self.start, |(_, next)| *next)
    }
}

/// Items of the first page of a query; each further page asks for four times as many. Most reads want little, and what
/// is read is paid for.
const FIRST_PAGE_ITEMS: usize = 16;

impl Ledger {
    /// Reads up to `records` records and [`limits::PAGE_BYTES`] of payload from a position on, and one more of either
    /// when there is one, so that the caller sees whether it stops before the tail.
    ///
    /// `verified_at` is when the position was last seen to be readable. An old position with nothing after it may be
    /// one whose events all expired and are gone, or one from before the table was restored, so then the tail is asked.
    ///
    /// # Errors
    /// `InvalidCursor` for a position beyond the tail.
    pub(crate) async fn read_lane(
        &self,
        stream: &StreamItem,
        partition: &PartitionId,
        position: Position,
        records: usize,
        verified_at: Timestamp,
    ) -> Result<Lane> {
        let now = self.clock.now();
        let query = Store::log_from(partition, position.slot);
        let mut reading = Reading { position, lane: Lane::at(position), bytes: 0, limit: records, cut: false };
        let (mut start, mut items) = (None, FIRST_PAGE_ITEMS.min(records + 1));
        loop {
            let page = self.store.query(&query, items, start).await?;
            for attributes in &page.items {
                let batch = RecordBatch::read(attributes)?;
                if !reading.take(stream, &batch, partition.partition, now)? {
                    return Ok(reading.lane);
                }
            }
            // An empty page with a continuation is not the end.
            match page.next {
                None => break,
                next => start = next,
            }
            items = (items * 4).min(1_000);
        }
        let mut lane = reading.lane;
        lane.complete = true;
        let old = now.since(verified_at) > limits::VERIFIED_MS;
        if old && lane.records.is_empty() && lane.lost_events == 0 {
            let tail = self.tail(partition).await?;
            if tail.offset < position.offset {
                return Err(Error::InvalidCursor);
            }
            lane.lost_events = tail.offset - position.offset;
            lane.start = tail;
        }
        Ok(lane)
    }
}

impl Lane {
    fn at(position: Position) -> Self {
        Self { records: Vec::new(), start: position, lost_events: 0, complete: false }
    }
}

/// A lane while it is read.
struct Reading {
    position: Position,
    lane: Lane,
    bytes: usize,
    limit: usize,
    cut: bool,
}

impl Reading {
    /// Takes the next record batch; false when nothing after it may be read.
    fn take(&mut self, stream: &StreamItem, batch: &RecordBatch, partition: u16, now: Timestamp) -> Result<bool> {
        let expected = self.lane.end();
        if stream.is_expired(batch.accepted_at, now) {
            // Times do not decrease, so nothing readable came before an expired batch.
            ensure!(self.lane.records.is_empty(), "expired record batches form a prefix");
            self.lose(batch.next());
            return Ok(true);
        }
        ensure!(batch.body.is_some(), "only an expired record batch is a stub");
        if batch.slot != expected.slot {
            if !self.lane.records.is_empty() {
                return Ok(false);
            }
            // A gap at the start: what was there is gone.
            ensure!(batch.slot > expected.slot, "a query answers in order");
            self.lose(batch.start());
        }
        let from = self.lane.end();
        ensure!(
            from.slot == batch.slot && (batch.base_offset..batch.next().offset).contains(&from.offset),
            "a slot begins where the one before it ended"
        );
        for record in batch.records(partition)?.into_iter().skip_while(|record| record.offset < from.offset) {
            if self.cut || self.lane.records.len() > self.limit {
                return Ok(false);
            }
            self.bytes += record.event.payload_bytes();
            self.cut = self.bytes > limits::PAGE_BYTES && !self.lane.records.is_empty();
            let offset = record.offset + 1;
            let next = if offset == batch.next().offset { batch.next() } else { Position { slot: batch.slot, offset } };
            self.lane.records.push((record, next));
        }
        Ok(true)
    }

    /// Everything before this place is past its retention.
    fn lose(&mut self, start: Position) {
        if start.offset > self.position.offset {
            self.lane.lost_events = start.offset - self.position.offset;
        }
        self.lane.start = start.max(self.lane.start);
    }
}
