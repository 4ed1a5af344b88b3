//! Does what a schedule is for.

use ledger::{Ledger, Result};
use platform::telemetry::{api_keys, consumers};

use crate::wire::{Schedule, Task};

/// Sweeps every stream once and looks at the API keys, or looks once at how every subscription does.
///
/// # Errors
/// Those of the sweep, and of a sample that could not even begin; the schedule comes again anyway.
pub async fn keep(ledger: Ledger, schedule: Schedule) -> Result<()> {
    match schedule.task {
        Task::Sweep => {
            // First, because a sweep may take all the time there is; and whether it can be done or not.
            match ledger.list_api_keys().await {
                Ok(keys) => api_keys::record(&keys, ledger.clock().now()),
                Err(error) => {
                    api_keys::record_none();
                    tracing::warn!(%error, "the API keys were not looked at");
                }
            }
            ledger.sweep().await
        }
        Task::Sample => {
            let sample = ledger.sample_consumers().await.inspect_err(|_| consumers::record_none())?;
            consumers::record(&sample);
            Ok(())
        }
    }
}
