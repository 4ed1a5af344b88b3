//! Commit: a ratchet. The committed positions become the farther of what they were and what the cursor holds, in one
//! write under a version check; so commits may be repeated, arrive late and in any order.

use crate::answers::{Committed, Lag};
use crate::error::Result;
use crate::ledger::Ledger;
use crate::model::cursor::Cursor;
use crate::model::{Progress, StreamName, SubscriptionName};
use crate::poll::check_use;
use crate::store::{KnownCommit, Outcome, SubscriptionItem};

impl Ledger {
    /// Commits a cursor of this subscription.
    ///
    /// # Errors
    /// `StreamNotFound`, `SubscriptionNotFound`, `InvalidCursor`, `StreamRecreated`, `GenerationMismatch` after a seek,
    /// `CommitBeyondTail`, `Unavailable`, `OutcomeUnknown`; repeating a commit is always safe.
    pub async fn commit(
        &self,
        name: &StreamName,
        subscription: &SubscriptionName,
        cursor: Cursor,
    ) -> Result<Committed> {
        let mut stream = self.stream(name).await?;
        let payload = self.open_cursor(&mut stream, &cursor).await?;
        let mut first = true;
        loop {
            let item = self.subscription(&stream, subscription).await?;
            check_use(&payload, subscription, item.generation)?;
            let joined = item.progress.join(&payload.progress);
            let lag = self.lag_of(&stream, &joined).await?;
            if joined == item.progress {
                // A repeated attempt of our own finds its own work done.
                return Ok(Committed { advanced: !first && item.progress == payload.progress, lag });
            }
            let version = item.version;
            let changed = committed(item, joined, lag, self.clock.now());
            match self.store.update_subscription(stream.incarnation(), &changed, version).await? {
                Outcome::Applied => return Ok(Committed { advanced: true, lag }),
                Outcome::Refused(_) => first = false,
            }
        }
    }
}

fn committed(mut item: SubscriptionItem, joined: Progress, lag: Lag, now: crate::Timestamp) -> SubscriptionItem {
    item.progress = joined;
    item.version += 1;
    item.rewound = false;
    item.remember(KnownCommit { at: now, lag_events: lag.events });
    item
}
