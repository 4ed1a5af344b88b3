//! `GET /metrics`: what the process has counted, for Prometheus. Open like `/health`, and no part of the API.

use std::sync::{Mutex, PoisonError};

use axum::http::header;
use axum::routing::{MethodRouter, get};
use ledger::{Cause, Clock, Ledger};
use platform::endpoint::Routes;
use platform::telemetry::Prometheus;

const FOLD_PAUSE_MS: u64 = 60_000;

/// The `metrics` facade has one recorder in a process, so servers of one process share their numbers.
static OF_THIS_PROCESS: Mutex<Option<Prometheus>> = Mutex::new(None);

/// The metrics of this process; the first call begins to record them, those of these routes at zero.
///
/// # Errors
/// When something else records them already.
pub(crate) fn of_this_process(routes: &Routes) -> Result<Prometheus, Cause> {
    let mut known = OF_THIS_PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(prometheus) = &*known {
        return Ok(prometheus.clone());
    }
    let prometheus = Prometheus::install("local", routes)?;
    *known = Some(prometheus.clone());
    Ok(prometheus)
}

/// Shows them.
pub(crate) fn handler(prometheus: Prometheus) -> MethodRouter<Ledger> {
    get(async move || ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], prometheus.render()))
}

/// Keeps what nobody scrapes from piling up.
pub(crate) async fn fold(prometheus: Prometheus, clock: Clock) {
    loop {
        clock.sleep(FOLD_PAUSE_MS).await;
        prometheus.fold();
    }
}
