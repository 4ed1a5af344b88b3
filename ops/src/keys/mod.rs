//! `ledger-keys`: API keys, from the first one to the last use of a revoked one.
//!
//! A key is replaced without anybody being locked out: `rotate` makes a successor and gives the old key a grace in which both
//! work; `grace-report` tells who still uses the old one; `finalize` ends it, and until then `undo` goes back.

mod audit;
mod change;
mod create;
mod find;
mod mirror;
mod record;
mod revoke;
mod rotate;
mod scan;
mod stale;
mod usage;

use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::Result;
use crate::options::Common;

const EXAMPLE: &str = "\
Examples:
  ledger-keys --env dev list
  ledger-keys --env dev rotate 3kT9mQ2xW7bZ --grace 7d --secret-file ./billing.key
  ledger-keys --env prod revoke 3kT9mQ2xW7bZ --urgent --reason \"in a public repository\" --execute --confirm prod
  ledger-keys --env prod audit --since 30d --subject 3kT9mQ2xW7bZ
  ledger-keys --env dev mirror --reason \"new keys\" --execute
  ledger-keys --env dev usage --since 30d -o csv

Nothing is written without --execute. Exit codes: 0 done or shown, 1 failed or found, 2 not understood, 3 no such key,
4 refused, 5 somebody else was faster.";

/// What can be done with keys.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Keys {
    /// Make a key for a client
    Create(create::Create),
    /// Make the first key of an environment, which may do everything
    Bootstrap(create::Bootstrap),
    /// Show a key
    Show(find::Show),
    /// List keys
    List(find::List),
    /// Give a client a new key, and the old one a grace in which both work
    Rotate(rotate::Rotate),
    /// Go back to the old key while its grace lasts, and revoke the new one
    Undo(rotate::Undo),
    /// Tell who still uses a key in its grace
    GraceReport(rotate::GraceReport),
    /// Revoke an old key that is used no longer
    Finalize(rotate::Finalize),
    /// Revoke a key for good
    Revoke(revoke::Revoke),
    /// Find keys that nobody uses, and those that end soon
    Stale(stale::Stale),
    /// Find keys in files, and tell which of them work
    Scan(scan::Scan),
    /// Show what was changed by hand: when, by whom, and why
    Audit(audit::Audit),
    /// Keep the usage plans of a REST edge in step with the keys
    Mirror(mirror::Mirror),
    /// Tell how many requests each key made each day, as the usage plans of a REST edge counted them
    Usage(usage::Usage),
}

impl crate::Verbs for Keys {
    const NAME: &'static str = "ledger-keys";
    const ABOUT: &'static str =
        "API keys of EventLedger: make, rotate, revoke, and find those that leaked or that nobody uses";
    const EXAMPLE: &'static str = EXAMPLE;

    async fn run(self, common: &Common) -> Result<Exit> {
        let desk = &Desk::open(common).await?;
        match self {
            Self::Create(create) => create.run(desk).await,
            Self::Bootstrap(bootstrap) => bootstrap.run(desk).await,
            Self::Show(show) => show.run(desk).await,
            Self::List(list) => list.run(desk).await,
            Self::Rotate(rotate) => rotate.run(desk).await,
            Self::Undo(undo) => undo.run(desk).await,
            Self::GraceReport(report) => report.run(desk).await,
            Self::Finalize(finalize) => finalize.run(desk).await,
            Self::Revoke(revoke) => revoke.run(desk).await,
            Self::Stale(stale) => stale.run(desk).await,
            Self::Scan(scan) => scan.run(desk).await,
            Self::Audit(audit) => audit.run(desk).await,
            Self::Mirror(mirror) => Box::pin(mirror.run(common, desk)).await,
            Self::Usage(usage) => usage.run(common, desk).await,
        }
    }
}
