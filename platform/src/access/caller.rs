//! Who asks, as far as anyone after authentication needs to know.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use ledger::model::{StreamName, SubscriptionName};

use super::quotas::Tier;
use super::scope::{Action, Scope};
use crate::problem::{Code, Problem, Result};

/// The API key that a request was made with, and what it allows. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    key_id: String,
    scopes: Vec<Scope>,
    tier: Tier,
}

impl Caller {
    /// A caller with these scopes.
    #[must_use]
    pub fn new(key_id: impl Into<String>, scopes: Vec<Scope>, tier: Tier) -> Self {
        Self(Arc::new(Inner { key_id: key_id.into(), scopes, tier }))
    }

    /// How much it may ask.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.0.tier
    }

    /// The id of the API key, which is no secret.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.0.key_id
    }

    /// Whether it may know that a stream exists.
    #[must_use]
    pub fn sees(&self, stream: &StreamName) -> bool {
        self.0.scopes.iter().any(|scope| scope.touches(stream))
    }

    /// Whether it may do this with a stream and all its subscriptions, or with the one that is named.
    #[must_use]
    pub fn may(&self, action: Action, stream: &StreamName, subscription: Option<&SubscriptionName>) -> bool {
        self.0.scopes.iter().any(|scope| scope.allows(action, stream, subscription))
    }

    /// Whether it may do this with some subscription of a stream.
    #[must_use]
    pub fn may_with_some(&self, action: Action, stream: &StreamName) -> bool {
        self.0.scopes.iter().any(|scope| scope.allows_some(action, stream))
    }

    /// Whether it may do this with some stream.
    #[must_use]
    pub fn may_somewhere(&self, action: Action) -> bool {
        self.0.scopes.iter().any(|scope| scope.action() == action)
    }

    /// Insists on what [`Caller::may`] tells; for names that come in the body.
    ///
    /// # Errors
    /// 403, whether or not what is named exists.
    pub fn must(&self, action: Action, stream: &StreamName, subscription: Option<&SubscriptionName>) -> Result<()> {
        if self.may(action, stream, subscription) { Ok(()) } else { Err(insufficient(action)) }
    }
}

/// The problem of a caller without the scope for an action.
pub(super) fn insufficient(action: Action) -> Problem {
    Problem::new(Code::InsufficientScope, format!("the API key has no scope `{}` for this", action.as_str()))
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts.extensions.get().cloned().ok_or_else(|| Problem::internal("an open route asks for its caller"))
    }
}
