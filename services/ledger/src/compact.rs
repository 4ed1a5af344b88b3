//! Compaction: folds the log into the latest record of each key, up to the watermark.
//!
//! The doorbell only says that a partition changed; what changed is read from the log. Every put is guarded by the slot
//! it came from and the watermark moves last, so compactors may overlap, repeat and stop anywhere.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::answers::{PartitionId, Watermark};
use crate::clock::Timestamp;
use crate::error::{Error, Result, ensure};
use crate::ledger::Ledger;
use crate::limits;
use crate::model::{EventKey, Position, Record, StreamName, TraceParent};
use crate::planted::{Bug, is_planted};
use crate::store::{RecordBatch, Store};
use crate::{trace, usage};

/// Items of one page of the log.
const PAGE_ITEMS: usize = 100;

impl Ledger {
    /// Compacts every partition of a stream, up to its tail or as far as there is time for within one request.
    ///
    /// # Errors
    /// `StreamNotFound`, `Refused` for a stream without compaction, `CompactionGap`, `Unavailable`, `OutcomeUnknown`.
    pub async fn compact_stream(&self, name: &StreamName) -> Result<Vec<Watermark>> {
        let stream = self.fresh_stream(name).await?;
        if !stream.stream.definition.compaction {
            let detail = "this stream was created without compaction, so there is nothing to compact";
            return Err(Error::Refused { pointer: "", detail });
        }
        let (mut watermarks, mut wrote, deadline) = (Vec::new(), false, self.store.deadline());
        for partition in stream.partitions() {
            let reached = self.compact_until(&partition, deadline, &mut wrote).await;
            let watermark = reached.map_err(Error::after_doubt(wrote))?.offset;
            watermarks.push(Watermark { partition: partition.partition, watermark });
        }
        Ok(watermarks)
    }

    /// Compacts one partition until its watermark, which is answered, reaches the tail; nothing when its stream is not
    /// compacted.
    ///
    /// # Errors
    /// `CompactionGap` when something above the watermark is gone, `Unavailable`, `OutcomeUnknown`, `Internal` at a
    /// record that cannot be read: the watermark then stays before it, and what is compacted stays correct.
    pub async fn compact_partition(&self, partition: &PartitionId) -> Result<Position> {
        self.compact_until(partition, Timestamp(u64::MAX), &mut false).await
    }

    /// Compacts one partition up to its tail or until the deadline, and answers how far it came. `wrote` becomes true once
    /// anything was sent to the store that may have changed it.
    pub(crate) async fn compact_until(
        &self,
        partition: &PartitionId,
        deadline: Timestamp,
        wrote: &mut bool,
    ) -> Result<Position> {
        let known = self.store.partition(partition).await?;
        let mut watermark = known.watermark;
        if !known.compaction {
            return Ok(watermark);
        }
        loop {
            let round_ends = self.clock.now().plus(limits::COMPACTION_ROUND_MS);
            let round = self.read_round(partition, watermark).await?;
            let Some(reached) = round.reached else { return Ok(watermark) };
            trace::link(round.producers);
            let now = self.clock.now();
            *wrote = true;
            if is_planted(Bug::WatermarkBeforeThePuts) {
                self.store.advance_watermark(partition, reached, now).await?;
            }
            stream::iter(round.latest)
                .map(|(key, (slot, record))| async move {
                    // A refused put is fine: someone newer was there.
                    self.store.put_compacted(partition, &key, slot, &record, round_ends).await
                })
                .buffer_unordered(limits::COMPACTION_WRITES)
                .try_for_each(|_| async { Ok(()) })
                .await?;
            ensure!(reached > watermark, "a watermark only moves forward");
            self.store.advance_watermark(partition, reached, now).await?;
            let delay_ms = self.clock.now().since(round.youngest);
            usage::note(|usage| usage.compaction_delay_ms.push(delay_ms));
            watermark = reached;
            if self.clock.now() >= deadline {
                return Ok(watermark);
            }
        }
    }

    /// Reads the contiguous record batches after the watermark, up to a bound of bytes, and folds them.
    async fn read_round(&self, partition: &PartitionId, watermark: Position) -> Result<Round> {
        let query = Store::log_from(partition, watermark.slot);
        let mut round = Round::default();
        let (mut start, mut bytes) = (None, 0);
        loop {
            let page = self.store.query(&query, PAGE_ITEMS, start).await?;
            for attributes in &page.items {
                let batch = RecordBatch::read(attributes)?;
                let expected = match round.reached {
                    _ if is_planted(Bug::CompactsPastGaps) => batch.start(),
                    reached => reached.unwrap_or(watermark),
                };
                if batch.slot != expected.slot {
                    // A query may see a write in part: whoever wrote it rings again once all of it is seen. Else something
                    // was deleted that never was compacted.
                    let torn =
                        round.reached.is_some() || self.store.record_batch(partition, expected.slot).await?.is_some();
                    return if torn { Ok(round) } else { Err(Error::CompactionGap) };
                }
                ensure!(batch.base_offset == expected.offset, "a slot begins where the one before it ended");
                if batch.body.is_none() {
                    return Err(Error::CompactionGap);
                }
                bytes += batch.body.as_ref().map_or(0, crate::store::body::Body::raw_length);
                round.fold(&batch, batch.records(partition.partition)?);
                if bytes >= limits::COMPACTION_ROUND_BYTES || round.latest.len() >= limits::COMPACTION_ROUND_KEYS {
                    return Ok(round);
                }
            }
            match page.next {
                None => return Ok(round),
                next => start = next,
            }
        }
    }
}

/// The latest record of each key in a stretch of the log, with its slot.
#[derive(Default)]
struct Round {
    latest: BTreeMap<EventKey, (u64, Record)>,
    /// Who published what was read, also what something later replaced.
    producers: BTreeSet<Option<TraceParent>>,
    reached: Option<Position>,
    /// When the last of it was accepted.
    youngest: Timestamp,
}

impl Round {
    /// Later records replace earlier ones of their key; events without a key are in no state.
    fn fold(&mut self, batch: &RecordBatch, records: Vec<Record>) {
        for record in records {
            if let Some(key) = record.event.key.clone() {
                self.latest.insert(key, (batch.slot, record));
            }
        }
        self.producers.insert(batch.traceparent);
        self.reached = Some(batch.next());
        self.youngest = batch.accepted_at;
    }
}
