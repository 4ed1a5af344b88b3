//! What operators change by hand: only what they saw, and never without leaving a record of it.

use crate::answers::{ApiKeysChange, AuditRecord, Change};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::store::Outcome;

impl Ledger {
    /// Changes API keys, if all of them are as they were seen, and writes the record of it in the same transaction. Services
    /// may know the old state for a minute, or for five seconds when the change is urgent.
    ///
    /// # Errors
    /// `Unavailable` when nothing was written; `OutcomeUnknown`: the record tells, if it can be read later.
    pub async fn change_api_keys(&self, change: &ApiKeysChange, record: &AuditRecord) -> Result<Change> {
        match self.store.change_api_keys(change, record).await? {
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
