//! What can be asked of the history: which metric of the catalogue, which of its values counts, and how it is told apart.

use platform::telemetry::catalogue::{self, Dimension, Metric, Unit};
use platform::telemetry::told::Told;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Subject {
    /// Age of the first event that is not committed, of the subscription where it is oldest
    LagSeconds,
    /// Events that are not committed, of the subscription that has most
    LagEvents,
    /// Time until the first event that is not committed expires, of the subscription that has least
    Headroom,
    /// How many subscriptions there are in each status that is not well
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

    /// The dimension of each of its lines, and the value: the keeper alone, or each status that CloudWatch is told.
    pub(super) fn lines(self) -> Vec<(Dimension, &'static str)> {
        self.metric().told.iter().flat_map(Told::series).filter_map(|labels| labels.first().copied()).collect()
    }
}
