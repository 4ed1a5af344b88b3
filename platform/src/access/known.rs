//! What is known of API keys: each is read from the store now and then, on the ledger's clock, because a frozen process's
//! monotonic one stands still.
//!
//! A key is remembered for a minute, and for ten seconds that a credential is refused. What is remembered of a key helps
//! only who has its secret: everybody else has the store read, whether the key exists or not, so that neither time nor what
//! is remembered of others tells which ids exist. And what is refused is remembered apart, so that no guess drives out a key.
//!
//! Beside that all keys have an epoch, which is read every few seconds: whoever revokes a key urgently begins another one,
//! and then everything is read afresh. What is remembered belongs to the epoch that was known before it was read, so nothing
//! that was read before an epoch began outlives the moment at which a process hears of it. While the epoch cannot be read
//! nobody is let in: else how long a stolen key works would depend on the store.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger::{ApiKey, Ledger, Timestamp};
use subtle::ConstantTimeEq;

use super::caller::Caller;
use super::pause::Pause;
use super::quotas::Tier;
use super::scope::Scope;
use crate::api_key::Token;
use crate::problem::{Code, Problem, Result};

/// How long a key is remembered by those who have its secret.
const KNOWN_MS: u64 = 59_000;
/// How long it is remembered that a credential is none.
const REFUSED_MS: u64 = 10_000;
/// How long the epoch is remembered: less than the five seconds after which an urgent revocation holds everywhere, because
/// reading takes time too.
const EPOCH_MS: u64 = 4_000;
/// Who was let in so long ago is looked at again before anything is told.
pub(super) const AGAIN_MS: u64 = 1_000;
/// A revocation holds everywhere within a minute, and within five seconds when it is urgent, for those who wait too.
const _: () = assert!(KNOWN_MS + AGAIN_MS <= 60_000 && EPOCH_MS + AGAIN_MS <= 5_000);
/// How many keys, and how many refused credentials, are remembered at once.
const REMEMBERED: usize = 10_000;

/// The API keys that this process has read.
#[derive(Debug)]
pub(super) struct KnownKeys {
    ledger: Ledger,
    memory: Mutex<Memory>,
    /// Whoever reads the epoch holds it, so that the others wait for what it reads.
    reading_epoch: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Memory {
    epoch: Option<(u64, Timestamp)>,
    /// How often it could not be read.
    epoch_failures: u64,
    /// By id; only those whose secret somebody had.
    keys: Recollection<String, Arc<KnownKey>>,
    refused: Recollection<Credential, ()>,
}

/// An id, and the hash of a secret that may be another key's or nobody's.
type Credential = (String, [u8; 32]);

/// What was read, for as long as it holds.
#[derive(Debug)]
struct Recollection<K, V> {
    lasts_ms: u64,
    entries: HashMap<K, Read<V>>,
}

#[derive(Clone, Debug)]
struct Read<V> {
    value: V,
    epoch: u64,
    at: Timestamp,
}

/// What is known of a credential.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) key: Option<Arc<KnownKey>>,
    /// Where the store was asked: when a refusal may be told.
    pub(super) pause: Option<Pause>,
}

/// A key that exists.
#[derive(Debug)]
pub(super) struct KnownKey {
    pub(super) record: ApiKey,
    pub(super) caller: Caller,
    /// The last time at which its hour was noted, or tried to.
    noted_at: Mutex<Option<Timestamp>>,
}

impl KnownKeys {
    pub(super) fn new(ledger: Ledger) -> Self {
        let memory = Memory {
            epoch: None,
            epoch_failures: 0,
            keys: Recollection::new(KNOWN_MS),
            refused: Recollection::new(REFUSED_MS),
        };
        Self { ledger, memory: Mutex::new(memory), reading_epoch: tokio::sync::Mutex::default() }
    }

    /// The key of this id, if the secret is its own.
    pub(super) async fn find(&self, token: &Token) -> Result<Found> {
        let epoch = self.epoch().await?;
        let at = self.ledger.clock().now();
        let credential = (token.id().to_owned(), token.secret_hash());
        {
            let memory = self.memory();
            let key = memory.keys.recall(&credential.0, epoch, at);
            if let Some(key) = key.filter(|key| is_of(&key.record.secret_hash, &credential)) {
                return Ok(Found { key: Some(Arc::clone(key)), pause: None });
            }
            if memory.refused.recall(&credential, epoch, at).is_some() {
                return Ok(Found { key: None, pause: None });
            }
        }
        let pause = Some(Pause::begin(self.ledger.clock()));
        let record = self.ledger.find_api_key(token.id()).await.map_err(unavailable)?;
        // An id that does not exist costs the same comparison as one that does.
        let stored = record.as_ref().map_or([0; 32], |record| record.secret_hash);
        let same = is_of(&stored, &credential);
        let Some(record) = record.filter(|_| same) else {
            self.memory().refused.remember(credential, Read { value: (), epoch, at });
            return Ok(Found { key: None, pause });
        };
        let key = Arc::new(KnownKey::new(record));
        self.memory().keys.remember(credential.0, Read { value: Arc::clone(&key), epoch, at });
        Ok(Found { key: Some(key), pause })
    }

    /// Whether it is a key that was found before, however long ago. No store is asked.
    pub(super) fn recognises(&self, token: &Token) -> bool {
        let known = self.memory().keys.entries.get(token.id()).map(|read| read.value.record.secret_hash);
        // Of an id that is not remembered, no secret is hashed: whoever guesses costs as little as possible.
        known.is_some_and(|hash| is_of(&hash, &(token.id().to_owned(), token.secret_hash())))
    }

    /// Notes the hour in which a key is used, once for each time that its record is read and each hour.
    pub(super) async fn note_use(&self, key: &KnownKey) {
        if key.is_to_be_noted(self.ledger.clock().now()) {
            self.ledger.note_api_key_use(&key.record.id).await;
        }
    }

    async fn epoch(&self) -> Result<u64> {
        let recent = |memory: &Memory| {
            let now = self.ledger.clock().now();
            memory.epoch.filter(|(_, read_at)| read_at.is_within(EPOCH_MS, now)).map(|(number, _)| number)
        };
        let failures = {
            let memory = self.memory();
            if let Some(epoch) = recent(&memory) {
                return Ok(epoch);
            }
            memory.epoch_failures
        };
        let _turn = self.reading_epoch.lock().await;
        {
            let memory = self.memory();
            if let Some(epoch) = recent(&memory) {
                return Ok(epoch);
            }
            if memory.epoch_failures != failures {
                // Who waited for somebody that got no answer does not wait for one of its own, one after the other.
                return Err(Problem::new(Code::Unavailable, "the API key could not be looked up"));
            }
        }
        let read_at = self.ledger.clock().now();
        let read = self.ledger.api_keys_epoch().await;
        let mut memory = self.memory();
        match read {
            Ok(epoch) => {
                memory.epoch = Some((epoch, read_at));
                Ok(epoch)
            }
            Err(error) => {
                memory.epoch_failures += 1;
                Err(unavailable(error))
            }
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, V> Recollection<K, V> {
    fn new(lasts_ms: u64) -> Self {
        Self { lasts_ms, entries: HashMap::new() }
    }

    fn recall(&self, key: &K, epoch: u64, now: Timestamp) -> Option<&V> {
        self.entries.get(key).filter(|read| read.holds(epoch, now, self.lasts_ms)).map(|read| &read.value)
    }

    fn remember(&mut self, key: K, read: Read<V>) {
        let (epoch, now, lasts_ms) = (read.epoch, read.at, self.lasts_ms);
        if self.entries.len() >= REMEMBERED {
            self.entries.retain(|_, read| read.holds(epoch, now, lasts_ms));
        }
        if self.entries.len() >= REMEMBERED {
            self.entries.clear();
        }
        self.entries.insert(key, read);
    }
}

impl<V> Read<V> {
    fn holds(&self, epoch: u64, now: Timestamp, lasts_ms: u64) -> bool {
        self.epoch == epoch && self.at.is_within(lasts_ms, now)
    }
}

impl KnownKey {
    fn new(record: ApiKey) -> Self {
        Self { caller: caller(&record), record, noted_at: Mutex::default() }
    }

    /// Whether nobody noted this hour yet, as far as it is known here; asked again, it is no more.
    fn is_to_be_noted(&self, now: Timestamp) -> bool {
        let hour = |time: Timestamp| time.0 / ledger::limits::HOUR_MS;
        let mut noted_at = self.noted_at.lock().unwrap_or_else(PoisonError::into_inner);
        let known = [self.record.last_used_at, *noted_at].into_iter().flatten().map(hour).max();
        let new = known.is_none_or(|known| known < hour(now));
        if new {
            *noted_at = Some(now);
        }
        new
    }
}

/// Whether a secret's hash is this credential's, in a time that does not depend on either.
fn is_of(stored: &[u8; 32], (_, given): &Credential) -> bool {
    stored.ct_eq(given).into()
}

/// A scope that cannot be read allows nothing.
fn caller(record: &ApiKey) -> Caller {
    let scopes: Vec<Scope> = record.scopes.iter().filter_map(|text| Scope::parse(text)).collect();
    if scopes.len() < record.scopes.len() {
        tracing::warn!(key_id = record.id, "an API key has scopes that cannot be read");
    }
    let tier = Tier::parse(&record.tier).unwrap_or_default();
    Caller::new(record.id.clone(), scopes, tier)
}

/// Whatever keeps the store from answering, nothing was done.
fn unavailable(error: ledger::Error) -> Problem {
    let problem = Problem::from(error);
    match problem.code() {
        Code::OutcomeUnknown => Problem::new(Code::Unavailable, "the API key could not be looked up"),
        _ => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Action;
    use crate::api_key::Token;
    use ledger::Randomness;

    const HOUR_MS: u64 = ledger::limits::HOUR_MS;

    fn record(now: Timestamp) -> ApiKey {
        Token::mint(&Randomness::seeded(1), "dev").record("a team", &["poll:*", "nonsense"], now)
    }

    #[test]
    fn a_scope_that_cannot_be_read_allows_nothing_and_an_unknown_tier_is_the_default() {
        let caller = caller(&ApiKey { tier: "galactic".to_owned(), ..record(Timestamp(0)) });
        assert!(caller.may_somewhere(Action::Poll) && !caller.may_somewhere(Action::Publish));
        assert_eq!(caller.tier(), Tier::Standard);
    }

    #[test]
    fn an_hour_is_noted_once() {
        let now = Timestamp(500_000 * HOUR_MS);
        let key = KnownKey::new(record(now));
        assert_eq!(
            [0, 1, HOUR_MS - 1, HOUR_MS].map(|later| key.is_to_be_noted(now.plus(later))),
            [true, false, false, true]
        );
        let key = KnownKey::new(ApiKey { last_used_at: Some(now), ..record(now) });
        assert_eq!([HOUR_MS - 1, HOUR_MS].map(|later| key.is_to_be_noted(now.plus(later))), [false, true]);
    }

    #[test]
    fn what_was_read_in_another_epoch_or_too_long_ago_does_not_hold() {
        let now = Timestamp(1_000_000);
        let mut recollection = Recollection::new(1_000);
        recollection.remember("key", Read { value: (), epoch: 3, at: now });
        let holds = |epoch, now| recollection.recall(&"key", epoch, now).is_some();
        assert!(holds(3, now.plus(999)) && !holds(3, now.plus(1_000)));
        assert!(!holds(4, now) && !holds(2, now));
        assert!(!holds(3, Timestamp(now.0 - 1)), "the clock was set back");
    }

    #[test]
    fn what_no_longer_holds_makes_room_first() {
        let now = Timestamp(1_000_000);
        let mut recollection = Recollection::new(1_000);
        for number in 0..REMEMBERED {
            let at = if number == 7 { now } else { Timestamp(now.0 - 1_000) };
            recollection.remember(number, Read { value: (), epoch: 3, at });
        }
        recollection.remember(REMEMBERED, Read { value: (), epoch: 3, at: now });
        let mut left: Vec<_> = recollection.entries.into_keys().collect();
        left.sort_unstable();
        assert_eq!(left, [7, REMEMBERED]);
    }
}
