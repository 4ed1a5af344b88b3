//! The problems of the contract, and what each must say of itself. Written down once more on purpose: the suite must not
//! learn the contract from the code that it tests.

/// Which problem has which status, whether repeating is worth it, and whether it may have had an effect.
pub struct Rule {
    /// Its code.
    pub code: &'static str,
    /// Its HTTP status.
    pub status: u16,
    /// Whether it says `retryable`, and when.
    pub retryable: bool,
    /// `none` or `unknown`.
    pub effect: &'static str,
}

const fn refused(status: u16, code: &'static str) -> Rule {
    Rule { code, status, retryable: false, effect: "none" }
}

const fn later(status: u16, code: &'static str) -> Rule {
    Rule { code, status, retryable: true, effect: "none" }
}

/// Every problem.
pub const RULES: [Rule; 37] = [
    refused(400, "malformed_json"),
    refused(400, "invalid_path"),
    refused(400, "invalid_query"),
    refused(400, "invalid_header"),
    refused(400, "invalid_cursor"),
    refused(400, "credential_in_url"),
    refused(401, "unauthenticated"),
    refused(403, "insufficient_scope"),
    refused(403, "quota_exhausted"),
    refused(404, "stream_not_found"),
    refused(404, "subscription_not_found"),
    refused(404, "key_not_found"),
    refused(404, "route_not_found"),
    refused(405, "method_not_allowed"),
    refused(406, "not_acceptable"),
    later(408, "body_timeout"),
    refused(415, "unsupported_media_type"),
    refused(409, "stream_exists"),
    later(409, "stream_deleting"),
    refused(409, "subscription_exists"),
    later(409, "idempotency_in_progress"),
    refused(409, "generation_mismatch"),
    refused(410, "position_expired"),
    refused(410, "stream_recreated"),
    refused(412, "tail_mismatch"),
    refused(413, "payload_too_large"),
    refused(422, "validation_failed"),
    refused(422, "idempotency_key_reused"),
    refused(422, "commit_beyond_tail"),
    later(429, "rate_limited"),
    Rule { code: "internal", status: 500, retryable: false, effect: "unknown" },
    later(503, "unavailable"),
    later(503, "contention"),
    later(503, "compaction_gap"),
    later(503, "head_lost"),
    later(503, "compactor_stalled"),
    Rule { code: "outcome_unknown", status: 503, retryable: true, effect: "unknown" },
];

/// Members that every problem document has.
pub const MEMBERS: [&str; 9] =
    ["type", "title", "status", "detail", "code", "retryable", "effect", "request_id", "errors"];

/// Further members of some problems.
#[must_use]
pub fn extensions(code: &str) -> &'static [&'static str] {
    match code {
        "position_expired" => &["lost_events", "earliest_cursor", "bootstrap_cursor", "links"],
        "stream_recreated" => &["earliest_cursor", "bootstrap_cursor", "links"],
        _ => &[],
    }
}
