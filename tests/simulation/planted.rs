//! The test of the test: each planted bug must be caught within two hundred seeds, by a rule that it breaks.

use std::collections::BTreeMap;
use std::fmt::Write;

use ledger::planted::Bug;

use crate::suite::{self, Totals, seeds};

/// The table stands between these lines of its document.
pub(crate) const MARKS: [&str; 2] = ["<!-- planted bugs: begin -->\n", "<!-- planted bugs: end -->"];
/// Within so many seeds each must be caught.
const SEEDS: u64 = 200;

/// The rules that a bug breaks, for what else it stirs up is no proof that they are watched.
fn expected(bug: Bug) -> &'static [u32] {
    match bug {
        Bug::FailedConditionIsALostRace => &[2],
        Bug::FailedConditionIsAFailure => &[4, 11],
        Bug::MovesOnAfterUnknown => &[2],
        Bug::OffsetsFromACounter => &[3],
        Bug::UnknownIsCalledNone => &[4, 11],
        Bug::TransactionsAreSplit => &[5],
        Bug::ReceiptAfterTheBatch => &[2, 9],
        Bug::StaleHeads => &[16, 20],
        Bug::OffsetsBeginAgain => &[1],
        Bug::LastCompactorWins => &[18],
        Bug::WatermarkBeforeThePuts => &[18],
        Bug::CompactsPastGaps => &[18],
        Bug::TombstonesAreDeleted => &[18],
        Bug::WatermarkAfterTheScan => &[20],
        Bug::StaleSnapshots => &[20],
        Bug::EmptyPageIsTheEnd => &[10],
        Bug::AlwaysCaughtUp => &[10],
        Bug::ExpiredIsReadable => &[15],
        Bug::CommitsReplace => &[14],
        Bug::CommitsIgnoreSeeks => &[14],
        Bug::KeysWithoutIncarnation => &[17],
        Bug::CachesNeverExpire => &[17],
        Bug::NamesAreFreeAtOnce => &[17],
        Bug::CommitsArePlain => &[14],
        Bug::PollsCommit => &[12],
        Bug::PagesSkip => &[8],
        Bug::EndedSubscriptionsLive => &[17],
        Bug::ConditionsNeverHold => &[11],
        Bug::KeysNeverChange => &[17],
        Bug::TailBeforeReceipt => &[9],
        Bug::BootstrapsAreMixed => &[13, 14, 20],
        Bug::SharedPlaces => &[1, 3],
    }
}

/// The seeds that a bug is looked for in, so many of those where it can be met.
fn where_it_is(bug: Bug, count: u64) -> Vec<u64> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    match bug {
        Bug::SharedPlaces => suite::crowded().take(count).collect(),
        _ => (1..).take(count).collect(),
    }
}

/// The rule that an anomaly broke.
fn rule(anomaly: &str) -> Option<u32> {
    anomaly.split(' ').next()?.parse().ok()
}

/// The first seed whose anomalies show what this bug breaks, and the anomaly.
fn first_catch(bug: Bug, totals: &Totals) -> Option<(u64, &String)> {
    let shows = |anomaly: &&String| rule(anomaly).is_some_and(|rule| expected(bug).contains(&rule));
    totals.failing.iter().find_map(|(seed, anomalies)| Some((*seed, anomalies.iter().find(shows)?)))
}

/// Each bug is caught by the seed that the table in the document names for it, and the table has no others: whoever changes
/// what is drawn, and so what each seed is, writes it again.
pub(crate) fn all_are_caught() -> Result<(), String> {
    let mut wrong = Vec::new();
    let mut rows = rows(include_str!("README.md"));
    for bug in Bug::ALL {
        let name = format!("{bug:?}");
        let Some(seed) = rows.remove(&name).filter(|seed| where_it_is(bug, SEEDS).contains(seed)) else {
            wrong.push(format!("the table has no seed of the first {SEEDS} for {name}"));
            continue;
        };
        let totals = seeds(seed..=seed, Some(bug), |_| true);
        match first_catch(bug, &totals) {
            Some((seed, anomaly)) => println!("{name}: seed {seed}: {anomaly:.120}"),
            None => wrong.push(format!("{name} is not caught by seed {seed}, as the table says")),
        }
    }
    wrong.extend(rows.into_keys().map(|name| format!("there is no bug {name}, as the table says")));
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("{}\n`just sim-planted` writes the table again", wrong.join("\n")))
    }
}

/// The bugs in the table, each with the seed that caught it; 0 where none did.
fn rows(document: &str) -> BTreeMap<String, u64> {
    let rest = document.split_once(MARKS[0]).map(|(_, rest)| rest).unwrap_or_default();
    let table = rest.split_once(MARKS[1]).map(|(table, _)| table).unwrap_or_default();
    let row = |line: &str| {
        let mut cells = line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`'));
        Some((cells.next()?.to_owned(), cells.nth(1)?.parse().unwrap_or_default()))
    };
    table.lines().skip(2).filter_map(row).collect()
}

/// Runs all seeds with each bug, and more where none of them caught it; the table of what they came to, as Markdown.
pub(crate) fn table(count: u64, mut progress: impl FnMut(Bug, &Totals)) -> String {
    let mut table = format!(
        "| bug | seeds failing of {count} | caught by the seed | rules broken | the anomaly that caught it |\n| --- | --- | --- | --- | --- |\n"
    );
    for bug in Bug::ALL {
        let totals = seeds(where_it_is(bug, count).into_iter(), Some(bug), |_| true);
        progress(bug, &totals);
        let until = |totals: &Totals| first_catch(bug, totals).is_none();
        let more = where_it_is(bug, SEEDS.max(count)).into_iter().skip(usize::try_from(count).unwrap_or(usize::MAX));
        let later = if until(&totals) { Some(seeds(more, Some(bug), until)) } else { None };
        let mut rules: Vec<u32> = totals.failing.values().flatten().filter_map(|anomaly| rule(anomaly)).collect();
        rules.sort_unstable();
        rules.dedup();
        let rules: Vec<String> = rules.iter().map(u32::to_string).collect();
        let (first, anomaly) = first_catch(bug, later.as_ref().unwrap_or(&totals))
            .map_or(("none".to_owned(), String::new()), |(seed, anomaly)| {
                (seed.to_string(), anomaly.replace('|', "/").chars().take(110).collect())
            });
        writeln!(table, "| `{bug:?}` | {} | {first} | {} | {anomaly} |", totals.failing.len(), rules.join(", "))
            .expect("a String takes everything");
    }
    table
}
