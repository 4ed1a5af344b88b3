//! What is known of API keys: each is read from the store now and then, on the ledger's clock, because a frozen process's
//! monotonic one stands still.
//!
//! A key is remembered for a minute, and that one is absent for ten seconds. Beside that all keys have an epoch, which is
//! read every few seconds: whoever revokes a key urgently begins another one, and then everything is read afresh. What is
//! remembered belongs to the epoch that was known before it was read, so nothing that was read before an epoch began
//! outlives the moment at which a process hears of it. While the epoch cannot be read nobody is let in: else how long a
//! stolen key works would depend on the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger::{ApiKey, Ledger, Timestamp};

use super::caller::Caller;
use super::quotas::Tier;
use super::scope::Scope;
use crate::problem::{Code, Problem, Result};

/// How long a key that exists is remembered.
const KNOWN_MS: u64 = 60_000;
/// How long it is remembered that a key does not exist.
const UNKNOWN_MS: u64 = 10_000;
/// How long the epoch is remembered: less than the five seconds after which an urgent revocation holds everywhere, because
/// reading takes time too.
const EPOCH_MS: u64 = 4_000;
/// How many keys are remembered at once.
const REMEMBERED: usize = 10_000;

/// The API keys that this process has read.
#[derive(Debug)]
pub(super) struct KnownKeys {
    ledger: Ledger,
    memory: Mutex<Memory>,
    /// Whoever reads the epoch holds it, so that the others wait for what it reads.
    reading_epoch: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Memory {
    epoch: Option<(u64, Timestamp)>,
    keys: HashMap<String, Remembered>,
}

#[derive(Clone, Debug)]
struct Remembered {
    key: Option<Arc<KnownKey>>,
    epoch: u64,
    read_at: Timestamp,
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
        Self { ledger, memory: Mutex::default(), reading_epoch: tokio::sync::Mutex::default() }
    }

    /// The key of an id.
    pub(super) async fn find(&self, id: &str) -> Result<Option<Arc<KnownKey>>> {
        let epoch = self.epoch().await?;
        let now = self.ledger.clock().now();
        if let Some(known) = self.memory().keys.get(id).filter(|known| known.holds(epoch, now)) {
            return Ok(known.key.clone());
        }
        let record = self.ledger.find_api_key(id).await.map_err(unavailable)?;
        let key = record.map(|record| Arc::new(KnownKey::new(record)));
        self.memory().remember(id, Remembered { key: key.clone(), epoch, read_at: now });
        Ok(key)
    }

    /// The key of an id as it was when it was last read, however long ago.
    pub(super) fn remembered(&self, id: &str) -> Option<Arc<KnownKey>> {
        self.memory().keys.get(id)?.key.clone()
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
            memory.epoch.filter(|(_, read_at)| is_within(*read_at, now, EPOCH_MS)).map(|(number, _)| number)
        };
        if let Some(epoch) = recent(&self.memory()) {
            return Ok(epoch);
        }
        let _turn = self.reading_epoch.lock().await;
        if let Some(epoch) = recent(&self.memory()) {
            return Ok(epoch);
        }
        let read_at = self.ledger.clock().now();
        let epoch = self.ledger.api_keys_epoch().await.map_err(unavailable)?;
        self.memory().epoch = Some((epoch, read_at));
        Ok(epoch)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn remember(&mut self, id: &str, what: Remembered) {
        let (epoch, now) = (what.epoch, what.read_at);
        if self.keys.len() >= REMEMBERED {
            self.keys.retain(|_, known| known.holds(epoch, now));
        }
        if self.keys.len() >= REMEMBERED {
            self.keys.clear();
        }
        self.keys.insert(id.to_owned(), what);
    }
}

impl Remembered {
    fn holds(&self, epoch: u64, now: Timestamp) -> bool {
        let lasts = if self.key.is_some() { KNOWN_MS } else { UNKNOWN_MS };
        self.epoch == epoch && is_within(self.read_at, now, lasts)
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

/// A clock that was set back makes nothing last longer.
fn is_within(read_at: Timestamp, now: Timestamp, milliseconds: u64) -> bool {
    read_at <= now && now.since(read_at) < milliseconds
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
        let absent = Remembered { key: None, epoch: 3, read_at: now };
        let present = Remembered { key: Some(Arc::new(KnownKey::new(record(now)))), ..absent.clone() };
        assert!(absent.holds(3, now.plus(UNKNOWN_MS - 1)) && !absent.holds(3, now.plus(UNKNOWN_MS)));
        assert!(present.holds(3, now.plus(KNOWN_MS - 1)) && !present.holds(3, now.plus(KNOWN_MS)));
        assert!(!present.holds(4, now) && !present.holds(2, now));
        assert!(!present.holds(3, Timestamp(now.0 - 1)), "the clock was set back");
    }
}
