//! Compaction: folds the log into the latest record of each key, up to the watermark.
//!
//! The doorbell only says that a partition changed; what changed is read from the log. Every put is guarded by the slot
//! it came from and the watermark moves last, so compactors may overlap, repeat and stop anywhere.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

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

/// Tells which partition was not compacted and why, whoever was at it.
fn note_failure(partition: &PartitionId, error: &Error) {
    tracing::warn!(%error, incarnation = %partition.incarnation, partition = partition.partition, "not compacted");
    // What is stored does not read, and will not the next time.
    if matches!(error, Error::Internal(_)) {
        usage::note(|usage| usage.poisoned_partitions += 1);
    }
}

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
        let mut done = self.compact_in_turns(stream.partitions(), self.store.deadline()).await;
        let honest = Error::after_doubt(done.wrote);
        let mut watermarks = Vec::new();
        for partition in stream.partitions() {
            let reached = match done.reached.remove(&partition) {
                Some(reached) => reached,
                // There was no time for it.
                None => self.store.partition(&partition).await.map(|known| known.watermark),
            };
            let watermark = reached.map_err(honest)?.offset;
            watermarks.push(Watermark { partition: partition.partition, watermark });
        }
        Ok(watermarks)
    }

    /// Compacts partitions until their watermarks, which are answered, reach their tails; a round of each in turn, so that a
    /// long log holds up no short one. Nothing is done where a stream is not compacted.
    ///
    /// # Errors
    /// Of each partition: `CompactionGap` when something above the watermark is gone, `Unavailable`, `OutcomeUnknown`,
    /// `Internal` at a record that cannot be read: the watermark then stays before it, and what is compacted stays correct.
    pub async fn compact_partitions(
        &self,
        partitions: impl IntoIterator<Item = PartitionId>,
    ) -> BTreeMap<PartitionId, Result<Position>> {
        self.compact_in_turns(partitions, Timestamp(u64::MAX)).await.reached
    }

    /// The same for so long. Partitions that never had their turn are not answered.
    pub(crate) async fn compact_in_turns(
        &self,
        partitions: impl IntoIterator<Item = PartitionId>,
        until: Timestamp,
    ) -> Compaction {
        let mut turns: VecDeque<_> = partitions.into_iter().map(|partition| (partition, None)).collect();
        let mut done = Compaction { reached: BTreeMap::new(), wrote: false };
        while let Some((partition, known)) = turns.pop_front() {
            if self.clock.now() >= until {
                break;
            }
            let turn = self.compact_round(&partition, known, &mut done.wrote).await;
            match &turn {
                Ok(Turn { watermark, at_tail: false }) => turns.push_back((partition.clone(), Some(*watermark))),
                Ok(_) => {}
                Err(error) => note_failure(&partition, error),
            }
            done.reached.insert(partition, turn.map(|turn| turn.watermark));
        }
        done
    }

    /// Compacts a bounded stretch of a partition after its watermark, as it is known or read.
    async fn compact_round(&self, partition: &PartitionId, known: Option<Position>, wrote: &mut bool) -> Result<Turn> {
        let began = self.clock.now();
        let watermark = match known {
            Some(watermark) => watermark,
            None => {
                let read = self.store.partition(partition).await?;
                if !read.compaction {
                    return Ok(Turn { watermark: read.watermark, at_tail: true });
                }
                read.watermark
            }
        };
        let (read_by, ends_at) = (began.plus(limits::COMPACTION_ROUND_MS / 2), began.plus(limits::COMPACTION_ROUND_MS));
        let round = self.read_round(partition, watermark, read_by).await?;
        let Some(reached) = round.reached else { return Ok(Turn { watermark, at_tail: true }) };
        trace::link(round.producers);
        let now = self.clock.now();
        *wrote = true;
        if is_planted(Bug::WatermarkBeforeThePuts) {
            self.store.advance_watermark(partition, reached, now).await?;
        }
        let puts = round.latest.into_iter().map(|(key, (slot, record))| {
            let until = record.event.data.is_none().then(|| ends_at.plus(limits::TOMBSTONE_MS));
            Store::compacted_put(partition, &key, slot, &record, until)
        });
        stream::iter(puts)
            .chunks(self.settings.keys_per_put)
            .map(|puts| self.store.put_compacted(puts, ends_at))
            .buffer_unordered(self.settings.puts_at_once)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        ensure!(reached > watermark, "a watermark only moves forward");
        self.store.advance_watermark(partition, reached, now).await?;
        let delay_ms = self.clock.now().since(round.youngest);
        usage::note(|usage| usage.compaction_delay_ms.push(delay_ms));
        Ok(Turn { watermark: reached, at_tail: !round.cut })
    }

    /// Reads the contiguous record batches after the watermark, up to a bound of bytes, keys and time, and folds them.
    async fn read_round(&self, partition: &PartitionId, watermark: Position, read_by: Timestamp) -> Result<Round> {
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
                    round.cut = round.reached.is_some();
                    let torn = round.cut || self.store.record_batch(partition, expected.slot).await?.is_some();
                    return if torn { Ok(round) } else { Err(Error::CompactionGap) };
                }
                ensure!(batch.base_offset == expected.offset, "a slot begins where the one before it ended");
                if batch.body.is_none() {
                    return Err(Error::CompactionGap);
                }
                bytes += batch.body.as_ref().map_or(0, crate::store::body::Body::raw_length);
                round.fold(&batch, batch.records(partition.partition)?);
                if bytes >= limits::COMPACTION_ROUND_BYTES || round.latest.len() >= limits::COMPACTION_ROUND_KEYS {
                    round.cut = true;
                    return Ok(round);
                }
            }
            if self.clock.now() >= read_by && round.reached.is_some() {
                round.cut = true;
                return Ok(round);
            }
            match page.next {
                None => return Ok(round),
                next => start = next,
            }
        }
    }
}

/// What came of compacting partitions.
pub(crate) struct Compaction {
    /// The watermark of each that had its turn, or why it failed.
    pub(crate) reached: BTreeMap<PartitionId, Result<Position>>,
    /// Whether anything was sent to the store that may have changed it.
    wrote: bool,
}

/// Where a partition stands after its turn.
struct Turn {
    watermark: Position,
    at_tail: bool,
}

/// The latest record of each key in a stretch of the log, with its slot.
#[derive(Default)]
struct Round {
    latest: BTreeMap<EventKey, (u64, Record)>,
    /// Who published what was read, also what something later replaced.
    producers: BTreeSet<Option<TraceParent>>,
    reached: Option<Position>,
    /// Whether it ends before the last that was seen of the log. What came after it was looked for rings by itself.
    cut: bool,
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
        self.producers.extend(batch.producers.runs().map(|(_, traceparent)| traceparent));
        self.reached = Some(batch.next());
        self.youngest = batch.accepted_at;
    }
}

/// Folds items of the log as one round, and answers how many keys it came to, for [`crate::bench`].
#[cfg(feature = "bench")]
pub(crate) fn fold<'a>(items: impl Iterator<Item = &'a crate::store::Attributes>) -> Result<usize> {
    let mut round = Round::default();
    for attributes in items {
        let batch = RecordBatch::read(attributes)?;
        round.fold(&batch, batch.records(0)?);
    }
    Ok(round.latest.len())
}
