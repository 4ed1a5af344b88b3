//! Rules 18, 19 and 20: compacted state is the fold of the log up to its watermark, and who bootstraps from it and follows
//! has the fold of the log.

use std::collections::BTreeMap;

use ledger::model::Incarnation;

use super::Known;
use crate::client::{Client, seen};
use crate::history::{Lookup, Read, Seen, Span};
use crate::world::STREAM;

/// Reads all of compacted state, as lookups; whether that can be done.
pub(crate) async fn look_at_everything(client: &Client) -> bool {
    let world = &client.world.0;
    if !world.swarm.compaction {
        return true;
    }
    let begun = world.now();
    let (mut found, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let reply = client.get(&format!("/streams/{STREAM}/compacted?limit=3{cursor}")).await;
        if !reply.is_ok() {
            return false;
        }
        for record in reply.body()["records"].as_array().into_iter().flatten().map(seen) {
            found.insert(record.key.clone().expect("a key"), (record, reply.facts.clone()));
        }
        let Some(next) = reply.body()["cursor"].as_str() else {
            let span = Span { begun, ended: world.now() };
            let lookup = |(key, (record, facts))| Lookup { span, key, found: Some(record), facts };
            world.history().lookups.extend(found.into_iter().map(lookup));
            return true;
        };
        cursor = format!("&cursor={next}");
    }
}

pub(super) fn check(known: &Known<'_>, compaction: bool, anomalies: &mut Vec<String>) {
    watermarks(known, anomalies);
    lookups(known, anomalies);
    for read in &known.history.reads {
        built(known, read, anomalies);
    }
    if compaction {
        reached_the_tail(known, anomalies);
    }
}

/// The latest event of a key below an offset of its partition.
fn latest_below<'a>(truth: &'a [BTreeMap<u64, Seen>], key: &str, below: &[u64]) -> Option<&'a Seen> {
    let logs = truth.iter().zip(below);
    let mut found = logs.flat_map(|(log, below)| log.range(..*below)).map(|(_, seen)| seen);
    let of_key = |seen: &&Seen| seen.key.as_deref() == Some(key);
    let first = found.find(of_key)?;
    Some(found.filter(of_key).fold(first, |last, seen| if seen.offset > last.offset { seen } else { last }))
}

/// The state that the log adds up to below some offsets: the id of each key's latest event, tombstones left out.
fn fold(truth: &[BTreeMap<u64, Seen>], below: &[u64]) -> BTreeMap<String, u64> {
    let mut state = BTreeMap::new();
    for (log, below) in truth.iter().zip(below) {
        for (_, seen) in log.range(..*below) {
            match &seen.key {
                Some(key) if seen.tombstone => drop(state.remove(key)),
                Some(key) => drop(state.insert(key.clone(), seen.id)),
                None => {}
            }
        }
    }
    state
}

fn watermarks(known: &Known<'_>, anomalies: &mut Vec<String>) {
    for (index, one) in known.history.described.iter().enumerate() {
        for [head, tail, watermark] in &one.partitions {
            if head > tail || watermark > tail {
                anomalies.push(format!("19 head {head}, watermark {watermark} and tail {tail}"));
            }
        }
        let later = known.history.described[index + 1..].iter();
        for other in later.filter(|other| other.incarnation == one.incarnation && one.span.ended < other.span.begun) {
            for (before, after) in one.partitions.iter().zip(&other.partitions) {
                // The head is where the clock of whoever describes says.
                if before.iter().zip(after).skip(1).any(|(before, after)| before > after) {
                    anomalies.push(format!("19 {} went back from {before:?} to {after:?}", one.incarnation));
                }
            }
        }
    }
}

/// What was found of a key is what lies there, never older than what was found before, and never older than a watermark
/// that was told before.
fn lookups(known: &Known<'_>, anomalies: &mut Vec<String>) {
    for (index, lookup) in known.history.lookups.iter().enumerate() {
        let Some(life) = only_life(lookup) else { continue };
        let Some(truth) = known.complete_truth(life) else { continue };
        if let Some(found) = &lookup.found {
            let there = truth.get(usize::from(found.partition)).and_then(|log| log.get(&found.offset));
            if there != Some(found) || found.key.as_deref() != Some(&lookup.key) {
                anomalies.push(format!("18 {} is {found:?}, and the log has {there:?}", lookup.key));
            }
        }
        let told = known.history.described.iter();
        for told in told.filter(|told| told.incarnation == life && told.span.ended < lookup.span.begun) {
            let below: Vec<u64> = told.partitions.iter().map(|[.., watermark]| *watermark).collect();
            honest(truth, lookup, &below, anomalies);
        }
        let earlier = known.history.lookups[..index].iter();
        for before in earlier.filter(|before| before.key == lookup.key && only_life(before) == Some(life)) {
            let Some(seen) = before.found.as_ref().filter(|_| before.span.ended < lookup.span.begun) else { continue };
            if lookup.found.as_ref().is_some_and(|now| seen.offset > now.offset) {
                anomalies.push(format!("18 {} went back in compacted state", lookup.key));
            }
            // What is not there any more was deleted since.
            let mut below = vec![0; truth.len()];
            below[usize::from(seen.partition)] = seen.offset + 1;
            honest(truth, lookup, &below, anomalies);
        }
    }
}

fn only_life(lookup: &Lookup) -> Option<Incarnation> {
    let lives = lookup.facts.get().states_read;
    if lives.len() == 1 { lives.first().copied() } else { None }
}

/// Everything below a watermark has its effect.
fn honest(truth: &[BTreeMap<u64, Seen>], lookup: &Lookup, below: &[u64], anomalies: &mut Vec<String>) {
    let Some(due) = latest_below(truth, &lookup.key, below) else { return };
    let fine = match &lookup.found {
        Some(found) => found.offset >= due.offset,
        None => {
            let newer = truth[usize::from(due.partition)].range(due.offset..).map(|(_, seen)| seen);
            newer.filter(|seen| seen.key.as_deref() == Some(&lookup.key)).any(|seen| seen.tombstone)
        }
    };
    if !fine {
        anomalies.push(format!("19 {} is older than the watermark {below:?}: {:?}", lookup.key, lookup.found));
    }
}

/// What a bootstrapper built is the fold of the log up to where it is.
fn built(known: &Known<'_>, read: &Read, anomalies: &mut Vec<String>) {
    let (Some(state), Some(truth)) = (&read.state, known.complete_truth(read.to.incarnation())) else { return };
    let below: Vec<u64> = read.to.progress.positions.iter().map(|position| position.offset).collect();
    let expected = fold(truth, &below);
    if *state != expected {
        anomalies.push(format!("20 {} built {state:?}, and the log adds up to {expected:?}", read.reader));
    }
}

/// At rest everything is compacted, and compacted state is the fold of the whole log.
fn reached_the_tail(known: &Known<'_>, anomalies: &mut Vec<String>) {
    let Some(last) = known.history.described.last() else { return };
    let Some(truth) = known.complete_truth(last.incarnation) else { return };
    let whole: Vec<u64> = last.partitions.iter().map(|[_, tail, _]| *tail).collect();
    if last.partitions.iter().any(|[_, tail, watermark]| tail != watermark) {
        anomalies.push(format!("22 compaction stands at {:?}", last.partitions));
        return;
    }
    let at_rest = known.history.lookups.iter().filter(|lookup| lookup.span.begun >= last.span.ended);
    let state: BTreeMap<String, u64> =
        at_rest.filter_map(|lookup| Some((lookup.key.clone(), lookup.found.as_ref()?.id))).collect();
    let expected = fold(truth, &whole);
    if state != expected {
        anomalies.push(format!("18 compacted state is {state:?}, and the log adds up to {expected:?}"));
    }
}
