//! `ledger-lag`: how far behind subscriptions are, position by position, whether anybody should worry, and what it costs.

mod check;
pub mod cost;
mod exposition;
mod history;
mod observe;
mod render;
mod report;
mod serve;
mod stop;
mod watch;

use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::Result;
use crate::options::Common;

const EXAMPLE: &str = "\
Examples:
  ledger-lag --env prod report
  ledger-lag --env prod report --stream orders --over 30s -o csv
  ledger-lag --env prod check --min-headroom 12h
  ledger-lag --env prod watch --stream orders --every 2s
  ledger-lag --env prod serve --listen 127.0.0.1:9464
  ledger-lag --env prod history --metric headroom --since 7d --svg headroom.svg
  ledger-lag --env prod render alarms > environments/prod/alarms.json
  ledger-lag cost --workload ops/cost/scenarios/batched.json --show lines

Exit codes: 0 done, 1 failed, 2 not understood, 3 no such stream or subscription, 4 refused; of check also 10 for a warning
and 11 for an error. Nothing is ever written to the table.";

/// What can be told of lag.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Lag {
    /// Show where each subscription stands in each partition, and how fast it moves
    Report(report::Report),
    /// Tell a monitor by the exit code whether all is well
    Check(check::Check),
    /// Watch subscriptions on a terminal, worst first, until q is pressed
    Watch(watch::Watch),
    /// Serve lag to Prometheus at /metrics, until Ctrl-C
    Serve(serve::Serve),
    /// Draw how lag, headroom or status went, from CloudWatch
    History(history::History),
    /// Compute what an environment costs in a month, from a workload and published prices; no table is opened
    Cost(cost::Cost),
    /// Print what infrastructure code reads of alarms and dashboards, or a picture of a dashboard
    #[command(subcommand)]
    Render(render::Render),
}

impl crate::Verbs for Lag {
    const NAME: &'static str = "ledger-lag";
    const ABOUT: &'static str = "How far behind the subscriptions of EventLedger are";
    const EXAMPLE: &'static str = EXAMPLE;

    async fn run(self, common: &Common) -> Result<Exit> {
        match self {
            Self::Report(report) => report.run(&Desk::open(common).await?).await,
            Self::Check(check) => check.run(&Desk::open(common).await?).await,
            Self::Watch(watch) => watch.run(common).await,
            Self::Serve(serve) => serve.run(Desk::open(common).await?).await,
            Self::History(history) => history.run(common).await,
            Self::Cost(cost) => cost.run(common),
            Self::Render(render) => render.run(common),
        }
    }
}
