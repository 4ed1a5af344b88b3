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
    /// Sweeps every stream. A failure at one keeps none of the others from being swept, and neither does much work.
    ///
    /// # Errors
    /// The first failure, after everything was tried. Until a sweep succeeds, nothing expired should be deleted.
    pub async fn sweep(&self) -> Result<()> {
        let mut failures = Failures::default();
        let mut streams = Vec::new();
        for attributes in self.store.all(&Store::streams("", None)).await? {
            streams.extend(failures.note("a definition was not read", StreamItem::read(&attributes)));
        }
        streams.retain(|stream| stream.deleted_at.is_none());
        self.compact_what_is_left(&streams, &mut failures).await;
        for stream in &streams {
            for partition in stream.partitions() {
                failures.note("a head was not kept", self.keep_head(stream, &partition).await);
            }
        }
        let until = self.clock.now().plus(limits::SWEEP_MS);
        for stream in streams.iter().filter(|stream| stream.stream.definition.compaction) {
            for partition in self.find_stalled(stream, &mut failures).await {
                failures.note("a deletion was not put off", self.put_off_deletions(stream, &partition, until).await);
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

    /// Compacts what no doorbell rang for. What never had its turn in time comes with a later sweep: each begins at another
    /// partition.
    async fn compact_what_is_left(&self, streams: &[StreamItem], failures: &mut Failures) {
        let compacted = streams.iter().filter(|stream| stream.stream.definition.compaction);
        let mut partitions: Vec<_> = compacted.flat_map(StreamItem::partitions).collect();
        if partitions.len() > 1 {
            let first = self.randomness.below(partitions.len() as u64);
            partitions.rotate_left(usize::try_from(first).unwrap_or_default());
        }
        let until = self.clock.now().plus(limits::SWEEP_MS);
        for (_, compacted) in self.compact_in_turns(partitions, until).await.reached {
            failures.note("a partition was not compacted", compacted);
        }
    }

    /// The partitions whose oldest uncompacted record batch is too old; while there are any, publishing pauses.
    async fn find_stalled(&self, stream: &StreamItem, failures: &mut Failures) -> Vec<PartitionId> {
        let (seen_at, mut stalled, mut unknown) = (self.clock.now(), Vec::new(), false);
        for partition in stream.partitions() {
            let oldest = failures.note("a stalled compactor was not looked for", self.uncompacted(&partition).await);
            unknown |= oldest.is_none();
            let is_old = |batch: &RecordBatch| seen_at.since(batch.accepted_at) > limits::COMPACTOR_STALLED_MS;
            if oldest.flatten().as_ref().is_some_and(is_old) {
                stalled.push(partition);
            }
        }
        let is_stalled = !stalled.is_empty() || (unknown && stream.compactor_stalled);
        if is_stalled != stream.compactor_stalled {
            let marked = self.store.mark_compactor(stream, is_stalled, seen_at).await;
            failures.note("a stalled compactor was not marked", marked);
            self.forget_stream(stream.name());
        }
        stalled
    }

    /// The oldest record batch that is not compacted.
    async fn uncompacted(&self, partition: &PartitionId) -> Result<Option<RecordBatch>> {
        let watermark = self.store.partition(partition).await?.watermark;
        self.store.record_batch_from(partition, watermark.slot).await
    }

    /// Puts off the deletion of what is not compacted to when its head may be deleted, once the oldest might be soon. From the
    /// newest on, so that never an older one stays longer than a newer one: that would be taken for the head. A later sweep
    /// goes on where there was no more time.
    async fn put_off_deletions(&self, stream: &StreamItem, partition: &PartitionId, until: Timestamp) -> Result<()> {
        let Some(oldest) = self.uncompacted(partition).await? else { return Ok(()) };
        let soon = self.clock.now().plus(limits::PUT_OFF_BEFORE_MS);
        let stays = |batch: &RecordBatch| batch.deletable_at.is_none_or(|at| at >= soon);
        if stays(&oldest) {
            return Ok(());
        }
        let Some(head) = self.store.head(partition).await? else { return Err(Error::HeadLost) };
        // Once it is put off, nothing tells any more that newer ones may be gone.
        self.trust_head(&head)?;
        let target = match head.deletable_at {
            Some(at) if stays(&head) => at,
            _ => stream.deletable_at(self.clock.now()),
        };
        let first = self.first_put_off(partition, oldest.slot, head.slot + 1, target).await?;
        let mut gap = false;
        for slot in (oldest.slot..first).rev() {
            if self.clock.now() >= until {
                return Err(Error::Unavailable("a sweep has no time to put off every deletion".into()));
            }
            gap |= !self.store.put_off_deletion(partition, slot, target).await?;
        }
        if gap { Err(Error::CompactionGap) } else { Ok(()) }
    }

    /// The first slot of a range from which on everything may be deleted only at the target; its end when there is none.
    async fn first_put_off(&self, partition: &PartitionId, low: u64, high: u64, target: Timestamp) -> Result<u64> {
        let (mut low, mut high) = (low, high);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.store.record_batch(partition, middle).await? {
                Some(batch) if batch.deletable_at.is_none_or(|at| at >= target) => high = middle,
                // What is gone was not put off.
                _ => low = middle + 1,
            }
        }
        Ok(high)
    }

    /// Reduces an expired head to a stub that stays: else a writer would begin again at slot 1.
    async fn keep_head(&self, stream: &StreamItem, partition: &PartitionId) -> Result<()> {
        let Some(head) = self.store.head(partition).await? else { return Ok(()) };
        if is_planted(Bug::OffsetsBeginAgain) {
            return Ok(());
        }
        self.trust_head(&head)?;
        let expires_after = head.accepted_at.plus(limits::CLOCK_SKEW_MS);
        if head.body.is_none() || !stream.is_expired(expires_after, self.clock.now()) {
            return Ok(());
        }
        let compacts = stream.stream.definition.compaction;
        if !compacts || self.store.partition(partition).await?.watermark.slot > head.slot {
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
