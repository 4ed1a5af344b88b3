//! The ledger itself: the store and what every verb shares. Each verb is an `impl Ledger` in its own file.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{Clock, Timestamp};
use crate::doorbell::Doorbell;
use crate::error::{Error, Result};
use crate::limits;
use crate::model::cursor::{Cursor, CursorUse, Payload};
use crate::model::{Incarnation, StreamName, SubscriptionName};
use crate::random::Randomness;
use crate::store::{Store, StreamItem};
use crate::turns::Turns;

/// How a process uses its ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether this process is the only one on its table. Then it hears of every change itself: waiting polls sleep
    /// until they are woken, and a deleted name is free at once, because the only cache is dropped.
    pub alone: bool,
}

/// The ledger on one table. Cloning shares it; it keeps no state that another process could not do without.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) randomness: Randomness,
    pub(crate) settings: Settings,
    pub(crate) doorbell: Doorbell,
    pub(crate) turns: Turns,
    streams: Cache<StreamName, StreamItem>,
    /// Generation of each subscription that was polled, and the minute that was noted.
    pub(crate) subscriptions: Cache<(Incarnation, SubscriptionName), u64>,
    pub(crate) noted_polls: Cache<(Incarnation, SubscriptionName), Timestamp>,
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
        Self {
            store: Store::new(client, table.into(), clock.clone(), randomness.clone()),
            clock,
            randomness,
            settings,
            doorbell: Doorbell::default(),
            turns: Turns::default(),
            streams: Cache::default(),
            subscriptions: Cache::default(),
            noted_polls: Cache::default(),
        }
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
        let now = self.clock.now();
        match self.store.stream(name).await?.filter(|stream| stream.deleted_at.is_none()) {
            Some(stream) => {
                self.streams.put(name.clone(), stream.clone(), now);
                Ok(stream)
            }
            None => {
                self.streams.remove(name);
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
pub(crate) struct Cache<K, V>(Arc<Mutex<HashMap<K, (V, Timestamp)>>>);

impl<K, V> Cache<K, V> {
    /// Far more than a process meets within the time that entries count.
    const ENTRIES: usize = 10_000;
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(crate) fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).filter(|(_, read_at)| now.since(*read_at) < limits::CACHE_MS).map(|(value, _)| value.clone())
    }

    pub(crate) fn put(&self, key: K, value: V, now: Timestamp) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= Self::ENTRIES {
            entries.retain(|_, (_, read_at)| now.since(*read_at) < limits::CACHE_MS);
        }
        if entries.len() < Self::ENTRIES {
            entries.insert(key, (value, now));
        }
    }

    pub(crate) fn remove(&self, key: &K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
