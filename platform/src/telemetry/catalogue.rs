//! Every metric there is: its name, kind, unit, labels, meaning, and what CloudWatch is told of it. Call sites name these constants,
//! the recorders ask for units and labels, and alarms and dashboards are made of them, so nothing can be counted that is not here.
//!
//! Labels are what CloudWatch charges for: each combination of values that it is [told](super::told) is a series of its own. So only
//! what can be enumerated is one; ids of keys, streams, requests and traces belong to the properties of the wide event.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Serialize, Serializer};

use super::told::{self, Told};

/// The value of a gauge that nobody knows now: else the last one would seem to hold on. Prometheus shows it, CloudWatch is
/// told nothing.
pub const UNKNOWN: f64 = f64::NAN;

/// How values of a metric add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Added up.
    Counter,
    /// The last one holds.
    Gauge,
    /// Each one counts: their distribution is of interest.
    Histogram,
}

/// CloudWatch's name of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// A time.
    Milliseconds,
    /// A longer time.
    Seconds,
    /// A size.
    Bytes,
    /// A share, 0 to 100.
    Percent,
}

impl Unit {
    /// As CloudWatch spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
            Self::Bytes => "Bytes",
            Self::Percent => "Percent",
        }
    }
}

/// What a metric is told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// The Lambda: `admin`, `publish`, `poll`, `compactor`, `keeper`, `canary`, `authorizer`; or `local`.
    Service,
    /// The operation id of the endpoint.
    Operation,
    /// Why an API key was not taken.
    Reason,
    /// The status of a subscription. A line has a status of its own, which is of the answer.
    ConsumerStatus,
}

impl Dimension {
    /// Its label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Operation => "operation",
            Self::Reason => "reason",
            Self::ConsumerStatus => "consumer_status",
        }
    }

    /// The values it can have, as far as they are known here.
    #[must_use]
    pub const fn values(self) -> &'static [&'static str] {
        match self {
            Self::Service => &["admin", "publish", "poll", "compactor", "keeper", "canary", "authorizer", "local"],
            // Beside those of the services' endpoints: what found none, and what no client asks for.
            Self::Operation => &["unknown", "compact_partitions", "sweep", "sample", "round"],
            Self::Reason => {
                &["missing", "malformed", "environment", "credential", "revoked", "grace_over", "too_early", "expired"]
            }
            Self::ConsumerStatus => &["LOST", "REWIND", "STOP", "STALL", "WARN", "OK", "IDLE"],
        }
    }
}

impl Serialize for Dimension {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// As CloudWatch and Prometheus know it.
    pub name: &'static str,
    /// How its values add up.
    pub kind: Kind,
    /// What they are.
    pub unit: Unit,
    /// What its values are told apart by.
    pub labels: &'static [Dimension],
    /// The series that CloudWatch is told.
    pub told: &'static [Told],
    /// What it says to whoever is on call.
    pub meaning: &'static str,
}

const BY_SERVICE: &[Dimension] = &[Dimension::Service];
const BY_OPERATION: &[Dimension] = &[Dimension::Service, Dimension::Operation];
const BY_REASON: &[Dimension] = &[Dimension::Reason];
const BY_STATUS: &[Dimension] = &[Dimension::ConsumerStatus];

macro_rules! catalogue {
    ($($constant:ident = $name:literal, $kind:ident, $unit:ident, $labels:ident, $told:ident, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $constant: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                unit: Unit::$unit,
                labels: $labels,
                told: told::$told,
                meaning: $meaning,
            };
        )*
        /// Every metric.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

catalogue! {
    REQUESTS = "Requests", Counter, Count, BY_OPERATION, REQUESTS, "Requests that were answered or whose client left before, and events that were handled.";
    FAULTS = "Faults", Counter, Count, BY_OPERATION, FAULTS, "Answers of 500 and above, and events that failed: faults of ours.";
    CLIENT_ERRORS = "ClientErrors", Counter, Count, BY_OPERATION, EACH_OF_CLIENTS, "Answers of 400 to 498, but for 429, and requests whose client left before the answer: 499 in the log, without a latency.";
    THROTTLED = "Throttled", Counter, Count, BY_SERVICE, EACH_OF_CLIENTS, "Answers of 429; the log says by what they were limited.";
    SLOW_REQUESTS = "SlowRequests", Counter, Count, BY_OPERATION, PROMISED, "Answers that took longer than the objective of their operation.";
    LATENCY = "Latency", Histogram, Milliseconds, BY_OPERATION, PROMISED, "Time from the request to its answer, without the time that a poll was asked to wait, or that a body took to arrive.";
    PANICS = "Panics", Counter, Count, BY_SERVICE, ALL_OF_EVERYBODY, "Handlers that panicked; each is a defect.";
    COLD_STARTS = "ColdStarts", Counter, Count, BY_SERVICE, ALL_OF_CLIENTS, "First invocations of a process.";
    INIT_MS = "InitMs", Histogram, Milliseconds, BY_SERVICE, NOTHING, "Time that a process needed to start.";
    EVENTS_PUBLISHED = "EventsPublished", Counter, Count, BY_SERVICE, OF_PUBLISH, "Events that were appended.";
    BYTES_PUBLISHED = "BytesPublished", Counter, Bytes, BY_SERVICE, OF_PUBLISH, "Size of the events that were appended, as the limit of a page counts it.";
    DUPLICATE_PUBLISHES = "DuplicatePublishes", Counter, Count, BY_SERVICE, OF_PUBLISH, "Requests that were answered from their receipt.";
    EVENTS_DELIVERED = "EventsDelivered", Counter, Count, BY_SERVICE, OF_POLL, "Events that were read.";
    EMPTY_POLLS = "EmptyPolls", Counter, Count, BY_SERVICE, OF_POLL, "Polls that found nothing.";
    SLOT_CONFLICTS = "SlotConflicts", Counter, Count, BY_SERVICE, OF_PUBLISH, "Lost races for the next slot of a partition.";
    COMMIT_CONFLICTS = "CommitConflicts", Counter, Count, BY_SERVICE, OF_POLL, "Commits that met another one and were tried again.";
    DYNAMO_CALLS = "DynamoCalls", Counter, Count, BY_SERVICE, ALL_OF_STORE, "Calls of DynamoDB, retries not counted.";
    DYNAMO_LATENCY = "DynamoLatency", Histogram, Milliseconds, BY_OPERATION, PUBLISHES_AND_POLLS, "Time of a call of DynamoDB with its retries.";
    DYNAMO_RETRIES = "DynamoRetries", Counter, Count, BY_SERVICE, EACH_OF_STORE, "Attempts after the first.";
    DYNAMO_THROTTLES = "DynamoThrottles", Counter, Count, BY_SERVICE, STORE_AND_EACH, "Attempts that DynamoDB throttled.";
    CONSUMED_READ_UNITS = "ConsumedReadUnits", Counter, Count, BY_SERVICE, NOTHING, "Read units that DynamoDB counted.";
    CONSUMED_WRITE_UNITS = "ConsumedWriteUnits", Counter, Count, BY_SERVICE, NOTHING, "Write units that DynamoDB counted.";
    AUTH_FAILURES = "AuthFailures", Counter, Count, BY_REASON, REASONS, "Credentials that were not taken, by the cause, which clients are not told: `missing` is none, or several; `credential` an id that no key has, or a wrong secret. The log names their addresses.";
    KEY_USE_DURING_GRACE = "KeyUseDuringGrace", Counter, Count, BY_SERVICE, ALL_OF_CLIENTS, "Requests with a key that has a successor: its owner has not changed over.";
    KEYS_EXPIRING_SOON = "KeysExpiringSoon", Gauge, Count, BY_SERVICE, OF_KEEPER, "API keys without a successor that expire within two weeks, each hour; the log names them.";
    ADMIN_KEYS_MINTED = "AdminKeysMinted", Gauge, Count, BY_SERVICE, OF_KEEPER, "API keys with the action `keys.admin` that were made in the last hour and five minutes, each hour; the log names them.";
    LEASE_DENIED = "LeaseDenied", Counter, Count, BY_SERVICE, ALL_OF_CLIENTS, "Leases of a rate limit that the shared quota had nothing left for.";
    RATE_LIMIT_FAIL_OPEN = "RateLimitFailOpen", Counter, Count, BY_SERVICE, CLIENTS_AND_EACH, "Requests that were admitted from the local share because the store did not answer.";
    COMPACTOR_DELAY = "CompactorDelay", Histogram, Milliseconds, BY_SERVICE, OF_COMPACTOR, "Age of the youngest record that a compactor caught up to.";
    COMPACTOR_POISON = "CompactorPoison", Counter, Count, BY_SERVICE, COMPACTING_AND_EACH, "Partitions whose compaction failed at a record that cannot be read.";
    CONSUMER_LAG_EVENTS = "ConsumerLagEvents", Histogram, Count, BY_SERVICE, OF_KEEPER, "Events that a subscription has not committed, each minute.";
    CONSUMER_LAG_SECONDS = "ConsumerLagSeconds", Histogram, Seconds, BY_SERVICE, OF_KEEPER, "Age of the first record that a subscription has not committed, each minute.";
    CONSUMERS_BY_STATUS = "ConsumersByStatus", Gauge, Count, BY_STATUS, STATUSES, "Subscriptions in each status, each minute. After a sample that did not see all of them, which `SamplerRuns` then does not count, those that it saw and that are not well; else it is unknown.";
    RETENTION_HEADROOM_SECONDS = "RetentionHeadroomSeconds", Histogram, Seconds, BY_SERVICE, OF_KEEPER, "Time until the first record that a subscription has not committed expires.";
    RETENTION_HEADROOM_PERCENT = "RetentionHeadroomPercent", Histogram, Percent, BY_SERVICE, OF_KEEPER, "The same time as a share of the stream's retention: 100 is all of it, also where nobody waits for anything, and at 0 events are lost.";
    CANARY_ROUNDS = "CanaryRounds", Counter, Count, BY_SERVICE, OF_CANARY, "Rounds of the canary that found everything as it must be, one each minute.";
    SPANS_LOST = "SpansLost", Counter, Count, BY_SERVICE, ALL_OF_CLIENTS, "Spans of traces that nobody took, or that more finished than were exported.";
    SAMPLER_RUNS = "SamplerRuns", Counter, Count, BY_SERVICE, OF_KEEPER, "Samples of all consumers that came to their end.";
}

/// The namespace of an environment in CloudWatch.
#[must_use]
pub fn namespace(environment: &str) -> String {
    format!("EventLedger/{environment}")
}

/// The metric of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Metric> {
    static BY_NAME: LazyLock<HashMap<&str, &Metric>> =
        LazyLock::new(|| ALL.iter().map(|metric| (metric.name, metric)).collect());
    BY_NAME.get(name).copied()
}
