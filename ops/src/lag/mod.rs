//! `ledger-lag`: how far behind subscriptions are, position by position, and whether anybody should worry.

mod check;
mod observe;
mod report;

use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::Result;

const EXAMPLE: &str = "\
Examples:
  ledger-lag --env prod report
  ledger-lag --env prod report --stream orders --over 30s -o csv
  ledger-lag --env prod check --min-headroom 12h

Exit codes: 0 done, 1 failed, 2 not understood, 3 no such stream or subscription; of check also 10 for a warning and 11 for
an error. Nothing is ever written.";

/// What can be told of lag.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Lag {
    /// Show where each subscription stands in each partition, and how fast it moves
    Report(report::Report),
    /// Tell a monitor by the exit code whether all is well
    Check(check::Check),
}

impl crate::Verbs for Lag {
    const NAME: &'static str = "ledger-lag";
    const ABOUT: &'static str = "How far behind the subscriptions of EventLedger are";
    const EXAMPLE: &'static str = EXAMPLE;

    async fn run(self, desk: &Desk) -> Result<Exit> {
        match self {
            Self::Report(report) => report.run(desk).await,
            Self::Check(check) => check.run(desk).await,
        }
    }
}
