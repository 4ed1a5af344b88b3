//! Authentication: from a header to a [`Caller`].
//!
//! Every cause of a refusal looks the same from outside; which one it was is counted for us. What cannot be a key is refused
//! without asking the store; what is [known](super::known) of a key is a minute old at most, and helps only who has its
//! secret. A store that does not answer is 503, never 401.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use ledger::{ApiKey, ApiKeyState, Ledger, Timestamp};

use super::caller::Caller;
use super::known::{AGAIN_MS, Found, KnownKey, KnownKeys};
use super::pause::Pause;
use crate::api_key::{Standing, Token};
use crate::problem::{Problem, Result};
use crate::telemetry::catalogue;

/// The API keys of an environment.
#[derive(Debug)]
pub(super) struct Keys {
    known: KnownKeys,
    clock: ledger::Clock,
    environment: String,
}

/// Who was let in, when and by which credential.
#[derive(Debug)]
pub(super) struct LetIn {
    key: Arc<KnownKey>,
    token: Token,
    at: Timestamp,
}

impl LetIn {
    pub(super) fn caller(&self) -> &Caller {
        &self.key.caller
    }
}

/// A credential that was not taken, or could not be looked at.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) problem: Problem,
    /// When it may be told.
    pub(super) pause: Option<Pause>,
}

impl Refusal {
    /// Counts why, and says no more than that it is refused.
    fn of(reason: Reason, pause: Option<Pause>) -> Self {
        metrics::counter!(catalogue::AUTH_FAILURES.name, "reason" => reason.as_str()).increment(1);
        Self { problem: Problem::unauthenticated(), pause }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, pause: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.problem.into_response();
        if let Some(pause) = self.pause {
            response.extensions_mut().insert(pause);
        }
        response
    }
}

/// Why a credential was not taken. Clients are not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// There is none, or more than one.
    Missing,
    /// It is no key, or was mistyped.
    Malformed,
    /// It is for another environment.
    Environment,
    /// There is no key of its id, or that has another secret. Told apart, the number would tell whoever sees it which ids
    /// exist; and what follows is counted only for who has the secret.
    Credential,
    Revoked,
    /// Its grace is over.
    GraceOver,
    TooEarly,
    Expired,
}

impl Reason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Environment => "environment",
            Self::Credential => "credential",
            Self::Revoked => "revoked",
            Self::GraceOver => "grace_over",
            Self::TooEarly => "too_early",
            Self::Expired => "expired",
        }
    }
}

impl Keys {
    pub(super) fn new(ledger: Ledger, environment: &str) -> Self {
        let clock = ledger.clock().clone();
        Self { known: KnownKeys::new(ledger), clock, environment: environment.to_owned() }
    }

    /// Who asks, by the credential in the headers.
    pub(super) async fn authenticate(&self, headers: &HeaderMap) -> Result<LetIn, Refusal> {
        let at = self.clock.now();
        let token = self.read(headers).map_err(|reason| Refusal::of(reason, None))?;
        let key = self.check(&token).await?;
        Ok(LetIn { key, token, at })
    }

    /// Counts a use of a key that is to be replaced, and notes when it was used.
    pub(super) async fn note_use(&self, let_in: &LetIn) {
        if matches!(let_in.key.record.state, ApiKeyState::Grace { .. }) {
            metrics::counter!(catalogue::KEY_USE_DURING_GRACE.name).increment(1);
        }
        self.known.note_use(&let_in.key).await;
    }

    /// Insists that whoever was let in still would be, as far as what was known then may have changed: who waits for an answer
    /// must not get it long after its key was revoked.
    pub(super) async fn check_again(&self, let_in: &LetIn) -> Result<()> {
        let now = self.clock.now();
        if now < let_in.at || now.since(let_in.at) >= AGAIN_MS {
            self.check(&let_in.token).await.map_err(|refusal| refusal.problem)?;
        }
        Ok(())
    }

    /// Whether the credential in the headers is one that this process has read before. It may be good no longer: whoever is
    /// recognised is still to be authenticated. No store is asked, and no secret looked at but for an id that is remembered.
    pub(super) fn recognise(&self, headers: &HeaderMap) -> bool {
        self.read(headers).is_ok_and(|token| self.known.recognises(&token))
    }

    fn read(&self, headers: &HeaderMap) -> Result<Token, Reason> {
        let token = Token::parse(credential(headers).ok_or(Reason::Missing)?).ok_or(Reason::Malformed)?;
        if token.environment() == self.environment { Ok(token) } else { Err(Reason::Environment) }
    }

    async fn check(&self, token: &Token) -> Result<Arc<KnownKey>, Refusal> {
        let Found { key, pause } = self.known.find(token).await?;
        let Some(key) = key else { return Err(Refusal::of(Reason::Credential, pause)) };
        match check_time(&key.record, self.clock.now()) {
            Ok(()) => Ok(key),
            Err(reason) => Err(Refusal::of(reason, pause)),
        }
    }
}

/// The text of the credential; `None` unless there is exactly one of its kind.
pub(super) fn credential(headers: &HeaderMap) -> Option<&str> {
    let only = |name| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value.to_str().ok()?.trim()),
            _ => None,
        }
    };
    if headers.contains_key("x-api-key") {
        return only(header::HeaderName::from_static("x-api-key"));
    }
    let (scheme, token) = only(header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn check_time(key: &ApiKey, now: Timestamp) -> Result<(), Reason> {
    match Standing::of(key, now) {
        Standing::Active | Standing::Grace => Ok(()),
        Standing::TooEarly => Err(Reason::TooEarly),
        Standing::Expired => Err(Reason::Expired),
        Standing::GraceOver => Err(Reason::GraceOver),
        Standing::Revoked => Err(Reason::Revoked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_credential_is_an_api_key_or_a_bearer_token() {
        assert_eq!(credential(&headers(&[("x-api-key", "k")])), Some("k"));
        assert_eq!(credential(&headers(&[("authorization", "bearer  k")])), Some("k"));
        assert_eq!(credential(&headers(&[("x-api-key", "k"), ("authorization", "Basic x")])), Some("k"));
        for bad in [&[][..], &[("authorization", "Bearer")], &[("authorization", "Basic k")], &[("authorization", "k")]]
        {
            assert_eq!(credential(&headers(bad)), None);
        }
        assert_eq!(credential(&headers(&[("x-api-key", "a"), ("x-api-key", "a")])), None);
    }

    #[test]
    fn state_and_times_decide_whether_a_key_can_be_used() {
        let check = |state, not_before: Option<u64>, expires_at: Option<u64>| {
            let key = Token::mint(&ledger::Randomness::seeded(1), "dev").record("client", &[], Timestamp(0));
            let (not_before, expires_at) = (not_before.map(Timestamp), expires_at.map(Timestamp));
            check_time(&ApiKey { state, not_before, expires_at, ..key }, Timestamp(100)).err()
        };
        let grace = |until| ApiKeyState::Grace { until: Timestamp(until) };
        assert_eq!(check(ApiKeyState::Active, None, None), None);
        assert_eq!(check(grace(101), Some(100), Some(101)), None);
        assert_eq!(check(grace(100), None, None), Some(Reason::GraceOver));
        assert_eq!(check(ApiKeyState::Active, Some(101), None), Some(Reason::TooEarly));
        assert_eq!(check(ApiKeyState::Active, None, Some(100)), Some(Reason::Expired));
        assert_eq!(check(ApiKeyState::Revoked, None, None), Some(Reason::Revoked));
    }

    #[test]
    fn every_reason_is_one_of_the_catalogue() {
        use crate::telemetry::catalogue::Dimension;
        use Reason::{Credential, Environment, Expired, GraceOver, Malformed, Missing, Revoked, TooEarly};
        let all = [Missing, Malformed, Environment, Credential, Revoked, GraceOver, TooEarly, Expired];
        assert_eq!(all.map(Reason::as_str), Dimension::Reason.values());
    }
}
