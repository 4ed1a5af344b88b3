//! API keys: stored with everything else, because the table has one owner. What they allow is decided by `platform`.

use futures::stream::{self, StreamExt, TryStreamExt};

use crate::answers::{ApiKey, ApiKeyState};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::limits;
use crate::planted::{Bug, is_planted};
use crate::store::Outcome;

impl Ledger {
    /// The key of this id.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn find_api_key(&self, id: &str) -> Result<Option<ApiKey>> {
        self.store.api_key(id).await
    }

    /// All keys, by client, and those of one in the order in which they were made; revoked and expired ones among them. One
    /// read for each.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list_api_keys(&self) -> Result<Vec<ApiKey>> {
        let ids = self.store.all_api_key_ids().await?;
        let reads = stream::iter(ids).map(|id| async move { self.store.api_key(&id).await });
        let keys: Vec<_> = reads.buffered(limits::READS_AT_ONCE).try_collect().await?;
        // A query may see a list before the key that was stored with it.
        Ok(keys.into_iter().flatten().collect())
    }

    /// Stores a new key. Storing the very same key again is harmless.
    ///
    /// # Errors
    /// `Internal` when another key has its id, `Unavailable`, `OutcomeUnknown`.
    pub async fn create_api_key(&self, key: &ApiKey) -> Result<()> {
        let mut doubtful = false;
        loop {
            let honest = Error::after_doubt(doubtful);
            let known = self.store.api_key_ids_of(&key.client).await.map_err(honest)?;
            match self.store.put_api_key(key, &known).await.map_err(honest)? {
                Outcome::Applied => return Ok(()),
                Outcome::Refused { doubtful: unknown, .. } => doubtful |= unknown,
            }
            let found = self.store.api_key(&key.id).await.map_err(Error::after_doubt(doubtful))?;
            match found {
                // The client got another key meanwhile.
                None => {}
                // The very same key, or an earlier attempt of ours; it may have been used since.
                Some(found) if ApiKey { last_used_at: key.last_used_at, ..found.clone() } == *key => return Ok(()),
                Some(_) => return Err(Error::broken("ids of API keys are unique")),
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
            if is_planted(Bug::KeysNeverChange) {
                return Ok(changed);
            }
            match self.store.replace_api_key(&known, &changed).await.map_err(honest)? {
                Outcome::Applied => return Ok(changed),
                // Someone changed it meanwhile, or an earlier attempt of ours did.
                Outcome::Refused { doubtful: unknown, .. } => doubtful |= unknown,
            }
        }
    }

    /// Revokes a key, and makes services forget within five seconds what they remember of keys.
    ///
    /// # Errors
    /// As [`Ledger::change_api_key_state`]; when the key was revoked and the services could not be told, `OutcomeUnknown`:
    /// they hear of it within a minute, and doing the same again is harmless.
    pub async fn revoke_api_key_urgently(&self, id: &str) -> Result<ApiKey> {
        let revoked = self.change_api_key_state(id, ApiKeyState::Revoked).await?;
        self.store.begin_api_keys_epoch().await.map_err(Error::after_write)?;
        Ok(revoked)
    }

    /// The epoch of all keys: what was read of keys in an earlier one may be wrong.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn api_keys_epoch(&self) -> Result<u64> {
        self.store.api_keys_epoch().await
    }

    /// Notes the hour in which a key is used. Nobody waits long for it, and a note that could not be written is left out:
    /// what the key is used for matters more.
    pub async fn note_api_key_use(&self, id: &str) {
        let now = self.clock.now();
        let noted = self.store.note_api_key_use(id, hour(now), now.plus(limits::NOTE_MS)).await;
        if let Err(error) = noted {
            tracing::warn!(%error, "the hour of an API key was not noted");
        }
    }
}

/// The hour of a time.
fn hour(time: Timestamp) -> Timestamp {
    Timestamp(time.0 - time.0 % limits::HOUR_MS)
}
