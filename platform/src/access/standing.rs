//! How a key stands with its quotas, and how every answer says so: `RateLimit` and `RateLimit-Policy`, as the IETF's draft
//! "RateLimit header fields for HTTP" has them, and the problem of who has none left.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Gate;
use super::caller::Caller;
use super::quotas::{Measure, WINDOW_SECONDS};
use crate::problem::{Code, Problem, Result};
use crate::telemetry::note;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How one quota stands after something was spent, or was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) measure: Measure,
    /// What a window has.
    pub(super) quota: u64,
    pub(super) granted: bool,
    /// What may still be granted, as far as it is known here.
    pub(super) remaining: u64,
    /// Until there is more.
    pub(super) reset_ms: u64,
}

impl Standing {
    /// Whole seconds until there is more.
    fn reset_seconds(&self) -> u64 {
        self.reset_ms.div_ceil(1000).max(1)
    }

    /// Goes on only if it was granted.
    pub(super) fn check(&self) -> Result<()> {
        if self.granted {
            return Ok(());
        }
        let what = self.measure.as_str();
        note("limited_by", what);
        let problem = Problem::new(Code::RateLimited, format!("too many {what}; nothing was done"));
        Err(problem.with_retry_after(self.reset_seconds()))
    }
}

/// How the quotas stand that a request was counted in; none while it is not known who asks. A request carries it from the
/// edge on, and the edge tells it, because not only the handler may answer: a deadline may, or a panic.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standings(Arc<Mutex<Vec<Standing>>>);

impl Standings {
    fn lock(&self) -> MutexGuard<'_, Vec<Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says it in an answer's header.
    pub(crate) fn describe(&self, headers: &mut HeaderMap) {
        let standings = self.lock();
        let list = |one: &dyn Fn(&Standing) -> String| standings.iter().map(one).collect::<Vec<_>>().join(", ");
        let name = |standing: &Standing| standing.measure.as_str();
        let policy = list(&|one| format!("\"{}\";q={};w={WINDOW_SECONDS}", name(one), one.quota));
        let limit = list(&|one| format!("\"{}\";r={};t={}", name(one), one.remaining, one.reset_seconds()));
        for (field, text) in [(POLICY, policy), (LIMIT, limit)] {
            if let Ok(value) = HeaderValue::try_from(text)
                && !value.is_empty()
            {
                headers.insert(field, value);
            }
        }
    }
}

/// What a request has spent, and from where it can spend more.
#[derive(Clone, Debug)]
pub struct Spending {
    gate: Arc<Gate>,
    caller: Caller,
    standings: Standings,
}

impl Spending {
    pub(super) fn new(gate: Arc<Gate>, caller: Caller, standings: Standings) -> Self {
        Self { gate, caller, standings }
    }

    /// Spends one request.
    pub(super) async fn request(&self) -> Result<()> {
        self.spend(Measure::Requests, 1).await
    }

    /// Spends events, before any is published.
    ///
    /// # Errors
    /// 429 when so many are not left; nothing was done.
    pub async fn events(&self, count: usize) -> Result<()> {
        self.spend(Measure::Events, u32::try_from(count).unwrap_or(u32::MAX)).await
    }

    async fn spend(&self, measure: Measure, cost: u32) -> Result<()> {
        let Some(cost) = std::num::NonZeroU32::new(cost) else { return Ok(()) };
        let standing = self.gate.meter.spend(&self.caller, measure, cost).await;
        self.standings.lock().push(standing);
        standing.check()
    }
}

impl<S: Sync> FromRequestParts<S> for Spending {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts.extensions.get().cloned().ok_or_else(|| Problem::internal("an open route asks for what was spent"))
    }
}
