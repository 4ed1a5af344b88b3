//! The test of the test: each planted bug must be caught within two hundred seeds, by a rule that it breaks.

use std::fmt::Write;

use ledger::planted::Bug;

use crate::suite::{Totals, seeds};

/// The table stands between these lines of its document.
pub(crate) const MARKS: [&str; 2] = ["<!-- planted bugs: begin -->\n", "<!-- planted bugs: end -->"];
/// Within so many seeds each must be caught.
const SEEDS: u64 = 200;

/// The rules that a bug breaks, for what else it stirs up is no proof that they are watched; and a seed that caught it when this
/// was written, which is asked first.
fn expected(bug: Bug) -> (&'static [u32], u64) {
    match bug {
        Bug::FailedConditionIsALostRace => (&[2], 1),
        Bug::FailedConditionIsAFailure => (&[4, 11], 1),
        Bug::MovesOnAfterUnknown => (&[2], 8),
        Bug::OffsetsFromACounter => (&[3], 8),
        Bug::UnknownIsCalledNone => (&[4, 11], 1),
        Bug::TransactionsAreSplit => (&[5], 4),
        Bug::ReceiptAfterTheBatch => (&[2, 9], 5),
        Bug::StaleHeads => (&[16, 20], 8),
        Bug::OffsetsBeginAgain => (&[1], 15),
        Bug::LastCompactorWins => (&[18], 4),
        Bug::WatermarkBeforeThePuts => (&[18], 6),
        Bug::CompactsPastGaps => (&[18], 4),
        Bug::TombstonesAreDeleted => (&[18], 4),
        Bug::WatermarkAfterTheScan => (&[20], 4),
        Bug::StaleSnapshots => (&[20], 3),
        Bug::EmptyPageIsTheEnd => (&[10], 3),
        Bug::AlwaysCaughtUp => (&[10], 1),
        Bug::ExpiredIsReadable => (&[15], 2),
        Bug::CommitsReplace => (&[14], 3),
        Bug::CommitsIgnoreSeeks => (&[14], 4),
        Bug::KeysWithoutIncarnation => (&[17], 12),
        Bug::CachesNeverExpire => (&[17], 12),
        Bug::NamesAreFreeAtOnce => (&[17], 18),
        Bug::CommitsArePlain => (&[14], 4),
        Bug::PollsCommit => (&[12], 1),
        Bug::PagesSkip => (&[8], 1),
        Bug::EndedSubscriptionsLive => (&[17], 21),
        Bug::ConditionsNeverHold => (&[11], 13),
        Bug::KeysNeverChange => (&[17], 2),
    }
}

/// The rule that an anomaly broke.
fn rule(anomaly: &str) -> Option<u32> {
    anomaly.split(' ').next()?.parse().ok()
}

/// The first seed whose anomalies show what this bug breaks, and the anomaly.
fn first_catch(bug: Bug, totals: &Totals) -> Option<(u64, &String)> {
    let shows = |anomaly: &&String| rule(anomaly).is_some_and(|rule| expected(bug).0.contains(&rule));
    totals.failing.iter().find_map(|(seed, anomalies)| Some((*seed, anomalies.iter().find(shows)?)))
}

/// Stops at a seed that catches a bug, for each bug.
pub(crate) fn all_are_caught() -> Result<(), String> {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        let seed = expected(bug).1;
        let mut totals = seeds(seed..=seed, Some(bug), |_| true);
        if first_catch(bug, &totals).is_none() {
            // Whoever changes what is drawn changes what each seed is.
            println!("{bug:?}: not by seed {seed} any more");
            totals = seeds(1..=SEEDS, Some(bug), |totals| first_catch(bug, totals).is_none());
        }
        match first_catch(bug, &totals) {
            Some((seed, anomaly)) => println!("{bug:?}: seed {seed}: {anomaly:.120}"),
            None => missed.push(format!("{bug:?}")),
        }
    }
    if missed.is_empty() { Ok(()) } else { Err(format!("not caught within {SEEDS} seeds: {}", missed.join(", "))) }
}

/// The table in the document is of the bugs that there are, and each of them was caught.
pub(crate) fn table_is_whole() -> Result<(), String> {
    let document = include_str!("README.md");
    let rest = document.split_once(MARKS[0]).map(|(_, rest)| rest).unwrap_or_default();
    let mut rows = rest.split_once(MARKS[1]).map(|(table, _)| table).unwrap_or_default().lines().skip(2);
    for bug in Bug::ALL {
        let row = rows.next().unwrap_or_default();
        let is_caught = row.split(" | ").nth(2).is_some_and(|seed| seed.parse::<u64>().is_ok());
        if !row.starts_with(&format!("| `{bug:?}` |")) || !is_caught {
            return Err(format!("where {bug:?} should be, the table has {row:?}; `just sim-planted` writes it again"));
        }
    }
    rows.next().map_or(Ok(()), |row| Err(format!("the table has a row too many: {row}")))
}

/// Runs all seeds with each bug; the table of what they came to, as Markdown.
pub(crate) fn table(count: u64, mut progress: impl FnMut(Bug, &Totals)) -> String {
    let mut table = format!(
        "| bug | seeds failing of {count} | caught by the seed | rules broken | the anomaly that caught it |\n| --- | --- | --- | --- | --- |\n"
    );
    for bug in Bug::ALL {
        let totals = seeds(1..=count, Some(bug), |_| true);
        progress(bug, &totals);
        let mut rules: Vec<u32> = totals.failing.values().flatten().filter_map(|anomaly| rule(anomaly)).collect();
        rules.sort_unstable();
        rules.dedup();
        let rules: Vec<String> = rules.iter().map(u32::to_string).collect();
        let (first, anomaly) = first_catch(bug, &totals)
            .map_or(("none".to_owned(), String::new()), |(seed, anomaly)| {
                (seed.to_string(), anomaly.replace('|', "/").chars().take(110).collect())
            });
        writeln!(table, "| `{bug:?}` | {} | {first} | {} | {anomaly} |", totals.failing.len(), rules.join(", "))
            .expect("a String takes everything");
    }
    table
}
