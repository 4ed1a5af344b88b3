//! The catalogue and the code say the same: nothing is counted that it lacks, it lists nothing that is not counted, and
//! CloudWatch's bill stays small.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use platform::telemetry::catalogue::{ALL, Dimension, Metric};
use platform::telemetry::prometheus_name;

/// Each series costs as much as hundreds of thousands of requests.
const MOST_SERIES: usize = 500;

/// The sources of everything that runs in production, without the catalogue itself.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests are in the workspace");
    let mut found = Vec::new();
    let mut folders = vec![root.join("platform/src"), root.join("services")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("telemetry/catalogue.rs")
            {
                let text = std::fs::read_to_string(&path).expect("sources are text");
                found.push((path, text));
            }
        }
    }
    found
}

/// The constant of a metric: `LATENCY` of `Latency`.
fn constant(metric: &Metric) -> String {
    let mut name = String::new();
    for character in metric.name.chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(character.to_ascii_uppercase());
    }
    name
}

/// The constants of the catalogue that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let is_constant = |character: char| character.is_ascii_uppercase() || character == '_';
    ["catalogue::", "c::"]
        .iter()
        .flat_map(|prefix| text.split(prefix).skip(1))
        .map(|rest| rest.chars().take_while(|character| is_constant(*character)).collect::<String>())
        .filter(|name| name.len() > 1)
        .collect()
}

#[test]
fn all_that_is_listed_is_counted() {
    let named: BTreeSet<String> = sources().iter().flat_map(|(_, text)| named(text)).collect();
    let listed: BTreeSet<String> = ALL.iter().map(constant).collect();
    let silent: Vec<_> = listed.difference(&named).collect();
    assert!(silent.is_empty(), "nothing counts {silent:?}: count it, or take it out of the catalogue");
}

#[test]
fn all_that_is_counted_is_listed() {
    let mut strangers = Vec::new();
    for (path, text) in sources() {
        for call in ["counter!(", "gauge!(", "histogram!("] {
            for argument in text.split(call).skip(1) {
                let argument = argument.trim_start().split([',', ')']).next().unwrap_or_default();
                // The compiler knows whether the constant exists.
                if !argument.ends_with(".name") {
                    strangers.push(format!("{}: {call}{argument}", path.display()));
                }
            }
        }
    }
    assert!(strangers.is_empty(), "a metric is named by its constant in the catalogue: {strangers:?}");
}

#[test]
fn names_are_unique_and_meanings_are_sentences() {
    let names: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), ALL.len());
    for metric in ALL {
        assert!(metric.meaning.ends_with('.') && !metric.dimensions.is_empty(), "{}", metric.name);
    }
}

#[test]
fn an_environment_has_few_series() {
    let operations = platform_operations();
    // Each Lambda; the local server tells CloudWatch nothing.
    let lambdas = Dimension::Service.values().iter().filter(|service| **service != "local").count();
    let count = |set: &[Dimension]| match set {
        [Dimension::Service] => lambdas,
        [Dimension::Service, Dimension::Operation] => operations,
        [dimension] => dimension.values().len(),
        other => panic!("nobody knows how many series {other:?} are"),
    };
    let series: BTreeMap<_, usize> =
        ALL.iter().map(|metric| (metric.name, metric.dimensions.iter().map(|set| count(set)).sum())).collect();
    let all: usize = series.values().sum();
    assert!(all < MOST_SERIES, "{all} series: {series:?}");
}

/// Operations with their service: each belongs to one, but for `unknown`, which all that are asked have.
fn platform_operations() -> usize {
    let events = Dimension::Operation.values().iter().filter(|operation| **operation != "unknown").count();
    let asked = ["admin", "publish", "poll"].len();
    local::app::routes().endpoints().count() + events + asked
}

/// The catalogue for people, beside the code that it is of. `UPDATE_EXPECT=1` writes it.
#[test]
fn the_document_lists_every_metric() {
    let mut text = String::from(
        "# Metrics\n\n\
         Written from `src/telemetry/catalogue.rs` by a test; `UPDATE_EXPECT=1 cargo test --workspace --test telemetry` writes it\n\
         again. In CloudWatch they are in the namespace `EventLedger/<environment>`, aggregated by each set of dimensions. In\n\
         Prometheus they have the second name and the labels of the last set, and counters are there from the start, at 0.\n\n\
         | CloudWatch | Prometheus | unit | by | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for metric in ALL {
        let set = |set: &&[Dimension]| set.iter().map(|dimension| dimension.as_str()).collect::<Vec<_>>().join(" and ");
        let by: Vec<String> = metric.dimensions.iter().map(set).collect();
        let (name, prometheus, unit) = (metric.name, prometheus_name(metric), metric.unit.as_str());
        let line = format!("| {name} | `{prometheus}` | {unit} | {} | {} |\n", by.join("; "), metric.meaning);
        text.push_str(&line);
    }
    expect_test::expect_file!["../../platform/METRICS.md"].assert_eq(&text);
}
