//! Who asks, for an edge that counts requests by client: a REST API of API Gateway wants to know before it calls a service.
//!
//! The service checks the key again, and everything else that [`pass`](super::pass) asks: that an edge let a request through
//! is no reason to believe it.

use std::net::IpAddr;

use http::HeaderMap;
use ledger::{Error, Ledger};

use super::{Gate, Quotas};

/// What the edge of an environment asks.
#[derive(Debug)]
pub struct Authorizer {
    gate: Gate,
}

impl Authorizer {
    /// For the keys of an environment.
    #[must_use]
    pub fn new(ledger: &Ledger, environment: &str) -> Self {
        Self { gate: Gate::new(ledger, environment, Quotas::default()) }
    }

    /// The id of the API key in the headers of a request from an address, or none where it is refused, for whatever reason:
    /// the cause is counted and not told.
    ///
    /// # Errors
    /// `Unavailable` when it could not be looked at.
    pub async fn key_id(&self, headers: &HeaderMap, address: IpAddr) -> ledger::Result<Option<String>> {
        let refusal = match self.gate.authenticate(headers, address).await {
            Ok(let_in) => return Ok(Some(let_in.caller().key_id().to_owned())),
            Err(refusal) => refusal,
        };
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
