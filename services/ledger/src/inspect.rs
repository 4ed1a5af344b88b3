//! How far readers are: lag, exactly, from the records themselves. What it says of a subscription is in `status`; the
//! subscriptions of all streams at once are in `sample`.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::answers::{Lag, Listing, PartitionId, Status, SubscriptionDescription};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::limits;
use crate::model::cursor::CursorUse;
use crate::model::{Position, Progress, StreamName, SubscriptionName};
use crate::status::{Evidence, status};
use crate::store::{RecordBatch, Store, StreamItem, SubscriptionItem};

/// What lies beyond progress, and whether retention overtook it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Beyond {
    pub(crate) lag: Lag,
    pub(crate) lost: bool,
    past_tail: bool,
}

/// What lies beyond the position of one partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaneBeyond {
    pub(crate) position: Position,
    pub(crate) tail: Position,
    pub(crate) beyond: Beyond,
}

/// A record batch without its records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    slot: u64,
    base_offset: u64,
    accepted_at: Timestamp,
}

impl From<&RecordBatch> for Place {
    fn from(batch: &RecordBatch) -> Self {
        Self { slot: batch.slot, base_offset: batch.base_offset, accepted_at: batch.accepted_at }
    }
}

/// How far the log of a partition goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) tail: Position,
    head: Option<Place>,
}

impl End {
    /// The slot whose record batch must be read to know how old what lies beyond a position is; the newest one is known.
    fn unknown_slot(&self, position: Position) -> Option<u64> {
        self.head.filter(|head| head.slot > position.slot).map(|_| position.slot)
    }
}

/// The positions of progress; a bootstrap that has not begun has everything before it.
fn positions(stream: &StreamItem, progress: &Progress) -> Vec<Position> {
    if progress.is_to_begin() {
        vec![Position::START; usize::from(stream.partition_count())]
    } else {
        progress.positions.clone()
    }
}

/// What lies beyond a position of one partition; `first` is the record batch at it, where [`End::unknown_slot`] asked.
fn beyond_position(stream: &StreamItem, position: Position, end: End, first: Option<Place>, now: Timestamp) -> Beyond {
    let events = end.tail.offset.saturating_sub(position.offset);
    let next = if end.unknown_slot(position).is_some() { first } else { end.head }.filter(|_| events > 0);
    Beyond {
        lag: Lag { events, ms: next.map_or(0, |next| now.since(next.accepted_at)) },
        lost: next.is_some_and(|next| next.base_offset > position.offset || stream.is_expired(next.accepted_at, now)),
        past_tail: position.offset > end.tail.offset,
    }
}

/// What is known of the log of a stream, to tell what lies beyond many positions.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// How far each partition goes.
    pub(crate) ends: BTreeMap<u16, End>,
    /// The first record batch at or after a slot of a partition.
    pub(crate) places: BTreeMap<(u16, u64), Option<Place>>,
}

impl Survey {
    /// The slots at which a record batch must be read to know how old what lies beyond progress is.
    pub(crate) fn unknown_slots(&self, stream: &StreamItem, progress: &Progress) -> Vec<(u16, u64)> {
        let slot = |(partition, position): (u16, Position)| {
            Some((partition, self.ends.get(&partition)?.unknown_slot(position)?))
        };
        (0..).zip(positions(stream, progress)).filter_map(slot).collect()
    }

    /// What lies beyond progress; none where something that it takes was not read.
    pub(crate) fn beyond(&self, stream: &StreamItem, progress: &Progress, now: Timestamp) -> Option<Beyond> {
        let lanes = self.lanes(stream, progress, now)?;
        Some(Beyond::of(progress, lanes.into_iter().map(|lane| lane.beyond)))
    }

    /// The same for each partition.
    pub(crate) fn lanes(&self, stream: &StreamItem, progress: &Progress, now: Timestamp) -> Option<Vec<LaneBeyond>> {
        let lane = |(partition, position): (u16, Position)| {
            let end = *self.ends.get(&partition)?;
            let place = match end.unknown_slot(position) {
                Some(slot) => *self.places.get(&(partition, slot))?,
                None => None,
            };
            let beyond = beyond_position(stream, position, end, place, now);
            Some(LaneBeyond { position, tail: end.tail, beyond })
        };
        (0..).zip(positions(stream, progress)).map(lane).collect()
    }
}

impl Beyond {
    /// What lies beyond progress, from what lies beyond each of its positions.
    pub(crate) fn of(progress: &Progress, lanes: impl IntoIterator<Item = Self>) -> Self {
        let sum = lanes.into_iter().fold(Self::default(), |sum, lane| Self {
            lag: Lag { events: sum.lag.events + lane.lag.events, ms: sum.lag.ms.max(lane.lag.ms) },
            lost: sum.lost || lane.lost,
            past_tail: sum.past_tail || lane.past_tail,
        });
        // A bootstrap that has not begun needs nothing of the log.
        Self { lost: sum.lost && !progress.is_to_begin(), ..sum }
    }

    /// Until the first of it expires, 0 when it has; none where nothing that is needed can expire.
    pub(crate) fn headroom_ms(&self, stream: &StreamItem, progress: &Progress) -> Option<u64> {
        let needs_the_log = self.lag.events > 0 && !progress.is_to_begin();
        let left = if self.lost { 0 } else { stream.retention_ms().saturating_sub(self.lag.ms) };
        needs_the_log.then_some(left)
    }
}

/// How a subscription does.
pub(crate) fn judge(item: &SubscriptionItem, beyond: &Beyond, now: Timestamp) -> Status {
    status(&Evidence {
        now,
        lag: beyond.lag,
        lost: beyond.lost,
        rewound: item.rewound,
        begun_at: item.begun_at,
        last_poll_at: item.last_poll_at,
        in_snapshot: item.progress.in_snapshot(),
        commits: &item.commits,
    })
}

impl Ledger {
    /// What lies beyond progress.
    ///
    /// # Errors
    /// `CommitBeyondTail` when it points where nothing was written yet, `HeadLost` when nobody knows, `Unavailable`.
    pub(crate) async fn lag_of(&self, stream: &StreamItem, progress: &Progress) -> Result<Lag> {
        let beyond = self.beyond(stream, progress).await?;
        if beyond.past_tail { Err(Error::CommitBeyondTail) } else { Ok(beyond.lag) }
    }

    async fn beyond(&self, stream: &StreamItem, progress: &Progress) -> Result<Beyond> {
        let now = self.clock.now();
        let look = async |(partition, position): (u16, Position)| {
            let partition = stream.partition(partition);
            let mut end = self.end(&partition).await?;
            if position.offset > end.tail.offset {
                // Whoever began after a write that queries see in part is there already.
                end.tail = self.after_write(&partition, end.tail).await?;
            }
            let first = match end.unknown_slot(position) {
                Some(slot) => self.first_place(&partition, slot).await?,
                None => None,
            };
            Ok::<_, Error>(beyond_position(stream, position, end, first, now))
        };
        let lanes = futures::future::try_join_all((0..).zip(positions(stream, progress)).map(look)).await?;
        Ok(Beyond::of(progress, lanes))
    }

    /// How far the log of a partition goes.
    ///
    /// # Errors
    /// `HeadLost`, `Unavailable`.
    pub(crate) async fn end(&self, partition: &PartitionId) -> Result<End> {
        Ok(match self.store.head(partition).await? {
            Some(head) => {
                self.trust_head(&head)?;
                End { tail: head.next(), head: Some(Place::from(&head)) }
            }
            None => End { tail: self.beginning(partition).await?, head: None },
        })
    }

    /// The first record batch at a slot or after it.
    pub(crate) async fn first_place(&self, partition: &PartitionId, slot: u64) -> Result<Option<Place>> {
        Ok(self.store.record_batch_from(partition, slot).await?.as_ref().map(Place::from))
    }

    /// How far each partition of a stream goes.
    pub(crate) async fn ends(&self, stream: &StreamItem) -> Result<BTreeMap<u16, End>> {
        let end = async |partition: PartitionId| Ok::<_, Error>((partition.partition, self.end(&partition).await?));
        at_once(stream.partitions().map(end)).await
    }

    /// The first record batches at slots of partitions, or after them.
    pub(crate) async fn places(
        &self,
        stream: &StreamItem,
        slots: BTreeSet<(u16, u64)>,
    ) -> Result<BTreeMap<(u16, u64), Option<Place>>> {
        let place = async |(partition, slot): (u16, u64)| {
            let place = self.first_place(&stream.partition(partition), slot).await?;
            Ok::<_, Error>(((partition, slot), place))
        };
        at_once(slots.into_iter().map(place)).await
    }

    /// A subscription and how it does.
    ///
    /// # Errors
    /// `StreamNotFound`, `SubscriptionNotFound`, `Unavailable`.
    pub async fn describe_subscription(
        &self,
        stream: &StreamName,
        name: &SubscriptionName,
    ) -> Result<SubscriptionDescription> {
        let stream = self.stream(stream).await?;
        let item = self.subscription(&stream, name).await?;
        self.describe(&stream, item).await
    }

    /// Lists the subscriptions of a stream that come after a name, each with how it does. A page may be shorter than asked
    /// for: the log is read at no more than [`limits::LISTING_READS`] places for it, or for a single subscription.
    ///
    /// # Errors
    /// `StreamNotFound`, `Unavailable`.
    pub async fn list_subscriptions(
        &self,
        stream: &StreamName,
        after: Option<&str>,
        limit: u32,
        visible: impl Fn(&SubscriptionName) -> bool + Send + Sync,
    ) -> Result<Listing<SubscriptionDescription>> {
        let stream = self.stream(stream).await?;
        let query = Store::subscriptions(stream.incarnation(), after);
        let mut page = self
            .list(&query, limit, SubscriptionItem::read, |item| {
                let shown = item.is_live() && visible(&item.name);
                shown.then(|| (item.name.to_string(), item.clone()))
            })
            .await?;
        if page.items.is_empty() {
            return Ok(Listing { items: Vec::new(), next: page.next });
        }
        let mut survey = Survey { ends: self.ends(&stream).await?, ..Survey::default() };
        let mut unknown = BTreeSet::new();
        let mut fitting = 0;
        for item in &page.items {
            let slots = survey.unknown_slots(&stream, &item.progress);
            let further = slots.iter().filter(|slot| !unknown.contains(*slot)).count();
            if fitting > 0 && unknown.len() + further > limits::LISTING_READS {
                break;
            }
            unknown.extend(slots);
            fitting += 1;
        }
        if fitting < page.items.len() {
            page.items.truncate(fitting);
            page.next = page.items.last().map(|item| item.name.to_string());
        }
        survey.places = self.places(&stream, unknown).await?;
        let now = self.clock.now();
        let describe = |item: SubscriptionItem| {
            let beyond =
                survey.beyond(&stream, &item.progress, now).ok_or_else(|| Error::broken("all of it was read"))?;
            Ok(self.description(&stream, item, &beyond, now))
        };
        Ok(Listing { items: page.items.into_iter().map(describe).collect::<Result<_>>()?, next: page.next })
    }

    pub(crate) async fn describe(
        &self,
        stream: &StreamItem,
        item: SubscriptionItem,
    ) -> Result<SubscriptionDescription> {
        let beyond = self.beyond(stream, &item.progress).await?;
        Ok(self.description(stream, item, &beyond, self.clock.now()))
    }

    fn description(
        &self,
        stream: &StreamItem,
        item: SubscriptionItem,
        beyond: &Beyond,
        now: Timestamp,
    ) -> SubscriptionDescription {
        let status = judge(&item, beyond, now);
        let used_for = CursorUse::subscription(&item.name, item.generation);
        let cursor = self.seal_at(stream, used_for, item.progress.clone(), item.verified_at);
        SubscriptionDescription {
            in_snapshot: item.progress.in_snapshot(),
            cursor,
            status,
            lag: beyond.lag,
            last_commit_at: item.commits.last().map(|commit| commit.at),
            last_poll_at: item.last_poll_at,
            stream: stream.name().clone(),
            start_from: item.start_from,
            generation: item.generation,
            created_at: item.created_at,
            name: item.name,
        }
    }
}

/// Reads some at once, and fails with the first that does.
async fn at_once<K: Ord, V>(
    reads: impl Iterator<Item = impl Future<Output = Result<(K, V)>>>,
) -> Result<BTreeMap<K, V>> {
    stream::iter(reads).buffer_unordered(limits::READS_AT_ONCE).try_collect().await
}
