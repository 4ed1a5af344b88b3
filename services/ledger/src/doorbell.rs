//! The doorbell: within one process, whoever appends to a partition rings, and waiting polls and the compactor wake.
//!
//! It carries no data and promises no delivery: whoever wakes reads the log itself, and whoever missed a ring finds the
//! same at its next look. On a fleet the table's change stream rings the compactor instead.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};

use crate::answers::PartitionId;
use crate::model::Incarnation;

/// The doorbell of a process. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Doorbell(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    changed: Mutex<BTreeSet<PartitionId>>,
    rung: Notify,
    streams: Mutex<HashMap<Incarnation, watch::Sender<()>>>,
    closed: std::sync::atomic::AtomicBool,
}

impl Doorbell {
    /// Waits for the next partitions that changed, each named once; `None` once the bell is closed. For one listener.
    pub async fn changed(&self) -> Option<BTreeSet<PartitionId>> {
        loop {
            let rung = self.0.rung.notified();
            let changed = self.take_changed();
            if self.is_closed() {
                return None;
            }
            if !changed.is_empty() {
                return Some(changed);
            }
            rung.await;
        }
    }

    /// Those that changed since they were last asked for, which may be none.
    #[must_use]
    pub fn take_changed(&self) -> BTreeSet<PartitionId> {
        std::mem::take(&mut *lock(&self.0.changed))
    }

    /// Wakes every waiting poll and ends [`Doorbell::changed`]: for a process that stops.
    pub fn close(&self) {
        self.0.closed.store(true, std::sync::atomic::Ordering::SeqCst);
        lock(&self.0.streams).clear();
        self.0.rung.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.closed.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// A partition changed.
    pub(crate) fn ring(&self, partition: PartitionId) {
        let mut streams = lock(&self.0.streams);
        // Nobody waits any more: the next waiter makes a new one.
        if streams.get(&partition.incarnation).is_some_and(|sender| sender.send(()).is_err()) {
            streams.remove(&partition.incarnation);
        }
        drop(streams);
        lock(&self.0.changed).insert(partition);
        self.0.rung.notify_one();
    }

    /// A listener to one stream. Listen first, then look, then wait: so no ring is missed.
    pub(crate) fn listen(&self, incarnation: Incarnation) -> Listener {
        let mut streams = lock(&self.0.streams);
        let receiver = streams.entry(incarnation).or_insert_with(|| watch::Sender::new(())).subscribe();
        if self.is_closed() {
            streams.clear();
        }
        Listener(receiver)
    }
}

/// Hears the rings of one stream since it began to listen.
#[derive(Debug)]
pub(crate) struct Listener(watch::Receiver<()>);

impl Listener {
    /// Returns at the next ring, or at once when there was one since the last call, or when the bell is closed.
    pub(crate) async fn ring(&mut self) {
        // An error means that the bell is closed: also a reason to look.
        let _ = self.0.changed().await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
