//! Authentication: from a header to a [`Caller`].
//!
//! Every cause of a refusal looks the same from outside, and takes the same comparison. What cannot be a key is refused
//! without asking the store; what was asked is remembered for a while on the ledger's clock, so a revoked key is dead
//! within [`KNOWN_MS`]. A store that does not answer is 503, never 401.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, header};
use ledger::{ApiKey, ApiKeyState, Ledger, Timestamp};
use subtle::ConstantTimeEq;

use super::caller::Caller;
use super::quotas::Tier;
use super::scope::Scope;
use crate::api_key::Token;
use crate::problem::{Code, Problem, Result};

/// How long a key that exists is remembered.
const KNOWN_MS: u64 = 60_000;
/// How long it is remembered that a key does not exist.
const UNKNOWN_MS: u64 = 10_000;
/// How many keys are remembered at once.
const REMEMBERED: usize = 10_000;

/// The API keys of an environment.
#[derive(Debug)]
pub(super) struct Keys {
    ledger: Ledger,
    environment: String,
    remembered: Mutex<HashMap<String, Remembered>>,
}

#[derive(Clone, Debug)]
struct Remembered {
    key: Option<Arc<KnownKey>>,
    until: Timestamp,
}

#[derive(Debug)]
struct KnownKey {
    record: ApiKey,
    caller: Caller,
}

impl Keys {
    pub(super) fn new(ledger: Ledger, environment: &str) -> Self {
        Self { ledger, environment: environment.to_owned(), remembered: Mutex::default() }
    }

    /// Who asks, by the credential in the headers.
    pub(super) async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller> {
        let token = credential(headers).and_then(Token::parse).filter(|token| token.environment() == self.environment);
        let token = token.ok_or_else(Problem::unauthenticated)?;
        let key = self.find(token.id()).await?;
        // An unknown id costs the same comparison as a known one.
        let stored = key.as_ref().map_or([0; 32], |key| key.record.secret_hash);
        let same = bool::from(stored.ct_eq(&token.secret_hash()));
        let usable = key.filter(|key| same && is_usable(&key.record, self.ledger.clock().now()));
        usable.map(|key| key.caller.clone()).ok_or_else(Problem::unauthenticated)
    }

    async fn find(&self, id: &str) -> Result<Option<Arc<KnownKey>>> {
        let now = self.ledger.clock().now();
        if let Some(known) = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(id)
            && now < known.until
        {
            return Ok(known.key.clone());
        }
        let record = self.ledger.find_api_key(id).await.map_err(unavailable)?;
        let key = record.map(|record| Arc::new(KnownKey { caller: caller(&record), record }));
        let until = now.plus(if key.is_some() { KNOWN_MS } else { UNKNOWN_MS });
        self.remember(id, Remembered { key: key.clone(), until }, now);
        Ok(key)
    }

    fn remember(&self, id: &str, what: Remembered, now: Timestamp) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.retain(|_, known| now < known.until);
        }
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(id.to_owned(), what);
    }
}

/// The text of the credential; `None` unless there is exactly one of its kind.
fn credential(headers: &HeaderMap) -> Option<&str> {
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

fn is_usable(key: &ApiKey, now: Timestamp) -> bool {
    let allowed = match key.state {
        ApiKeyState::Active | ApiKeyState::Grace => true,
        ApiKeyState::Revoked => false,
    };
    allowed && key.not_before.is_none_or(|start| start <= now) && key.expires_at.is_none_or(|end| now < end)
}

/// A scope that cannot be read allows nothing.
fn caller(record: &ApiKey) -> Caller {
    let scopes: Vec<Scope> = record.scopes.iter().filter_map(|text| Scope::parse(text)).collect();
    if scopes.len() < record.scopes.len() {
        tracing::warn!(key_id = record.id, "an API key has scopes that cannot be read");
    }
    let tier = Tier::parse(&record.tier).unwrap_or_else(|| {
        tracing::warn!(key_id = record.id, "an API key has a tier that is unknown");
        Tier::default()
    });
    Caller::new(record.id.clone(), scopes, tier)
}

/// Whatever keeps the store from answering, nothing was done.
fn unavailable(error: ledger::Error) -> Problem {
    let problem = Problem::from(error);
    match problem.code() {
        Code::OutcomeUnknown => Problem::new(Code::Unavailable, "the API key could not be looked up"),
        _ => problem,
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
        let key = |state, not_before: Option<u64>, expires_at: Option<u64>| ApiKey {
            id: "id".into(),
            secret_hash: [0; 32],
            client: "client".into(),
            scopes: vec!["poll:*".into(), "nonsense".into()],
            state,
            created_at: Timestamp(0),
            not_before: not_before.map(Timestamp),
            expires_at: expires_at.map(Timestamp),
            tier: String::new(),
        };
        let now = Timestamp(100);
        assert!(is_usable(&key(ApiKeyState::Active, None, None), now));
        assert!(is_usable(&key(ApiKeyState::Grace, Some(100), Some(101)), now));
        assert!(!is_usable(&key(ApiKeyState::Active, Some(101), None), now));
        assert!(!is_usable(&key(ApiKeyState::Active, None, Some(100)), now));
        assert!(!is_usable(&key(ApiKeyState::Revoked, None, None), now));
        assert!(caller(&key(ApiKeyState::Active, None, None)).may_somewhere(super::super::Action::Poll));
    }
}
