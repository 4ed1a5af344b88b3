//! How readers do: lag, exactly, and the status of a subscription as a pure function of what it left behind.

use crate::answers::{Lag, Listing, Status, SubscriptionDescription};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::model::cursor::CursorUse;
use crate::model::{Position, Progress, StreamName, SubscriptionName};
use crate::store::{KnownCommit, Store, StreamItem, SubscriptionItem};

/// A reader that neither polled nor committed for so long has stopped, in milliseconds.
const STOPPED_MS: u64 = 10 * 60_000;

/// What lies beyond progress, and whether retention overtook it.
#[derive(Clone, Copy, Debug, Default)]
struct Beyond {
    lag: Lag,
    lost: bool,
    past_tail: bool,
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
        // A bootstrap that has not begun has everything before it.
        let start = vec![Position::START; usize::from(stream.partition_count())];
        let positions = if progress.positions.is_empty() { &start } else { &progress.positions };
        let look = async |(partition, position): (u16, &Position)| {
            let partition = stream.partition(partition);
            let tail_and_time = match self.store.head(&partition).await? {
                None => (self.beginning(&partition).await?, None),
                Some(head) if head.slot <= position.slot => (head.next(), Some(head)),
                Some(head) => (head.next(), self.store.record_batch_from(&partition, position.slot).await?),
            };
            let (tail, next) = tail_and_time;
            let events = tail.offset.saturating_sub(position.offset);
            let next = next.filter(|_| events > 0);
            let lost = next
                .as_ref()
                .is_some_and(|next| next.base_offset > position.offset || stream.is_expired(next.accepted_at, now));
            let ms = next.map_or(0, |next| now.since(next.accepted_at));
            Ok::<_, Error>(Beyond { lag: Lag { events, ms }, lost, past_tail: position.offset > tail.offset })
        };
        let lanes = futures::future::try_join_all((0..).zip(positions).map(look)).await?;
        Ok(lanes.into_iter().fold(Beyond::default(), |sum, lane| Beyond {
            lag: Lag { events: sum.lag.events + lane.lag.events, ms: sum.lag.ms.max(lane.lag.ms) },
            lost: sum.lost || (lane.lost && !progress.positions.is_empty()),
            past_tail: sum.past_tail || lane.past_tail,
        }))
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

    /// Lists the subscriptions of a stream that come after a name, each with how it does.
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
        let page = self
            .list(&query, limit, SubscriptionItem::read, |item| {
                visible(&item.name).then(|| (item.name.to_string(), item.clone()))
            })
            .await?;
        let mut items = Vec::with_capacity(page.items.len());
        for item in page.items {
            items.push(self.describe(&stream, item).await?);
        }
        Ok(Listing { items, next: page.next })
    }

    pub(crate) async fn describe(
        &self,
        stream: &StreamItem,
        item: SubscriptionItem,
    ) -> Result<SubscriptionDescription> {
        let beyond = self.beyond(stream, &item.progress).await?;
        let status = status(&Evidence {
            now: self.clock.now(),
            lag_events: beyond.lag.events,
            lost: beyond.lost,
            rewound: item.rewound,
            last_poll_at: item.last_poll_at,
            created_at: item.created_at,
            commits: &item.commits,
        });
        let used_for = CursorUse::subscription(&item.name, item.generation);
        let cursor = self.seal_at(stream, used_for, item.progress.clone(), item.verified_at);
        Ok(SubscriptionDescription {
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
        })
    }
}

/// What a subscription left behind.
struct Evidence<'a> {
    now: Timestamp,
    lag_events: u64,
    lost: bool,
    rewound: bool,
    last_poll_at: Option<Timestamp>,
    created_at: Timestamp,
    commits: &'a [KnownCommit],
}

/// How a subscription does; the first rule that holds. Thresholds of lag alone decide nothing: a reader that is far
/// behind and gains is well, one that is a little behind and stands still is not.
fn status(evidence: &Evidence<'_>) -> Status {
    let last_commit = evidence.commits.last().map(|commit| commit.at);
    let quiet = |at: Option<Timestamp>| evidence.now.since(at.unwrap_or(evidence.created_at)) >= STOPPED_MS;
    let (polls, commits) = (!quiet(evidence.last_poll_at), !quiet(last_commit));
    if evidence.lost {
        Status::Lost
    } else if evidence.rewound {
        Status::Rewind
    } else if evidence.lag_events == 0 {
        if polls || commits { Status::Ok } else { Status::Idle }
    } else if !polls && !commits {
        Status::Stop
    } else if !commits {
        Status::Stall
    } else if never_gains(evidence.commits) {
        Status::Warn
    } else {
        Status::Ok
    }
}

/// Whether a full memory of commits shows a lag that only grows.
fn never_gains(commits: &[KnownCommit]) -> bool {
    commits.len() == crate::limits::REMEMBERED_COMMITS
        && commits.windows(2).all(|pair| pair[1].lag_events >= pair[0].lag_events)
        && commits.last().map(|last| last.lag_events) > commits.first().map(|first| first.lag_events)
}
