//! Sweep: what must be done now and then for every stream, by the keeper.
//!
//! It compacts what no doorbell rang for, keeps the head of every partition, puts off the deletion of what is not
//! compacted while the compactor stands still, and collects what deleted streams left.

use crate::answers::PartitionId;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::limits;
use crate::planted::{Bug, is_planted};
use crate::store::{RecordBatch, Store, StreamItem};

impl Ledger {
    /// Sweeps every stream. A failure at one keeps none of the others from being swept.
    ///
    /// # Errors
    /// The first failure, after everything was tried. Until a sweep succeeds, nothing expired should be deleted.
    pub async fn sweep(&self) -> Result<()> {
        let mut failures = Failures::default();
        for attributes in self.store.all(&Store::streams("", None)).await? {
            let Some(stream) = failures.note("a definition was not read", StreamItem::read(&attributes)) else {
                continue;
            };
            if stream.deleted_at.is_none() {
                self.sweep_stream(&stream, &mut failures).await;
            }
        }
        for ended in self.store.ended_streams().await? {
            // Until every cache has expired, services may still write into it.
            if ended.deleted_at.plus(limits::NAME_REUSE_MS) < self.clock.now() {
                failures.note("a deleted stream was not collected", self.store.collect(&ended).await);
            }
        }
        if let Some(error) = failures.first {
            return Err(error);
        }
        if let Err(error) = self.store.note_sweep(self.clock.now()).await {
            // What had to be done is done; on a full disk it is what makes space.
            tracing::warn!(%error, "the end of a sweep was not noted");
        }
        Ok(())
    }

    async fn sweep_stream(&self, stream: &StreamItem, failures: &mut Failures) {
        let mut stalled = false;
        for partition in stream.partitions() {
            if stream.stream.definition.compaction {
                // Others wait; what is left over comes with the next sweep.
                let until = self.clock.now().plus(limits::SWEEP_COMPACTION_MS);
                let compacted = self.compact_until(&partition, until, &mut false).await;
                failures.note("a partition was not compacted", compacted);
                let guarded = self.guard_uncompacted(stream, &partition).await;
                stalled |= failures.note("a deletion was not put off", guarded).unwrap_or(stream.compactor_stalled);
            }
            failures.note("a head was not kept", self.keep_head(stream, &partition).await);
        }
        if stalled != stream.compactor_stalled {
            let marked = self.store.mark_compactor(stream, stalled, self.clock.now()).await;
            failures.note("a stalled compactor was not marked", marked);
            self.forget_stream(stream.name());
        }
    }

    /// Puts off the deletion of what is not compacted once the oldest of it has half the grace behind it; then publishing must
    /// pause too. From the newest on and to when a new record batch would be deleted, so that never an older one stays longer
    /// than a newer one: that would be taken for the head.
    async fn guard_uncompacted(&self, stream: &StreamItem, partition: &PartitionId) -> Result<bool> {
        let watermark = self.store.partition(partition).await?.watermark;
        let now = self.clock.now();
        let is_old = |accepted_at: Timestamp| now.since(accepted_at) > limits::COMPACTOR_STALLED_MS;
        let query = Store::log_from(partition, watermark.slot);
        let (mut start, mut batches) = (None, Vec::new());
        // Most are compacted to their tail.
        let mut items = 1;
        loop {
            let page = self.store.query(&query, items, start).await?;
            for attributes in &page.items {
                let batch = RecordBatch::read(attributes)?;
                if batches.is_empty() && !is_old(batch.accepted_at) {
                    return Ok(false);
                }
                batches.push(RecordBatch { body: None, ..batch });
            }
            items = 1_000;
            match page.next {
                None => break,
                next => start = next,
            }
        }
        let Some(head) = batches.last() else { return Ok(false) };
        // Once they are put off, nothing tells any more that newer ones may be gone.
        self.trust_head(head)?;
        for batch in batches.iter().rev() {
            if !self.store.put_off_deletion(partition, batch.slot, stream.deletable_at(now)).await? {
                return Err(Error::HeadLost);
            }
        }
        Ok(true)
    }

    /// Reduces an expired head to a stub that stays: else a writer would begin again at slot 1.
    async fn keep_head(&self, stream: &StreamItem, partition: &PartitionId) -> Result<()> {
        let Some(head) = self.store.head(partition).await? else { return Ok(()) };
        if is_planted(Bug::OffsetsBeginAgain) {
            return Ok(());
        }
        self.trust_head(&head)?;
        let now = self.clock.now();
        let watermark = self.store.partition(partition).await?.watermark;
        let compacted = !stream.stream.definition.compaction || watermark.slot > head.slot;
        if head.body.is_some() && compacted && stream.is_expired(head.accepted_at.plus(limits::CLOCK_SKEW_MS), now) {
            self.store.reduce_to_stub(partition, &head).await?;
        }
        Ok(())
    }
}

/// What went wrong in a sweep: each is logged, the first is answered.
#[derive(Default)]
struct Failures {
    first: Option<Error>,
}

impl Failures {
    fn note<T>(&mut self, what: &'static str, outcome: Result<T>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::error!(%error, "{what}");
                self.first.get_or_insert(error);
                None
            }
        }
    }
}
