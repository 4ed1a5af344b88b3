//! Sample: how all subscriptions of all streams do, for metrics. Read-only.
//!
//! What it costs has a bound, because it runs each minute: one read for each stream, one for each partition of a stream
//! that has subscriptions, and one for each place where some of them stand behind the tail, however many stand there.
//! After [`limits::SAMPLE_READS`] or [`limits::SAMPLE_MS`] it ends, and says that it is not complete. Which streams come
//! first is drawn anew for each sample, so that those beyond the bounds are others each time.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use futures::stream::{self, StreamExt};

use crate::answers::{ConsumerSample, ConsumersSample};
use crate::clock::{Clock, Timestamp};
use crate::error::Result;
use crate::inspect::{End, Place, Survey, judge};
use crate::ledger::Ledger;
use crate::limits;
use crate::store::{Store, StreamItem, SubscriptionItem};

impl Ledger {
    /// Looks at every subscription. One that cannot be looked at keeps none of the others from it; the sample is then not
    /// complete.
    ///
    /// # Errors
    /// `Unavailable` when not even the streams can be listed.
    pub async fn sample_consumers(&self) -> Result<ConsumersSample> {
        let mut run = Run::new(self.clock.clone());
        let mut streams = self.store.all(&Store::streams("", None)).await?;
        streams.sort_by_cached_key(|_| self.randomness.below(u64::MAX));
        for attributes in streams {
            let stream = run.note("a definition was not read", StreamItem::read(&attributes));
            if let Some(stream) = stream.filter(|stream| stream.deleted_at.is_none()) {
                self.sample_stream(&stream, &mut run).await;
            }
        }
        Ok(run.sample)
    }

    async fn sample_stream(&self, stream: &StreamItem, run: &mut Run) {
        if !run.spend(1) {
            return;
        }
        // Before the ends of the log, so that no subscription seems to be beyond them.
        let found = self.store.all(&Store::subscriptions(stream.incarnation(), None)).await;
        let found = run.note("subscriptions were not listed", found).unwrap_or_default();
        let read = |attributes| run.note("a subscription was not read", SubscriptionItem::read(attributes));
        let subscriptions: Vec<_> = found.iter().filter_map(read).filter(SubscriptionItem::is_live).collect();
        if subscriptions.is_empty() {
            return;
        }
        let mut survey = Survey { ends: self.sample_ends(stream, run).await, ..Survey::default() };
        survey.places = self.sample_places(stream, &subscriptions, &survey, run).await;
        for item in subscriptions {
            match measure(stream, &item, &survey, self.clock.now()) {
                Some(consumer) => run.sample.consumers.push(consumer),
                None => run.sample.complete = false,
            }
        }
    }

    /// How far each partition goes, as far as it can be found out.
    async fn sample_ends(&self, stream: &StreamItem, run: &mut Run) -> BTreeMap<u16, End> {
        let partitions = stream.partitions().map(|partition| async move {
            let end = self.end(&partition).await;
            (partition.partition, end)
        });
        run.read_all("the end of a partition was not found", partitions.collect()).await
    }

    /// The first record batch after each place where a subscription stands behind the tail.
    async fn sample_places(
        &self,
        stream: &StreamItem,
        subscriptions: &[SubscriptionItem],
        survey: &Survey,
        run: &mut Run,
    ) -> BTreeMap<(u16, u64), Option<Place>> {
        let unknown: BTreeSet<_> =
            subscriptions.iter().flat_map(|item| survey.unknown_slots(stream, &item.progress)).collect();
        let places = unknown.into_iter().map(|(partition, slot)| async move {
            let place = self.first_place(&stream.partition(partition), slot).await;
            ((partition, slot), place)
        });
        run.read_all("the place of a subscription was not read", places.collect()).await
    }
}

/// A sample while it is taken.
struct Run {
    sample: ConsumersSample,
    reads_left: usize,
    clock: Clock,
    ends_at: Timestamp,
}

impl Run {
    fn new(clock: Clock) -> Self {
        Self {
            sample: ConsumersSample { consumers: Vec::new(), complete: true },
            reads_left: limits::SAMPLE_READS,
            ends_at: clock.now().plus(limits::SAMPLE_MS),
            clock,
        }
    }

    fn note<T>(&mut self, what: &'static str, outcome: Result<T>) -> Option<T> {
        outcome
            .inspect_err(|error| {
                self.sample.complete = false;
                tracing::warn!(%error, "{what}");
            })
            .ok()
    }

    /// Whether so many reads more are within the bounds.
    fn spend(&mut self, reads: usize) -> bool {
        let left = self.reads_left.checked_sub(reads).filter(|_| self.clock.now() < self.ends_at);
        match left {
            Some(left) => self.reads_left = left,
            None => {
                if self.sample.complete {
                    tracing::warn!("a sample of the subscriptions ended before it had looked at all of them");
                }
                self.sample.complete = false;
            }
        }
        left.is_some()
    }

    /// Reads, some at once, as long as it is within the bounds; what failed is left out.
    async fn read_all<K: Ord, V>(
        &mut self,
        what: &'static str,
        reads: Vec<impl Future<Output = (K, Result<V>)>>,
    ) -> BTreeMap<K, V> {
        let mut known = BTreeMap::new();
        if !self.spend(reads.len()) {
            return known;
        }
        let (clock, ends_at) = (self.clock.clone(), self.ends_at);
        let mut answers = stream::iter(reads).buffer_unordered(limits::READS_AT_ONCE);
        while let Some((key, answer)) = answers.next().await {
            if let Some(value) = self.note(what, answer) {
                known.insert(key, value);
            }
            if clock.now() >= ends_at {
                break;
            }
        }
        known
    }
}

/// How a subscription does, if all that it takes is known.
fn measure(stream: &StreamItem, item: &SubscriptionItem, survey: &Survey, now: Timestamp) -> Option<ConsumerSample> {
    let beyond = survey.beyond(stream, &item.progress, now)?;
    Some(ConsumerSample {
        stream: stream.name().clone(),
        subscription: item.name.clone(),
        status: judge(item, &beyond, now),
        lag: beyond.lag,
        headroom_ms: beyond.headroom_ms(stream, &item.progress),
        retention_ms: stream.retention_ms(),
    })
}
