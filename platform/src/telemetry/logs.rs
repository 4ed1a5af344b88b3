//! Logs: JSON where machines read them, lines where people do.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For a terminal.
    Human,
}

/// Starts logging to standard error; `levels` is a filter such as `info,ledger=debug`. The second call of a process
/// changes nothing.
pub fn start(format: Format, levels: &str) {
    // At its lowest level the Lambda runtime logs whole events, credentials included.
    let levels = format!("{levels},lambda_runtime=warn");
    let filter = EnvFilter::try_new(levels).unwrap_or_else(|_| EnvFilter::new("info,lambda_runtime=warn"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A log that cannot be written, on a full disk perhaps, must not break the requests that would be logged.
        .log_internal_errors(false);
    let started = match format {
        Format::Json => subscriber.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
        Format::Human => subscriber.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging had been started before");
    }
}
