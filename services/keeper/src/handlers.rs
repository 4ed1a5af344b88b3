//! Sweeps the table.

use ledger::{Ledger, Result};

use crate::wire::Schedule;

/// Sweeps every stream once.
///
/// # Errors
/// Those of the sweep; the schedule comes again anyway.
pub async fn keep(ledger: Ledger, _: Schedule) -> Result<()> {
    ledger.sweep().await
}
