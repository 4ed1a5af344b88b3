//! The Lambda of the canary.

use canary::Canary;
use platform::config::Client;
use serde::de::IgnoredAny;

fn main() -> Result<(), platform::lambda::Error> {
    let canary = Canary::new(&Client::from_environment()?)?;
    // Whatever the schedule says, it is time for a round.
    platform::lambda::serve_events("canary", |_: &IgnoredAny| "round", move |ledger, _| canary.clone().handle(ledger))
}
