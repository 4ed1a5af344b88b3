//! API keys: stored with everything else, because the table has one owner. What they allow is decided by `platform`.

use crate::answers::{ApiKey, ApiKeyState};
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

    /// Changes whether a key can be used, and answers what is stored now. The same state again is harmless, and revoked
    /// is final. Services may know the old state for a minute.
    ///
    /// # Errors
    /// `Refused` when there is no such key, or for another state of a revoked one; `Unavailable`, `OutcomeUnknown`.
    pub async fn change_api_key_state(&self, id: &str, state: ApiKeyState) -> Result<ApiKey> {
        let refused = |pointer, detail| Err(Error::Refused { pointer, detail });
        let mut doubtful = false;
        loop {
            let honest = Error::after_doubt(doubtful);
            let Some(known) = self.store.api_key(id).await.map_err(honest)? else {
                return refused("/id", "there is no API key of this id");
            };
            if known.state == state {
                return Ok(known);
            }
            if known.state == ApiKeyState::Revoked {
                return refused("/state", "a revoked API key stays revoked");
            }
            let changed = ApiKey { state, ..known.clone() };
            match self.store.replace_api_key(&known, &changed).await.map_err(honest)? {
                Outcome::Applied => return Ok(changed),
                // Someone changed it meanwhile, or an earlier attempt of ours did.
                Outcome::Refused { doubtful: unknown, .. } => doubtful |= unknown,
            }
        }
    }
}
