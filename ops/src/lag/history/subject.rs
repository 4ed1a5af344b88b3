//! What can be asked of the history: which metric of the catalogue, which of its values counts, and how it is told apart.

use platform::telemetry::catalogue::{self, Dimension, Metric, Unit};

/// The service that leaves these metrics.
const KEEPER: &str = "keeper";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Subject {
    /// Age of the first event that is not committed, of the subscription where it is oldest
    LagSeconds,
    /// Events that are not committed, of the subscription that has most
    LagEvents,
    /// Time until the first event that is not committed expires, of the subscription that has least
    Headroom,
    /// How many subscriptions there are in each status
    Status,
}

impl Subject {
    pub(super) fn metric(self) -> Metric {
        match self {
            Self::LagSeconds => catalogue::CONSUMER_LAG_SECONDS,
            Self::LagEvents => catalogue::CONSUMER_LAG_EVENTS,
            Self::Headroom => catalogue::RETENTION_HEADROOM_SECONDS,
            Self::Status => catalogue::CONSUMERS_BY_STATUS,
        }
    }

    /// CloudWatch's name of the value that counts, the worst of a period.
    pub(super) fn statistic(self) -> &'static str {
        if self == Self::Headroom { "Minimum" } else { "Maximum" }
    }

    /// The same in words.
    pub(super) fn which(self) -> &'static str {
        if self == Self::Headroom { "lowest" } else { "highest" }
    }

    /// The one of two values that counts.
    pub(super) fn worse(self, one: f64, other: f64) -> f64 {
        if self == Self::Headroom { one.min(other) } else { one.max(other) }
    }

    pub(super) fn is_time(self) -> bool {
        self.metric().unit == Unit::Seconds
    }

    /// The dimension that its lines are told apart by, and the value of each: the keeper alone, or every status.
    pub(super) fn dimensions(self) -> (Dimension, &'static [&'static str]) {
        match self.metric().dimensions.iter().copied().flatten().next() {
            Some(Dimension::ConsumerStatus) => (Dimension::ConsumerStatus, Dimension::ConsumerStatus.values()),
            _ => (Dimension::Service, &[KEEPER]),
        }
    }
}
