//! The services of this process, as one router.

use axum::Router;
use embedded::{ENVIRONMENT, Engine};
use ledger::Ledger;
use platform::access::{Allowance, Quotas};
use platform::endpoint::{Routes, Settings};
use platform::health::{Finding, Probe, Sight};
use platform::in_flight::InFlight;
use platform::telemetry::Telemetry;

/// How many requests the server takes at once: far more than its disk can serve in the time that a client waits, and far
/// fewer than would fill a small machine's memory with their bodies.
const IN_FLIGHT: InFlight = InFlight { working: 256, waiting: 2_048, answering: 64 };

/// What the server lets its callers do. They share a machine with it, so the quota of a key only stops what runs wild.
pub(crate) fn settings(telemetry: Telemetry) -> Settings {
    const MILLION: Allowance = Allowance::new(1_000_000, 1_000_000);
    Settings { environment: ENVIRONMENT.to_owned(), quotas: Quotas::uniform(MILLION, MILLION), telemetry }
}

/// Every route of every service.
#[must_use]
pub fn routes() -> Routes {
    admin::routes().merge(publish::routes()).merge(poll::routes())
}

/// Sees a disk that is full or failed.
pub(crate) fn disk_probe(engine: &Engine) -> Probe {
    let engine = engine.clone();
    let detail = "the disk that holds the data is full: nothing can be written until space is freed on it";
    Probe::new(move || match engine.has_lost_writes() {
        true => Some(Sight::Standstill("the disk that holds the data failed to keep what was written")),
        false => engine.is_disk_full().then_some(Sight::Trouble(Finding { subject: "disk", detail })),
    })
}

/// All of them behind one middleware stack.
pub fn router(ledger: &Ledger, settings: &Settings) -> Router {
    bounded(routes(), ledger, settings)
}

/// These, as many at once as the server takes.
pub(crate) fn bounded(routes: Routes, ledger: &Ledger, settings: &Settings) -> Router {
    routes.bounded(IN_FLIGHT).router(ledger.clone(), settings)
}
