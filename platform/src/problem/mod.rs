//! Problem documents (RFC 9457): the one shape of every answer that is not a success.
//!
//! A [`Problem`] travels inside its response until it reaches the edge, which knows the request: only there it becomes a
//! document, gets its request id and links, and is logged if it is a fault of ours. A client sees what is in the document
//! and never the text of a source.

mod code;
mod from_ledger;
mod render;

use std::borrow::Cow;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, header};
use serde::Serialize;

pub use code::{Code, Effect};
pub use render::{Document, RequestContext};

/// The result of a handler or an extractor.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// A member of the request and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct MemberError {
    /// JSON pointer into the body, or the name of a query parameter or header. A name that the client made up and that
    /// does not look like one is given as `?`.
    pub pointer: String,
    /// `missing`, `unknown`, `invalid` or `too_large`.
    pub code: &'static str,
}

/// Why a request was not done; an error that is an answer.
#[derive(Clone, Debug)]
pub struct Problem(Box<Details>);

#[derive(Clone, Debug)]
struct Details {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<MemberError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    lost_events: Option<u64>,
    restart: Option<ledger::Restart>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// Whether a name that a client made up may be repeated to it: names of members and parameters are texts of the client
/// like any other, and answers repeat none of those.
pub(crate) fn looks_like_a_name(name: &str) -> bool {
    (1..=ledger::limits::NAME_CHARACTERS).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

impl Problem {
    /// A problem with a text for the client. The text names members and limits, never a value of the client's.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let headers = code.retry_after_seconds().map(retry_after).into_iter().collect();
        let detail = detail.into();
        Self(Box::new(Details {
            code,
            detail,
            errors: Vec::new(),
            headers,
            lost_events: None,
            restart: None,
            source: None,
        }))
    }

    /// A member of the body that is not allowed: 422.
    #[must_use]
    pub fn invalid_member(pointer: impl Into<String>, requirement: &str) -> Self {
        let pointer = pointer.into();
        let subject = if pointer.is_empty() { "the body".to_owned() } else { format!("`{pointer}`") };
        Self::new(Code::ValidationFailed, format!("{subject} must be {requirement}")).with_error(pointer, "invalid")
    }

    /// A bug of ours; the source is for the log.
    #[must_use]
    pub fn internal(source: impl Into<ledger::Cause>) -> Self {
        Self::new(Code::Internal, "an internal error").with_source(source.into())
    }

    /// The one answer to every request without a valid credential.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(Code::Unauthenticated, "send a valid API key as `x-api-key` or as `Authorization: Bearer`")
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"eventledger\""))
    }

    /// The one answer for a stream that is absent, and for one that the caller may not know of.
    #[must_use]
    pub fn stream_not_found() -> Self {
        ledger::Error::StreamNotFound.into()
    }

    /// Adds a member and what is wrong with it.
    #[must_use]
    pub fn with_error(mut self, pointer: impl Into<String>, code: &'static str) -> Self {
        self.0.errors.push(MemberError { pointer: pointer.into(), code });
        self
    }

    /// Sets a header of the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.retain(|(known, _)| *known != name);
        self.0.headers.push((name, value));
        self
    }

    /// Says when repeating the request is worth it.
    #[must_use]
    pub fn with_retry_after(self, seconds: u64) -> Self {
        let (name, value) = retry_after(seconds);
        self.with_header(name, value)
    }

    fn with_source(mut self, source: ledger::Cause) -> Self {
        self.0.source = Some(Arc::from(source));
        self
    }

    fn with_restart(mut self, restart: ledger::Restart) -> Self {
        self.0.restart = Some(restart);
        self
    }

    fn with_lost_events(mut self, lost_events: u64) -> Self {
        self.0.lost_events = Some(lost_events);
        self
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Its text for the client.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The members at fault.
    #[must_use]
    pub fn errors(&self) -> &[MemberError] {
        &self.0.errors
    }
}

impl IntoResponse for Problem {
    /// An empty response that carries the problem to the edge.
    fn into_response(self) -> Response {
        let mut response = self.0.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

fn retry_after(seconds: u64) -> (HeaderName, HeaderValue) {
    (header::RETRY_AFTER, HeaderValue::from(seconds))
}
