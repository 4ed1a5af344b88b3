//! The codes of all problems, and the three questions each answers: which status, is repeating worth it, and may the
//! request have had an effect.
//!
//! The matches are exhaustive on purpose: a new code does not compile before it has answered all of them. Codes are part
//! of the contract and are never renamed.

use http::StatusCode;
use serde::Serialize;

/// Why a request was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "`title` says what each code means, and a second text would drift from it")]
pub enum Code {
    MalformedJson,
    InvalidPath,
    InvalidQuery,
    InvalidHeader,
    InvalidCursor,
    CredentialInUrl,
    Unauthenticated,
    InsufficientScope,
    QuotaExhausted,
    StreamNotFound,
    SubscriptionNotFound,
    KeyNotFound,
    RouteNotFound,
    MethodNotAllowed,
    NotAcceptable,
    BodyTimeout,
    UnsupportedMediaType,
    StreamExists,
    StreamDeleting,
    SubscriptionExists,
    IdempotencyInProgress,
    GenerationMismatch,
    PositionExpired,
    StreamRecreated,
    TailMismatch,
    PayloadTooLarge,
    ValidationFailed,
    IdempotencyKeyReused,
    CommitBeyondTail,
    RateLimited,
    Internal,
    Unavailable,
    Contention,
    CompactionGap,
    HeadLost,
    CompactorStalled,
    OutcomeUnknown,
}

/// Whether a refused request changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It did not.
    None,
    /// It may have; read before repeating it, or repeat it with its Idempotency-Key.
    Unknown,
}

impl Code {
    /// Every code, in the order of the contract.
    pub const ALL: [Self; 37] = [
        Self::MalformedJson,
        Self::InvalidPath,
        Self::InvalidQuery,
        Self::InvalidHeader,
        Self::InvalidCursor,
        Self::CredentialInUrl,
        Self::Unauthenticated,
        Self::InsufficientScope,
        Self::QuotaExhausted,
        Self::StreamNotFound,
        Self::SubscriptionNotFound,
        Self::KeyNotFound,
        Self::RouteNotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::BodyTimeout,
        Self::UnsupportedMediaType,
        Self::StreamExists,
        Self::StreamDeleting,
        Self::SubscriptionExists,
        Self::IdempotencyInProgress,
        Self::GenerationMismatch,
        Self::PositionExpired,
        Self::StreamRecreated,
        Self::TailMismatch,
        Self::PayloadTooLarge,
        Self::ValidationFailed,
        Self::IdempotencyKeyReused,
        Self::CommitBeyondTail,
        Self::RateLimited,
        Self::Internal,
        Self::Unavailable,
        Self::Contention,
        Self::CompactionGap,
        Self::HeadLost,
        Self::CompactorStalled,
        Self::OutcomeUnknown,
    ];

    /// The HTTP status. 400 could not be read; 422 was read and is not allowed; 500 is a bug of ours; 503 is worth
    /// repeating.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::MalformedJson
            | Self::InvalidPath
            | Self::InvalidQuery
            | Self::InvalidHeader
            | Self::InvalidCursor
            | Self::CredentialInUrl => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::InsufficientScope | Self::QuotaExhausted => StatusCode::FORBIDDEN,
            Self::StreamNotFound | Self::SubscriptionNotFound | Self::KeyNotFound | Self::RouteNotFound => {
                StatusCode::NOT_FOUND
            }
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::StreamExists
            | Self::StreamDeleting
            | Self::SubscriptionExists
            | Self::IdempotencyInProgress
            | Self::GenerationMismatch => StatusCode::CONFLICT,
            Self::PositionExpired | Self::StreamRecreated => StatusCode::GONE,
            Self::TailMismatch => StatusCode::PRECONDITION_FAILED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::ValidationFailed | Self::IdempotencyKeyReused | Self::CommitBeyondTail => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable
            | Self::Contention
            | Self::CompactionGap
            | Self::HeadLost
            | Self::CompactorStalled
            | Self::OutcomeUnknown => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn retryable(self) -> bool {
        self.retry_after_seconds().is_some()
    }

    /// After how long repeating the request is worth it, when nothing better is known.
    #[must_use]
    pub const fn retry_after_seconds(self) -> Option<u64> {
        match self {
            Self::BodyTimeout
            | Self::StreamDeleting
            | Self::IdempotencyInProgress
            | Self::RateLimited
            | Self::Unavailable
            | Self::Contention
            | Self::OutcomeUnknown => Some(1),
            Self::CompactionGap | Self::HeadLost | Self::CompactorStalled => Some(60),
            Self::MalformedJson
            | Self::InvalidPath
            | Self::InvalidQuery
            | Self::InvalidHeader
            | Self::InvalidCursor
            | Self::CredentialInUrl
            | Self::Unauthenticated
            | Self::InsufficientScope
            | Self::QuotaExhausted
            | Self::StreamNotFound
            | Self::SubscriptionNotFound
            | Self::KeyNotFound
            | Self::RouteNotFound
            | Self::MethodNotAllowed
            | Self::NotAcceptable
            | Self::UnsupportedMediaType
            | Self::StreamExists
            | Self::SubscriptionExists
            | Self::GenerationMismatch
            | Self::PositionExpired
            | Self::StreamRecreated
            | Self::TailMismatch
            | Self::PayloadTooLarge
            | Self::ValidationFailed
            | Self::IdempotencyKeyReused
            | Self::CommitBeyondTail
            | Self::Internal => None,
        }
    }

    /// Whether the request may have changed something.
    #[must_use]
    pub const fn effect(self) -> Effect {
        match self {
            Self::Internal | Self::OutcomeUnknown => Effect::Unknown,
            _ => Effect::None,
        }
    }

    /// What it means, the same for every occurrence.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::MalformedJson => "The body is not well-formed JSON",
            Self::InvalidPath => "The path cannot be read",
            Self::InvalidQuery => "The query cannot be read",
            Self::InvalidHeader => "A header cannot be read",
            Self::InvalidCursor => "The cursor is not one of this endpoint",
            Self::CredentialInUrl => "A credential was sent in the URL",
            Self::Unauthenticated => "No valid credential",
            Self::InsufficientScope => "The API key does not allow this",
            Self::QuotaExhausted => "The quota of the API key is used up",
            Self::StreamNotFound => "No such stream",
            Self::SubscriptionNotFound => "No such subscription",
            Self::KeyNotFound => "No such key in compacted state",
            Self::RouteNotFound => "No such route",
            Self::MethodNotAllowed => "The route does not know this method",
            Self::NotAcceptable => "No acceptable representation",
            Self::BodyTimeout => "The body did not arrive in time",
            Self::UnsupportedMediaType => "The body is not of a supported media type",
            Self::StreamExists => "A different stream of this name exists",
            Self::StreamDeleting => "A stream of this name is being deleted",
            Self::SubscriptionExists => "A different subscription of this name exists",
            Self::IdempotencyInProgress => "The same request is being processed",
            Self::GenerationMismatch => "The subscription was moved by a seek",
            Self::PositionExpired => "Events after this position have expired",
            Self::StreamRecreated => "The stream was deleted and created again",
            Self::TailMismatch => "The tail is not where it was expected",
            Self::PayloadTooLarge => "The request is too large",
            Self::ValidationFailed => "The request is not allowed",
            Self::IdempotencyKeyReused => "The Idempotency-Key was used for another request",
            Self::CommitBeyondTail => "The cursor points beyond the tail",
            Self::RateLimited => "Too many requests",
            Self::Internal => "An internal error",
            Self::Unavailable => "The service is unavailable for the moment",
            Self::Contention => "Too many publishers at once",
            Self::CompactionGap => "An exact bootstrap is not possible now",
            Self::HeadLost => "A partition cannot be appended to",
            Self::CompactorStalled => "Publishing is paused because compaction stands still",
            Self::OutcomeUnknown => "It is unknown whether the request had an effect",
        }
    }

    /// The code as it is spelled in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        const NAMES: [&str; 37] = [
            "malformed_json",
            "invalid_path",
            "invalid_query",
            "invalid_header",
            "invalid_cursor",
            "credential_in_url",
            "unauthenticated",
            "insufficient_scope",
            "quota_exhausted",
            "stream_not_found",
            "subscription_not_found",
            "key_not_found",
            "route_not_found",
            "method_not_allowed",
            "not_acceptable",
            "body_timeout",
            "unsupported_media_type",
            "stream_exists",
            "stream_deleting",
            "subscription_exists",
            "idempotency_in_progress",
            "generation_mismatch",
            "position_expired",
            "stream_recreated",
            "tail_mismatch",
            "payload_too_large",
            "validation_failed",
            "idempotency_key_reused",
            "commit_beyond_tail",
            "rate_limited",
            "internal",
            "unavailable",
            "contention",
            "compaction_gap",
            "head_lost",
            "compactor_stalled",
            "outcome_unknown",
        ];
        NAMES[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spelling_of_each_code_is_the_one_serde_writes() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn only_a_503_or_500_leaves_the_effect_open() {
        for code in Code::ALL {
            if code.effect() == Effect::Unknown {
                assert!(code.status().is_server_error());
            }
            assert_eq!(
                code.status() == StatusCode::SERVICE_UNAVAILABLE,
                code.status().is_server_error() && code.retryable()
            );
        }
    }
}
