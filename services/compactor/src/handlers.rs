//! Compacts each partition that changed.

use std::collections::BTreeMap;

use ledger::{Error, Ledger, PartitionId, Result};

use crate::wire::Changes;

/// Compacts each partition that a batch of changes names.
///
/// # Errors
/// That of a partition, after all were tried, so that the batch is delivered again.
pub async fn compact(ledger: Ledger, changes: Changes) -> Result<()> {
    compact_partitions(&ledger, changes.partitions()).await.into_values().next().map_or(Ok(()), Err)
}

/// Compacts partitions, and answers those that failed, and why, which the ledger has told already. None keeps the others waiting.
pub async fn compact_partitions(
    ledger: &Ledger,
    partitions: impl IntoIterator<Item = PartitionId>,
) -> BTreeMap<PartitionId, Error> {
    let mut failed = BTreeMap::new();
    for (partition, reached) in ledger.compact_partitions(partitions).await {
        if let Err(error) = reached {
            failed.insert(partition, error);
        }
    }
    failed
}
