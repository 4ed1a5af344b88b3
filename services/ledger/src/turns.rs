//! Turns: the publishers of one process that append to the same partition wait for each other instead of racing for the
//! same slot. Only a courtesy: correctness never depends on it, because other processes append as well.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::answers::PartitionId;

/// Who is appending to which partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<PartitionId, Weak<Turn<()>>>>>);

impl Turns {
    /// Waits for the turn on each partition, in ascending order, so that two requests never wait for each other.
    pub(crate) async fn take(&self, partitions: impl Iterator<Item = PartitionId>) -> Vec<OwnedMutexGuard<()>> {
        let mut taken = Vec::new();
        for partition in partitions {
            taken.push(self.turn(partition).lock_owned().await);
        }
        taken
    }

    fn turn(&self, partition: PartitionId) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&partition).and_then(Weak::upgrade) {
            return turn;
        }
        // Forget the partitions that nobody appends to, now and then.
        if turns.len().is_power_of_two() {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::new(Turn::new(()));
        turns.insert(partition, Arc::downgrade(&turn));
        turn
    }
}
