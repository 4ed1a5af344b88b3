//! What alarms and dashboards look at: series of CloudWatch, our own and those that AWS counts itself, and what is made of
//! the values of one in a period. What they are judged by is in `alarms`, where they are shown in `dashboards`.

use super::catalogue::{self, Dimension, Metric};

/// Names and values of dimensions.
pub type Dimensions = &'static [(Dimension, &'static str)];
/// A service, and the dimension of the series that are of all of it.
pub type OfService = (&'static str, Dimensions);

/// The services that clients ask.
pub const ASKED: &[OfService] = &[
    ("admin", &[(Dimension::Service, "admin")]),
    ("publish", &[(Dimension::Service, "publish")]),
    ("poll", &[(Dimension::Service, "poll")]),
];
/// Those that no client asks, and that ask the store.
pub const UNASKED: &[OfService] = &[
    ("compactor", &[(Dimension::Service, "compactor")]),
    ("keeper", &[(Dimension::Service, "keeper")]),
    ("authorizer", &[(Dimension::Service, "authorizer")]),
];

/// Where an environment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Its name.
    pub environment: &'a str,
    /// The AWS region.
    pub region: &'a str,
    /// The DynamoDB table.
    pub table: &'a str,
}

impl Place<'_> {
    /// The Lambda of a service.
    #[must_use]
    pub fn function(&self, service: &str) -> String {
        format!("eventledger-{}-{service}", self.environment)
    }
}

/// Who counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// We do, with these dimensions; without any, it is the sum of what CloudWatch is told.
    Ours(Metric, Dimensions),
    /// AWS Lambda does, for the function of a service.
    Function {
        /// The metric's name.
        metric: &'static str,
        /// The service.
        service: &'static str,
    },
    /// DynamoDB does, for the table.
    Table {
        /// The metric's name.
        metric: &'static str,
    },
}

/// What is made of the values in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// Their sum.
    Sum,
    /// How many there are.
    Number,
    /// The largest.
    Maximum,
    /// The smallest.
    Minimum,
    /// Half of them are smaller.
    Median,
    /// One in a hundred is larger.
    P99,
}

impl Statistic {
    /// As CloudWatch spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "Sum",
            Self::Number => "SampleCount",
            Self::Maximum => "Maximum",
            Self::Minimum => "Minimum",
            Self::Median => "p50",
            Self::P99 => "p99",
        }
    }
}

/// A series, and what is made of its values in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// Who counts.
    pub source: Source,
    /// What is made of it.
    pub statistic: Statistic,
}

impl Series {
    /// One of ours.
    #[must_use]
    pub const fn ours(metric: Metric, dimensions: Dimensions, statistic: Statistic) -> Self {
        Self { source: Source::Ours(metric, dimensions), statistic }
    }

    /// One of the function of a service.
    #[must_use]
    pub const fn function(service: &'static str, metric: &'static str, statistic: Statistic) -> Self {
        Self { source: Source::Function { metric, service }, statistic }
    }

    /// One of the table.
    #[must_use]
    pub const fn table(metric: &'static str, statistic: Statistic) -> Self {
        Self { source: Source::Table { metric }, statistic }
    }

    /// Namespace and name, as CloudWatch has them.
    #[must_use]
    pub fn name(&self, place: &Place<'_>) -> (String, &'static str) {
        match self.source {
            Source::Ours(metric, _) => (catalogue::namespace(place.environment), metric.name),
            Source::Function { metric, .. } => ("AWS/Lambda".to_owned(), metric),
            Source::Table { metric } => ("AWS/DynamoDB".to_owned(), metric),
        }
    }

    /// Names and values of its dimensions.
    #[must_use]
    pub fn dimensions(&self, place: &Place<'_>) -> Vec<(&'static str, String)> {
        match self.source {
            Source::Ours(_, dimensions) => {
                dimensions.iter().map(|(dimension, value)| (dimension.as_str(), (*value).to_owned())).collect()
            }
            Source::Function { service, .. } => vec![("FunctionName", place.function(service))],
            Source::Table { .. } => vec![("TableName", place.table.to_owned())],
        }
    }
}

/// The sum of a metric of ours for each of some services, with their names.
pub fn sums(metric: Metric, services: &[OfService]) -> impl Iterator<Item = (&'static str, Series)> {
    services.iter().map(move |(service, of)| (*service, Series::ours(metric, of, Statistic::Sum)))
}

/// One of our series, by the service and the operation, as far as they are named.
macro_rules! ours {
    ($metric:ident, $statistic:ident) => {
        $crate::telemetry::series::Series::ours(
            $crate::telemetry::catalogue::$metric,
            &[],
            $crate::telemetry::series::Statistic::$statistic,
        )
    };
    ($metric:ident, $service:literal, $statistic:ident) => {
        $crate::telemetry::series::Series::ours(
            $crate::telemetry::catalogue::$metric,
            &[($crate::telemetry::catalogue::Dimension::Service, $service)],
            $crate::telemetry::series::Statistic::$statistic,
        )
    };
    ($metric:ident, $service:literal, $operation:literal, $statistic:ident) => {
        $crate::telemetry::series::Series::ours(
            $crate::telemetry::catalogue::$metric,
            &[
                ($crate::telemetry::catalogue::Dimension::Service, $service),
                ($crate::telemetry::catalogue::Dimension::Operation, $operation),
            ],
            $crate::telemetry::series::Statistic::$statistic,
        )
    };
}
pub(in crate::telemetry) use ours;

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place { environment: "dev", region: "eu-central-1", table: "eventledger-dev" };

    #[test]
    fn series_are_named_as_cloudwatch_has_them() {
        let of = |series: Series| (series.name(&PLACE), series.dimensions(&PLACE));
        let ours = Series::ours(catalogue::PANICS, &[(Dimension::Service, "poll")], Statistic::Sum);
        assert_eq!(of(ours), (("EventLedger/dev".to_owned(), "Panics"), vec![("service", "poll".to_owned())]));
        let function = Series::function("keeper", "Errors", Statistic::Sum);
        let dimensions = vec![("FunctionName", "eventledger-dev-keeper".to_owned())];
        assert_eq!(of(function), (("AWS/Lambda".to_owned(), "Errors"), dimensions));
    }
}
