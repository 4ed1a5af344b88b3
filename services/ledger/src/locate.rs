//! Finding places in the log of a partition: its tail, its oldest readable record, the first record of a time.
//!
//! Times do not decrease along the slots, so what is expired is a prefix and the first slot of a time can be found by
//! halving. Slots may be missing only among the expired: time to live deletes in no particular order.

use crate::answers::{PartitionId, StartFrom};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::model::{Position, Progress};
use crate::store::{RecordBatch, StreamItem};

impl Ledger {
    /// Where the next record of a partition will be.
    ///
    /// # Errors
    /// `HeadLost` when it was used and nothing of it is left: then nobody knows. `Unavailable`.
    pub(crate) async fn tail(&self, partition: &PartitionId) -> Result<Position> {
        Ok(self.end(partition).await?.tail)
    }

    /// Where a partition without a head begins. It was never written, or its very first write is just not seen by queries
    /// yet: DynamoDB may show a transaction to whoever asks for its items by key before it shows it to queries.
    pub(crate) async fn beginning(&self, partition: &PartitionId) -> Result<Position> {
        let begun = self.store.partition(partition).await?.used;
        let lost = begun && self.store.record_batch(partition, 1).await?.is_none();
        if lost { Err(Error::HeadLost) } else { Ok(Position::START) }
    }

    /// Insists that the newest record batch there is was the newest there was.
    ///
    /// # Errors
    /// `HeadLost` when newer ones may have been deleted. A process that is alone deletes nothing before it has swept.
    pub(crate) fn trust_head(&self, head: &RecordBatch) -> Result<()> {
        let lost = !self.settings.alone && head.is_unsafe_head(self.clock.now());
        if lost { Err(Error::HeadLost) } else { Ok(()) }
    }

    /// The oldest readable record of a partition; the tail when there is none.
    pub(crate) async fn earliest(
        &self,
        stream: &StreamItem,
        partition: &PartitionId,
        now: Timestamp,
    ) -> Result<Position> {
        let readable = |batch: &RecordBatch| batch.body.is_some() && !stream.is_expired(batch.accepted_at, now);
        self.first_where(partition, readable).await
    }

    /// Where reading starts in each partition.
    pub(crate) async fn start(&self, stream: &StreamItem, from: StartFrom) -> Result<Progress> {
        let now = self.clock.now();
        let find = async |partition: PartitionId| match from {
            StartFrom::Latest => self.after_write(&partition, self.tail(&partition).await?).await,
            StartFrom::Timestamp(time) => {
                let readable = |batch: &RecordBatch| {
                    batch.body.is_some() && batch.accepted_at >= time && !stream.is_expired(batch.accepted_at, now)
                };
                self.first_where(&partition, readable).await
            }
            StartFrom::Earliest | StartFrom::Compacted => self.earliest(stream, &partition, now).await,
        };
        if from == StartFrom::Compacted {
            if !stream.stream.definition.compaction {
                return Err(Error::Refused {
                    pointer: "/start_from",
                    detail: "`compacted` needs a stream with compaction, and this one was created without",
                });
            }
            return Ok(Progress::bootstrap());
        }
        Ok(Progress::live(futures::future::try_join_all(stream.partitions().map(find)).await?))
    }

    /// The end of the write whose record batch a query saw before a position: it may not have seen the rest of it yet, and a
    /// reader must not begin in the middle.
    pub(crate) async fn after_write(&self, partition: &PartitionId, mut position: Position) -> Result<Position> {
        while let Some(next) = self.store.record_batch(partition, position.slot).await? {
            if next.write_start.slot == next.slot {
                break;
            }
            position = next.next();
        }
        Ok(position)
    }

    /// Where the first record batch is that satisfies a condition which, once satisfied, holds for every later one. Which
    /// of them a reader sees first says little: it may see a write in part, by queries and by keys. All parts of one have
    /// the same time, so the whole write satisfies the condition, and whoever wrote it had seen what came before it.
    ///
    /// # Errors
    /// `HeadLost` when nothing is left of what was used; `Unavailable`.
    async fn first_where(&self, partition: &PartitionId, condition: impl Fn(&RecordBatch) -> bool) -> Result<Position> {
        let Some(head) = self.store.head(partition).await? else { return self.beginning(partition).await };
        if !condition(&head) {
            self.trust_head(&head)?;
            return self.after_write(partition, head.next()).await;
        }
        let Some(first) = self.store.first_seen_from(partition, 1).await? else { return Ok(head.start()) };
        if condition(&first) {
            return Ok(first.write_start);
        }
        if first.slot >= head.slot {
            // All that was there when the head was read is gone since: much time passed in between.
            return Ok(first.next());
        }
        // `low` does not satisfy the condition, `high` does; a slot that is gone had expired.
        let (mut low, mut high) = (first.slot, head);
        while high.slot - low > 1 {
            let middle = low + (high.slot - low) / 2;
            match self.store.record_batch(partition, middle).await? {
                Some(batch) if condition(&batch) => high = batch,
                _ => low = middle,
            }
        }
        Ok(high.write_start)
    }
}
