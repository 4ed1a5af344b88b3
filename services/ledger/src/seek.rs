//! Seek: the only way to move a subscription back. It begins a new generation, so that commits of readers that do not
//! know of it are refused.

use crate::answers::{SeekTo, SubscriptionDescription};
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::model::cursor::CursorUse;
use crate::model::{Progress, StreamName, SubscriptionName};
use crate::store::{Outcome, StreamItem};

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
        let progress = self.target(&mut stream, subscription, to).await?;
        self.lag_of(&stream, &progress).await?;
        loop {
            let mut item = self.subscription(&stream, subscription).await?;
            let version = item.version;
            item.rewound = item.progress.join(&progress) == item.progress && item.progress != progress;
            item.progress = progress.clone();
            item.version += 1;
            item.generation = (item.generation + 1 + self.randomness.below(1 << 32)) % (1 << 53);
            item.commits.clear();
            match self.store.update_subscription(stream.incarnation(), &item, version).await? {
                Outcome::Applied => {
                    let known = (stream.incarnation(), subscription.clone());
                    self.subscriptions.put(known, item.generation, self.clock.now());
                    return self.describe(&stream, item).await;
                }
                // Someone wrote meanwhile, or an earlier attempt of ours did; seeking once more is the same.
                Outcome::Refused(_) => {}
            }
        }
    }

    async fn target(&self, stream: &mut StreamItem, subscription: &SubscriptionName, to: SeekTo) -> Result<Progress> {
        match to {
            SeekTo::Start(start) => self.start(stream, start).await.map_err(|error| match error {
                Error::Refused { detail, .. } => Error::Refused { pointer: "/to", detail },
                other => other,
            }),
            SeekTo::Cursor(cursor) => {
                let payload = self.open_cursor(stream, &cursor).await?;
                match payload.used_for {
                    CursorUse::Subscription { name, .. } if name == subscription.as_str() => Ok(payload.progress),
                    _ => Err(Error::InvalidCursor),
                }
            }
        }
    }
}
