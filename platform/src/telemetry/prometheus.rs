//! Prometheus: the same metrics for whoever scrapes a long-lived process.
//!
//! Prometheus has rules of its own for names and base units, so a metric is renamed on its way, and times become seconds.
//! The exporter keeps and renders the values.

use std::sync::Arc;

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Label, Metadata, Recorder, SetRecorderError, SharedString,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::catalogue::{self, Kind, Metric, Unit};

/// Upper bounds of the buckets of times, in seconds: fine where objectives lie.
const SECONDS: &[f64] =
    &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.3, 0.5, 1.0, 2.5, 10.0, 60.0, 3_600.0];
/// Upper bounds of the buckets of counts.
const COUNTS: &[f64] = &[0.0, 1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0];

/// The metrics of this process, for whoever scrapes them.
#[derive(Clone, Debug)]
pub struct Prometheus(PrometheusHandle);

impl Prometheus {
    /// A recorder of its own, and what it will have recorded.
    ///
    /// # Errors
    /// Never with these buckets.
    pub fn recorder() -> Result<(impl Recorder + Send + Sync + 'static, Self), BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
            .set_buckets(COUNTS)?
            .build_recorder();
        let handle = recorder.handle();
        let renaming = Renaming(recorder);
        for metric in catalogue::ALL {
            renaming.describe(metric);
        }
        Ok((renaming, Self(handle)))
    }

    /// Lets the `metrics` facade of this process tell a recorder of this kind; once in a process.
    ///
    /// # Errors
    /// When the facade has a recorder already.
    pub fn install() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let (recorder, prometheus) = Self::recorder()?;
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

struct Renaming(PrometheusRecorder);

impl Renaming {
    fn describe(&self, metric: &Metric) {
        let (name, meaning) = (KeyName::from(name(metric)), SharedString::from(metric.meaning));
        match metric.kind {
            Kind::Counter => self.0.describe_counter(name, None, meaning),
            Kind::Gauge => self.0.describe_gauge(name, None, meaning),
            Kind::Histogram => self.0.describe_histogram(name, None, meaning),
        }
    }
}

/// The key by its new name, and the factor to its base unit. What the catalogue lacks keeps its name.
fn renamed(key: &Key) -> (Key, f64) {
    let Some(metric) = catalogue::find(key.name()) else { return (key.clone(), 1.0) };
    let labels: Vec<Label> = key.labels().cloned().collect();
    let factor = if metric.unit == Unit::Milliseconds { 0.001 } else { 1.0 };
    (Key::from_parts(name(metric), labels), factor)
}

impl Recorder for Renaming {
    // The catalogue describes them all.
    fn describe_counter(&self, _: KeyName, _: Option<metrics::Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<metrics::Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<metrics::Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.0.register_counter(&renamed(key).0, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.0.register_gauge(&renamed(key).0, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        let (key, factor) = renamed(key);
        let histogram = self.0.register_histogram(&key, metadata);
        Histogram::from_arc(Arc::new(Scaled { histogram, factor }))
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
