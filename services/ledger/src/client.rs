//! How every client of the table behaves, whichever connector and credentials it has.
//!
//! The SDK sets no time limit of its own and waits up to a second before its first retry; both are too long for a
//! caller that waits for an answer. Retrying here is not enough for correctness: a write that the SDK repeats can meet
//! its own first attempt, so the store compares what it finds with what it wrote.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder};

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(800);
/// How long all attempts and the pauses between them may take.
const OPERATION_TIMEOUT: Duration = Duration::from_millis(2_500);
/// The first attempt and its repetitions.
const ATTEMPTS: u32 = 4;
/// The longest pause before the first repetition; it doubles with each.
const FIRST_BACKOFF: Duration = Duration::from_millis(25);
/// No pause is longer.
const LONGEST_BACKOFF: Duration = Duration::from_millis(400);

// An attempt that runs into its limit must leave room for another one.
const _: () = assert!(2 * ATTEMPT_TIMEOUT.as_millis() < OPERATION_TIMEOUT.as_millis());
const _: () = assert!(CONNECT_TIMEOUT.as_millis() < ATTEMPT_TIMEOUT.as_millis());

/// The behaviour, time limits and retries of a client of the table. Region, credentials and connector are the caller's.
#[must_use]
pub fn client_settings(builder: Builder) -> Builder {
    builder
        .behavior_version(BehaviorVersion::v2026_01_12())
        .interceptor(crate::usage::NoteCalls)
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(OPERATION_TIMEOUT)
                .build(),
        )
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(ATTEMPTS)
                .with_initial_backoff(FIRST_BACKOFF)
                .with_max_backoff(LONGEST_BACKOFF),
        )
}
