//! The catalogue and the code say the same: nothing is counted that it lacks, it lists nothing that is not counted, and
//! CloudWatch's bill stays small.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use platform::telemetry::catalogue::{ALL, Metric};
use platform::telemetry::prometheus_name;
use platform::telemetry::series::Dimensions;
use platform::telemetry::told::Told;

/// Each series costs as much as hundreds of thousands of requests. Most of them count trouble, and cost nothing in good times.
const MOST_SERIES: usize = 100;

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
        assert!(metric.meaning.ends_with('.') && !metric.labels.is_empty(), "{}", metric.name);
    }
}

#[test]
fn an_environment_has_few_series() {
    let count = |metric: &Metric| metric.told.iter().map(|told| told.series().len()).sum::<usize>();
    let series: BTreeMap<_, usize> = ALL.iter().map(|metric| (metric.name, count(metric))).collect();
    let all: usize = series.values().sum();
    assert!(all < MOST_SERIES, "{all} series: {series:?}");
}

/// What CloudWatch is told, for people.
fn words(told: &Told) -> String {
    let values = |labels: &Dimensions| labels.iter().map(|(_, value)| *value).collect::<Vec<_>>().join(" ");
    let each = told.of.iter().map(values).collect::<Vec<_>>().join(", ");
    if told.by.is_empty() { format!("the sum of {each}") } else { format!("each of {each}") }
}

/// The catalogue for people, beside the code that it is of. `UPDATE_EXPECT=1` writes it.
#[test]
fn the_document_lists_every_metric() {
    let mut text = String::from(
        "# Metrics\n\n\
         Written from `src/telemetry/catalogue.rs` by a test; `UPDATE_EXPECT=1 cargo test --workspace --test telemetry` writes it\n\
         again. In CloudWatch they are in the namespace `EventLedger/<environment>`, as far as an alarm or a dashboard looks at\n\
         them: the sum of what is told, where it says so, and a series for each that is named. Lines of the log have all of\n\
         them. In Prometheus they have the second name and all labels, and counters are there from the start, at 0.\n\n\
         | name | Prometheus | unit | labels | CloudWatch is told | meaning |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for metric in ALL {
        let labels: Vec<_> = metric.labels.iter().map(|dimension| dimension.as_str()).collect();
        let told: Vec<_> = metric.told.iter().map(words).collect();
        let (name, prometheus, unit) = (metric.name, prometheus_name(metric), metric.unit.as_str());
        let (labels, told) = (labels.join(" and "), told.join("; "));
        let line = format!("| {name} | `{prometheus}` | {unit} | {labels} | {told} | {} |\n", metric.meaning);
        text.push_str(&line);
    }
    expect_test::expect_file!["../../platform/METRICS.md"].assert_eq(&text);
}
