//! A service whose lines are kept, and the rules that each of them must follow.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::LocalRecorderGuard;
use platform::telemetry::{self, EmfRecorder, Format, Telemetry};
use serde_json::Value;
use tracing::subscriber::DefaultGuard;

/// The most values of a metric in a document.
const MOST_VALUES: usize = 100;

/// What was written so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Written {
    /// All of it, which is then forgotten.
    pub(crate) fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8(bytes).expect("lines are text")
    }

    /// The lines, each of which is a document that CloudWatch understands.
    pub(crate) fn documents(&self) -> Vec<Value> {
        let schema: Value = serde_json::from_str(include_str!("emf.schema.json")).expect("the schema is JSON");
        let schema = jsonschema::validator_for(&schema).expect("the schema is one");
        let documents: Vec<Value> =
            self.take().lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
        // Of some lines CloudWatch is told nothing.
        for document in documents.iter().filter(|document| document.get("_aws").is_some()) {
            if let Err(error) = schema.validate(document) {
                panic!("{error}: {document}");
            }
            for directive in document["_aws"]["CloudWatchMetrics"].as_array().expect("directives") {
                check(document, directive);
            }
        }
        documents
    }
}

/// What this thread logs from now on, as long as the guard lives.
pub(crate) fn listen(format: Format, levels: &str) -> (Written, DefaultGuard) {
    let logged = Written::default();
    let writer = logged.clone();
    let subscriber = telemetry::subscriber(format, levels, move || writer.clone());
    (logged, tracing::subscriber::set_default(subscriber))
}

/// The rules that are no matter of shape: what a directive names must be there.
fn check(document: &Value, directive: &Value) {
    for dimension in list(&directive["Dimensions"]).iter().flat_map(list) {
        assert!(!text(&document[text(dimension)]).is_empty(), "{dimension} is empty: {document}");
    }
    for metric in list(&directive["Metrics"]) {
        let value = &document[text(&metric["Name"])];
        let numbers = value.as_array().is_some_and(|all| all.len() <= MOST_VALUES && all.iter().all(Value::is_number));
        assert!(value.is_number() || numbers, "{metric} has no value: {document}");
    }
}

pub(crate) fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// A service that tells this test everything, as long as it lives. Metrics are those of this thread.
pub(crate) struct Told<'a> {
    pub(crate) telemetry: Telemetry,
    pub(crate) written: Written,
    _recording: LocalRecorderGuard<'a>,
}

impl<'a> Told<'a> {
    pub(crate) fn by(service: &str, recorder: &'a EmfRecorder) -> Self {
        let written = Written::default();
        let telemetry = Telemetry::documents(service, "test", recorder.clone(), written.clone());
        Self { telemetry, written, _recording: metrics::set_default_local_recorder(recorder) }
    }
}
