//! CloudWatch's Embedded Metric Format: samples of a process between two invocations, and the documents made of them.
//!
//! CloudWatch reads metrics out of log lines that hold an `_aws` member (the format's specification names its limits). The
//! recorder keeps what the `metrics` facade is told until an invocation ends; then everything is emitted once and
//! forgotten, so a gauge is never repeated by later lines. Documents carry whatever else the line tells as properties.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ledger::Timestamp;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString,
};
use serde_json::{Map, Value, json};

use super::catalogue::{self, Metric};

/// Most values of one metric in a document, and most metrics in a directive, says the specification.
const MOST: usize = 100;

/// What a series is told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    name: String,
    labels: BTreeMap<String, String>,
}

/// What was told of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// A sum.
    Counter(u64),
    /// The last value.
    Gauge(f64),
    /// Every value.
    Histogram(Vec<f64>),
}

impl Samples {
    fn values(&self) -> Vec<f64> {
        match self {
            // Beyond 2^53 it is rounded; CloudWatch keeps doubles.
            Self::Counter(sum) => vec![*sum as f64],
            Self::Gauge(value) => vec![*value],
            Self::Histogram(values) => values.clone(),
        }
    }
}

/// Keeps what was told since the last invocation. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct EmfRecorder(Arc<Mutex<BTreeMap<Series, Samples>>>);

impl EmfRecorder {
    /// Takes everything that was told.
    #[must_use]
    pub fn drain(&self) -> BTreeMap<Series, Samples> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn handle(&self, key: &Key) -> Arc<Handle> {
        let labels = key.labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        Arc::new(Handle { recorder: self.clone(), series: Series { name: key.name().to_owned(), labels } })
    }
}

#[derive(Debug)]
struct Handle {
    recorder: EmfRecorder,
    series: Series,
}

impl Handle {
    fn change(&self, none: Samples, change: impl FnOnce(&mut Samples)) {
        let mut all = self.recorder.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(self.series.clone()).or_insert(none));
    }

    fn change_gauge(&self, change: impl FnOnce(f64) -> f64) {
        self.change(Samples::Gauge(0.0), |samples| {
            if let Samples::Gauge(value) = samples {
                *value = change(*value);
            }
        });
    }
}

impl CounterFn for Handle {
    fn increment(&self, by: u64) {
        self.change(Samples::Counter(0), |samples| {
            if let Samples::Counter(sum) = samples {
                *sum = sum.saturating_add(by);
            }
        });
    }

    fn absolute(&self, sum: u64) {
        self.change(Samples::Counter(0), |samples| *samples = Samples::Counter(sum));
    }
}

impl GaugeFn for Handle {
    fn increment(&self, by: f64) {
        self.change_gauge(|value| value + by);
    }

    fn decrement(&self, by: f64) {
        self.change_gauge(|value| value - by);
    }

    fn set(&self, value: f64) {
        self.change_gauge(|_| value);
    }
}

impl HistogramFn for Handle {
    fn record(&self, value: f64) {
        self.change(Samples::Histogram(Vec::new()), |samples| {
            if let Samples::Histogram(values) = samples {
                values.push(value);
            }
        });
    }
}

impl Recorder for EmfRecorder {
    // Units are the catalogue's.
    fn describe_counter(&self, _: KeyName, _: Option<metrics::Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<metrics::Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<metrics::Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.handle(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.handle(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.handle(key))
    }
}

/// The documents of some samples. All have the labels in common; the first one carries the properties, and every metric
/// that fits its dimensions. What has other values of a dimension, and what is more than a document may hold, follows in
/// further ones.
pub(crate) fn documents(
    namespace: &str,
    at: Timestamp,
    common: &[(&str, &str)],
    properties: Map<String, Value>,
    samples: BTreeMap<Series, Samples>,
) -> Vec<Map<String, Value>> {
    let labels: BTreeMap<_, _> = common.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let empty = || Document { labels: labels.clone(), metrics: Vec::new() };
    let mut documents = vec![empty()];
    for (series, samples) in samples {
        // What the catalogue lacks has no dimensions, and a test finds its call site.
        let Some(metric) = catalogue::find(&series.name) else { continue };
        for values in samples.values().chunks(MOST) {
            let place = documents.iter().position(|document| document.takes(&series)).unwrap_or_else(|| {
                documents.push(empty());
                documents.len() - 1
            });
            documents[place].put(metric, &series, values);
        }
    }
    let mut rest = Some(properties);
    documents.into_iter().map(|document| document.render(namespace, at, rest.take().unwrap_or_default())).collect()
}

struct Document {
    labels: BTreeMap<String, String>,
    metrics: Vec<(&'static Metric, Value)>,
}

impl Document {
    fn takes(&self, series: &Series) -> bool {
        self.metrics.len() < MOST
            && self.metrics.iter().all(|(metric, _)| metric.name != series.name)
            && series.labels.iter().all(|(name, value)| self.labels.get(name).is_none_or(|known| known == value))
    }

    fn put(&mut self, metric: &'static Metric, series: &Series, values: &[f64]) {
        self.labels.extend(series.labels.clone());
        let value = match values {
            [value] => number(*value),
            values => values.iter().copied().map(number).collect(),
        };
        self.metrics.push((metric, value));
    }

    fn render(self, namespace: &str, at: Timestamp, mut line: Map<String, Value>) -> Map<String, Value> {
        let mut directives: BTreeMap<Vec<Vec<&str>>, Vec<Value>> = BTreeMap::new();
        for (metric, _) in &self.metrics {
            let names = |set: &&[catalogue::Dimension]| set.iter().map(|dimension| dimension.as_str()).collect();
            let definition = json!({ "Name": metric.name, "Unit": metric.unit.as_str() });
            directives.entry(metric.dimensions.iter().map(names).collect()).or_default().push(definition);
        }
        let directives: Vec<Value> = directives
            .into_iter()
            .map(|(sets, metrics)| json!({ "Namespace": namespace, "Dimensions": sets, "Metrics": metrics }))
            .collect();
        if !directives.is_empty() {
            line.insert("_aws".to_owned(), json!({ "Timestamp": at.0, "CloudWatchMetrics": directives }));
        }
        line.extend(self.labels.into_iter().map(|(name, value)| (name, Value::from(value))));
        line.extend(self.metrics.into_iter().map(|(metric, value)| (metric.name.to_owned(), value)));
        line
    }
}

/// Whole numbers without a fraction: lines are paid for by their length.
fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT { Value::from(value as i64) } else { Value::from(value) }
}
