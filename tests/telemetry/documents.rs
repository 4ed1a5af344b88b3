//! Whatever is counted, and however much of it: the documents say exactly that, once, within CloudWatch's limits.

use std::collections::BTreeMap;

use metrics::{counter, gauge, histogram};
use platform::telemetry::EmfRecorder;
use platform::telemetry::catalogue::{ALL, Dimension, Kind, UNKNOWN};
use proptest::prelude::*;
use serde_json::Value;
use tests::api::Api;

use crate::told::{Told, list, text};

/// What was told of each series: its metric, the value of its one label, and the values.
type Values = BTreeMap<(String, String), Vec<f64>>;

/// One metric more often than the others, and often more than a document may hold values of it.
fn told() -> impl Strategy<Value = Vec<(usize, u8, u16)>> {
    (0..ALL.len()).prop_flat_map(|often| {
        let metric = prop_oneof![2 => Just(often), 1 => 0..ALL.len()];
        proptest::collection::vec((metric, 0..3_u8, any::<u16>()), 0..700)
    })
}

/// The label that tells the series of a metric apart here; the service and the operation are the invocation's.
fn label(labels: &[Dimension]) -> Option<&'static str> {
    let own = |dimension: &&Dimension| !matches!(dimension, Dimension::Service | Dimension::Operation);
    labels.iter().find(own).map(|dimension| dimension.as_str())
}

/// Tells the facade, and notes what must come out.
fn tell(what: &[(usize, u8, u16)]) -> Values {
    let mut expected = Values::new();
    for &(index, group, value) in what {
        let metric = &ALL[index];
        let labels: Vec<(&str, String)> =
            label(metric.labels).map(|name| (name, format!("group {group}"))).into_iter().collect();
        let series = (metric.name.to_owned(), labels.first().map(|(_, value)| value.clone()).unwrap_or_default());
        if metric.kind == Kind::Gauge && value % 5 == 0 {
            gauge!(metric.name, &labels).set(UNKNOWN);
            expected.remove(&series);
            continue;
        }
        let values = expected.entry(series).or_default();
        match metric.kind {
            Kind::Counter => {
                counter!(metric.name, &labels).increment(value.into());
                *values = vec![values.first().copied().unwrap_or_default() + f64::from(value)];
            }
            Kind::Gauge => {
                gauge!(metric.name, &labels).set(f64::from(value));
                *values = vec![value.into()];
            }
            Kind::Histogram => {
                histogram!(metric.name, &labels).record(f64::from(value) / 4.0);
                values.push(f64::from(value) / 4.0);
            }
        }
    }
    expected
}

/// What some documents say. What CloudWatch is to be told of it, they tell it.
fn said(documents: &[Value]) -> Values {
    let mut said = Values::new();
    for document in documents {
        let told = told_to_cloudwatch(document);
        for metric in ALL {
            let values = match &document[metric.name] {
                Value::Null => continue,
                Value::Array(values) => values.iter().filter_map(Value::as_f64).collect(),
                value => value.as_f64().into_iter().collect::<Vec<_>>(),
            };
            let group = label(metric.labels).map(|label| text(&document[label]).to_owned());
            said.entry((metric.name.to_owned(), group.unwrap_or_default())).or_default().extend(values);
            let is_told = metric.told.iter().filter(|told| told.has(|name| document[name.as_str()].as_str()));
            let by: Vec<Vec<String>> =
                is_told.map(|told| told.by.iter().map(|name| name.as_str().to_owned()).collect()).collect();
            assert_eq!(told.get(metric.name).cloned().unwrap_or_default(), by, "{}: {document}", metric.name);
        }
    }
    said
}

/// The sets of dimensions by which a document tells CloudWatch each metric.
fn told_to_cloudwatch(document: &Value) -> BTreeMap<String, Vec<Vec<String>>> {
    let directives = document["_aws"]["CloudWatchMetrics"].as_array();
    let mut told = BTreeMap::new();
    for directive in directives.into_iter().flatten() {
        let set = |set: &Value| list(set).iter().map(|name| text(name).to_owned()).collect();
        let sets: Vec<Vec<String>> = list(&directive["Dimensions"]).iter().map(set).collect();
        for metric in list(&directive["Metrics"]) {
            let twice = told.insert(text(&metric["Name"]).to_owned(), sets.clone());
            assert_eq!(twice, None, "{metric} is told twice: {document}");
        }
    }
    told
}

/// What the wrapper counts itself in each invocation.
const OF_EACH_INVOCATION: [&str; 2] = ["Requests", "Latency"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn documents_say_what_was_told_and_say_it_once(first in told(), second in told()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let recorder = EmfRecorder::default();
            let told = Told::by("keeper", &recorder);
            let api = Api::telling(told.telemetry.clone()).await;
            let ledger = &api.app().ledger;
            told.telemetry.event(ledger, "sweep", "cold", async { Ok(()) }).await.unwrap();
            told.written.take();
            for what in [&first, &second] {
                let mut expected = Values::new();
                let work = async {
                    expected = tell(what);
                    Ok(())
                };
                told.telemetry.event(ledger, "sweep", "id", work).await.unwrap();
                let documents = told.written.documents();
                // One line has the properties; the further ones only numbers.
                assert_eq!(documents.iter().filter(|document| document["request_id"] == "id").count(), 1);
                let mut said = said(&documents);
                for name in OF_EACH_INVOCATION {
                    said.remove(&(name.to_owned(), String::new()));
                    expected.remove(&(name.to_owned(), String::new()));
                }
                assert_eq!(said, expected);
            }
        });
    }
}
