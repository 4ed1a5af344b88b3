//! Turns: the publishers of one process that append to the same partition wait for each other instead of racing for the
//! same slot. Only a courtesy: correctness never depends on it, because other processes append as well.
//!
//! Whoever has the turn on a partition has what the last one knew of its head. That is worth something only where nobody
//! else appends: elsewhere a head that is read costs less than a race that is lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::answers::PartitionId;

/// The turn on a partition, with what is known of where it goes on.
type Owned<Head> = Arc<Turn<Option<Head>>>;

/// Who is appending to which partition, and the `Head` where each goes on.
#[derive(Debug)]
pub(crate) struct Turns<Head>(Arc<Mutex<HashMap<PartitionId, Owned<Head>>>>);

impl<Head> Turns<Head> {
    /// As many partitions are remembered whatever else is going on.
    const REMEMBERED: usize = 1_024;

    /// Waits for the turn on each partition, in ascending order, so that two requests never wait for each other.
    pub(crate) async fn take(&self, partitions: &[PartitionId]) -> Vec<OwnedMutexGuard<Option<Head>>> {
        let mut taken = Vec::with_capacity(partitions.len());
        for partition in partitions {
            taken.push(self.turn(partition).lock_owned().await);
        }
        taken
    }

    fn turn(&self, partition: &PartitionId) -> Owned<Head> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(partition) {
            return Arc::clone(turn);
        }
        // Forget the partitions that nobody appends to, now and then.
        if turns.len() >= Self::REMEMBERED && turns.len().is_power_of_two() {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        let turn = Arc::default();
        turns.insert(partition.clone(), Arc::clone(&turn));
        turn
    }
}

impl<Head> Default for Turns<Head> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<Head> Clone for Turns<Head> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
