//! Request headers that set conditions, under which a publish writes and under which a record is sent again; and the one
//! that says where in a trace a request belongs.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use ledger::model::TraceParent;
use ledger::{Idempotency, limits};
use sha2::{Digest, Sha256};

use crate::access::Caller;
use crate::problem::{Code, Problem, Result};

/// The conditions of a publish: `Idempotency-Key` and `If-Match`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    idempotency_key: Option<String>,
    /// `If-Match`: the offset that must be the tail of the partition.
    pub expected_tail: Option<u64>,
}

impl Conditions {
    /// The identity of the request for the ledger: the key within the caller's own namespace, and what it asks.
    #[must_use]
    pub fn idempotency(&self, caller: &Caller, body: &[u8]) -> Option<Idempotency> {
        let key = self.idempotency_key.as_ref()?;
        // JSON holds no NUL, and neither does a key id: the separator keeps the parts apart.
        let condition = self.expected_tail.map(|tail| tail.to_string()).unwrap_or_default();
        Some(Idempotency {
            key: hash(caller.key_id().as_bytes(), key.as_bytes()),
            body: hash(body, condition.as_bytes()),
        })
    }
}

/// Where in a trace a request was sent, if it says so: the `traceparent` of W3C Trace Context. As the recommendation has
/// it, one that cannot be read, or is there twice, is as good as none.
#[derive(Clone, Copy, Debug)]
pub struct Traced(pub Option<TraceParent>);

impl Traced {
    /// What the headers of a request say.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all("traceparent").iter();
        let (first, second) = (values.next(), values.next());
        let text = first.filter(|_| second.is_none()).and_then(|value| value.to_str().ok());
        Self(text.and_then(TraceParent::parse))
    }
}

impl<S: Sync> FromRequestParts<S> for Traced {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(&parts.headers))
    }
}

/// A limit for all headers together, so that no server takes more than another.
pub(crate) fn check_length(headers: &HeaderMap) -> Result<()> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes <= limits::REQUEST_HEADER_BYTES {
        return Ok(());
    }
    let limit = limits::REQUEST_HEADER_BYTES;
    Err(Problem::new(Code::InvalidHeader, format!("the headers are longer than {limit} bytes together")))
}

fn hash(first: &[u8], second: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(first).chain_update([0]).chain_update(second).finalize().into()
}

impl<S: Sync> FromRequestParts<S> for Conditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let idempotency_key = only(&parts.headers, HeaderName::from_static("idempotency-key"))?.map(str::to_owned);
        let fits = |key: &String| (1..=limits::IDEMPOTENCY_KEY_CHARACTERS).contains(&key.len());
        if idempotency_key.as_ref().is_some_and(|key| !fits(key)) {
            return Err(invalid("Idempotency-Key", "1 to 128 printable ASCII characters"));
        }
        let requirement = "the offset that must be the tail, in double quotes";
        let expected_tail = match only(&parts.headers, header::IF_MATCH)? {
            Some(tag) => Some(quoted_offset(tag).ok_or_else(|| invalid("If-Match", requirement))?),
            None => None,
        };
        Ok(Self { idempotency_key, expected_tail })
    }
}

/// `If-None-Match`: whether the client already has what an entity tag names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IfNoneMatch(Vec<String>);

impl IfNoneMatch {
    /// Whether the tag, in its quotes, is among those that the client has.
    #[must_use]
    pub fn matches(&self, tag: &str) -> bool {
        self.0.iter().any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
    }
}

impl<S: Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let values = parts.headers.get_all(header::IF_NONE_MATCH).iter();
        let tags = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
        Ok(Self(tags.map(|tag| tag.trim().to_owned()).collect()))
    }
}

/// The one value of a header, in printable ASCII.
fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>> {
    let mut values = headers.get_all(&name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| values.next().is_none() && !text.contains('\t'));
    text.map(Some).ok_or_else(|| invalid(name.as_str(), "given once, in printable ASCII"))
}

fn quoted_offset(tag: &str) -> Option<u64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    canonical.then(|| digits.parse().ok())?
}

fn invalid(name: &str, requirement: &str) -> Problem {
    Problem::new(Code::InvalidHeader, format!("`{name}` must be {requirement}"))
        .with_error(format!("/{}", name.to_ascii_lowercase()), "invalid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, Request};

    async fn conditions(pairs: &[(&str, &[u8])]) -> Result<Conditions, Code> {
        let mut parts = Request::new(()).into_parts().0;
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            parts.headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        Conditions::from_request_parts(&mut parts, &()).await.map_err(|problem| problem.code())
    }

    #[tokio::test]
    async fn an_idempotency_key_is_printable_ascii_given_once() {
        assert!(conditions(&[("idempotency-key", &[b'k'; 128])]).await.is_ok());
        let bad: [&[(&str, &[u8])]; 5] = [
            &[("idempotency-key", b"")],
            &[("idempotency-key", &[b'k'; 129])],
            &[("idempotency-key", b"a"), ("idempotency-key", b"a")],
            &[("idempotency-key", "é".as_bytes())],
            &[("idempotency-key", b"a\tb")],
        ];
        for pairs in bad {
            assert_eq!(conditions(pairs).await, Err(Code::InvalidHeader));
        }
    }

    #[tokio::test]
    async fn if_match_is_a_quoted_offset() {
        assert_eq!(conditions(&[("if-match", b"\"42\"")]).await.unwrap().expected_tail, Some(42));
        for bad in ["42", "\"\"", "\"-1\"", "\"042\"", "*", "\"18446744073709551616\"", "W/\"42\""] {
            assert_eq!(conditions(&[("if-match", bad.as_bytes())]).await, Err(Code::InvalidHeader), "{bad}");
        }
    }

    #[tokio::test]
    async fn idempotency_depends_on_the_key_its_owner_the_body_and_the_condition() {
        let one = conditions(&[("idempotency-key", b"k")]).await.unwrap();
        let both = conditions(&[("idempotency-key", b"k"), ("if-match", b"\"1\"")]).await.unwrap();
        let caller = |name| Caller::new(name, Vec::new(), crate::access::Tier::default());
        let (alice, bob) = (caller("alice"), caller("bob"));
        let base = one.idempotency(&alice, b"{}").unwrap();
        assert_eq!(one.idempotency(&alice, b"{}"), Some(base));
        assert_ne!(one.idempotency(&bob, b"{}").unwrap().key, base.key);
        assert_ne!(one.idempotency(&alice, b"[]").unwrap().body, base.body);
        assert_ne!(both.idempotency(&alice, b"{}").unwrap().body, base.body);
        assert_eq!(Conditions::default().idempotency(&alice, b"{}"), None);
    }
}
