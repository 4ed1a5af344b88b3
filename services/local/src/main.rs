//! The `eventledger` program: EventLedger in one process.

use std::process::ExitCode;

use clap::Parser;

/// A request is made of many small pieces of memory, over which threads wait for each other with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    local::run(local::Options::parse()).await
}
