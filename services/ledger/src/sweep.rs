//! Sweep: what must be done now and then for every stream, by the keeper.
//!
//! It compacts what no doorbell rang for, keeps the head of every partition, puts off the deletion of what is not
//! compacted while the compactor stands still, and collects what deleted streams left.

use crate::answers::PartitionId;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::limits;
use crate::model::StreamName;
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
        let mut stalled = Vec::new();
        for stream in streams.iter().filter(|stream| stream.stream.definition.compaction) {
            let partitions = self.find_stalled(stream.name(), &mut failures).await;
            stalled.extend(partitions.into_iter().map(|partition| (stream, partition)));
        }
        let ends_at = self.clock.now().plus(limits::SWEEP_MS);
        for (left, (stream, partition)) in (1..=stalled.len() as u64).rev().zip(&stalled) {
            // Each has its share of the time that is left.
            let now = self.clock.now();
            let until = now.plus(ends_at.since(now) / left);
            failures.note("a deletion was not put off", self.put_off_deletions(stream, partition, until).await);
        }
        for ended in self.store.ended_streams().await? {
            let now = self.clock.now();
            if ended.is_due(now) {
                failures.note("a deleted stream was not collected", self.store.collect(&ended, now).await);
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

    /// Compacts what no doorbell rang for. What never had its turn in time comes with a later sweep: each has an order of its own.
    async fn compact_what_is_left(&self, streams: &[StreamItem], failures: &mut Failures) {
        let compacted = streams.iter().filter(|stream| stream.stream.definition.compaction);
        let mut partitions: Vec<_> = compacted.flat_map(StreamItem::partitions).collect();
        partitions.sort_by_cached_key(|_| self.randomness.below(u64::MAX));
        let until = self.clock.now().plus(limits::SWEEP_MS);
        for (_, compacted) in self.compact_in_turns(partitions, until).await.reached {
            failures.note("a partition was not compacted", compacted);
        }
    }

    /// The partitions whose oldest uncompacted record batch is too old, or cannot be read; while there are any, publishing
    /// pauses.
    async fn find_stalled(&self, name: &StreamName, failures: &mut Failures) -> Vec<PartitionId> {
        let seen_at = self.clock.now();
        let Some(stream) = failures.note("a definition was not read", self.store.stream(name).await).flatten() else {
            return Vec::new();
        };
        let (mut stalled, mut unknown) = (Vec::new(), false);
        for partition in stream.partitions() {
            let oldest = self.uncompacted(&partition).await;
            let is_stalled = match &oldest {
                Ok(oldest) => {
                    oldest.as_ref().is_some_and(|batch| seen_at.since(batch.accepted_at) > limits::COMPACTOR_STALLED_MS)
                }
                Err(error) => matches!(error, Error::Internal(_)),
            };
            unknown |= failures.note("a stalled compactor was not looked for", oldest).is_none();
            stalled.extend(is_stalled.then_some(partition));
        }
        let is_stalled = !stalled.is_empty() || (unknown && stream.compactor_stalled);
        if is_stalled != stream.compactor_stalled {
            let marked = self.store.mark_compactor(&stream, is_stalled, seen_at).await;
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
        let now = self.clock.now();
        let Some(oldest_ends) = oldest.deletable_at.filter(|at| *at < now.plus(limits::PUT_OFF_BEFORE_MS)) else {
            return Ok(());
        };
        let Some(head) = self.store.head(partition).await? else { return Err(Error::HeadLost) };
        // Once it is put off, nothing tells any more that newer ones may be gone.
        self.trust_head(&head)?;
        let target = match head.deletable_at {
            // What was begun is ended first, else the oldest might never be reached; unless it puts off nothing, because a
            // process that is alone was away for so long that the head may be deleted as well.
            Some(at) if at >= oldest_ends.plus(limits::HEAD_UNSAFE_MS) && at > now.plus(limits::HEAD_UNSAFE_MS) => at,
            _ => stream.deletable_at(now),
        };
        let mut slot = self.first_put_off(partition, oldest.slot, head.slot + 1, target).await?;
        let mut gap = false;
        while slot > oldest.slot {
            if self.clock.now() >= until {
                return Err(Error::Unavailable("a sweep has no time to put off every deletion".into()));
            }
            slot -= 1;
            if !self.store.put_off_deletion(partition, slot, target).await? {
                gap = true;
                let before = self.store.last_record_batch(partition, oldest.slot, slot).await?;
                slot = before.map_or(oldest.slot, |batch| batch.slot + 1);
            }
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
