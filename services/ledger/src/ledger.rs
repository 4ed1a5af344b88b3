//! The ledger itself: the store and what every verb shares. Each verb is an `impl Ledger` in its own file.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::append::Head;
use crate::clock::{Clock, Timestamp};
use crate::doorbell::Doorbell;
use crate::error::{Error, Result};
use crate::group::Groups;
use crate::health::HeardHealth;
use crate::limits;
use crate::model::cursor::{Cursor, CursorUse, Payload};
use crate::model::{Incarnation, StreamName, SubscriptionName};
use crate::planted::{Bug, is_planted};
use crate::random::Randomness;
use crate::store::{Store, StreamItem};
use crate::turns::Turns;

/// How a process uses its ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether this process is the only one on its table. Then it hears of every change itself: waiting polls sleep
    /// until they are woken, and a deleted name is free at once, because the only cache is dropped. And it deletes what
    /// expired only after it has swept, so that however long it was away no head is lost.
    pub alone: bool,
    /// How many keys compaction puts with one write. Several are one transaction: an embedded table is done with that much
    /// sooner than with each alone, and DynamoDB bills it twice.
    pub keys_per_put: usize,
    /// How many such writes are on their way at once. An embedded table does one after the other, and whoever else wants
    /// something of it waits until all of them are done.
    pub puts_at_once: usize,
}

impl Settings {
    /// Of one process of many on DynamoDB.
    pub const FLEET: Self = Self { alone: false, keys_per_put: 1, puts_at_once: 16 };
    /// Of the only process on an embedded table.
    pub const EMBEDDED: Self = Self { alone: true, keys_per_put: limits::COMPACTION_KEYS_TOGETHER, puts_at_once: 2 };
}

/// The ledger on one table. Cloning shares it; it keeps no state that another process could not do without.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<Parts>);

/// What a ledger is made of.
#[derive(Debug)]
pub struct Parts {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) randomness: Randomness,
    pub(crate) settings: Settings,
    pub(crate) doorbell: Doorbell,
    pub(crate) turns: Turns<Head>,
    pub(crate) groups: Groups,
    streams: Cache<StreamName, StreamItem>,
    /// Generation of each subscription that was polled, and the minute that was noted.
    pub(crate) subscriptions: Cache<(Incarnation, SubscriptionName), u64>,
    pub(crate) noted_polls: Cache<(Incarnation, SubscriptionName), Timestamp>,
    pub(crate) health: HeardHealth,
}

impl Deref for Ledger {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Ledger {
    /// A ledger on this table. Makes no call.
    #[must_use]
    pub fn new(
        client: aws_sdk_dynamodb::Client,
        table: impl Into<String>,
        clock: Clock,
        randomness: Randomness,
        settings: Settings,
    ) -> Self {
        Self(Arc::new(Parts {
            store: Store::new(client, table.into(), clock.clone(), randomness.clone()),
            clock,
            randomness,
            settings,
            doorbell: Doorbell::default(),
            turns: Turns::default(),
            groups: Groups::default(),
            streams: Cache::default(),
            subscriptions: Cache::default(),
            noted_polls: Cache::default(),
            health: HeardHealth::default(),
        }))
    }

    /// The clock that everything takes the time from.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The source of randomness.
    #[must_use]
    pub fn randomness(&self) -> &Randomness {
        &self.randomness
    }

    /// The doorbell of this process.
    #[must_use]
    pub fn doorbell(&self) -> &Doorbell {
        &self.doorbell
    }

    /// The stream of this name, from the cache when it was read within [`limits::CACHE_MS`].
    pub(crate) async fn stream(&self, name: &StreamName) -> Result<StreamItem> {
        let now = self.clock.now();
        if let Some(stream) = self.streams.get(name, now) {
            return Ok(stream);
        }
        self.fresh_stream(name).await
    }

    /// The stream of this name, as it is now.
    pub(crate) async fn fresh_stream(&self, name: &StreamName) -> Result<StreamItem> {
        let (now, epoch) = (self.clock.now(), self.streams.epoch());
        match self.store.stream(name).await?.filter(|stream| stream.deleted_at.is_none()) {
            Some(stream) => {
                self.streams.put(name.clone(), stream.clone(), now, epoch);
                Ok(stream)
            }
            None => {
                self.streams.found_nothing(name);
                Err(Error::StreamNotFound)
            }
        }
    }

    /// Forgets what is cached of a stream.
    pub(crate) fn forget_stream(&self, name: &StreamName) {
        self.streams.remove(name);
    }

    /// Opens a client's cursor on a stream, and answers `StreamRecreated` when it is of an earlier life of the name.
    ///
    /// A cursor of another life than the cached one makes the stream be read afresh: the cache may be the old one.
    pub(crate) async fn open_cursor(&self, stream: &mut StreamItem, cursor: &Cursor) -> Result<Payload> {
        let payload = Payload::open(cursor, &stream.cursor_key).ok_or(Error::InvalidCursor)?;
        if payload.incarnation() != stream.incarnation() {
            *stream = self.fresh_stream(&stream.name().clone()).await?;
        }
        if payload.incarnation() != stream.incarnation() {
            return Err(Error::StreamRecreated(Box::new(self.restart(stream, &payload.used_for).await?)));
        }
        if payload.used_for != CursorUse::Compacted && !payload.progress.fits(stream.partition_count()) {
            return Err(Error::InvalidCursor);
        }
        Ok(payload)
    }
}

/// What was read a moment ago. Bounded in time and in number; time is wall time, because a frozen Lambda stops its
/// monotonic clock.
#[derive(Debug)]
pub(crate) struct Cache<K, V>(Arc<Mutex<Entries<K, V>>>);

#[derive(Debug)]
struct Entries<K, V> {
    known: HashMap<K, (V, Timestamp)>,
    /// How many values changed. One number for all keys, because changes are rare.
    epoch: u64,
}

impl<K, V> Cache<K, V> {
    /// Far more than a process meets within the time that entries count.
    const ENTRIES: usize = 10_000;

    fn entries(&self) -> MutexGuard<'_, Entries<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ask before reading what is to be put.
    pub(crate) fn epoch(&self) -> u64 {
        self.entries().epoch
    }
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(crate) fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        let entries = self.entries();
        entries.known.get(key).filter(|(_, read_at)| is_recent(*read_at, now)).map(|(value, _)| value.clone())
    }

    /// Remembers what was read since `epoch`, unless something was removed meanwhile: what was read may be from before.
    pub(crate) fn put(&self, key: K, value: V, now: Timestamp, epoch: u64) {
        let mut entries = self.entries();
        if entries.known.len() >= Self::ENTRIES {
            entries.known.retain(|_, (_, read_at)| is_recent(*read_at, now));
        }
        if entries.epoch == epoch && entries.known.len() < Self::ENTRIES {
            entries.known.insert(key, (value, now));
        }
    }

    /// Its value changed, or may have: what was read before is not put after this, whether or not it was known here.
    pub(crate) fn remove(&self, key: &K) {
        let mut entries = self.entries();
        entries.known.remove(key);
        entries.epoch += 1;
    }

    /// A read found nothing. That changed nothing, so it keeps nobody from putting what they read; else anyone could, by
    /// asking for what is not there.
    pub(crate) fn found_nothing(&self, key: &K) {
        self.entries().known.remove(key);
    }
}

fn is_recent(read_at: Timestamp, now: Timestamp) -> bool {
    read_at.is_within(limits::CACHE_MS, now) || is_planted(Bug::CachesNeverExpire)
}

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Entries { known: HashMap::new(), epoch: 0 })))
    }
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_for_what_is_absent_keeps_nothing_else_from_being_remembered() {
        let cache = Cache::<u8, u8>::default();
        let (now, epoch) = (Timestamp(1_000_000), cache.epoch());
        cache.found_nothing(&2);
        cache.put(1, 1, now, epoch);
        assert_eq!(cache.get(&1, now), Some(1));
        cache.found_nothing(&1);
        assert_eq!(cache.get(&1, now), None);
    }

    #[test]
    fn what_is_full_takes_nothing_until_something_is_too_old() {
        let cache = Cache::<usize, ()>::default();
        let (now, epoch, most) = (Timestamp(1_000_000), cache.epoch(), Cache::<usize, ()>::ENTRIES);
        (0..most).for_each(|key| cache.put(key, (), now, epoch));
        assert_eq!(cache.get(&(most - 1), now), Some(()));
        cache.put(most, (), now, epoch);
        assert_eq!(cache.get(&most, now), None);
        let later = now.plus(limits::CACHE_MS);
        cache.put(most, (), later, epoch);
        assert_eq!(cache.get(&most, later), Some(()));
    }

    #[test]
    fn what_was_read_before_a_removal_is_not_remembered_after_it() {
        let cache = Cache::<u8, u8>::default();
        let (now, epoch) = (Timestamp(1_000_000), cache.epoch());
        cache.put(1, 1, now, epoch);
        assert_eq!(cache.get(&1, now), Some(1));
        cache.remove(&1);
        cache.put(1, 1, now, epoch);
        assert_eq!(cache.get(&1, now), None);
        cache.put(1, 2, now, cache.epoch());
        assert_eq!(cache.get(&1, now.plus(limits::CACHE_MS - 1)), Some(2));
        assert_eq!(cache.get(&1, now.plus(limits::CACHE_MS)), None);
        assert_eq!(cache.get(&1, Timestamp(now.0 - 1)), None, "the clock was set back");
    }
}
