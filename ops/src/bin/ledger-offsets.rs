//! The `ledger-offsets` program: where subscriptions stand, what lies there, and moving them.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    ops::run::<ops::offsets::Offsets>().await
}
