//! The test of the test: each planted bug must be caught within two hundred seeds.

use std::fmt::Write;

use ledger::planted::Bug;

use crate::suite::{Totals, seeds};

/// Within so many seeds each must be caught.
const SEEDS: u64 = 200;

/// Stops at the first seed that catches a bug, for each bug.
pub(crate) fn all_are_caught() -> Result<(), String> {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        let totals = seeds(1..=SEEDS, Some(bug), |totals| totals.failing.is_empty());
        match totals.failing.first_key_value() {
            Some((seed, anomalies)) => println!("{bug:?}: seed {seed}: {:.120}", anomalies[0]),
            None => missed.push(format!("{bug:?}")),
        }
    }
    if missed.is_empty() { Ok(()) } else { Err(format!("not caught within {SEEDS} seeds: {}", missed.join(", "))) }
}

/// Runs all seeds with each bug; the table of what they came to, as Markdown.
pub(crate) fn table(count: u64, mut progress: impl FnMut(Bug, &Totals)) -> String {
    let mut table = format!(
        "| bug | seeds failing of {count} | first seed | rules that caught it | an anomaly of the first |\n| --- | --- | --- | --- | --- |\n"
    );
    for bug in Bug::ALL {
        let totals = seeds(1..=count, Some(bug), |_| true);
        progress(bug, &totals);
        let rule = |anomaly: &String| anomaly.split(' ').next().unwrap_or_default().parse::<u32>().ok();
        let mut rules: Vec<u32> = totals.failing.values().flatten().filter_map(rule).collect();
        rules.sort_unstable();
        rules.dedup();
        let rules: Vec<String> = rules.iter().map(u32::to_string).collect();
        let (first, anomaly) =
            totals.failing.first_key_value().map_or(("none".to_owned(), String::new()), |(seed, all)| {
                (seed.to_string(), all[0].replace('|', "/").chars().take(110).collect())
            });
        writeln!(table, "| `{bug:?}` | {} | {first} | {} | {anomaly} |", totals.failing.len(), rules.join(", "))
            .expect("a String takes everything");
    }
    table
}
