//! Who asks, for an edge that counts requests by client: a REST API of API Gateway wants to know before it calls a service.
//!
//! The service checks the key again, and everything else that [`pass`](super::pass) asks: that an edge let a request through
//! is no reason to believe it.

use std::net::IpAddr;

use http::HeaderMap;
use ledger::{Error, Ledger};

use super::keys::Keys;
use crate::telemetry::note;

/// What the edge of an environment asks. Who guesses is refused like everybody else, and is not kept out as the services do:
/// an edge cannot be told to answer anything but yes and no, and a no to a good key would be believed.
#[derive(Debug)]
pub struct Authorizer {
    keys: Keys,
}

impl Authorizer {
    /// For the keys of an environment.
    #[must_use]
    pub fn new(ledger: &Ledger, environment: &str) -> Self {
        Self { keys: Keys::new(ledger.clone(), environment) }
    }

    /// The id of the API key in the headers of a request from an address, or none where it is refused, for whatever reason:
    /// the cause is counted and not told.
    ///
    /// # Errors
    /// `Unavailable` when it could not be looked at.
    pub async fn key_id(&self, headers: &HeaderMap, address: IpAddr) -> ledger::Result<Option<String>> {
        let refusal = match self.keys.authenticate(headers).await {
            Ok(let_in) => {
                let key_id = let_in.caller().key_id();
                note("key_id", key_id);
                return Ok(Some(key_id.to_owned()));
            }
            Err(refusal) => refusal,
        };
        note("code", refusal.problem.code().as_str());
        note("client", address.to_string());
        if refusal.problem.code().status().is_server_error() {
            refusal.problem.log();
            return Err(Error::Unavailable(refusal.problem.detail().to_owned().into()));
        }
        if let Some(pause) = refusal.pause {
            pause.over().await;
        }
        Ok(None)
    }
}
