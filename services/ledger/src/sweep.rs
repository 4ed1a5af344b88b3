//! Sweep: what must be done now and then for every stream, by the keeper.
//!
//! It compacts what no doorbell rang for, keeps the head of every partition, puts off the deletion of what is not
//! compacted while the compactor stands still, and collects what deleted streams left.

use crate::answers::PartitionId;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::limits;
use crate::store::{Store, StreamItem};

impl Ledger {
    /// Sweeps every stream. A failure at one keeps none of the others from being swept.
    ///
    /// # Errors
    /// The first failure, after everything was tried.
    pub async fn sweep(&self) -> Result<()> {
        let mut first_failure = None;
        for attributes in self.store.all(&Store::streams("", None)).await? {
            let stream = StreamItem::read(&attributes)?;
            if stream.deleted_at.is_none()
                && let Err(error) = self.sweep_stream(&stream).await
            {
                tracing::error!(stream = %stream.name(), %error, "a stream was not swept");
                first_failure.get_or_insert(error);
            }
        }
        for ended in self.store.ended_streams().await? {
            // Until every cache has expired, services may still write into it.
            let settled = ended.deleted_at.plus(limits::NAME_REUSE_MS) < self.clock.now();
            if settled && let Err(error) = self.store.collect(&ended).await {
                tracing::error!(incarnation = %ended.incarnation, %error, "a deleted stream was not collected");
                first_failure.get_or_insert(error);
            }
        }
        first_failure.map_or(Ok(()), Err)
    }

    async fn sweep_stream(&self, stream: &StreamItem) -> Result<()> {
        let mut failure: Option<Error> = None;
        let mut stalled = false;
        for partition in stream.partitions() {
            if stream.stream.definition.compaction
                && let Err(error) = self.compact_partition(&partition).await
            {
                tracing::error!(stream = %stream.name(), partition = partition.partition, %error, "compaction failed");
                stalled |= self.guard_uncompacted(&partition).await?;
                failure.get_or_insert(error);
            }
            self.keep_head(stream, &partition).await?;
        }
        if stalled != stream.compactor_stalled {
            self.store.mark_compactor(stream, stalled).await?;
            self.forget_stream(stream.name());
        }
        failure.map_or(Ok(()), Err)
    }

    /// Puts off the deletion of what is not compacted once its age is half the grace; then publishing must pause too.
    async fn guard_uncompacted(&self, partition: &PartitionId) -> Result<bool> {
        let watermark = self.store.partition(partition).await?.watermark;
        let now = self.clock.now();
        let is_old = |accepted_at: Timestamp| now.since(accepted_at) > limits::COMPACTOR_STALLED_MS;
        let query = Store::log_from(partition, watermark.slot);
        let (mut start, mut stalled) = (None, false);
        loop {
            let page = self.store.query(&query, 100, start).await?;
            for attributes in &page.items {
                let batch = crate::store::RecordBatch::read(attributes)?;
                if !is_old(batch.accepted_at) {
                    return Ok(stalled);
                }
                stalled = true;
                self.store.expire_record_batch(partition, batch.slot, now.plus(2 * limits::GRACE_MS)).await?;
            }
            match page.next {
                None => return Ok(stalled),
                next => start = next,
            }
        }
    }

    /// Records the head, and when it expired reduces it to a stub that stays: else a writer would begin again at slot 1.
    async fn keep_head(&self, stream: &StreamItem, partition: &PartitionId) -> Result<()> {
        let Some(mut head) = self.store.head(partition).await? else { return Ok(()) };
        let item = self.store.partition(partition).await?;
        let now = self.clock.now();
        let compacted = !stream.stream.definition.compaction || item.watermark.slot > head.slot;
        if head.body.is_some() && compacted && stream.is_expired(head.accepted_at, now) {
            self.store.reduce_to_stub(partition, &head).await?;
            head.body = None;
        }
        if let Some(stub) = item.stub.filter(|stub| *stub < head.slot) {
            // There is a newer head, so the stub may go; until now it had no time to live.
            self.store.expire_record_batch(partition, stub, now).await?;
        }
        if item.recorded_tail != Some(head.next()) || (head.body.is_none() && item.stub.is_none()) {
            self.store.record_head(partition, &head).await?;
        }
        Ok(())
    }
}
