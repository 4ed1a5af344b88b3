//! The test of the test: each planted bug must be caught within two hundred seeds, by a rule that it breaks.

use std::fmt::Write;

use ledger::planted::Bug;

use crate::suite::{Totals, seeds};

/// Within so many seeds each must be caught.
const SEEDS: u64 = 200;

/// The rules that a bug breaks: what else it stirs up is no proof that they are watched.
fn rules(bug: Bug) -> &'static [u32] {
    match bug {
        Bug::OffsetsBeginAgain => &[1],
        Bug::FailedConditionIsALostRace | Bug::MovesOnAfterUnknown => &[2],
        Bug::OffsetsFromACounter => &[3],
        Bug::FailedConditionIsAFailure | Bug::UnknownIsCalledNone => &[4, 11],
        Bug::TransactionsAreSplit => &[5],
        Bug::PagesSkip => &[8],
        Bug::ReceiptAfterTheBatch => &[2, 9],
        Bug::EmptyPageIsTheEnd | Bug::AlwaysCaughtUp => &[10],
        Bug::PollsCommit => &[12],
        Bug::CommitsReplace | Bug::CommitsIgnoreSeeks | Bug::CommitsArePlain => &[14],
        Bug::ExpiredIsReadable => &[15],
        Bug::StaleHeads => &[16, 20],
        Bug::KeysWithoutIncarnation
        | Bug::CachesNeverExpire
        | Bug::NamesAreFreeAtOnce
        | Bug::EndedSubscriptionsLive => &[17],
        Bug::LastCompactorWins | Bug::WatermarkBeforeThePuts | Bug::CompactsPastGaps | Bug::TombstonesAreDeleted => {
            &[18]
        }
        Bug::WatermarkAfterTheScan | Bug::StaleSnapshots => &[20],
    }
}

/// The rule that an anomaly broke.
fn rule(anomaly: &str) -> Option<u32> {
    anomaly.split(' ').next()?.parse().ok()
}

/// The first seed whose anomalies show what this bug breaks, and the anomaly.
fn first_catch(bug: Bug, totals: &Totals) -> Option<(u64, &String)> {
    let shows = |anomaly: &&String| rule(anomaly).is_some_and(|rule| rules(bug).contains(&rule));
    totals.failing.iter().find_map(|(seed, anomalies)| Some((*seed, anomalies.iter().find(shows)?)))
}

/// Stops at the first seed that catches a bug, for each bug.
pub(crate) fn all_are_caught() -> Result<(), String> {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        let totals = seeds(1..=SEEDS, Some(bug), |totals| first_catch(bug, totals).is_none());
        match first_catch(bug, &totals) {
            Some((seed, anomaly)) => println!("{bug:?}: seed {seed}: {anomaly:.120}"),
            None => missed.push(format!("{bug:?}")),
        }
    }
    if missed.is_empty() { Ok(()) } else { Err(format!("not caught within {SEEDS} seeds: {}", missed.join(", "))) }
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
