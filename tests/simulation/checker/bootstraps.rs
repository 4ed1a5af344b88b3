//! Rules 13 and 14 for those who read compacted state: of two bootstraps the one that began later counts, as a whole, and
//! who comes without a cursor goes on where the farthest commit of that one was. Judged by what clients saw, with an order of
//! its own, and not with the ledger's.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use ledger::model::cursor::Payload;
use ledger::model::{Phase, Progress};

use super::Known;
use super::reads::starts;
use super::subscriptions::{Generation, generation};
use crate::history::{Read, Span};

pub(super) fn check(known: &Known<'_>, anomalies: &mut Vec<String>) {
    numbers_follow_time(known, anomalies);
    for read in known.history.reads.iter().filter(|read| read.from.is_none()) {
        if let Some(which) = generation(&read.to) {
            goes_on_where_it_was(known, read, which, anomalies);
        }
    }
}

/// How far a reader is within its bootstrap: less in a snapshot than in the log, there in each partition.
pub(crate) fn within(one: &Progress, other: &Progress) -> Option<Ordering> {
    match (&one.phase, &other.phase) {
        (Phase::Snapshot { partition: a, after: b, .. }, Phase::Snapshot { partition: c, after: d, .. }) => {
            Some((a, b).cmp(&(c, d)))
        }
        (Phase::Snapshot { .. }, Phase::Live { .. }) => Some(Ordering::Less),
        (Phase::Live { .. }, Phase::Snapshot { .. }) => Some(Ordering::Greater),
        (Phase::Live { .. }, Phase::Live { .. }) => {
            let pairs = || one.positions.iter().zip(&other.positions).map(|(own, other)| own.offset.cmp(&other.offset));
            let (less, greater) = (pairs().any(Ordering::is_lt), pairs().any(Ordering::is_gt));
            match (less, greater) {
                (true, true) => None,
                (true, false) => Some(Ordering::Less),
                (false, true) => Some(Ordering::Greater),
                (false, false) => Some(Ordering::Equal),
            }
        }
    }
}

/// What began later has the larger number.
fn numbers_follow_time(known: &Known<'_>, anomalies: &mut Vec<String>) {
    // The page that a bootstrap began with is the first that anybody got of it.
    let mut first = BTreeMap::<(Generation<'_>, u64), Span>::new();
    for read in known.history.reads.iter().filter(|read| read.to.progress.bootstrap > 0) {
        let Some(which) = generation(&read.to) else { continue };
        let seen = first.entry((which, read.to.progress.bootstrap)).or_insert(read.span);
        if read.span.begun < seen.begun {
            *seen = read.span;
        }
    }
    let mut latest = BTreeMap::<Generation<'_>, u64>::new();
    for ((which, number), span) in first {
        let begun = latest.entry(which).or_default();
        if span.ended < *begun {
            anomalies.push(format!("14 bootstrap {number} of {} began before one with a smaller number", which.1));
        }
        *begun = span.begun.max(*begun);
    }
}

/// A poll without a cursor after an acknowledged commit is of no earlier bootstrap, and in the same one no less far; it is of
/// none that began later, unless somebody committed one.
fn goes_on_where_it_was(known: &Known<'_>, read: &Read, which: Generation<'_>, anomalies: &mut Vec<String>) {
    let of_it = |payload: &Payload| generation(payload) == Some(which) && payload.progress.bootstrap > 0;
    let commits = || known.history.commits.iter().filter(|commit| of_it(&commit.cursor));
    let number = read.to.progress.bootstrap;
    let sure = || commits().filter(|one| one.outcome.done().is_some() && one.span.ended < read.span.begun);
    let Some(latest) = sure().map(|commit| commit.cursor.progress.bootstrap).max() else { return };
    if number < latest {
        anomalies.push(format!("14 {} is in bootstrap {number} although {latest} was committed", read.reader));
    }
    let mut others = commits().filter(|one| one.outcome.may_have_happened());
    if number > latest && !others.any(|one| one.cursor.progress.bootstrap == number && one.span.begun < read.span.ended)
    {
        anomalies.push(format!("13 {} is in bootstrap {number} although {latest} was committed", read.reader));
    }
    for commit in sure().filter(|commit| commit.cursor.progress.bootstrap == number) {
        let committed = &commit.cursor.progress;
        let behind = match (committed.in_snapshot(), read.snapshot) {
            // Where in a snapshot a page begins is not told; where it ends lies no less far.
            (true, _) => within(&read.to.progress, committed).is_none_or(Ordering::is_lt),
            (false, true) => true,
            (false, false) => {
                let begun_at = starts(read).unwrap_or_default();
                begun_at.iter().zip(&committed.positions).any(|(start, position)| *start < position.offset)
            }
        };
        if behind {
            anomalies.push(format!("14 {} went back behind {committed:?}", read.reader));
        }
    }
}
