//! Rules 13 and 14, and 17 of subscriptions: one passes every event at least once, its commits only ever move it forward,
//! and it is there until somebody asks for its end.

use std::collections::BTreeMap;

use ledger::model::Incarnation;
use ledger::model::cursor::{CursorUse, Payload};

use super::reads::starts;
use super::{Known, latest_effect};
use crate::history::{Outcome, Placed, Span, Unsubscribe};

/// A generation of a subscription in a life of the stream.
pub(super) type Generation<'a> = (Incarnation, &'a str, u64);

/// How many subscriptions could be judged to the end of the log, besides the anomalies.
pub(super) fn check(known: &Known<'_>, anomalies: &mut Vec<String>) -> usize {
    ratchet(known, anomalies);
    seeks_end_generations(known, anomalies);
    ends_are_asked_for(known, anomalies);
    generations_are_begun(known, anomalies);
    generations_stay_ended(known, anomalies);
    at_least_once(known, anomalies)
}

pub(super) fn generation(payload: &Payload) -> Option<Generation<'_>> {
    match &payload.used_for {
        CursorUse::Subscription { name, generation } => Some((payload.incarnation(), name, *generation)),
        _ => None,
    }
}

fn offsets(payload: &Payload) -> Option<Vec<u64>> {
    let live = !payload.progress.in_snapshot();
    live.then(|| payload.progress.positions.iter().map(|position| position.offset).collect())
}

/// Farther in each partition.
fn join(one: &mut Vec<u64>, other: &[u64]) {
    if one.is_empty() {
        other.clone_into(one);
    }
    for (own, other) in one.iter_mut().zip(other) {
        *own = (*own).max(*other);
    }
}

/// A poll without a cursor begins no earlier than what was committed before it, and no later than what anybody committed.
fn ratchet(known: &Known<'_>, anomalies: &mut Vec<String>) {
    for read in known.history.reads.iter().filter(|read| read.from.is_none() && !read.snapshot) {
        let (Some(generation), Some(_)) = (generation(&read.to), offsets(&read.to)) else { continue };
        let Some(begun_at) = starts(read) else { continue };
        let Some((least, most)) = bounds(known, read.span, generation) else { continue };
        if least.iter().zip(&begun_at).any(|(least, start)| start < least) {
            anomalies.push(format!("14 {} went back behind {least:?} to {begun_at:?}", read.reader));
        }
        if most.iter().zip(&begun_at).any(|(most, start)| start > most) {
            anomalies.push(format!("13 {} began at {begun_at:?} although only {most:?} was committed", read.reader));
        }
    }
}

/// What was surely committed before a poll of this span, and what at most can have been; `None` where the generation's beginning is
/// not known or lies in compacted state.
pub(super) fn bounds(known: &Known<'_>, poll: Span, which: Generation<'_>) -> Option<(Vec<u64>, Vec<u64>)> {
    // A seek that was found done tells where its generation is by then, which says nothing of what was read before.
    let placed = known.history.placed.iter().filter(|placed| placed.span.ended <= poll.begun);
    let mut least =
        offsets(placed.filter_map(|placed| placed.outcome.done()).find(|payload| generation(payload) == Some(which))?)?;
    let mut most = least.clone();
    for commit in known.history.commits.iter().filter(|commit| generation(&commit.cursor) == Some(which)) {
        let positions = offsets(&commit.cursor)?;
        if commit.outcome.done().is_some() && commit.span.ended < poll.begun {
            join(&mut least, &positions);
        }
        if commit.outcome.may_have_happened() && commit.span.begun < poll.ended {
            join(&mut most, &positions);
        }
    }
    Some((least, most))
}

/// Once a seek was acknowledged, no commit with a cursor of before is.
fn seeks_end_generations(known: &Known<'_>, anomalies: &mut Vec<String>) {
    for seek in known.history.placed.iter().filter(|placed| placed.seek) {
        let Some((life, name, new)) = seek.outcome.done().and_then(generation) else { continue };
        for commit in &known.history.commits {
            let Some((other, of, old)) = generation(&commit.cursor) else { continue };
            let late = commit.span.begun > seek.span.ended && commit.outcome.done().is_some();
            // A generation that another seek began in between is newer, not older.
            let newer = known.history.placed.iter().any(|placed| {
                placed.span.ended > seek.span.begun
                    && placed.outcome.done().and_then(generation) == Some((other, of, old))
            });
            if late && (other, of) == (life, name) && old != new && !newer && is_known(known, (other, of, old)) {
                anomalies.push(format!("14 {name} took a commit of the generation before a seek"));
            }
        }
    }
}

/// A subscription that was created is there until somebody asks for its end, and then nothing of it is taken any more.
fn ends_are_asked_for(known: &Known<'_>, anomalies: &mut Vec<String>) {
    // With its stream everything ends.
    if !known.history.deletes.is_empty() {
        return;
    }
    let history = known.history;
    for (span, name) in &history.absent {
        let began = |placed: &&Placed| {
            let begins = placed.outcome.done().and_then(generation).filter(|_| !placed.seek);
            begins.is_some_and(|(_, of, _)| of == name) && placed.span.ended < span.begun
        };
        let last = history.placed.iter().filter(began).max_by_key(|placed| placed.span.ended);
        let Some(last) = last else { continue };
        let asked = |end: &Unsubscribe| {
            let may_be = end.outcome.may_have_happened();
            let in_time = latest_effect(end.span, &end.outcome) > last.span.begun && end.span.begun < span.ended;
            may_be && end.name == *name && in_time
        };
        if !history.unsubscribes.iter().any(asked) {
            anomalies.push(format!("17 subscription {name} vanished"));
        }
    }
    for end in history.unsubscribes.iter().filter(|end| end.outcome.done().is_some()) {
        let before: Vec<_> = history
            .placed
            .iter()
            .filter(|placed| placed.span.ended < end.span.begun)
            .filter_map(|placed| placed.outcome.done().and_then(generation))
            .filter(|it| it.1 == end.name)
            .collect();
        let late = history.commits.iter().filter(|commit| commit.span.begun > end.span.ended);
        let mut taken =
            late.filter(|commit| commit.outcome.done().is_some()).filter_map(|commit| generation(&commit.cursor));
        if taken.any(|it| before.contains(&it)) {
            anomalies.push(format!("17 a commit of a deleted subscription {} was taken", end.name));
        }
    }
}

/// Every generation was begun by somebody: by a create or a seek that said so, or else by one whose end nobody knows.
fn generations_are_begun(known: &Known<'_>, anomalies: &mut Vec<String>) {
    let mut nobodys = BTreeMap::<(Incarnation, &str), BTreeMap<u64, u64>>::new();
    for read in &known.history.reads {
        if let Some((life, name, number)) = generation(&read.to).filter(|which| !is_known(known, *which)) {
            let first = nobodys.entry((life, name)).or_default().entry(number).or_insert(u64::MAX);
            *first = (*first).min(read.span.ended);
        }
    }
    for ((life, name), generations) in nobodys {
        // In the order they were seen, each needs one of its own that began before.
        let mut seen: Vec<u64> = generations.into_values().collect();
        seen.sort_unstable();
        let unknown = known.history.placed.iter();
        let unknown = unknown.filter(|placed| placed.name == name && matches!(placed.outcome, Outcome::Unknown));
        let mut begun: Vec<u64> = unknown.map(|placed| placed.span.begun).collect();
        begun.sort_unstable();
        if seen.len() > begun.len() || begun.iter().zip(&seen).any(|(begun, seen)| begun > seen) {
            anomalies.push(format!("17 {name} of {life} has generations that nobody began"));
        }
    }
}

/// Whoever polls without a cursor after a seek or a new beginning finds no generation of before.
fn generations_stay_ended(known: &Known<'_>, anomalies: &mut Vec<String>) {
    let told = known.history.placed.iter().filter(|placed| !is_found(known, placed));
    let begun: Vec<(Generation<'_>, Span)> =
        told.filter_map(|placed| Some((placed.outcome.done().and_then(generation)?, placed.span))).collect();
    for read in known.history.reads.iter().filter(|read| read.from.is_none()) {
        let Some((life, name, number)) = generation(&read.to) else { continue };
        let Some((_, own)) = begun.iter().find(|(which, _)| *which == (life, name, number)) else { continue };
        let replaced = begun.iter().any(|((other, of, _), span)| {
            (*other, *of) == (life, name) && span.begun > own.ended && span.ended < read.span.begun
        });
        if replaced {
            anomalies.push(format!("14 {} found a generation of before a seek", read.reader));
        }
    }
}

/// Whether a seek was asked for more than once, or by more than one at a time: then which of them came last is not known.
fn is_found(known: &Known<'_>, placed: &Placed) -> bool {
    let which = placed.outcome.done().and_then(generation);
    known.history.placed.iter().filter(|one| one.outcome.done().and_then(generation) == which).count() > 1
}

/// Whether the beginning of a generation was recorded.
fn is_known(known: &Known<'_>, which: Generation<'_>) -> bool {
    let mut placed = known.history.placed.iter().filter_map(|placed| placed.outcome.done());
    placed.any(|payload| generation(payload) == Some(which))
}

/// From its beginning to the end of the log every event came to a subscription's last generation, or was told as lost.
/// Answers of how many that can be said.
fn at_least_once(known: &Known<'_>, anomalies: &mut Vec<String>) -> usize {
    let mut judged = 0;
    let mut last = BTreeMap::<(Incarnation, &str), (u64, &Payload)>::new();
    for placed in &known.history.placed {
        let Some(payload) = placed.outcome.done() else { continue };
        let Some((life, name, _)) = generation(payload) else { continue };
        let entry = last.entry((life, name)).or_insert((placed.span.ended, payload));
        if entry.0 <= placed.span.ended {
            *entry = (placed.span.ended, payload);
        }
    }
    for ((life, name), (_, beginning)) in last {
        let (Some(truth), Some(begin)) = (known.complete_truth(life), offsets(beginning)) else { continue };
        let which = generation(beginning);
        // A seek whose answer was lost began a generation that nobody told of; then what was read last is of that one.
        let reads = || known.history.reads.iter().filter(|read| read.subscription.as_deref() == Some(name));
        if reads().next_back().is_none_or(|read| generation(&read.to) != which) {
            continue;
        }
        judged += 1;
        for (partition, log) in truth.iter().enumerate() {
            let mut covered = begin[partition];
            let mut stretches: Vec<(u64, u64)> = reads()
                .filter(|read| generation(&read.to) == which && !read.to.progress.in_snapshot())
                .filter_map(|read| Some((starts(read)?[partition], read.to.progress.positions[partition].offset)))
                .collect();
            let told = known.history.expired.iter().filter(|expired| generation(&expired.earliest) == which);
            stretches.extend(told.filter_map(|expired| {
                let from = match &expired.from {
                    Some(from) => offsets(from)?,
                    // From what was committed: no farther than the farthest commit.
                    None => bounds(known, expired.span, which?).map_or_else(|| begin.clone(), |(_, most)| most),
                };
                Some((from[partition], expired.earliest.progress.positions[partition].offset))
            }));
            stretches.sort_unstable();
            for (from, to) in stretches {
                if from <= covered {
                    covered = covered.max(to);
                }
            }
            let tail = log.keys().next_back().map_or(0, |last| last + 1);
            if covered < tail {
                anomalies.push(format!("13 {name} never saw {covered} to {tail} of partition {partition}"));
            }
        }
    }
    judged
}
