//! What each error of the ledger is on the wire. Exhaustive, so that a new error must decide.

use ledger::Error;

use super::{Code, Problem};

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let simple = |code| Self::new(code, detail.clone());
        match error {
            Error::StreamNotFound => simple(Code::StreamNotFound),
            Error::StreamExists => simple(Code::StreamExists),
            Error::StreamDeleting { wait_ms, .. } => {
                simple(Code::StreamDeleting).with_retry_after(wait_ms.div_ceil(1000).max(1))
            }
            Error::SubscriptionNotFound => simple(Code::SubscriptionNotFound),
            Error::SubscriptionExists => simple(Code::SubscriptionExists),
            Error::KeyNotFound => simple(Code::KeyNotFound),
            Error::InvalidCursor => simple(Code::InvalidCursor).with_error("/cursor", "invalid"),
            Error::StreamRecreated(restart) => simple(Code::StreamRecreated).with_restart(*restart),
            Error::PositionExpired(expired) => {
                simple(Code::PositionExpired).with_lost_events(expired.lost_events).with_restart(expired.restart)
            }
            Error::TailMismatch { .. } => simple(Code::TailMismatch),
            Error::Refused { pointer, .. } => simple(Code::ValidationFailed).with_error(pointer, "invalid"),
            Error::IdempotencyKeyReused => simple(Code::IdempotencyKeyReused),
            Error::IdempotencyInProgress => simple(Code::IdempotencyInProgress),
            Error::GenerationMismatch => simple(Code::GenerationMismatch),
            Error::CommitBeyondTail => simple(Code::CommitBeyondTail).with_error("/cursor", "invalid"),
            Error::Contention => simple(Code::Contention),
            Error::CompactionGap => simple(Code::CompactionGap),
            Error::HeadLost => simple(Code::HeadLost),
            Error::CompactorStalled => simple(Code::CompactorStalled),
            Error::Unavailable(source) => Self::new(Code::Unavailable, detail).with_source(source),
            Error::OutcomeUnknown(source) => Self::new(Code::OutcomeUnknown, detail).with_source(source),
            Error::Internal(source) => Self::internal(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deleted_name_says_in_whole_seconds_when_it_is_free() {
        let free_at = ledger::Timestamp(61_500);
        let problem = Problem::from(Error::StreamDeleting { free_at, wait_ms: 1_500 });
        let response = axum::response::IntoResponse::into_response(problem.clone());
        assert_eq!(response.status(), 409);
        let headers = problem.headers();
        assert_eq!(
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect::<Vec<_>>(),
            [("retry-after", "2")]
        );
    }

    #[test]
    fn the_text_of_a_source_stays_out_of_the_answer() {
        let problem = Problem::from(Error::Unavailable("secret endpoint 10.0.0.1".into()));
        assert_eq!(problem.code(), Code::Unavailable);
        assert!(!problem.detail().contains("10.0.0.1"));
    }
}
