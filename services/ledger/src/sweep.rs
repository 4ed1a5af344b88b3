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
use crate::store::{Store, StreamItem};

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
            if stream.stream.definition.compaction
                && failures.note("a partition was not compacted", self.compact_partition(&partition).await).is_none()
            {
                let guarded = failures.note("a deletion was not put off", self.guard_uncompacted(&partition).await);
                stalled |= guarded.unwrap_or(stream.compactor_stalled);
            }
            failures.note("a head was not kept", self.keep_head(stream, &partition).await);
        }
        if stalled != stream.compactor_stalled {
            let marked = self.store.mark_compactor(stream, stalled, self.clock.now()).await;
            failures.note("a stalled compactor was not marked", marked);
            self.forget_stream(stream.name());
        }
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
                self.store.put_off_deletion(partition, batch.slot, now.plus(2 * limits::GRACE_MS)).await?;
            }
            match page.next {
                None => return Ok(stalled),
                next => start = next,
            }
        }
    }

    /// Reduces an expired head to a stub that stays: else a writer would begin again at slot 1.
    async fn keep_head(&self, stream: &StreamItem, partition: &PartitionId) -> Result<()> {
        let Some(head) = self.store.head(partition).await? else { return Ok(()) };
        if is_planted(Bug::OffsetsBeginAgain) {
            return Ok(());
        }
        self.trust_head(&head)?;
        let now = self.clock.now();
        let item = self.store.partition(partition).await?;
        if let Some(stub) = item.stub.filter(|stub| *stub < head.slot) {
            // There is a newer head, so the stub may go, like all that expires after the grace: until then it tells whoever
            // stands there that it lost something. It had no time to live so far.
            self.store.expire_stub(partition, stub, now.plus(limits::GRACE_MS)).await?;
            self.store.forget_stub(partition, stub).await?;
        }
        let compacted = !stream.stream.definition.compaction || item.watermark.slot > head.slot;
        if head.body.is_some() && compacted && stream.is_expired(head.accepted_at.plus(limits::CLOCK_SKEW_MS), now) {
            // Noted first, so that no stub is ever left without a note.
            self.store.note_stub(partition, head.slot).await?;
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
