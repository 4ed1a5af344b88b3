//! What a REST API of API Gateway answers by itself, in our words: what it refuses does not reach a service. Left are methods
//! that it does not know, and what is no request: of those it says the status and a word.
//!
//! An HTTP API has words of its own, which cannot be changed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::problem::{Code, Problem, RequestContext};

/// An answer of API Gateway's own.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The headers and their values.
    pub headers: BTreeMap<String, String>,
    /// A problem document; `$context.requestId` stands for what API Gateway calls the request.
    pub body: String,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let document = problem.document(RequestContext { request_id: "$context.requestId", path: "" });
        let mut headers: BTreeMap<_, _> = problem
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        headers.insert("content-type".to_owned(), "application/problem+json".to_owned());
        let body = serde_json::to_string(&document).expect("a document of texts, numbers and booleans is JSON");
        Self { status: document.status(), headers, body }
    }
}

/// Each answer, by the type that API Gateway gives it.
#[must_use]
pub fn refusals() -> BTreeMap<&'static str, Refusal> {
    // Whatever the cause: no key, one that was not taken, and one that no usage plan knows yet.
    let refused = ["ACCESS_DENIED", "INVALID_API_KEY", "UNAUTHORIZED"].map(|kind| (kind, Problem::unauthenticated()));
    let nobody_answers = ["AUTHORIZER_CONFIGURATION_ERROR", "AUTHORIZER_FAILURE"]
        .map(|kind| (kind, Problem::new(Code::Unavailable, "the API key could not be looked at")));
    // The service may have done what it was asked for.
    let unknown = ["DEFAULT_5XX", "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT"]
        .map(|kind| (kind, Problem::new(Code::OutcomeUnknown, "the service did not answer in time")));
    let others = [
        ("MISSING_AUTHENTICATION_TOKEN", Problem::new(Code::RouteNotFound, "there is no such route")),
        ("REQUEST_TOO_LARGE", Problem::new(Code::PayloadTooLarge, "the request is larger than the gateway takes")),
        (
            "THROTTLED",
            Problem::new(Code::RateLimited, "more requests than the usage plan of the API key, or the API, takes"),
        ),
        ("QUOTA_EXCEEDED", Problem::new(Code::QuotaExhausted, "the quota of the usage plan is used up")),
    ];
    let all = refused.into_iter().chain(nobody_answers).chain(unknown).chain(others);
    all.map(|(kind, problem)| (kind, problem.into())).collect()
}
