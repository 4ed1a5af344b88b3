//! Rules 1 to 7 and 9: the log is what its publishers were told.

use std::collections::{BTreeMap, BTreeSet};

use ledger::model::Incarnation;

use super::{CACHE_MS, Known, LATEST_EFFECT_MS, REMEMBERED_MS, latest_effect};
use crate::history::{Outcome, Publish, Seen};

pub(super) fn check(known: &Known<'_>, anomalies: &mut Vec<String>) {
    one_event_per_position(known, anomalies);
    one_position_per_event(known, anomalies);
    nothing_acknowledged_is_lost(known, anomalies);
    nothing_refused_appears(known, anomalies);
    replays_were_written(known, anomalies);
    for life in &known.history.complete {
        if let Some(partitions) = known.complete_truth(*life) {
            no_torn_request(known, *life, partitions, anomalies);
            what_was_seen_stays(known, *life, partitions, anomalies);
            keys_stay(*life, partitions, anomalies);
            for (partition, log) in partitions.iter().enumerate() {
                order(known, partition, log, anomalies);
                let expected: Vec<u64> = (0..log.len() as u64).collect();
                if !log.keys().copied().eq(expected) {
                    anomalies.push(format!("3 partition {partition} of {life} has a hole"));
                }
            }
        }
    }
    equal_keys_equal_receipts(known, anomalies);
    conditions_held(known, anomalies);
    // With one life and one partition it is known which log a condition was about.
    if let [partitions] = known.history.truth.values().collect::<Vec<_>>()[..]
        && let [log] = &partitions[..]
        && !known.history.complete.is_empty()
    {
        conditions_are_no_pretext(known, log, anomalies);
    }
    if known.history.truth.len() == 1 {
        nothing_stands_in_its_own_way(known, anomalies);
    }
}

fn one_event_per_position(known: &Known<'_>, anomalies: &mut Vec<String>) {
    for (life, places) in &known.places {
        for (place, seen) in places {
            if seen.iter().any(|one| *one != seen[0]) {
                anomalies.push(format!("1 {place:?} of {life} holds {seen:?}"));
            }
            for one in seen {
                let sent = known.attempts(one.id).first();
                let sent = sent.and_then(|publish| publish.events.iter().find(|event| event.id == one.id));
                if sent.is_none_or(|sent| sent.key != one.key || sent.tombstone != one.tombstone) {
                    anomalies.push(format!("1 nobody published {one:?}"));
                }
            }
        }
    }
    for publish in &known.history.publishes {
        let (Some((receipts, _)), Some(life)) = (publish.outcome.done(), known.life_of(publish)) else { continue };
        for (event, place) in publish.events.iter().zip(receipts) {
            let seen = known.places.get(&life).and_then(|places| places.get(place)).and_then(|seen| seen.first());
            if let Some(seen) = seen.filter(|seen| seen.id != event.id) {
                anomalies.push(format!("1 {place:?} of {life} was promised to {} and holds {}", event.id, seen.id));
            }
        }
    }
}

fn one_position_per_event(known: &Known<'_>, anomalies: &mut Vec<String>) {
    for (life, places) in &known.places {
        let mut found = BTreeMap::<u64, BTreeSet<(u16, u64)>>::new();
        for (place, seen) in places {
            for one in seen {
                found.entry(one.id).or_default().insert(*place);
            }
        }
        for (id, places) in found.into_iter().filter(|(id, places)| places.len() > known.most_places(*id).max(1)) {
            anomalies.push(format!("2 event {id} lies at {places:?} of {life}"));
        }
    }
}

fn nothing_acknowledged_is_lost(known: &Known<'_>, anomalies: &mut Vec<String>) {
    for publish in &known.history.publishes {
        let Some((receipts, _)) = publish.outcome.done() else { continue };
        if receipts.len() != publish.events.len() {
            anomalies.push(format!("5 {} receipts for {} events", receipts.len(), publish.events.len()));
        }
        let Some((life, truth)) = known.life_of(publish).and_then(|life| Some((life, known.complete_truth(life)?)))
        else {
            continue;
        };
        for (event, (partition, offset)) in publish.events.iter().zip(receipts) {
            let found = truth.get(usize::from(*partition)).and_then(|log| log.get(offset));
            if found.is_none_or(|seen| seen.id != event.id) {
                anomalies.push(format!("3 event {} was acknowledged at {partition}-{offset} of {life}", event.id));
            }
        }
    }
}

fn nothing_refused_appears(known: &Known<'_>, anomalies: &mut Vec<String>) {
    for (life, places) in &known.places {
        for seen in places.values().flatten() {
            let attempts = known.attempts(seen.id).iter();
            let mut outcomes = attempts.map(|publish| &publish.outcome).peekable();
            let tried = outcomes.peek().is_some();
            if tried && !outcomes.any(Outcome::may_have_happened) {
                anomalies.push(format!("4 event {} was refused without effect and lies in {life}", seen.id));
            }
        }
    }
}

/// A replay says that an earlier request wrote it: not all of those can have been refused without effect.
fn replays_were_written(known: &Known<'_>, anomalies: &mut Vec<String>) {
    for (index, replay) in known.history.publishes.iter().enumerate() {
        if !matches!(replay.outcome, Outcome::Done((_, true))) {
            continue;
        }
        let others = known.history.publishes.iter().enumerate().filter(|(other, _)| *other != index);
        let mut earlier = others.map(|(_, other)| other).filter(|other| {
            other.span.begun < replay.span.ended
                && other.idempotency_key == replay.idempotency_key
                && other.events == replay.events
        });
        if !earlier.any(|other| other.outcome.may_have_happened()) {
            let key = replay.idempotency_key.as_deref().unwrap_or_default();
            anomalies.push(format!("4 everything with the key {key} was refused without effect, and was replayed"));
        }
    }
}

/// Whatever anybody saw is in the log at its end.
fn what_was_seen_stays(
    known: &Known<'_>,
    life: Incarnation,
    partitions: &[BTreeMap<u64, Seen>],
    anomalies: &mut Vec<String>,
) {
    for (partition, offset) in known.places.get(&life).into_iter().flat_map(BTreeMap::keys) {
        if partitions.get(usize::from(*partition)).is_none_or(|log| !log.contains_key(offset)) {
            anomalies.push(format!("3 {partition}-{offset} of {life} was seen and is gone"));
        }
    }
}

/// All events of a request or none, each partition's in the order of the request without anything between them.
fn no_torn_request(
    known: &Known<'_>,
    life: Incarnation,
    partitions: &[BTreeMap<u64, Seen>],
    anomalies: &mut Vec<String>,
) {
    let mut found = BTreeMap::<u64, (u16, u64)>::new();
    for seen in partitions.iter().flat_map(BTreeMap::values) {
        found.insert(seen.id, (seen.partition, seen.offset));
    }
    for publish in &known.history.publishes {
        let told = publish.outcome.done().filter(|_| known.life_of(publish) == Some(life));
        let places: Vec<_> = match told {
            Some((receipts, _)) => receipts.iter().map(Some).collect(),
            // Which of its places belong together is not known.
            None if publish.events.iter().any(|event| known.may_lie_twice(event.id)) => continue,
            None => publish.events.iter().map(|event| found.get(&event.id)).collect(),
        };
        let there = places.iter().flatten().count();
        if there != 0 && there != places.len() {
            anomalies.push(format!("5 {there} of {} events of a request lie in {life}", places.len()));
        }
        let mut last = BTreeMap::<u16, u64>::new();
        for (partition, offset) in places.into_iter().flatten() {
            let before = last.insert(*partition, *offset);
            if before.is_some_and(|before| before + 1 != *offset) {
                anomalies.push(format!("7 a request of client {} lies out of order in {life}", publish.client));
            }
        }
    }
}

/// What was acknowledged before another began lies before it; and what nobody heard of lies where it was sent, not later.
fn order(known: &Known<'_>, partition: usize, log: &BTreeMap<u64, Seen>, anomalies: &mut Vec<String>) {
    let (mut latest_begin, mut accepted_at) = (0, 0);
    for seen in log.values() {
        if seen.published_at < accepted_at {
            anomalies.push(format!("15 event {} of partition {partition} is older than the one before it", seen.id));
        }
        accepted_at = seen.published_at;
        let attempts = known.attempts(seen.id);
        let acknowledged = attempts.iter().filter(|one| one.outcome.done().is_some()).map(|one| one.span.ended).min();
        if acknowledged.is_some_and(|ended| ended < latest_begin) && !known.may_lie_twice(seen.id) {
            anomalies.push(format!("6 event {} of partition {partition} lies behind a later one", seen.id));
        }
        let last_try = attempts.iter().map(|one| one.span.begun).max().unwrap_or(u64::MAX);
        if last_try.saturating_add(LATEST_EFFECT_MS) < latest_begin {
            anomalies.push(format!("4 event {} of partition {partition} appeared long after its request", seen.id));
        }
        latest_begin = latest_begin.max(attempts.iter().map(|one| one.span.begun).min().unwrap_or(0));
    }
}

/// Events of one key lie in one partition.
fn keys_stay(life: Incarnation, partitions: &[BTreeMap<u64, Seen>], anomalies: &mut Vec<String>) {
    let mut partition_of = BTreeMap::<&str, u16>::new();
    for seen in partitions.iter().flat_map(BTreeMap::values) {
        let Some(key) = &seen.key else { continue };
        if *partition_of.entry(key).or_insert(seen.partition) != seen.partition {
            anomalies.push(format!("6 a key of partition {} of {life} lies elsewhere too", seen.partition));
        }
    }
}

/// A tail that stood where it was expected while the request ran refuses nothing.
fn conditions_are_no_pretext(known: &Known<'_>, log: &BTreeMap<u64, Seen>, anomalies: &mut Vec<String>) {
    for publish in &known.history.publishes {
        let Some(expected) = publish.expected_tail.filter(|tail| *tail > 0) else { continue };
        if publish.outcome != Outcome::Nothing("tail_mismatch".to_owned()) {
            continue;
        }
        let last = log.get(&(expected - 1)).map_or(&[][..], |seen| known.attempts(seen.id));
        let was_there = last.iter().any(|one| one.outcome.done().is_some() && one.span.ended <= publish.span.begun);
        let mut after = log.range(expected..).flat_map(|(_, seen)| known.attempts(seen.id));
        if was_there && !after.any(|one| one.span.begun <= publish.span.ended) {
            anomalies
                .push(format!("11 a publish on the condition of tail {expected} was refused, and that was the tail"));
        }
    }
}

/// Who asks again, with the same key, for what was published is not told that the tail is elsewhere. Where it is told that the
/// tail is not there yet, another attempt that was under way may bring it about later that it is.
fn nothing_stands_in_its_own_way(known: &Known<'_>, anomalies: &mut Vec<String>) {
    let lies = |id: u64| known.places.values().flat_map(BTreeMap::values).flatten().any(|seen| seen.id == id);
    for refused in &known.history.publishes {
        let Some(key) = &refused.idempotency_key else { continue };
        if refused.told_tail.is_none() {
            continue;
        }
        let id = refused.events[0].id;
        let attempts = known.attempts(id);
        let with_it = |one: &&&Publish| one.idempotency_key.as_ref() == Some(key);
        let told = || attempts.iter().filter(with_it).filter(|one| one.outcome.done().is_some());
        let is_there = told().next().is_some() || (attempts.iter().all(|one| with_it(&one)) && lies(id));
        let was_there = told().any(|one| one.span.ended <= refused.span.begun);
        let moved = refused.told_tail > refused.expected_tail;
        let first = attempts.iter().map(|one| one.span.begun).min().unwrap_or_default();
        let in_one_life = !known.history.deletes.iter().any(|delete| {
            delete.outcome.may_have_happened()
                && delete.span.begun < refused.span.ended
                && latest_effect(delete.span, &delete.outcome) + CACHE_MS > first
        });
        let remembered = in_one_life && refused.span.ended <= first + REMEMBERED_MS;
        if remembered && (was_there || (moved && is_there)) {
            anomalies.push(format!("9 event {id} was refused for its tail and is there with the same key {key}"));
        }
    }
}

/// What was published on the condition of a tail begins there.
fn conditions_held(known: &Known<'_>, anomalies: &mut Vec<String>) {
    for publish in &known.history.publishes {
        let (Some(expected), Some((receipts, false))) = (publish.expected_tail, publish.outcome.done()) else {
            continue;
        };
        if receipts.first().is_some_and(|(_, offset)| *offset != expected) {
            anomalies.push(format!("11 a publish on the condition of tail {expected} went to {receipts:?}"));
        }
    }
}

fn equal_keys_equal_receipts(known: &Known<'_>, anomalies: &mut Vec<String>) {
    let mut by_key = BTreeMap::<&str, Vec<&Publish>>::new();
    for publish in &known.history.publishes {
        if let Some(key) = &publish.idempotency_key {
            by_key.entry(key).or_default().push(publish);
        }
    }
    for (key, publishes) in by_key {
        let lives: BTreeSet<_> = publishes.iter().flat_map(|publish| publish.facts.get().logs_written).collect();
        let first = publishes.iter().map(|one| one.span.begun).min().unwrap_or_default();
        let forgotten = publishes.iter().any(|one| one.span.ended > first + REMEMBERED_MS);
        if lives.len() > 1 || forgotten {
            // It was used in two lives, or for longer than it is remembered, where it means two things.
            continue;
        }
        let done: Vec<_> = publishes.iter().filter(|publish| publish.outcome.done().is_some()).collect();
        let told = |publish: &&&Publish| {
            let receipts = publish.outcome.done().map(|(receipts, _)| receipts.clone());
            (publish.events.clone(), receipts)
        };
        if done.iter().any(|publish| told(publish) != told(&done[0])) {
            anomalies.push(format!("9 the key {key} got different receipts"));
        }
    }
}
