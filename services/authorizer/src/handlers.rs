//! Asks who it is, and answers as API Gateway understands it.

use ledger::Result;
use platform::access::Authorizer;
use platform::api_key;

use crate::wire::{Answer, Request};

/// Lets a request through as its client, or not at all.
///
/// # Errors
/// `Unavailable` when the key could not be looked at, which API Gateway answers with 503.
pub async fn authorize(authorizer: &Authorizer, environment: &str, request: Request) -> Result<Answer> {
    let key_id = authorizer.key_id(&request.headers(), request.address()).await?;
    Ok(match key_id {
        Some(key_id) => Answer::allow(&request, api_key::usage_identifier_key(environment, &key_id), key_id),
        None => Answer::deny(&request),
    })
}
