//! Commit: a ratchet. The committed positions become the farther of what they were and what the cursor holds, in one
//! write under a version check; so commits may be repeated, arrive late and in any order.

use crate::answers::{Committed, Lag};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::model::cursor::Cursor;
use crate::model::{Progress, StreamName, SubscriptionName};
use crate::planted::{Bug, is_planted};
use crate::poll::check_use;
use crate::status::remember;
use crate::store::{KnownCommit, Outcome, Pauses, SubscriptionItem};
use crate::usage;

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
        let (mut doubtful, mut pauses) = (false, Pauses::new());
        loop {
            let honest = Error::after_doubt(doubtful);
            let item = self.subscription(&stream, subscription).await.map_err(honest)?;
            let use_fits = check_use(&payload, subscription, item.generation);
            if !is_planted(Bug::CommitsIgnoreSeeks) {
                use_fits.map_err(honest)?;
            }
            let joined = if payload.progress.is_to_begin() {
                // Nothing was read yet. It would end what was read since it was given out.
                item.progress.clone()
            } else if is_planted(Bug::CommitsReplace) {
                payload.progress.clone()
            } else if is_planted(Bug::BootstrapsAreMixed) {
                let bootstrap = item.progress.bootstrap;
                item.progress.join(&Progress { bootstrap, ..payload.progress.clone() })
            } else {
                item.progress.join(&payload.progress)
            };
            let lag = self.lag_of(&stream, &joined).await.map_err(honest)?;
            if joined == item.progress {
                // After an attempt whose reply was lost, it is most likely that attempt which is found here.
                return Ok(Committed { advanced: doubtful, lag });
            }
            let version = item.version;
            let verified_at = if joined == payload.progress {
                payload.verified_at
            } else {
                payload.verified_at.min(item.verified_at)
            };
            let changed = committed(item, joined, verified_at, lag, self.clock.now());
            match self.store.update_subscription(stream.incarnation(), &changed, version).await.map_err(honest)? {
                Outcome::Applied => return Ok(Committed { advanced: true, lag }),
                Outcome::Refused { doubtful: unknown, .. } => {
                    usage::note(|usage| usage.commit_conflicts += 1);
                    doubtful |= unknown;
                    self.store.pause(&mut pauses).await;
                }
            }
        }
    }
}

fn committed(
    mut item: SubscriptionItem,
    joined: Progress,
    verified_at: Timestamp,
    lag: Lag,
    now: Timestamp,
) -> SubscriptionItem {
    let other_bootstrap = item.progress.bootstrap != joined.bootstrap;
    if other_bootstrap || (item.progress.in_snapshot() && !joined.in_snapshot()) {
        // What lay beyond the watermarks, or beyond those of another, says nothing of how it follows the log from now on.
        item.commits.clear();
    }
    item.progress = joined;
    item.verified_at = verified_at;
    item.version += 1;
    item.rewound = false;
    remember(&mut item.commits, KnownCommit { at: now, lag_events: lag.events });
    item
}
