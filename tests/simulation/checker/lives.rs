//! Rules 11 and 17: a life of the stream or of a subscription has one beginning, an end, and nothing in common
//! with the next, and an API key works from its beginning to its end.

use ledger::model::Incarnation;
use ledger::model::cursor::Payload;

use super::{CACHE_MS, Known, TOLERANCE_MS, latest_effect};
use crate::history::{Create, Delete, KeyLife, KeyUse, Outcome, Placed};
use crate::swarm::MOST_SKEW_MS;

pub(super) fn check(known: &Known<'_>, anomalies: &mut Vec<String>) {
    one_winner(known, anomalies);
    streams_do_not_vanish(known, anomalies);
    nothing_crosses(known, anomalies);
    an_end_is_an_end(known, anomalies);
    one_winner_of_each_subscription(known, anomalies);
    keys_have_ends(known, anomalies);
}

/// A key works from when it is made until it is replaced or revoked, and then nowhere any more.
fn keys_have_ends(known: &Known<'_>, anomalies: &mut Vec<String>) {
    for KeyUse { span, taken, life } in &known.history.key_uses {
        let (begun, KeyLife { works_from, works_until, dead_from }) = (span.begun, *life);
        if *taken && begun > dead_from.saturating_add(MOST_SKEW_MS) {
            anomalies.push(format!("17 a key was taken at {begun} that was dead from {dead_from}"));
        }
        if !taken && begun > works_from && span.ended.saturating_add(MOST_SKEW_MS) < works_until {
            anomalies.push(format!("17 a key was refused at {begun} that worked from {works_from}"));
        }
    }
}

/// The creates that said so of each life, in the order they ended.
fn beginnings<'a>(known: &'a Known<'_>) -> Vec<(Incarnation, &'a Create)> {
    let new = |create: &'a Create| create.outcome.done().filter(|(.., new)| *new).map(|(life, ..)| (*life, create));
    let mut lives: Vec<_> = known.history.creates.iter().filter_map(new).collect();
    lives.sort_by_key(|(_, create)| create.span.ended);
    lives
}

fn one_winner(known: &Known<'_>, anomalies: &mut Vec<String>) {
    let lives = beginnings(known);
    for pair in lives.windows(2) {
        let [(first, before), (second, after)] = pair else { continue };
        if first == second {
            anomalies.push(format!("11 two creates began {first}"));
        }
        let ended = known.history.deletes.iter().any(|delete| {
            delete.outcome.may_have_happened()
                && delete.span.begun < after.span.ended
                && delete.span.ended > before.span.begun
        });
        if !ended {
            anomalies.push(format!("11 {second} began although {first} had not ended"));
        }
    }
    for create in known.history.creates.iter().filter_map(|create| create.outcome.done()) {
        let (life, partitions, _) = create;
        let others = known.history.creates.iter().filter_map(|create| create.outcome.done());
        if others.clone().any(|(other, count, _)| other == life && count != partitions) {
            anomalies.push(format!("11 {life} has two definitions"));
        }
    }
}

/// Somebody created each life, and from then on the stream is there until somebody asks for its end.
fn streams_do_not_vanish(known: &Known<'_>, anomalies: &mut Vec<String>) {
    let history = known.history;
    for life in known.places.keys() {
        let may_have_begun = |create: &Create| match &create.outcome {
            Outcome::Done((begun, ..)) => begun == life,
            Outcome::Nothing(_) => false,
            Outcome::Unknown => true,
        };
        if !history.creates.iter().any(may_have_begun) {
            anomalies.push(format!("17 nobody began {life}"));
        }
    }
    let created = history.creates.iter().filter(|create| create.outcome.done().is_some());
    let Some(first) = created.map(|create| create.span.ended).min() else { return };
    for absent in history.absent_streams.iter().filter(|absent| absent.begun > first) {
        let ended = |delete: &Delete| delete.outcome.may_have_happened() && delete.span.begun < absent.ended;
        if !history.deletes.iter().any(ended) {
            anomalies.push("17 the stream was said to be absent, and nobody had ended it".to_owned());
        }
    }
}

/// A subscription of a name is created once, until somebody asks for its end or for that of its stream.
fn one_winner_of_each_subscription(known: &Known<'_>, anomalies: &mut Vec<String>) {
    let created = |placed: &'_ &Placed| !placed.seek && placed.outcome.done().is_some();
    let mut created: Vec<&Placed> = known.history.placed.iter().filter(created).collect();
    created.sort_by_key(|placed| placed.span.ended);
    for (index, after) in created.iter().enumerate() {
        let life = |placed: &Placed| placed.outcome.done().map(Payload::incarnation);
        let mut earlier = created[..index].iter().rev();
        let Some(before) = earlier.find(|one| one.name == after.name && life(one) == life(after)) else { continue };
        let ended = known.history.unsubscribes.iter().any(|end| {
            end.name == after.name
                && end.outcome.may_have_happened()
                && end.span.begun < after.span.ended
                // The answer of the one that was first may have come last.
                && latest_effect(end.span, &end.outcome) > before.span.begun.min(after.span.begun)
        });
        if !ended {
            anomalies.push(format!("11 subscription {} was created although it had not ended", after.name));
        }
    }
}

/// An event lies only in lives that its publisher's requests wrote to, and in none that began after they had ended.
fn nothing_crosses(known: &Known<'_>, anomalies: &mut Vec<String>) {
    for (life, places) in &known.places {
        // One that was found may have begun long before, by a create whose answer was lost.
        let new = |create: &&Create| create.outcome.done().is_some_and(|(of, _, new)| of == life && *new);
        let began = known.history.creates.iter().filter(new);
        let began = began.map(|create| create.span.begun).min();
        for seen in places.values().filter_map(|seen| seen.first()) {
            let written = known.lives_written(seen.id);
            // What a request shared was written by another, perhaps after its client had left.
            let is_its_own = known.attempts(seen.id).iter().all(|publish| !publish.facts.get().shared);
            if is_its_own && !written.contains(life) && !written.contains(&Incarnation([0; 16])) {
                anomalies.push(format!("17 event {} was not published into {life}", seen.id));
            }
            // A client that gave up knows nothing of what a frozen server does for it later.
            let ended = known.attempts(seen.id).iter().map(|one| latest_effect(one.span, &one.outcome)).max();
            if let (Some(began), Some(ended)) = (began, ended)
                && ended + TOLERANCE_MS < began
            {
                anomalies.push(format!("17 event {} is older than the life it lies in", seen.id));
            }
        }
    }
}

/// Once a delete was acknowledged and every cache is old, and once the next life began, nothing reaches the old one.
fn an_end_is_an_end(known: &Known<'_>, anomalies: &mut Vec<String>) {
    let lives = beginnings(known);
    for (index, (life, create)) in lives.iter().enumerate() {
        let deleted = known.history.deletes.iter().filter(|delete| delete.outcome.done().is_some());
        let deleted =
            deleted.filter(|delete| delete.span.begun > create.span.ended).map(|delete| delete.span.ended).min();
        let forgotten = deleted.map(|at| at + CACHE_MS + TOLERANCE_MS);
        let succeeded = lives.get(index + 1).map(|(_, next)| next.span.ended);
        let Some(end) = [forgotten, succeeded].into_iter().flatten().min() else { continue };
        for publish in known.history.publishes.iter().filter(|one| one.span.begun > end) {
            let touched = publish.facts.get();
            let (logs, is_its_own) = (touched.logs_written, !touched.shared);
            if publish.outcome.done().is_some() && is_its_own && logs.len() == 1 && logs.contains(life) {
                anomalies.push(format!("17 a publish was acknowledged into {life} after its end"));
            }
        }
        for read in known.history.reads.iter().filter(|one| one.span.begun > end) {
            if read.to.incarnation() == *life {
                anomalies.push(format!("17 {} read {life} after its end", read.reader));
            }
        }
    }
}
