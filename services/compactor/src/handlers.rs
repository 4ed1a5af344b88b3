//! Compacts each partition that changed.

use ledger::{Error, Ledger, Result};
use metrics::counter;
use platform::telemetry::catalogue;

use crate::wire::Changes;

/// Compacts each partition that a batch of changes names. One that fails does not keep the others waiting; its error is
/// answered after them, so that the batch is delivered again.
///
/// # Errors
/// The last error of a partition.
pub async fn compact(ledger: Ledger, changes: Changes) -> Result<()> {
    let mut outcome = Ok(());
    for partition in changes.partitions() {
        if let Err(error) = ledger.compact_partition(&partition).await {
            tracing::warn!(%error, incarnation = %partition.incarnation, partition = partition.partition, "not compacted");
            if matches!(error, Error::Internal(_)) {
                counter!(catalogue::COMPACTOR_POISON.name).increment(1);
            }
            outcome = Err(error);
        }
    }
    outcome
}
