//! The services of this process, as one router.

use axum::Router;
use ledger::Ledger;
use platform::access::{Allowance, Quotas};
use platform::endpoint::{Routes, Settings};
use platform::telemetry::Telemetry;

/// The environment that the server's API keys are for.
pub(crate) const ENVIRONMENT: &str = "local";

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

/// All of them behind one middleware stack.
pub fn router(ledger: &Ledger, settings: &Settings) -> Router {
    routes().router(ledger.clone(), settings)
}
