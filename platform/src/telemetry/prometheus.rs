//! Prometheus: the same metrics for whoever scrapes a long-lived process.
//!
//! Prometheus has rules of its own for names and base units, so a metric is renamed on its way, and times become seconds.
//! Nobody sees a counter's first step from nothing, so those whose labels are known are there from the start, at zero. The
//! exporter keeps and renders the values.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Label, Metadata, Recorder, SetRecorderError, SharedString,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::catalogue::{self, Dimension, Kind, Metric, Unit};
use crate::endpoint::Routes;

/// Upper bounds of the buckets of times, in seconds: fine where objectives lie.
const SECONDS: &[f64] =
    &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.3, 0.5, 1.0, 2.5, 10.0, 60.0, 3_600.0, DAY];
const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;
/// Upper bounds of the buckets of longer times, in seconds: as long as events are kept, which is up to ten years.
const LONG_SECONDS: &[f64] = &[
    0.0,
    1.0,
    10.0,
    60.0,
    600.0,
    HOUR,
    3.0 * HOUR,
    6.0 * HOUR,
    12.0 * HOUR,
    DAY,
    2.0 * DAY,
    3.0 * DAY,
    7.0 * DAY,
    15.0 * DAY,
    30.0 * DAY,
    90.0 * DAY,
    365.0 * DAY,
    3_650.0 * DAY,
];
/// Upper bounds of the buckets of counts.
const COUNTS: &[f64] = &[0.0, 1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0];
/// Upper bounds of the buckets of shares: finer where little is left.
const PERCENTS: &[f64] = &[0.0, 1.0, 5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 90.0, 100.0];

/// The metrics of this process, for whoever scrapes them.
#[derive(Clone, Debug)]
pub struct Prometheus(PrometheusHandle);

impl Prometheus {
    /// A recorder of its own for a service with these routes, and what it will have recorded.
    ///
    /// # Errors
    /// Never with these buckets.
    pub fn recorder(
        service: &'static str,
        routes: &Routes,
    ) -> Result<(impl Recorder + Send + Sync + use<>, Self), BuildError> {
        let mut builder = PrometheusBuilder::new().set_buckets(COUNTS)?;
        builder = builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?;
        for metric in catalogue::ALL {
            let buckets = match metric.unit {
                Unit::Seconds => LONG_SECONDS,
                Unit::Percent => PERCENTS,
                _ => continue,
            };
            builder = builder.set_buckets_for_metric(Matcher::Full(name(metric)), buckets)?;
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let renaming = Renaming::new(recorder, service);
        let operations = routes.endpoints().map(|endpoint| endpoint.operation_id);
        let operations: Vec<_> = operations.chain(Dimension::Operation.values().iter().copied()).collect();
        for metric in catalogue::ALL {
            renaming.describe(metric);
            if metric.kind == Kind::Counter {
                renaming.begin(metric, &operations);
            }
        }
        Ok((renaming, Self(handle)))
    }

    /// Lets the `metrics` facade of this process tell a recorder of this kind; once in a process.
    ///
    /// # Errors
    /// When the facade has a recorder already.
    pub fn install(service: &'static str, routes: &Routes) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let (recorder, prometheus) = Self::recorder(service, routes)?;
        metrics::set_global_recorder(recorder).map_err(|error: SetRecorderError<_>| error.to_string())?;
        Ok(prometheus)
    }

    /// The text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }

    /// Folds what was recorded into its buckets. Unless somebody renders, this must be done now and then, or what is
    /// recorded piles up.
    pub fn fold(&self) {
        self.0.run_upkeep();
    }
}

/// A name by the rules of Prometheus: `Latency` in milliseconds is `eventledger_latency_seconds`.
#[must_use]
pub fn name(metric: &Metric) -> String {
    let mut name = "eventledger".to_owned();
    for character in metric.name.chars() {
        if character.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(character.to_ascii_lowercase());
    }
    let mut name = name.trim_end_matches("_ms").trim_end_matches("_seconds").to_owned();
    if matches!(metric.unit, Unit::Milliseconds | Unit::Seconds) {
        name.push_str("_seconds");
    }
    if metric.kind == Kind::Counter {
        name.push_str("_total");
    }
    name
}

struct Renaming {
    recorder: PrometheusRecorder,
    service: &'static str,
    counters: Known<Counter>,
    gauges: Known<Gauge>,
    histograms: Known<Histogram>,
}

/// What was told of before, by the key that it is told by: to rename it each time would cost more than to tell it.
struct Known<H>(RwLock<HashMap<Key, H>>);

impl<H: Clone> Known<H> {
    fn find(&self, key: &Key, make: impl FnOnce() -> H) -> H {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        known.unwrap_or_else(|| {
            self.0.write().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_insert_with(make).clone()
        })
    }
}

impl<H> Default for Known<H> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl Renaming {
    fn new(recorder: PrometheusRecorder, service: &'static str) -> Self {
        let (counters, gauges, histograms) = (Known::default(), Known::default(), Known::default());
        Self { recorder, service, counters, gauges, histograms }
    }

    /// Lets a counter be there at zero, with each value of its labels.
    fn begin(&self, metric: &Metric, operations: &[&'static str]) {
        let counter = |labels: Vec<Label>| {
            let metadata = Metadata::new(module_path!(), metrics::Level::INFO, None);
            self.register_counter(&Key::from_parts(metric.name, labels), &metadata).increment(0);
        };
        match metric.labels.iter().copied().find(|dimension| *dimension != Dimension::Service) {
            None => counter(Vec::new()),
            Some(Dimension::Operation) => operations.iter().for_each(|operation| {
                counter(vec![Label::new("service", self.service), Label::new("operation", *operation)]);
            }),
            Some(dimension) => dimension.values().iter().for_each(|value| {
                counter(vec![Label::new(dimension.as_str(), *value)]);
            }),
        }
    }

    /// The key by its new name, and the factor to its base unit. Whoever counts something by service need not say by which: a
    /// process is one. What the catalogue lacks keeps its name.
    fn renamed(&self, key: &Key) -> (Key, f64) {
        let Some(metric) = catalogue::find(key.name()) else { return (key.clone(), 1.0) };
        let of_service =
            metric.labels.contains(&Dimension::Service) && key.labels().all(|label| label.key() != "service");
        let service = of_service.then(|| Label::new("service", self.service));
        let labels: Vec<Label> = service.into_iter().chain(key.labels().cloned()).collect();
        let factor = if metric.unit == Unit::Milliseconds { 0.001 } else { 1.0 };
        (Key::from_parts(name(metric), labels), factor)
    }

    fn describe(&self, metric: &Metric) {
        let (name, meaning) = (KeyName::from(name(metric)), SharedString::from(metric.meaning));
        match metric.kind {
            Kind::Counter => self.recorder.describe_counter(name, None, meaning),
            Kind::Gauge => self.recorder.describe_gauge(name, None, meaning),
            Kind::Histogram => self.recorder.describe_histogram(name, None, meaning),
        }
    }
}

impl Recorder for Renaming {
    // The catalogue describes them all.
    fn describe_counter(&self, _: KeyName, _: Option<metrics::Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<metrics::Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<metrics::Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.counters.find(key, || self.recorder.register_counter(&self.renamed(key).0, metadata))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.gauges.find(key, || self.recorder.register_gauge(&self.renamed(key).0, metadata))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.histograms.find(key, || {
            let (key, factor) = self.renamed(key);
            let histogram = self.recorder.register_histogram(&key, metadata);
            Histogram::from_arc(Arc::new(Scaled { histogram, factor }))
        })
    }
}

struct Scaled {
    histogram: Histogram,
    factor: f64,
}

impl HistogramFn for Scaled {
    fn record(&self, value: f64) {
        self.histogram.record(value * self.factor);
    }
}
