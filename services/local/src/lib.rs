//! EventLedger in one process: every service, the background work and the table, for a laptop or a single machine.
//!
//! The services are the ones that run as Lambdas, and their store is the real client over an embedded table in a data
//! directory. What a publish acknowledged is on the disk, so the process may be killed at any moment. One process owns
//! a data directory; it is its own change stream and scheduler. [`start`] is for tests, [`run`] is the program.

mod admin_key;
pub mod app;
mod connections;
mod error;
mod greeting;
mod metrics;
mod options;
mod server;
mod tasks;

use std::io::Write;
use std::process::ExitCode;

pub use error::{CutOff, StartError};
pub use options::Options;
use platform::telemetry::{self, Format};
pub use server::{Running, start};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Runs the server until Ctrl-C or SIGTERM; a second one ends it at once. What went wrong is one sentence on standard error.
pub async fn run(options: Options) -> ExitCode {
    telemetry::start(Format::Human, &options.log);
    match serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody listens to standard error, the exit code still tells.
            writeln!(std::io::stderr(), "eventledger: {}", ledger::sentence(&*error)).ok();
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: Options) -> Result<(), ledger::Cause> {
    // From here on a signal waits to be heard, so that none can interrupt a start half way.
    let mut signals = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    let running = start(options).await?;
    // Whoever started it may read no further than a line, as `head` does; that must not end it.
    writeln!(std::io::stdout(), "{}", greeting::greeting(&running)).ok();
    any(&mut signals).await;
    tracing::info!("stopping: running requests are finished first; a second signal ends the server at once");
    running.stop(any(&mut signals)).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Waits for one of two signals.
async fn any([one, other]: &mut [Signal; 2]) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
