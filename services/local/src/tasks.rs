//! The background work that a change stream and a schedule do on a fleet.
//!
//! The compactor follows the doorbell. A partition that fails is tried again after a pause. What a stopped process left undone,
//! the keeper's first sweep finds.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use embedded::Engine;
use keeper::{Schedule, Task};
use ledger::{Clock, Ledger, PartitionId, Timestamp};
use platform::telemetry::{Telemetry, Traces};

/// How long what changed is gathered before it is compacted, in milliseconds: a round costs the same whatever it finds, and of
/// what changed twice only the last is written.
const GATHER_MS: RangeInclusive<u64> = 200..=1_000;
/// It is gathered for so many times as long as compacting took the last time, so that publishers find the table free.
const GATHER_FACTOR: u64 = 4;
const RETRY_PAUSE_MS: u64 = 5_000;
const SWEEP_PAUSE_MS: u64 = 60 * 60 * 1_000;
const SAMPLE_PAUSE_MS: u64 = 60_000;
const EXPORT_PAUSE_MS: u64 = 1_000;

/// Compacts what changed, until the doorbell is closed.
pub(crate) async fn compactor(ledger: Ledger, telemetry: Telemetry) {
    let mut waiting = BTreeSet::new();
    let mut retry_at = ledger.clock().now();
    let mut gather_ms = *GATHER_MS.start();
    loop {
        let changed = ledger.doorbell().changed();
        tokio::pin!(changed);
        let changed = loop {
            tokio::select! {
                changed = &mut changed => break changed,
                () = ledger.clock().sleep(retry_at.since(ledger.clock().now())), if !waiting.is_empty() => {
                    waiting = compact(&ledger, &telemetry, std::mem::take(&mut waiting)).await;
                    retry_at = ledger.clock().now().plus(RETRY_PAUSE_MS);
                }
            }
        };
        let Some(mut changed) = changed else { return };
        ledger.clock().sleep(gather_ms).await;
        changed.append(&mut ledger.doorbell().take_changed());
        if waiting.is_empty() {
            retry_at = ledger.clock().now().plus(RETRY_PAUSE_MS);
        }
        let began = ledger.clock().now();
        waiting.extend(compact(&ledger, &telemetry, changed).await);
        let took = ledger.clock().now().since(began);
        gather_ms = (took * GATHER_FACTOR).clamp(*GATHER_MS.start(), *GATHER_MS.end());
    }
}

/// Compacts partitions as one piece of work, and answers those that failed.
async fn compact(
    ledger: &Ledger,
    telemetry: &Telemetry,
    partitions: impl IntoIterator<Item = PartitionId>,
) -> BTreeSet<PartitionId> {
    let mut failed = BTreeSet::new();
    let work = async {
        let failures = compactor::compact_partitions(ledger, partitions).await;
        failed.extend(failures.keys().cloned());
        failures.into_values().next().map_or(Ok(()), Err)
    };
    // What went wrong is logged; it is tried again.
    telemetry.event(ledger, "compact_partitions", &ledger.randomness().hex_id(), work).await.ok();
    failed
}

async fn delete_expired(engine: Engine) {
    match tokio::task::spawn_blocking(move || engine.sweep_expired()).await {
        Ok(Ok(deleted)) => tracing::debug!(deleted, "expired items were deleted"),
        Ok(Err(error)) => {
            tracing::warn!(cause = ledger::sentence(&*error), "expired items could not be deleted");
        }
        Err(error) => tracing::warn!(cause = ledger::sentence(&error), "the deletion of expired items broke"),
    }
}

/// Sweeps at the start and every hour.
pub(crate) async fn keeper(ledger: Ledger, telemetry: Telemetry, engine: Engine) {
    loop {
        // The sweep keeps what must not be deleted; without it nothing may be.
        if keep(&ledger, &telemetry, Task::Sweep).await.is_ok() {
            delete_expired(engine.clone()).await;
        }
        ledger.clock().sleep(SWEEP_PAUSE_MS).await;
    }
}

/// Exports finished spans each second, and when there are many.
pub(crate) async fn exporter(traces: Traces, clock: Clock) {
    loop {
        tokio::select! {
            () = clock.sleep(EXPORT_PAUSE_MS) => {}
            () = traces.many_waiting() => {}
        }
        traces.flush(&clock, Timestamp(u64::MAX)).await;
    }
}

/// Looks each minute at how every subscription does.
pub(crate) async fn sampler(ledger: Ledger, telemetry: Telemetry) {
    loop {
        ledger.clock().sleep(SAMPLE_PAUSE_MS).await;
        // What went wrong is logged; the next sample comes anyway.
        keep(&ledger, &telemetry, Task::Sample).await.ok();
    }
}

async fn keep(ledger: &Ledger, telemetry: &Telemetry, task: Task) -> ledger::Result<()> {
    let schedule = Schedule { task };
    let work = keeper::keep(ledger.clone(), schedule);
    telemetry.event(ledger, schedule.operation(), &ledger.randomness().hex_id(), work).await
}

#[cfg(test)]
mod tests {
    use ledger::{Randomness, Settings};
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_sampler_looks_each_minute_and_goes_on_after_a_failure() {
        let clock = Clock::simulated(Timestamp(1_800_000_000_000));
        let engine = Engine::memory(&clock);
        let client = engine.client();
        ledger::table::create_if_absent(&client, "eventledger").await.expect("a table");
        let ledger = Ledger::new(client, "eventledger", clock.clone(), Randomness::seeded(1), Settings::EMBEDDED);
        let recorder = DebuggingRecorder::new();
        let _recording = metrics::set_default_local_recorder(&recorder);
        engine.inject(embedded::Fault::any(embedded::FaultKind::ServerErrorBefore, 4));
        let ten_minutes = clock.now().plus(10 * SAMPLE_PAUSE_MS + 59_000);
        assert!(clock.until(ten_minutes, sampler(ledger, Telemetry::log("local"))).await.is_none());
        let recorded = recorder.snapshotter().snapshot().into_vec();
        let runs = recorded.iter().find(|(key, ..)| key.key().name() == "SamplerRuns").map(|(.., value)| value);
        assert_eq!(runs, Some(&DebugValue::Counter(9)), "the first one failed");
    }
}
