//! API keys: stored with everything else, because the table has one owner. What they allow is decided by `platform`.

use crate::answers::ApiKey;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::store::Outcome;

impl Ledger {
    /// The key of this id.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn find_api_key(&self, id: &str) -> Result<Option<ApiKey>> {
        self.store.api_key(id).await
    }

    /// Stores a new key. Storing the very same key again is harmless.
    ///
    /// # Errors
    /// `Internal` when another key has its id, `Unavailable`, `OutcomeUnknown`.
    pub async fn create_api_key(&self, key: &ApiKey) -> Result<()> {
        match self.store.put_api_key(key).await? {
            Outcome::Applied => Ok(()),
            // The very same key, or an earlier attempt of ours.
            Outcome::Refused { doubtful, .. } => {
                let found = self.store.api_key(&key.id).await.map_err(Error::after_doubt(doubtful))?;
                let same = found.is_some_and(|found| found == *key);
                if same { Ok(()) } else { Err(Error::broken("ids of API keys are unique")) }
            }
        }
    }
}
