//! Does what the schedule is for.

use http::{HeaderValue, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use ledger::{Cause, Clock, Error, Ledger, Randomness, Result};
use metrics::counter;
use platform::config::Client;
use platform::telemetry::catalogue;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::round::{ROUND_MS, Round};

/// A client of one API. Cloning shares what it is made of.
#[derive(Clone, Debug)]
pub struct Canary {
    origin: String,
    /// Marked as a secret, so it is not shown.
    key: HeaderValue,
    connector: HttpsConnector<HttpConnector>,
}

impl Canary {
    /// A client with this URL and key.
    ///
    /// # Errors
    /// When the one is no URL of HTTP or the other cannot be sent, and when there are no root certificates.
    pub fn new(client: &Client) -> Result<Self, Cause> {
        let url = client.url.parse::<Uri>().ok().filter(|url| url.scheme().is_some());
        url.ok_or("EVENTLEDGER_API_URL is not the URL of an API")?;
        let mut key =
            HeaderValue::from_str(&client.key).map_err(|_| "EVENTLEDGER_API_KEY cannot be sent in a header")?;
        key.set_sensitive(true);
        let connector = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1().build();
        Ok(Self { origin: client.url.trim_end_matches('/').to_owned(), key, connector })
    }

    /// One round, which counts when it found everything as it must be.
    ///
    /// # Errors
    /// The first thing that it found otherwise.
    pub async fn round(&self, clock: &Clock, randomness: &Randomness) -> Result<(), Failure> {
        let done_by = clock.now().plus(ROUND_MS);
        // New for each round: while the process was frozen, the other end may have left.
        let connection = Connection::new(&self.origin, &self.key, self.connector.clone(), clock, done_by);
        Round::new(&connection, randomness.hex_id()).run().await?;
        counter!(catalogue::CANARY_ROUNDS.name).increment(1);
        Ok(())
    }

    /// A round as the handling of an event. Of the ledger it takes clock and randomness, and asks it nothing.
    ///
    /// # Errors
    /// A round that failed is a fault, whose cause is its sentence.
    pub async fn handle(self, ledger: Ledger) -> Result<()> {
        self.round(ledger.clock(), ledger.randomness()).await.map_err(|failure| Error::Internal(failure.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_is_told_must_be_usable_and_the_key_is_not_shown() {
        let told = |url: &str, key: &str| Canary::new(&Client { url: url.to_owned(), key: key.to_owned() });
        for (url, key) in
            [("", "elk"), ("/streams", "elk"), ("example.org", "elk"), ("http://a b", "elk"), ("http://a", "e\nk")]
        {
            let error = told(url, key).unwrap_err().to_string();
            assert!(error.starts_with("EVENTLEDGER_API_") && !error.contains("elk"), "{error}");
        }
        let canary = told("https://example.org/", "elk_dev_placeholder").unwrap();
        let shown = format!("{canary:?}");
        assert!(!shown.contains("placeholder") && canary.origin == "https://example.org", "{shown}");
    }
}
