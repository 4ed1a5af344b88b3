//! What operators change by hand: only what they saw, and never without leaving a record of it.

use crate::answers::{ApiKey, Lag, SeekTo};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::model::cursor::{Cursor, CursorUse};
use crate::model::{Progress, StreamName, SubscriptionName};
use crate::store::{Outcome, StreamItem, SubscriptionItem};

/// A change to API keys by hand, all of it or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeysChange {
    /// A new key.
    pub created: Option<NewApiKey>,
    /// Keys as they were seen, each with what it becomes.
    pub replaced: Vec<(ApiKey, ApiKey)>,
    /// Whether services forget within five seconds what they remember of keys.
    pub urgent: bool,
}

/// A key that is to be made for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiKey {
    /// The key.
    pub key: ApiKey,
    /// The ids of all other keys of its client, as they were seen, in the order in which they were made.
    pub others: Vec<String>,
}

/// What an operator changed by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// When it was decided.
    pub at: Timestamp,
    /// Told apart from every other record.
    pub id: String,
    /// Who did it.
    pub who: String,
    /// The command.
    pub what: String,
    /// What was changed, such as `api-key/<id>`.
    pub subject: String,
    /// How it was, as JSON.
    pub before: String,
    /// How it became, as JSON.
    pub after: String,
    /// Why, in the operator's words.
    pub reason: String,
}

/// What became of a change by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is made, and its record written.
    Made,
    /// Somebody else changed meanwhile what it was decided on; nothing is written.
    Overtaken,
}

/// A seek that is decided on, and on what.
#[derive(Clone, Debug)]
pub struct SeekPlan {
    /// Where the subscription stands: the first offset of each partition that is not committed; none before a bootstrap has
    /// begun.
    pub before: Vec<u64>,
    /// Where it will stand.
    pub after: Vec<u64>,
    /// What will lie beyond that.
    pub lag: Lag,
    /// Whether it reads again what it has passed, or compacted state after the log.
    pub goes_back: bool,
    /// Leads back to where it stands, as far as that is still readable.
    pub undo: Cursor,
    stream: StreamItem,
    moved: SubscriptionItem,
    version: u64,
}

impl Ledger {
    /// Changes API keys, if all of them are as they were seen, and writes the record of it in the same transaction. Services
    /// may know the old state for a minute, or for five seconds when the change is urgent.
    ///
    /// # Errors
    /// `Unavailable` when nothing was written; `OutcomeUnknown`: the record tells, if it can be read later.
    pub async fn change_api_keys(&self, change: &ApiKeysChange, record: &AuditRecord) -> Result<Change> {
        let outcome = self.store.change_api_keys(change, record).await?;
        self.is_made(outcome, record).await
    }

    /// Decides where a seek moves a subscription. Nothing is written.
    ///
    /// # Errors
    /// As [`Ledger::seek`], but for `OutcomeUnknown`.
    pub async fn plan_seek(&self, stream: &StreamName, name: &SubscriptionName, to: SeekTo) -> Result<SeekPlan> {
        let mut stream = self.fresh_stream(stream).await?;
        let (progress, verified_at) = self.target(&mut stream, name, to).await?;
        let lag = self.lag_of(&stream, &progress).await?;
        let item = self.subscription(&stream, name).await?;
        let used_for = CursorUse::subscription(name, item.generation);
        let offsets = |progress: &Progress| progress.positions.iter().map(|position| position.offset).collect();
        Ok(SeekPlan {
            before: offsets(&item.progress),
            after: offsets(&progress),
            lag,
            goes_back: progress.goes_back_from(&item.progress),
            undo: self.seal_at(&stream, used_for, item.progress.clone(), item.verified_at),
            version: item.version,
            moved: self.moved(item, &progress, verified_at),
            stream,
        })
    }

    /// Moves a subscription as planned, if it is as it was then, and writes the record of it in the same transaction. Commits
    /// of readers that do not know of it are refused from then on; polls go on for half a minute at most.
    ///
    /// # Errors
    /// As [`Ledger::change_api_keys`].
    pub async fn seek_as_planned(&self, plan: &SeekPlan, record: &AuditRecord) -> Result<Change> {
        let incarnation = plan.stream.incarnation();
        let outcome = self.store.change_subscription(incarnation, &plan.moved, plan.version, record).await;
        // However it ended: it may have been applied.
        self.subscriptions.remove(&(incarnation, plan.moved.name.clone()));
        self.is_made(outcome?, record).await
    }

    /// What became of a change whose record is in the same transaction.
    async fn is_made(&self, outcome: Outcome, record: &AuditRecord) -> Result<Change> {
        match outcome {
            Outcome::Applied => Ok(Change::Made),
            Outcome::Refused { doubtful: false, .. } => Ok(Change::Overtaken),
            // What stands in the way may be an earlier attempt of ours.
            Outcome::Refused { doubtful: true, .. } => {
                let made = self.store.is_audited(record).await.map_err(Error::after_write)?;
                Ok(if made { Change::Made } else { Change::Overtaken })
            }
        }
    }

    /// The records of changes by hand since a time, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn audit_records(&self, since: Timestamp) -> Result<Vec<AuditRecord>> {
        self.store.audited_since(since).await
    }
}
