//! Creating, reading and deleting subscriptions. Start points are found once, when a subscription is created; only a
//! start from compacted state is found by the first poll, which then sees the state as of that poll.

use crate::answers::{Created, StartFrom, SubscriptionDescription};
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::model::{StreamName, SubscriptionName};
use crate::store::{Outcome, StreamItem, SubscriptionItem};

impl Ledger {
    /// Creates a subscription. The same start again is the same subscription.
    ///
    /// # Errors
    /// `SubscriptionExists` with another start, `Refused` for compacted state of a stream that has none,
    /// `StreamNotFound`, `Unavailable`, `OutcomeUnknown`.
    pub async fn create_subscription(
        &self,
        stream: &StreamName,
        name: &SubscriptionName,
        start_from: StartFrom,
    ) -> Result<Created<SubscriptionDescription>> {
        let stream = self.fresh_stream(stream).await?;
        loop {
            if let Some(existing) = self.store.subscription(stream.incarnation(), name).await? {
                if existing.start_from != start_from {
                    return Err(Error::SubscriptionExists);
                }
                return Ok(Created { value: self.describe(&stream, existing).await?, new: false });
            }
            let new = self.new_subscription(&stream, name, start_from).await?;
            match self.store.put_subscription(stream.incarnation(), &new).await? {
                Outcome::Applied => {
                    self.subscriptions.remove(&(stream.incarnation(), name.clone()));
                    return Ok(Created { value: self.describe(&stream, new).await?, new: true });
                }
                // Someone was faster, or an earlier attempt of ours was.
                Outcome::Refused(refusals) => {
                    if let [crate::store::Refusal::Condition(Some(found))] = refusals.as_slice()
                        && SubscriptionItem::read(found)?.generation == new.generation
                    {
                        return Ok(Created { value: self.describe(&stream, new).await?, new: true });
                    }
                }
            }
        }
    }

    async fn new_subscription(
        &self,
        stream: &StreamItem,
        name: &SubscriptionName,
        start_from: StartFrom,
    ) -> Result<SubscriptionItem> {
        Ok(SubscriptionItem {
            name: name.clone(),
            start_from,
            progress: self.start(stream, start_from).await?,
            version: 1,
            // Random, so that cursors of a deleted subscription of the same name do not fit.
            generation: self.randomness.below(1 << 52),
            created_at: self.clock.now(),
            commits: Vec::new(),
            rewound: false,
            last_poll_at: None,
        })
    }

    /// Deletes a subscription; its stream is untouched.
    ///
    /// # Errors
    /// `StreamNotFound`, `SubscriptionNotFound`, `Unavailable`, `OutcomeUnknown`.
    pub async fn delete_subscription(&self, stream: &StreamName, name: &SubscriptionName) -> Result<()> {
        let stream = self.stream(stream).await?;
        let outcome = self.store.delete_subscription(stream.incarnation(), name).await;
        let known = (stream.incarnation(), name.clone());
        self.subscriptions.remove(&known);
        self.noted_polls.remove(&known);
        match outcome? {
            Outcome::Applied => Ok(()),
            Outcome::Refused(_) => Err(Error::SubscriptionNotFound),
        }
    }

    /// A subscription as it is now.
    pub(crate) async fn subscription(&self, stream: &StreamItem, name: &SubscriptionName) -> Result<SubscriptionItem> {
        let known = (stream.incarnation(), name.clone());
        match self.store.subscription(stream.incarnation(), name).await? {
            Some(item) => {
                self.subscriptions.put(known, item.generation, self.clock.now());
                Ok(item)
            }
            None => {
                self.subscriptions.remove(&known);
                Err(Error::SubscriptionNotFound)
            }
        }
    }

    /// The generation of a subscription, from the cache when it was read within [`crate::limits::CACHE_MS`].
    pub(crate) async fn generation(&self, stream: &StreamItem, name: &SubscriptionName) -> Result<u64> {
        match self.subscriptions.get(&(stream.incarnation(), name.clone()), self.clock.now()) {
            Some(generation) => Ok(generation),
            None => Ok(self.subscription(stream, name).await?.generation),
        }
    }
}
