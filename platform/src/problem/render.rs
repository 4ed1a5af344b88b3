//! The edge of a problem: the document a client gets, and the line that we get when the fault is ours.

use std::error::Error;
use std::fmt::Write as _;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};
use serde::Serialize;

use super::{Code, Effect, MemberError, Problem};

/// What the edge knows of the request that a problem answers.
#[derive(Clone, Copy, Debug)]
pub struct RequestContext<'a> {
    /// Its id, which the answer carries too.
    pub request_id: &'a str,
    /// Its path, as the client sent it.
    pub path: &'a str,
}

/// A problem document as it is sent.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Problem")]
pub struct Document {
    /// `urn:eventledger:problem:` and the code.
    #[serde(rename = "type")]
    problem_type: String,
    /// What the code means; the same for every occurrence.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request, naming members and limits.
    detail: String,
    /// What went wrong, for programs.
    #[schemars(schema_with = "crate::schema::problem_code")]
    code: Code,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// Whether the request may have had an effect.
    #[schemars(schema_with = "crate::schema::effect")]
    effect: Effect,
    /// Name it when you ask for help.
    request_id: String,
    /// The members at fault.
    errors: Vec<MemberError>,
    /// How many events the position missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost_events: Option<u64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    restart: Option<Restart>,
}

/// Where a reader can start again.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Restart {
    /// The oldest readable position.
    earliest_cursor: String,
    /// The start of a new bootstrap; null when the stream keeps no compacted state.
    bootstrap_cursor: Option<String>,
    /// The same, as relative URLs to read on from.
    links: Links,
}

/// Relative URLs to read on from.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Links {
    /// From the oldest readable position.
    earliest: String,
    /// From a new bootstrap; null when the stream keeps no compacted state.
    bootstrap: Option<String>,
}

impl Document {
    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }
}

impl Problem {
    /// The document for the request that this problem answers.
    #[must_use]
    pub fn document(&self, context: RequestContext<'_>) -> Document {
        let code = self.0.code;
        Document {
            problem_type: format!("urn:eventledger:problem:{}", code.as_str()),
            title: code.title(),
            status: code.status().as_u16(),
            detail: self.0.detail.clone().into_owned(),
            code,
            retryable: code.retryable(),
            effect: code.effect(),
            request_id: context.request_id.to_owned(),
            errors: self.0.errors.clone(),
            lost_events: self.0.lost_events,
            restart: self.0.restart.as_ref().map(|restart| describe(restart, context.path)),
        }
    }

    /// The headers that belong to it.
    #[must_use]
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    /// The response; what an earlier layer already put into the response's head, such as `Allow`, is kept.
    pub(crate) fn respond(&self, head: Response, context: RequestContext<'_>) -> Response {
        // A document of texts, numbers and booleans can always be written.
        let mut text = serde_json::to_vec(&self.document(context)).unwrap_or_default();
        text.push(b'\n');
        let mut response = head.map(|_| Body::from(text));
        *response.status_mut() = self.0.code.status();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in &self.0.headers {
            headers.insert(name.clone(), value.clone());
        }
        response
    }

    /// Logs a fault of ours with all its causes. Called once, at the edge.
    pub(crate) fn log(&self) {
        if self.0.code.status().is_server_error() {
            let causes = self.causes();
            tracing::error!(code = self.0.code.as_str(), causes, "a request failed");
        }
    }

    fn causes(&self) -> String {
        let mut text = String::new();
        let mut next = self.0.source.as_deref().map(|source| source as &(dyn Error + 'static));
        while let Some(cause) = next {
            let separator = if text.is_empty() { "" } else { ": " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{separator}{cause}");
            next = cause.source();
        }
        text
    }
}

fn describe(restart: &ledger::Restart, path: &str) -> Restart {
    // Every cursor is of a stream, and every path about a stream begins with it.
    let stream: Vec<&str> = path.split('/').take(3).collect();
    let reader = match &restart.subscription {
        Some(subscription) => format!("subscriptions/{subscription}/poll"),
        None => "events".to_owned(),
    };
    let link =
        |cursor: &ledger::model::cursor::Cursor| format!("{}/{reader}?cursor={}", stream.join("/"), cursor.as_str());
    Restart {
        earliest_cursor: restart.earliest.as_str().to_owned(),
        bootstrap_cursor: restart.bootstrap.as_ref().map(|cursor| cursor.as_str().to_owned()),
        links: Links { earliest: link(&restart.earliest), bootstrap: restart.bootstrap.as_ref().map(link) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::model::cursor::Cursor;

    fn expired(bootstrap: Option<Cursor>, subscription: Option<&str>) -> Problem {
        let subscription = subscription.map(str::to_owned);
        let restart = ledger::Restart { earliest: Cursor::from_client("AAA"), bootstrap, subscription };
        ledger::Error::PositionExpired(Box::new(ledger::Expired { lost_events: 7, restart })).into()
    }

    #[test]
    fn an_expired_position_carries_links_to_where_reading_goes_on() {
        let context = RequestContext { request_id: "r", path: "/streams/s/subscriptions/b/commit" };
        let document =
            serde_json::to_value(expired(Some(Cursor::from_client("BBB")), Some("b")).document(context)).unwrap();
        assert_eq!(document["lost_events"], 7);
        assert_eq!(document["earliest_cursor"], "AAA");
        assert_eq!(document["links"]["bootstrap"], "/streams/s/subscriptions/b/poll?cursor=BBB");
        assert_eq!(document["type"], "urn:eventledger:problem:position_expired");
    }

    #[test]
    fn a_stream_without_compaction_offers_no_bootstrap() {
        let context = RequestContext { request_id: "r", path: "/streams/s/compacted" };
        let document = serde_json::to_value(expired(None, None).document(context)).unwrap();
        assert!(document["bootstrap_cursor"].is_null() && document["links"]["bootstrap"].is_null());
        assert_eq!(document["links"]["earliest"], "/streams/s/events?cursor=AAA");
    }

    #[test]
    fn a_simple_problem_has_exactly_the_members_of_the_contract() {
        let problem = Problem::new(Code::RateLimited, "slow down");
        let document = serde_json::to_value(problem.document(RequestContext { request_id: "r", path: "/" })).unwrap();
        let names: Vec<_> = document.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names.len(), 9);
        assert_eq!(document["effect"], "none");
        assert_eq!(document["retryable"], true);
    }
}
