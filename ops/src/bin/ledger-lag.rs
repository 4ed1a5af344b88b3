//! The `ledger-lag` program: how far behind subscriptions are, and whether anybody should worry.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    ops::run::<ops::lag::Lag>().await
}
