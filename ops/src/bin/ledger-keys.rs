//! The `ledger-keys` program: API keys, from the first one to the last use of a revoked one.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    ops::run::<ops::keys::Keys>().await
}
