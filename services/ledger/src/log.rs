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
    /// Whether nothing was read because the record at the position was passed over, and what comes after it was seen.
    pub(crate) stopped_at_gap: bool,
}

impl Lane {
    /// After the last record that was read.
    pub(crate) fn end(&self) -> Position {
        self.records.last().map_or(self.start, |(_, next)| *next)
    }
}

/// Items of the first page of a query, at the most; each further page asks for four times as many. Most reads want little, and
/// what is read is paid for.
const FIRST_PAGE_ITEMS: usize = 16;
/// A record batch is large from so many events on: sixteen small ones are soon read and cost little.
const LARGE_BATCH: u64 = 16;

impl Ledger {
    /// Reads up to `records` records and [`limits::PAGE_BYTES`] of payload from a position on, and one more of either
    /// when there is one, so that the caller sees whether it stops before the tail.
    ///
    /// `verified_at` is when the position was last seen to be readable. An old position with nothing after it may be
    /// one whose events all expired and are gone, or one from before the table was restored, so then the tail is asked.
    ///
    /// # Errors
    /// `InvalidCursor` for a position beyond the tail, `HeadLost` when nobody knows the tail.
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
        let mut reading = Reading { lane: Lane::at(position), bytes: 0, limit: records, cut: false };
        let (mut start, mut items) = (None, first_page(position, records + 1));
        loop {
            let page = self.store.query(&query, items, start).await?;
            for attributes in &page.items {
                let batch = RecordBatch::read(attributes)?;
                let at_start = reading.lane.records.is_empty();
                if batch.body.is_none() || stream.is_expired(batch.accepted_at, now) {
                    // What was taken before it had expired as well, a moment ago.
                    return if at_start { self.lost(stream, partition, position, now).await } else { Ok(reading.lane) };
                }
                match self.fill(partition, &mut reading, batch.slot).await? {
                    Filled::Whole => {}
                    Filled::Enough => return Ok(reading.lane),
                    // Nothing is deleted within the grace after it could last be read, so a position that was verified
                    // since then lies before no deleted slot: what is passed over will be seen.
                    Filled::Gap if at_start && now.since(verified_at) > limits::GRACE_MS => {
                        return self.lost(stream, partition, position, now).await;
                    }
                    Filled::Gap => return Ok(Lane { stopped_at_gap: at_start, ..reading.lane }),
                }
                if !reading.take(&batch, partition.partition)? {
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
        let old = now.since(verified_at) > limits::VERIFIED_MS;
        if old && reading.lane.records.is_empty() {
            let tail = self.tail(partition).await?;
            if tail.offset < position.offset {
                return Err(Error::InvalidCursor);
            }
            if tail.offset > position.offset {
                // It expired and is gone, or it was appended since the query: then nothing is lost.
                return self.lost(stream, partition, position, now).await;
            }
        }
        Ok(Lane { complete: true, ..reading.lane })
    }

    /// Takes what a query passed over before a slot. It may have seen a write in part, and by their keys its record batches
    /// may be there.
    async fn fill(&self, partition: &PartitionId, reading: &mut Reading, slot: u64) -> Result<Filled> {
        while reading.lane.end().slot < slot {
            let passed_over = self.store.record_batch(partition, reading.lane.end().slot).await?;
            let Some(batch) = passed_over.filter(|batch| batch.body.is_some()) else { return Ok(Filled::Gap) };
            if !reading.take(&batch, partition.partition)? {
                return Ok(Filled::Enough);
            }
        }
        Ok(Filled::Whole)
    }

    /// The lane of a position whose record is past its retention. The oldest readable place is sought, not scanned for:
    /// days of expired record batches may lie between.
    async fn lost(
        &self,
        stream: &StreamItem,
        partition: &PartitionId,
        position: Position,
        now: Timestamp,
    ) -> Result<Lane> {
        let earliest = self.earliest(stream, partition, now).await?.max(position);
        if earliest.offset < position.offset {
            // Its slot holds other records: the table was restored to before it was given out.
            return Err(Error::InvalidCursor);
        }
        Ok(Lane { start: earliest, lost_events: earliest.offset - position.offset, ..Lane::at(position) })
    }
}

impl Lane {
    fn at(position: Position) -> Self {
        Self { records: Vec::new(), start: position, lost_events: 0, complete: false, stopped_at_gap: false }
    }
}

/// How many record batches are asked for first, for so many records from a position on. How large they were so far, the position
/// tells: as many as hold the records then, and one more, since the first may be left in its middle.
fn first_page(position: Position, records: usize) -> usize {
    let items = match position.offset.checked_div(position.slot) {
        Some(average) if average >= LARGE_BATCH => records.div_ceil(usize::try_from(average).unwrap_or(usize::MAX)) + 1,
        _ => records,
    };
    items.min(FIRST_PAGE_ITEMS)
}

/// What became of a gap in what a query saw.
enum Filled {
    /// There is none any more.
    Whole,
    /// No more is wanted.
    Enough,
    /// Something is not there, or not seen yet.
    Gap,
}

/// A lane while it is read.
struct Reading {
    lane: Lane,
    bytes: usize,
    limit: usize,
    cut: bool,
}

impl Reading {
    /// Takes the next record batch; false when no more is wanted.
    fn take(&mut self, batch: &RecordBatch, partition: u16) -> Result<bool> {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_page_is_no_larger_than_what_is_wanted_where_record_batches_are_large() {
        let items = |slot, offset, records| first_page(Position { slot, offset }, records);
        assert_eq!(items(0, 0, 1_001), FIRST_PAGE_ITEMS, "nothing is known yet");
        assert_eq!(items(10, 40, 101), FIRST_PAGE_ITEMS);
        assert_eq!(items(10, 40, 2), 2);
        assert_eq!(items(10, 10_000, 1_001), 3);
        assert_eq!(items(10, 1_000, 11), 2);
        assert_eq!(items(10, 1_000, 5_001), FIRST_PAGE_ITEMS);
    }
}
