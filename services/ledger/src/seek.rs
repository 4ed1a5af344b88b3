//! Seek: the only way to move a subscription back. It begins a new generation, so that commits of readers that do not
//! know of it are refused.

use crate::answers::{SeekTo, StartFrom, SubscriptionDescription};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::model::cursor::CursorUse;
use crate::model::{Progress, StreamName, SubscriptionName};
use crate::store::{Outcome, Pauses, StreamItem, SubscriptionItem};

impl Ledger {
    /// Moves a subscription to a start point or to a cursor of its own.
    ///
    /// # Errors
    /// `StreamNotFound`, `SubscriptionNotFound`, `InvalidCursor`, `StreamRecreated`, `CommitBeyondTail`, `Refused`,
    /// `Unavailable`, `OutcomeUnknown`.
    pub async fn seek(
        &self,
        name: &StreamName,
        subscription: &SubscriptionName,
        to: SeekTo,
    ) -> Result<SubscriptionDescription> {
        let mut stream = self.fresh_stream(name).await?;
        let (progress, verified_at) = self.target(&mut stream, subscription, to).await?;
        self.lag_of(&stream, &progress).await?;
        let (mut doubtful, mut tried, mut pauses) = (false, Vec::new(), Pauses::new());
        loop {
            let honest = Error::after_doubt(doubtful);
            let mut item = self.subscription(&stream, subscription).await.map_err(honest)?;
            if tried.contains(&item.generation) {
                // An earlier attempt of ours did it, and somebody has gone on from there.
                return self.describe(&stream, item).await.map_err(Error::after_write);
            }
            let version = item.version;
            item = self.moved(item, &progress, verified_at);
            tried.push(item.generation);
            let outcome = self.store.update_subscription(stream.incarnation(), &item, version).await;
            // However it ended: it may have been applied.
            self.subscriptions.remove(&(stream.incarnation(), subscription.clone()));
            match outcome.map_err(honest)? {
                Outcome::Applied => return self.describe(&stream, item).await.map_err(Error::after_write),
                // Someone wrote meanwhile, or an earlier attempt of ours did.
                Outcome::Refused { doubtful: unknown, .. } => doubtful |= unknown,
            }
            self.store.pause(&mut pauses).await;
        }
    }

    /// A subscription as a seek leaves it.
    pub(crate) fn moved(
        &self,
        item: SubscriptionItem,
        progress: &Progress,
        verified_at: Timestamp,
    ) -> SubscriptionItem {
        SubscriptionItem {
            rewound: progress.goes_back_from(&item.progress),
            progress: progress.clone(),
            verified_at,
            version: item.version + 1,
            generation: (item.generation + 1 + self.randomness.below(1 << 32)) % (1 << 53),
            begun_at: self.clock.now(),
            commits: Vec::new(),
            ..item
        }
    }

    /// Whether a seek would let a subscription begin from compacted state, or go on in it.
    ///
    /// # Errors
    /// Of a cursor: `StreamNotFound`, `InvalidCursor`, `StreamRecreated`, `Unavailable`.
    pub async fn seeks_compacted_state(
        &self,
        name: &StreamName,
        subscription: &SubscriptionName,
        to: &SeekTo,
    ) -> Result<bool> {
        match to {
            SeekTo::Start(start) => Ok(*start == StartFrom::Compacted),
            SeekTo::Cursor(cursor) => {
                let progress = self.progress_of(name, subscription, cursor).await?;
                Ok(progress.is_some_and(|progress| progress.in_snapshot()))
            }
        }
    }

    /// Where it is moved, and when that was seen to be readable.
    pub(crate) async fn target(
        &self,
        stream: &mut StreamItem,
        subscription: &SubscriptionName,
        to: SeekTo,
    ) -> Result<(Progress, Timestamp)> {
        match to {
            SeekTo::Start(start) => match self.start(stream, start).await {
                Ok(progress) => Ok((progress, self.clock.now())),
                Err(Error::Refused { detail, .. }) => Err(Error::Refused { pointer: "/to", detail }),
                Err(other) => Err(other),
            },
            SeekTo::Cursor(cursor) => {
                let payload = self.open_cursor(stream, &cursor).await?;
                match payload.used_for {
                    CursorUse::Subscription { name, .. } if name == subscription.as_str() => {
                        Ok((payload.progress, payload.verified_at))
                    }
                    _ => Err(Error::InvalidCursor),
                }
            }
        }
    }
}
