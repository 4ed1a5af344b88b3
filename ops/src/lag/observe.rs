//! Looking at subscriptions: all of them, or those that were named.

use ledger::Observation;
use ledger::model::{StreamName, SubscriptionName};

use crate::desk::Desk;
use crate::failure::{Failure, Result};
use crate::names;
use crate::output::say;

/// Streams in a page of their names.
const PAGE: u32 = 100;

/// Which subscriptions are meant.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Selection {
    /// Only those of this stream
    #[arg(long, value_parser = names::stream)]
    stream: Option<StreamName>,
    /// Only this one of the stream
    #[arg(long, requires = "stream", value_parser = names::subscription)]
    subscription: Option<SubscriptionName>,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) observations: Vec<Observation>,
    /// Which streams could not be looked at, and why, a sentence each.
    pub(super) left_out: Vec<String>,
}

impl Seen {
    /// Whether that is all that was meant.
    pub(super) fn is_complete(&self) -> bool {
        self.left_out.is_empty()
    }

    /// Says what was left out.
    pub(super) fn tell(&self) {
        self.left_out.iter().for_each(|sentence| say(sentence));
    }
}

impl Selection {
    /// Looks at them. A stream that cannot be looked at keeps none of the others from it, and says nothing by itself: who
    /// draws on the terminal wants no lines between.
    pub(super) async fn observe(&self, desk: &Desk) -> Result<Seen> {
        if let Some(stream) = &self.stream {
            let observations = desk.ledger.observe(stream, self.subscription.as_ref()).await?;
            return Ok(Seen { observations, left_out: Vec::new() });
        }
        let mut seen = Seen::default();
        for stream in streams(desk).await? {
            match desk.ledger.observe(&stream, None).await {
                Ok(observations) => seen.observations.extend(observations),
                // It was deleted since.
                Err(ledger::Error::StreamNotFound) => {}
                Err(error) => seen.left_out.push(format!("{stream} was left out: {}", Failure::from(error))),
            }
        }
        Ok(seen)
    }
}

/// The names of all streams.
async fn streams(desk: &Desk) -> Result<Vec<StreamName>> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = desk.ledger.list_streams("", after.as_deref(), PAGE, |_| true).await?;
        names.extend(page.items.into_iter().map(|stream| stream.definition.name));
        match page.next {
            None => return Ok(names),
            next => after = next,
        }
    }
}
