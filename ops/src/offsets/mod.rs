//! `ledger-offsets`: where a subscription stands, what lies there, and moving it, with a way back.

mod history;
mod peek;
mod seek;
mod show;
mod verify;

use ledger::model::{StreamName, SubscriptionName};

use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::Result;
use crate::names;
use crate::options::Common;

const EXAMPLE: &str = "\
Examples:
  ledger-offsets --env dev show orders billing
  ledger-offsets --env dev peek orders --partition 0 --offset 4711 --count 3
  ledger-offsets --env prod seek orders billing --to 2026-01-31T12:00:00Z --undo-file ./billing.undo

Nothing is written without --execute. Exit codes: 0 done or shown, 1 failed or found, 2 not understood, 3 no such stream or
subscription, 4 refused, 5 somebody else was faster.";

/// What can be done with offsets.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Offsets {
    /// Show where a subscription stands in each partition
    Show(show::Show),
    /// Show its last commits, and who moved it by hand
    History(history::History),
    /// Show records as they are stored, also damaged and expired ones
    Peek(peek::Peek),
    /// Move a subscription, and write a file that leads back
    Seek(seek::Seek),
    /// Check that what is stored of a stream keeps the invariants of the protocol
    Verify(verify::Verify),
}

impl crate::Verbs for Offsets {
    const NAME: &'static str = "ledger-offsets";
    const ABOUT: &'static str = "Where the subscriptions of EventLedger stand, what lies there, and moving them";
    const EXAMPLE: &'static str = EXAMPLE;

    async fn run(self, common: &Common) -> Result<Exit> {
        let desk = &Desk::open(common).await?;
        match self {
            Self::Show(show) => show.run(desk).await,
            Self::History(history) => history.run(desk).await,
            Self::Peek(peek) => peek.run(desk).await,
            Self::Seek(seek) => seek.run(desk).await,
            Self::Verify(verify) => verify.run(desk).await,
        }
    }
}

/// Which subscription is meant.
#[derive(Clone, Debug, clap::Args)]
struct Which {
    /// The stream
    #[arg(value_parser = names::stream)]
    stream: StreamName,
    /// The subscription
    #[arg(value_parser = names::subscription)]
    subscription: SubscriptionName,
}

impl Which {
    /// As records of changes have it.
    fn subject(&self) -> String {
        format!("subscription/{}/{}", self.stream, self.subscription)
    }
}
