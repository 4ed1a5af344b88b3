//! Does what a schedule is for.

use ledger::{Ledger, Result};
use platform::telemetry::consumers;

use crate::wire::{Schedule, Task};

/// Sweeps every stream once, or looks once at how every subscription does.
///
/// # Errors
/// Those of the sweep, and of a sample that could not even begin; the schedule comes again anyway.
pub async fn keep(ledger: Ledger, schedule: Schedule) -> Result<()> {
    match schedule.task {
        Task::Sweep => ledger.sweep().await,
        Task::Sample => {
            consumers::record(&ledger.sample_consumers().await?);
            Ok(())
        }
    }
}
