//! Creating, reading and deleting subscriptions. Start points are found once, when a subscription is created; only a
//! start from compacted state is found by the first poll, which then sees the state as of that poll.

use crate::answers::{Created, StartFrom, SubscriptionDescription};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::model::cursor::Payload;
use crate::model::{StreamName, SubscriptionName};
use crate::poll::check_use;
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
        let mut doubtful = false;
        loop {
            let honest = Error::after_doubt(doubtful);
            let known = self.store.subscription_or_its_end(stream.incarnation(), name).await.map_err(honest)?;
            let ended_at = known.as_ref().and_then(|item| item.deleted_at);
            if let Some(existing) = known.filter(SubscriptionItem::is_live) {
                if existing.start_from != start_from {
                    return Err(honest(Error::SubscriptionExists));
                }
                return Ok(Created { value: self.describe(&stream, existing).await.map_err(honest)?, new: false });
            }
            let new = self.new_subscription(&stream, name, start_from, ended_at).await.map_err(honest)?;
            match self.store.put_subscription(stream.incarnation(), &new, ended_at).await.map_err(honest)? {
                Outcome::Applied => {
                    self.subscriptions.remove(&(stream.incarnation(), name.clone()));
                    return self.created(&stream, new).await;
                }
                // Someone was faster, or an earlier attempt of ours was.
                Outcome::Refused { refusals, doubtful: unknown } => {
                    doubtful |= unknown;
                    if let [crate::store::Refusal::Condition(Some(found))] = refusals.as_slice()
                        && SubscriptionItem::read(found)?.generation == new.generation
                    {
                        return self.created(&stream, new).await;
                    }
                }
            }
        }
    }

    /// The answer for a subscription that was written just now.
    async fn created(&self, stream: &StreamItem, new: SubscriptionItem) -> Result<Created<SubscriptionDescription>> {
        Ok(Created { value: self.describe(stream, new).await.map_err(Error::after_write)?, new: true })
    }

    async fn new_subscription(
        &self,
        stream: &StreamItem,
        name: &SubscriptionName,
        start_from: StartFrom,
        ended_at: Option<Timestamp>,
    ) -> Result<SubscriptionItem> {
        // Each life of a name begins after the one before, whatever the clocks say.
        let created_at = self.clock.now().max(ended_at.map_or(Timestamp(0), |end| end.plus(1)));
        Ok(SubscriptionItem {
            name: name.clone(),
            start_from,
            progress: self.start(stream, start_from).await?,
            verified_at: self.clock.now(),
            bootstraps: 0,
            version: 1,
            // Random, so that cursors of a deleted subscription of the same name do not fit.
            generation: self.randomness.below(1 << 52),
            created_at,
            begun_at: created_at,
            commits: Vec::new(),
            rewound: false,
            last_poll_at: None,
            deleted_at: None,
        })
    }

    /// Deletes a subscription; its stream is untouched.
    ///
    /// # Errors
    /// `StreamNotFound`, `SubscriptionNotFound`, `Unavailable`, `OutcomeUnknown`.
    pub async fn delete_subscription(&self, stream: &StreamName, name: &SubscriptionName) -> Result<()> {
        let stream = self.stream(stream).await?;
        let known = (stream.incarnation(), name.clone());
        let item = self.subscription(&stream, name).await;
        if matches!(item, Err(Error::SubscriptionNotFound)) {
            self.noted_polls.found_nothing(&known);
        }
        let item = item?;
        let ends_at = self.clock.now().max(item.created_at);
        let outcome = self.store.delete_subscription(stream.incarnation(), &item, ends_at).await;
        self.subscriptions.remove(&known);
        self.noted_polls.remove(&known);
        match outcome? {
            // When it was not there any more after a lost reply, it was most likely our own earlier attempt.
            Outcome::Applied | Outcome::Refused { doubtful: true, .. } => Ok(()),
            Outcome::Refused { .. } => Err(Error::SubscriptionNotFound),
        }
    }

    /// A subscription as it is now.
    pub(crate) async fn subscription(&self, stream: &StreamItem, name: &SubscriptionName) -> Result<SubscriptionItem> {
        let known = (stream.incarnation(), name.clone());
        // From before it is read: a process may be frozen before it hears the answer.
        let (epoch, now) = (self.subscriptions.epoch(), self.clock.now());
        match self.store.subscription(stream.incarnation(), name).await? {
            Some(item) => {
                self.subscriptions.put(known, item.generation, now, epoch);
                Ok(item)
            }
            None => {
                self.subscriptions.found_nothing(&known);
                Err(Error::SubscriptionNotFound)
            }
        }
    }

    /// Whether a cursor is of this subscription, as it is since its last seek. What was read within
    /// [`crate::limits::CACHE_MS`] is taken from the cache; a cursor that does not fit it makes the subscription be read
    /// afresh, because the cache may be what is old.
    pub(crate) async fn check_use(
        &self,
        stream: &StreamItem,
        name: &SubscriptionName,
        payload: &Payload,
    ) -> Result<()> {
        let known = self.subscriptions.get(&(stream.incarnation(), name.clone()), self.clock.now());
        match known.map(|generation| check_use(payload, name, generation)) {
            Some(Ok(())) => Ok(()),
            Some(Err(Error::InvalidCursor)) => Err(Error::InvalidCursor),
            _ => check_use(payload, name, self.subscription(stream, name).await?.generation),
        }
    }
}
