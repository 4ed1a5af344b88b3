//! An alarm on metrics, as AWS takes it, and how it is judged.

use std::collections::BTreeMap;

use ledger::Timestamp;
use serde::Deserialize;

use super::State;
use super::expression;
use super::metrics::{Metrics, SeriesName};

/// An alarm, with the members that infrastructure code hands to AWS.
#[derive(Debug, Deserialize)]
pub(super) struct MetricAlarm {
    pub(super) alarm_name: String,
    pub(super) severity: String,
    comparison_operator: String,
    threshold: f64,
    evaluation_periods: u32,
    datapoints_to_alarm: u32,
    treat_missing_data: String,
    metric_query: Vec<MetricQuery>,
}

#[derive(Debug, Deserialize)]
struct MetricQuery {
    id: String,
    expression: Option<String>,
    return_data: bool,
    metric: Option<MetricOfQuery>,
}

#[derive(Debug, Deserialize)]
struct MetricOfQuery {
    namespace: String,
    metric_name: String,
    dimensions: BTreeMap<String, String>,
    period: u64,
    stat: String,
}

impl MetricAlarm {
    /// The state at a time, after another one.
    pub(super) fn judge(&self, metrics: &Metrics, at: Timestamp, before: State) -> State {
        let (mut bad, mut good) = (0, 0);
        for number in 0..self.evaluation_periods {
            match self.is_bad(metrics, at, number.into()) {
                Some(true) => bad += 1,
                Some(false) => good += 1,
                None => match self.treat_missing_data.as_str() {
                    "breaching" => bad += 1,
                    "notBreaching" => good += 1,
                    "ignore" | "missing" => {}
                    other => panic!("nothing treats missing data as {other}"),
                },
            }
        }
        if bad >= self.datapoints_to_alarm {
            State::Alarm
        } else if self.evaluation_periods - good < self.datapoints_to_alarm {
            // Whatever those that are missing were, they would not be enough.
            State::Ok
        } else if self.treat_missing_data == "missing" && bad + good == 0 {
            State::InsufficientData
        } else {
            before
        }
    }

    /// Whether a period breaches the threshold, counted from the last one back; none without a value.
    fn is_bad(&self, metrics: &Metrics, at: Timestamp, number: u64) -> Option<bool> {
        let term = |id: &str| {
            let query = self.metric_query.iter().find(|query| query.id == id);
            let query = query.unwrap_or_else(|| panic!("{} has no {id}", self.alarm_name));
            let metric = query.metric.as_ref().unwrap_or_else(|| panic!("{id} is no series"));
            let ends = Timestamp(at.0 - number * metric.period * 1_000);
            let series = SeriesName {
                namespace: metric.namespace.clone(),
                metric: metric.metric_name.clone(),
                dimensions: metric.dimensions.clone(),
            };
            metrics.statistic(&series, Timestamp(ends.0 - metric.period * 1_000), ends, &metric.stat)
        };
        let mut returned = self.metric_query.iter().filter(|query| query.return_data);
        let (Some(returned), None) = (returned.next(), returned.next()) else {
            panic!("{} does not have one value", self.alarm_name)
        };
        let value = match &returned.expression {
            Some(expression) => expression::value(expression, term),
            None => term(&returned.id),
        }?;
        Some(match self.comparison_operator.as_str() {
            "GreaterThanOrEqualToThreshold" => value >= self.threshold,
            "GreaterThanThreshold" => value > self.threshold,
            "LessThanThreshold" => value < self.threshold,
            other => panic!("nothing is compared as {other}"),
        })
    }
}
