//! Rules 8, 10, 15, 16 and 21: pages follow each other, and show what is there and nothing else.

use std::collections::BTreeMap;

use ledger::model::{Incarnation, Phase, Position};

use super::subscriptions::{bounds, generation};
use super::{Known, TOLERANCE_MS};
use crate::history::{Expired, Placed, Read, Seen, Span};
use crate::swarm::{HOUR_MS, RETENTION_HOURS};

const RETENTION_MS: u64 = RETENTION_HOURS * HOUR_MS;

pub(super) fn check(known: &Known<'_>, anomalies: &mut Vec<String>) {
    for read in known.history.reads.iter().filter(|read| !read.snapshot) {
        contiguous(read, anomalies);
        caught_up(known, read, anomalies);
        not_expired(read, anomalies);
        if read.from.is_none() && read.subscription.is_none() {
            let start = read.reader.rsplit(' ').next().unwrap_or_default();
            if let Some(starts) = starts(read) {
                start_point(known, (read.to.incarnation(), read.span), start, &starts, anomalies);
            }
        }
    }
    for placed in &known.history.placed {
        let Some(payload) = placed.outcome.done().filter(|_| !is_passed(known, placed)) else { continue };
        let starts: Vec<u64> = payload.progress.positions.iter().map(|position| position.offset).collect();
        start_point(known, (payload.incarnation(), placed.span), &placed.start, &starts, anomalies);
        if let Some(target) = placed.target.as_ref().filter(|target| target.progress != payload.progress) {
            let (wanted, is) = (&target.progress, &payload.progress);
            anomalies.push(format!("16 {} was moved to {is:?} and not to {wanted:?}", placed.name));
        }
    }
    lost_means_expired(known, anomalies);
    one_log_for_all(known, anomalies);
}

/// Whether somebody may have gone on from where a seek went before it was answered. A seek that found itself done tells
/// where its generation is by then.
fn is_passed(known: &Known<'_>, placed: &Placed) -> bool {
    let mut commits = known.history.commits.iter().filter(|commit| commit.span.begun < placed.span.ended);
    placed.seek && commits.any(|commit| placed.outcome.done().is_some_and(|at| at.used_for == commit.cursor.used_for))
}

/// Where a page of the log began in each partition: as many records before its end as it has.
pub(super) fn starts(read: &Read) -> Option<Vec<u64>> {
    let mut starts = Vec::new();
    for (partition, end) in (0..).zip(&read.to.progress.positions) {
        let count = read.records.iter().filter(|record| record.partition == partition).count() as u64;
        starts.push(end.offset.checked_sub(count)?);
    }
    Some(starts)
}

fn in_snapshot(phase: &Phase) -> bool {
    matches!(phase, Phase::Snapshot { .. })
}

fn contiguous(read: &Read, anomalies: &mut Vec<String>) {
    if in_snapshot(&read.to.progress.phase) || read.from.as_ref().is_some_and(|from| in_snapshot(&from.progress.phase))
    {
        return;
    }
    let Some(starts) = starts(read) else {
        anomalies.push(format!("8 {}: more records than the cursor passed", read.reader));
        return;
    };
    for (partition, start) in (0..).zip(starts) {
        let offsets = read.records.iter().filter(|record| record.partition == partition).map(|record| record.offset);
        if !offsets.zip(start..).all(|(offset, expected)| offset == expected) {
            anomalies.push(format!("8 {}: a page of partition {partition} has a gap", read.reader));
        }
        let sent = read.from.as_ref().and_then(|from| from.progress.positions.get(usize::from(partition)));
        if sent.is_some_and(|position: &Position| position.offset != start) {
            anomalies.push(format!("8 {}: a page of partition {partition} skips or repeats", read.reader));
        }
    }
}

fn caught_up(known: &Known<'_>, read: &Read, anomalies: &mut Vec<String>) {
    if !read.caught_up {
        return;
    }
    for publish in known.history.publishes.iter().filter(|publish| publish.span.ended < read.span.begun) {
        let (Some((receipts, _)), Some(life)) = (publish.outcome.done(), known.life_of(publish)) else { continue };
        for (partition, offset) in receipts.iter().filter(|_| life == read.to.incarnation()) {
            let end = read.to.progress.positions.get(usize::from(*partition));
            let seen = known.places.get(&life).and_then(|places| places.get(&(*partition, *offset))?.first());
            let expired = seen.is_some_and(|seen| seen.published_at + RETENTION_MS < read.span.ended + TOLERANCE_MS);
            if !expired && end.is_some_and(|end| end.offset <= *offset) {
                anomalies.push(format!("10 {} was told to be at the end before {partition}-{offset}", read.reader));
            }
        }
    }
}

fn not_expired(read: &Read, anomalies: &mut Vec<String>) {
    let expired = |record: &&Seen| record.published_at + RETENTION_MS + TOLERANCE_MS < read.span.begun;
    if let Some(record) = read.records.iter().find(expired) {
        anomalies.push(format!("15 {} saw {}-{} after its retention", read.reader, record.partition, record.offset));
    }
}

/// What is before a start point was not to be read from there, and nothing that was is before it.
fn start_point(
    known: &Known<'_>,
    (life, span): (Incarnation, Span),
    start: &str,
    starts: &[u64],
    anomalies: &mut Vec<String>,
) {
    let Some(truth) = known.complete_truth(life) else { return };
    let is_gone = |record: &Seen| record.published_at + RETENTION_MS <= span.ended + TOLERANCE_MS;
    let time = ledger::Timestamp::parse(start);
    for (log, offset) in truth.iter().zip(starts) {
        let before = offset.checked_sub(1).and_then(|before| log.get(&before));
        let wrong = match (start, time) {
            ("earliest", _) => before.is_some_and(|record| !is_gone(record)),
            ("latest", _) => !is_the_tail(known, life, span, log, *offset),
            (_, Some(time)) => {
                before.is_some_and(|record| record.published_at >= time.0 && !is_gone(record))
                    || log
                        .get(offset)
                        .is_some_and(|record| record.published_at < time.0 && was_there(known, life, span, record))
            }
            _ => false,
        };
        if wrong {
            let record = before.map(|record| (record.id, record.published_at));
            anomalies.push(format!("16 {start} began at {offset} of {life} after {record:?} at {span:?}"));
        }
    }
}

/// Whether a record was surely there before a span. One that came later may carry an earlier time, by another clock; and
/// an event whose receipt has expired may be acknowledged again, as another record.
fn was_there(known: &Known<'_>, life: Incarnation, span: Span, record: &Seen) -> bool {
    let attempts = known.attempts(record.id).iter();
    let mut attempts = attempts.filter(|one| known.life_of(one) == Some(life) && one.span.ended < span.begun);
    attempts
        .any(|one| one.outcome.done().is_some_and(|(places, _)| places.contains(&(record.partition, record.offset))))
}

/// Whether an offset was the tail at some moment of a span.
fn is_the_tail(known: &Known<'_>, life: Incarnation, span: Span, log: &BTreeMap<u64, Seen>, offset: u64) -> bool {
    log.iter().all(|(place, record)| {
        let attempts = known.attempts(record.id).iter();
        let mut attempts = attempts.filter(|one| known.life_of(one) == Some(life)).peekable();
        if attempts.peek().is_none() {
            return true;
        }
        let begun = attempts.any(|one| one.span.begun < span.ended);
        (*place >= offset || begun) && (*place < offset || !was_there(known, life, span, record))
    })
}

/// Who was told that it lost events lost exactly those, and to nothing but their retention.
fn lost_means_expired(known: &Known<'_>, anomalies: &mut Vec<String>) {
    for expired in &known.history.expired {
        let Some(from) = &expired.from else {
            lost_of_committed(known, expired, anomalies);
            continue;
        };
        let (was, is) = (&from.progress.positions, &expired.earliest.progress.positions);
        let lost: u64 = was.iter().zip(is).map(|(was, is)| is.offset.saturating_sub(was.offset)).sum();
        if lost != expired.lost_events {
            anomalies.push(format!("15 {} events were lost, and {} were told", lost, expired.lost_events));
        }
        let Some(truth) = known.history.truth.get(&from.incarnation()) else { continue };
        for ((was, is), log) in was.iter().zip(is).zip(truth) {
            let there = |record: &Seen| record.published_at + RETENTION_MS > expired.span.ended + TOLERANCE_MS;
            if was.offset < is.offset && log.range(was.offset..is.offset).any(|(_, record)| there(record)) {
                let what = format!("{} to {}", was.offset, is.offset);
                anomalies.push(format!("15 {what} expired before their retention"));
            }
        }
    }
}

/// The same for who polled from what was committed: between what surely was and what at most can have been.
fn lost_of_committed(known: &Known<'_>, expired: &Expired, anomalies: &mut Vec<String>) {
    let bounds = generation(&expired.earliest).and_then(|which| bounds(known, expired.span, which));
    let Some((least, most)) = bounds else { return };
    let is: Vec<u64> = expired.earliest.progress.positions.iter().map(|position| position.offset).collect();
    let beyond = |was: &[u64]| was.iter().zip(&is).map(|(was, is)| is.saturating_sub(*was)).sum::<u64>();
    if !(beyond(&most)..=beyond(&least)).contains(&expired.lost_events) {
        let told = expired.lost_events;
        anomalies.push(format!("15 {} to {} events were lost, and {told} were told", beyond(&most), beyond(&least)));
    }
}

/// Whoever read the log from its first event on has the same chained hash as everybody else.
fn one_log_for_all(known: &Known<'_>, anomalies: &mut Vec<String>) {
    let chain = |hash: u64, id: u64| (hash.rotate_left(5) ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut hashes = BTreeMap::<(&str, Incarnation, u16), (u64, u64)>::new();
    for read in known.history.reads.iter().filter(|read| !read.snapshot) {
        for record in &read.records {
            let (next, hash) = hashes.entry((&read.reader, read.to.incarnation(), record.partition)).or_default();
            if *next == record.offset {
                (*next, *hash) = (*next + 1, chain(*hash, record.id));
            }
        }
    }
    for ((reader, life, partition), (next, hash)) in hashes {
        let Some(log) = known.history.truth.get(&life).and_then(|truth| truth.get(usize::from(partition))) else {
            continue;
        };
        let prefix = log.range(..next);
        if prefix.clone().count() as u64 == next && prefix.fold(0, |hash, (_, record)| chain(hash, record.id)) != hash {
            anomalies.push(format!("21 {reader} read another log of partition {partition} of {life}"));
        }
    }
}
