//! The SDK client of an engine: set up like every other client of the table, and repeatable besides.
//!
//! It reads no environment, file or home directory; its pauses have no jitter; and its allowance for retries is its own,
//! where the SDK would share one among all clients of a process and let one test starve the next.

use aws_sdk_dynamodb::config::retry::{ReconnectMode, RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{Config, Region, StalledStreamProtectionConfig};
use aws_smithy_runtime_api::client::http::HttpClient;

/// A client whose requests go to `http_client`, and that waits for each answer however long it takes, if it is `patient`.
pub(crate) fn client(http_client: impl HttpClient + 'static, patient: bool) -> aws_sdk_dynamodb::Client {
    let config = ledger::client_settings(Config::builder())
        .region(Region::from_static("us-east-1"))
        .allow_no_auth()
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .retry_partition(RetryPartition::custom("embedded").token_bucket(TokenBucket::default()).build())
        .http_client(http_client)
        .build();
    let retries = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
    let retries = retries
        .with_use_static_exponential_base(true)
        // There is no connection that a failure could spoil, and the SDK would complain each time.
        .with_reconnect_mode(ReconnectMode::ReuseAllConnections);
    let mut builder = config.to_builder().retry_config(retries);
    if patient {
        builder = builder.timeout_config(TimeoutConfig::disabled());
    }
    aws_sdk_dynamodb::Client::from_conf(builder.build())
}
