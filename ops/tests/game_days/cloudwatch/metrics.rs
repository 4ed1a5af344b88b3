//! Metrics: what was told of each series, and what is made of it in a period.

use std::collections::BTreeMap;

use ledger::Timestamp;
use serde_json::Value;

/// A series: a namespace, a name, and the names and values of its dimensions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SeriesName {
    pub(crate) namespace: String,
    pub(crate) metric: String,
    pub(crate) dimensions: BTreeMap<String, String>,
}

/// All that was told.
#[derive(Debug, Default)]
pub(crate) struct Metrics(BTreeMap<SeriesName, Vec<(Timestamp, f64)>>);

impl Metrics {
    /// Reads a line of the log as CloudWatch does: each metric of a directive, once for each of its sets of dimensions.
    pub(crate) fn read(&mut self, line: &str) {
        let document: Value = serde_json::from_str(line).expect("a line is JSON");
        let Some(directives) = document["_aws"]["CloudWatchMetrics"].as_array() else { return };
        let at = Timestamp(document["_aws"]["Timestamp"].as_u64().expect("a time"));
        for directive in directives {
            for metric in items(&directive["Metrics"]) {
                let name = text(&metric["Name"]);
                let values = match &document[name] {
                    Value::Array(values) => values.clone(),
                    value => vec![value.clone()],
                };
                for set in items(&directive["Dimensions"]) {
                    let dimension = |dimension: &Value| {
                        let dimension = text(dimension);
                        (dimension.to_owned(), text(&document[dimension]).to_owned())
                    };
                    let dimensions = items(set).iter().map(dimension).collect();
                    let (namespace, metric) = (text(&directive["Namespace"]).to_owned(), name.to_owned());
                    let series = SeriesName { namespace, metric, dimensions };
                    for value in &values {
                        self.put(series.clone(), at, value.as_f64().expect("a number"));
                    }
                }
            }
        }
    }

    /// Takes what AWS counts itself.
    pub(crate) fn of_aws(&mut self, metric: &str, function: &str, at: Timestamp, value: f64) {
        let dimensions = BTreeMap::from([("FunctionName".to_owned(), function.to_owned())]);
        let series = SeriesName { namespace: "AWS/Lambda".to_owned(), metric: metric.to_owned(), dimensions };
        self.put(series, at, value);
    }

    pub(super) fn put(&mut self, series: SeriesName, at: Timestamp, value: f64) {
        let values = self.0.entry(series).or_default();
        // Lines come when an invocation ends, and tell when it began.
        let place = values.partition_point(|(earlier, _)| *earlier <= at);
        values.insert(place, (at, value));
    }

    /// What is made of a series from one time until another; none where nothing was told of it.
    pub(super) fn statistic(
        &self,
        series: &SeriesName,
        from: Timestamp,
        to: Timestamp,
        statistic: &str,
    ) -> Option<f64> {
        let all = self.0.get(series)?;
        let first = all.partition_point(|(at, _)| *at < from);
        let last = all.partition_point(|(at, _)| *at < to);
        let mut values: Vec<f64> = all[first..last].iter().map(|(_, value)| *value).collect();
        if values.is_empty() {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let percentile = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        Some(match statistic {
            "Sum" => values.iter().sum(),
            "SampleCount" => values.len() as f64,
            "Maximum" => percentile(1.0),
            "Minimum" => percentile(0.0),
            "p50" => percentile(0.5),
            "p99" => percentile(0.99),
            other => panic!("there is no statistic {other}"),
        })
    }
}

fn items(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
