//! The `eventledger` program: EventLedger in one process.

use std::process::ExitCode;

use clap::Parser;

/// A request is made of some hundred small pieces of memory, from which threads keep each other with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    local::run(local::Options::parse()).await
}
