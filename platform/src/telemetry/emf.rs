//! CloudWatch's Embedded Metric Format: samples of a process between two invocations, and the documents made of them.
//!
//! CloudWatch reads metrics out of log lines that hold an `_aws` member (the format's specification names its limits). The
//! recorder keeps what the `metrics` facade is told until an invocation ends; then everything is emitted once and
//! forgotten, so a gauge is never repeated by later lines. Documents carry whatever else the line tells as properties, and so the
//! numbers that CloudWatch is not [told](super::told) of.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ledger::Timestamp;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString,
};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::catalogue::{self, Dimension, Metric, Unit};

/// Most values of one metric in a document, and most metrics in a directive, says the specification.
const MOST: usize = 100;

/// What was told of a series.
#[derive(Debug)]
pub(crate) enum Samples {
    /// A sum.
    Counter(u64),
    /// The last value.
    Gauge(f64),
    /// Every value.
    Histogram(Vec<f64>),
}

impl Samples {
    /// The values, no more at once than a document takes.
    fn portions(&self) -> Box<dyn Iterator<Item = Values<'_>> + '_> {
        match self {
            // Beyond 2^53 it is rounded; CloudWatch keeps doubles.
            Self::Counter(sum) => Box::new(std::iter::once(Values::One(*sum as f64))),
            // What is unknown is no number, and JSON has none for it.
            Self::Gauge(value) => Box::new(value.is_finite().then_some(Values::One(*value)).into_iter()),
            Self::Histogram(values) => Box::new(values.chunks(MOST).map(|values| match values {
                [value] => Values::One(*value),
                values => Values::Many(values),
            })),
        }
    }
}

/// Keeps what was told since the last invocation. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct EmfRecorder(Arc<Mutex<BTreeMap<Key, Samples>>>);

impl EmfRecorder {
    /// Takes everything that was told.
    pub(crate) fn drain(&self) -> BTreeMap<Key, Samples> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn handle(&self, key: &Key) -> Arc<Handle> {
        Arc::new(Handle { recorder: self.clone(), key: key.clone() })
    }
}

#[derive(Debug)]
struct Handle {
    recorder: EmfRecorder,
    key: Key,
}

impl Handle {
    fn change(&self, none: Samples, change: impl FnOnce(&mut Samples)) {
        let mut all = self.recorder.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(&self.key) {
            Some(samples) => change(samples),
            None => change(all.entry(self.key.clone()).or_insert(none)),
        }
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
pub(crate) fn documents<'a>(
    namespace: &'a str,
    at: Timestamp,
    common: &[(&'a str, &'a str)],
    properties: Map<String, Value>,
    samples: &'a BTreeMap<Key, Samples>,
) -> Vec<Document<'a>> {
    let empty = |properties| {
        let labels = common.iter().copied().collect();
        Document { namespace, at, properties, labels, metrics: Vec::new() }
    };
    let mut documents = vec![empty(properties)];
    for (key, samples) in samples {
        // What the catalogue lacks has no dimensions, and a test finds its call site.
        let Some(metric) = catalogue::find(key.name()) else { continue };
        for values in samples.portions() {
            let place = documents.iter().position(|document| document.takes(metric, key)).unwrap_or_else(|| {
                documents.push(empty(Map::new()));
                documents.len() - 1
            });
            documents[place].put(metric, key, values);
        }
    }
    documents
}

/// One line of the log, and what CloudWatch reads out of it.
pub(crate) struct Document<'a> {
    namespace: &'a str,
    at: Timestamp,
    properties: Map<String, Value>,
    labels: BTreeMap<&'a str, &'a str>,
    metrics: Vec<(&'static Metric, Values<'a>)>,
}

impl<'a> Document<'a> {
    fn takes(&self, metric: &Metric, key: &Key) -> bool {
        self.metrics.len() < MOST
            && self.metrics.iter().all(|(known, _)| known.name != metric.name)
            && key.labels().all(|label| self.labels.get(label.key()).is_none_or(|known| *known == label.value()))
    }

    fn put(&mut self, metric: &'static Metric, key: &'a Key, values: Values<'a>) {
        self.labels.extend(key.labels().map(|label| (label.key(), label.value())));
        self.metrics.push((metric, values));
    }

    fn directives(&self) -> Vec<Directive<'a>> {
        let mut directives: Vec<Directive<'a>> = Vec::new();
        let label = |dimension: Dimension| self.labels.get(dimension.as_str()).copied();
        for (metric, _) in &self.metrics {
            let dimensions: Vec<_> = metric.told.iter().filter(|told| told.has(label)).map(|told| told.by).collect();
            if dimensions.is_empty() {
                continue;
            }
            // That something is counted goes without saying: lines are paid for by their length.
            let unit = (metric.unit != Unit::Count).then_some(metric.unit.as_str());
            let definition = Definition { name: metric.name, unit };
            match directives.iter_mut().find(|directive| directive.dimensions == dimensions) {
                Some(directive) => directive.metrics.push(definition),
                None => {
                    directives.push(Directive { namespace: self.namespace, dimensions, metrics: vec![definition] });
                }
            }
        }
        directives
    }
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        // Of a property and a dimension of the same name it is the dimension that CloudWatch looks for.
        for (name, value) in self.properties.iter().filter(|(name, _)| !self.labels.contains_key(name.as_str())) {
            line.serialize_entry(name, value)?;
        }
        let cloud_watch_metrics = self.directives();
        if !cloud_watch_metrics.is_empty() {
            line.serialize_entry("_aws", &Aws { timestamp: self.at.0, cloud_watch_metrics })?;
        }
        for (name, value) in &self.labels {
            line.serialize_entry(name, value)?;
        }
        for (metric, values) in &self.metrics {
            line.serialize_entry(metric.name, values)?;
        }
        line.end()
    }
}

/// What the specification wants to know, in its names.
#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Aws<'a> {
    timestamp: u64,
    cloud_watch_metrics: Vec<Directive<'a>>,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    dimensions: Vec<&'static [Dimension]>,
    metrics: Vec<Definition>,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
}

/// Values of one metric in one document.
enum Values<'a> {
    One(f64),
    Many(&'a [f64]),
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(value) => Number(*value).serialize(serializer),
            Self::Many(values) => serializer.collect_seq(values.iter().copied().map(Number)),
        }
    }
}

/// Whole numbers without a fraction, for the same reason.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let Self(value) = *self;
        if value.fract() == 0.0 && value.abs() < EXACT {
            serializer.serialize_i64(value as i64)
        } else {
            serializer.serialize_f64(value)
        }
    }
}
