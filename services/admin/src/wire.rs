//! The shapes of requests and answers about streams and subscriptions.

use ledger::model::{PartitionCount, RetentionHours, StreamName, SubscriptionName};
use ledger::{StartFrom, Timestamp, limits};
use platform::health::Finding;
use platform::json::present;
use platform::query::{Limit, ShortText};
use platform::wire::Lag;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::place::{Start, Target};

/// What a stream is to be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateStream {
    #[schemars(schema_with = "platform::schema::stream_name")]
    pub(crate) stream_id: StreamName,
    #[serde(default = "one_partition")]
    #[schemars(schema_with = "platform::schema::partition_count")]
    partition_count: PartitionCount,
    #[serde(default = "fifteen_days")]
    #[schemars(schema_with = "platform::schema::retention_hours")]
    retention_hours: RetentionHours,
    /// Whether the latest record of each key is kept.
    #[serde(default = "compacted")]
    compaction: bool,
}

fn one_partition() -> PartitionCount {
    PartitionCount::new(1).expect("one partition is within the limits")
}

fn fifteen_days() -> RetentionHours {
    RetentionHours::new(limits::DEFAULT_RETENTION_HOURS.into()).expect("the default is within the limits")
}

fn compacted() -> bool {
    true
}

impl From<CreateStream> for ledger::StreamDefinition {
    fn from(request: CreateStream) -> Self {
        let CreateStream { stream_id: name, partition_count, retention_hours, compaction } = request;
        Self { name, partition_count, retention_hours, compaction }
    }
}

/// A stream as it is defined.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Stream {
    #[schemars(schema_with = "platform::schema::stream_name")]
    stream_id: StreamName,
    /// Which life of the name: a stream that was deleted and created again has another.
    incarnation: String,
    #[schemars(schema_with = "platform::schema::partition_count")]
    partition_count: PartitionCount,
    #[schemars(schema_with = "platform::schema::retention_hours")]
    retention_hours: RetentionHours,
    /// Whether the latest record of each key is kept.
    compaction: bool,
    #[schemars(schema_with = "platform::schema::time")]
    created_at: String,
}

impl From<ledger::Stream> for Stream {
    fn from(stream: ledger::Stream) -> Self {
        let definition = stream.definition;
        Self {
            stream_id: definition.name,
            incarnation: stream.incarnation.to_string(),
            partition_count: definition.partition_count,
            retention_hours: definition.retention_hours,
            compaction: definition.compaction,
            created_at: stream.created_at.to_string(),
        }
    }
}

/// A stream and how far its log goes.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StreamDescription {
    #[serde(flatten)]
    stream: Stream,
    /// Readable events in all partitions.
    events: u64,
    /// Each partition.
    partitions: Vec<Partition>,
}

/// How far the log of a partition goes, in offsets.
#[derive(Debug, Serialize, JsonSchema)]
struct Partition {
    partition: u16,
    /// Oldest readable offset; the tail when there is none.
    head: u64,
    /// First unwritten offset.
    tail: u64,
    /// First offset that is not in compacted state.
    watermark: u64,
}

impl From<ledger::StreamDescription> for StreamDescription {
    fn from(description: ledger::StreamDescription) -> Self {
        let partitions = description.partitions.into_iter().map(|partition| Partition {
            partition: partition.partition,
            head: partition.head,
            tail: partition.tail,
            watermark: partition.watermark,
        });
        Self { stream: description.stream.into(), events: description.events, partitions: partitions.collect() }
    }
}

/// Which streams are listed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StreamsQuery {
    /// Only streams whose names begin so.
    #[schemars(schema_with = "platform::schema::short_text")]
    pub(crate) prefix: ShortText,
    #[schemars(schema_with = "platform::schema::limit")]
    pub(crate) limit: Limit,
    /// The `next` of the page before.
    #[serde(deserialize_with = "present")]
    #[schemars(schema_with = "platform::schema::short_text")]
    after: Option<ShortText>,
}

impl StreamsQuery {
    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_ref().map(|after| after.0.as_str())
    }
}

/// A page of streams.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Streams {
    streams: Vec<Stream>,
    /// Pass it as `after` to get the next page; null on the last.
    next: Option<String>,
}

impl From<ledger::Listing<ledger::Stream>> for Streams {
    fn from(page: ledger::Listing<ledger::Stream>) -> Self {
        Self { streams: page.items.into_iter().map(Stream::from).collect(), next: page.next }
    }
}

/// What a subscription is to be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateSubscription {
    #[schemars(schema_with = "platform::schema::subscription_name")]
    pub(crate) subscription_id: SubscriptionName,
    #[schemars(schema_with = "platform::schema::start_from")]
    pub(crate) start_from: Start,
}

/// Where a subscription is moved.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seek {
    #[schemars(schema_with = "platform::schema::seek_to")]
    pub(crate) to: Target,
}

/// A subscription and how it does.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Subscription {
    #[schemars(schema_with = "platform::schema::subscription_name")]
    subscription_id: SubscriptionName,
    #[schemars(schema_with = "platform::schema::stream_name")]
    stream_id: StreamName,
    #[schemars(schema_with = "platform::schema::start_from")]
    start_from: StartFromView,
    /// Whether its committed positions are in compacted state (`snapshot`) or in the log (`live`).
    phase: &'static str,
    #[schemars(schema_with = "platform::schema::cursor")]
    cursor: String,
    /// Changes with each seek.
    generation: u64,
    #[schemars(schema_with = "platform::schema::status")]
    status: ledger::Status,
    lag: Lag,
    #[schemars(schema_with = "platform::schema::time")]
    created_at: String,
    #[schemars(schema_with = "platform::schema::optional_time")]
    last_commit_at: Option<String>,
    #[schemars(schema_with = "platform::schema::optional_time")]
    last_poll_at: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum StartFromView {
    Earliest,
    Latest,
    Compacted,
    Timestamp(String),
}

impl From<StartFrom> for StartFromView {
    fn from(start: StartFrom) -> Self {
        match start {
            StartFrom::Earliest => Self::Earliest,
            StartFrom::Latest => Self::Latest,
            StartFrom::Compacted => Self::Compacted,
            StartFrom::Timestamp(time) => Self::Timestamp(time.to_string()),
        }
    }
}

impl From<ledger::SubscriptionDescription> for Subscription {
    fn from(description: ledger::SubscriptionDescription) -> Self {
        Self {
            subscription_id: description.name,
            stream_id: description.stream,
            start_from: description.start_from.into(),
            phase: if description.in_snapshot { "snapshot" } else { "live" },
            cursor: description.cursor.as_str().to_owned(),
            generation: description.generation,
            status: description.status,
            lag: description.lag.into(),
            created_at: description.created_at.to_string(),
            last_commit_at: description.last_commit_at.map(|time| time.to_string()),
            last_poll_at: description.last_poll_at.map(|time| time.to_string()),
        }
    }
}

/// Which subscriptions are listed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SubscriptionsQuery {
    #[schemars(schema_with = "platform::schema::limit")]
    pub(crate) limit: Limit,
    /// The `next` of the page before.
    #[serde(deserialize_with = "present")]
    #[schemars(schema_with = "platform::schema::short_text")]
    after: Option<ShortText>,
}

impl SubscriptionsQuery {
    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_ref().map(|after| after.0.as_str())
    }
}

/// A page of subscriptions.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Subscriptions {
    subscriptions: Vec<Subscription>,
    /// Pass it as `after` to get the next page; null on the last.
    next: Option<String>,
}

impl From<ledger::Listing<ledger::SubscriptionDescription>> for Subscriptions {
    fn from(page: ledger::Listing<ledger::SubscriptionDescription>) -> Self {
        Self { subscriptions: page.items.into_iter().map(Subscription::from).collect(), next: page.next }
    }
}

/// How far each partition is compacted.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Watermarks {
    partitions: Vec<Watermark>,
}

/// How far a partition is compacted.
#[derive(Debug, Serialize, JsonSchema)]
struct Watermark {
    partition: u16,
    /// First offset that is not in compacted state.
    watermark: u64,
}

impl From<Vec<ledger::Watermark>> for Watermarks {
    fn from(watermarks: Vec<ledger::Watermark>) -> Self {
        let partitions = watermarks
            .into_iter()
            .map(|ledger::Watermark { partition, watermark }| Watermark { partition, watermark })
            .collect();
        Self { partitions }
    }
}

/// That the service is alive, and what is wrong with it all the same.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Health {
    /// `ok`, or `degraded`: then `findings` says what needs somebody's attention.
    status: &'static str,
    version: &'static str,
    findings: Vec<Finding>,
}

impl Health {
    pub(crate) fn new(health: ledger::Health, now: Timestamp, seen: Option<Finding>) -> Self {
        let late = |at| now.since(at) > limits::KEEPER_LATE_MS;
        let keeper = match health.swept_at {
            None => Some("no sweep has come to its end yet"),
            Some(at) if late(at) => Some("no sweep has come to its end for hours: what expires is not tidied up"),
            Some(_) => None,
        };
        let keeper = keeper.map(|detail| Finding { subject: "keeper", detail });
        let findings: Vec<_> = keeper.into_iter().chain(seen).collect();
        let status = if findings.is_empty() { "ok" } else { "degraded" };
        Self { status, version: env!("CARGO_PKG_VERSION"), findings }
    }
}
