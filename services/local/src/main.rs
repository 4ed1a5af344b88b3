//! The `eventledger` program: EventLedger in one process.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    local::run(local::Options::parse()).await
}
