//! What must never be. The checker knows the whole history of a run, which no client does, and judges it by numbered
//! rules; the numbers are those of the design and begin each anomaly. They follow the anomaly catalogue of Jepsen's Kafka
//! workload in the terms of this ledger.
//!
//! 0 nothing breaks inside. [`log`]: 1 one event per position, 2 one position per event, 3 nothing acknowledged is
//! lost, 4 nothing refused appears and nothing late, 5 no torn request, 6 real-time order, 7 a client's own order, 9
//! equal keys get equal receipts. [`reads`]: 8 contiguous pages, 10 `caught_up` is true, 15 retention, 16 start points,
//! 21 all readers see the same log. [`subscriptions`]: 13 at least once, 14 commits form a ratchet. [`lives`]: 11 one
//! winner, 17 nothing crosses lives, and API keys have ends. [`bootstraps`]: 13 and 14 of those who read compacted
//! state. [`state`]: 18 the view is a fold, 19 honest watermarks, 20 exact bootstrap. While the run goes on: 12 a read
//! changes nothing, 22 everything works again after faults stop.

pub(crate) mod bootstraps;
mod lives;
mod log;
mod reads;
pub(crate) mod state;
mod subscriptions;

use std::collections::{BTreeMap, BTreeSet};

use ledger::model::Incarnation;

use crate::history::{History, Outcome, Publish, Seen, Span};
use crate::swarm::{HOUR_MS, Leap};
use crate::world::World;

/// Clocks differ, and the answer to a request is some moments old.
const TOLERANCE_MS: u64 = 10_000;
/// A key is surely remembered for so long.
pub(crate) const REMEMBERED_MS: u64 = 24 * HOUR_MS;
/// Services know a stream for so long.
const CACHE_MS: u64 = 30_000;
/// A request is over after 29 seconds, by a clock that may be two off, and what it sent to the store is on its way for five
/// more at most.
pub(crate) const LATEST_EFFECT_MS: u64 = 40_000;

/// When a request had its effect at the latest: what nobody knows of may still come when it is over.
fn latest_effect<T>(span: Span, outcome: &Outcome<T>) -> u64 {
    let late = if matches!(outcome, Outcome::Unknown) { LATEST_EFFECT_MS } else { 0 };
    span.ended.saturating_add(late)
}

/// What the history tells, sorted.
struct Known<'a> {
    history: &'a History,
    /// Every attempt to publish an event, by its id.
    attempts: BTreeMap<u64, Vec<&'a Publish>>,
    /// What was seen at each place of each life, by whoever saw it.
    places: BTreeMap<Incarnation, BTreeMap<(u16, u64), Vec<&'a Seen>>>,
}

impl<'a> Known<'a> {
    fn of(history: &'a History) -> Self {
        let mut attempts = BTreeMap::<u64, Vec<&Publish>>::new();
        for publish in &history.publishes {
            for event in &publish.events {
                attempts.entry(event.id).or_default().push(publish);
            }
        }
        let mut places = BTreeMap::<Incarnation, BTreeMap<(u16, u64), Vec<&Seen>>>::new();
        let mut see = |life: Incarnation, seen: &'a Seen| {
            places.entry(life).or_default().entry((seen.partition, seen.offset)).or_default().push(seen);
        };
        for (life, partitions) in &history.truth {
            partitions.iter().flat_map(BTreeMap::values).for_each(|seen| see(*life, seen));
        }
        for read in &history.reads {
            read.records.iter().for_each(|seen| see(read.to.incarnation(), seen));
        }
        Self { history, attempts, places }
    }

    /// Every attempt to publish an event.
    fn attempts(&self, id: u64) -> &[&'a Publish] {
        self.attempts.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The lives that the attempts to publish an event wrote into, or tried to.
    fn lives_written(&self, id: u64) -> BTreeSet<Incarnation> {
        let attempts = self.attempts(id).iter();
        attempts.flat_map(|publish| publish.facts.get().logs_written).collect()
    }

    /// The one life that a publish can have gone to, if there is only one.
    fn life_of(&self, publish: &Publish) -> Option<Incarnation> {
        let lives = self.lives_written(publish.events.first()?.id);
        if lives.len() == 1 { lives.first().copied() } else { None }
    }

    /// In how many places of a life an event may lie: one for each Idempotency-Key that it was tried under, and any number
    /// when it was tried again so late that its key was forgotten.
    fn most_places(&self, id: u64) -> usize {
        let attempts = || self.attempts(id).iter();
        let first = attempts().map(|one| one.span.begun).min().unwrap_or_default();
        if attempts().any(|one| one.span.ended > first + REMEMBERED_MS) {
            return usize::MAX;
        }
        attempts().map(|one| &one.idempotency_key).collect::<BTreeSet<_>>().len()
    }

    /// Whether an event may lie in a life in more than one place.
    fn may_lie_twice(&self, id: u64) -> bool {
        self.most_places(id) > 1
    }

    /// The truth of a life, if it was read to the end.
    fn complete_truth(&self, life: Incarnation) -> Option<&'a Vec<BTreeMap<u64, Seen>>> {
        self.history.truth.get(&life).filter(|_| self.history.complete.contains(&life))
    }
}

/// Judges a run: every anomaly, each with the number of its rule.
pub(crate) fn check(world: &World) -> Vec<String> {
    let history = world.0.history().clone();
    let known = Known::of(&history);
    let mut anomalies = history.anomalies.clone();
    let neglected = world.0.swarm.leaps.contains(&Leap::Neglect);
    if neglected {
        // Readers cannot come to an end that nobody knows, and not everything works again.
        anomalies.retain(|anomaly| ["0 ", "1 ", "12 ", "17 "].iter().any(|rule| anomaly.starts_with(rule)));
    }
    log::check(&known, &mut anomalies);
    lives::check(&known, &mut anomalies);
    // Where heads were lost nobody knows the tails, so all that counts is that no offset is used twice.
    if !neglected {
        reads::check(&known, &mut anomalies);
        bootstraps::check(&known, &mut anomalies);
        for _ in 0..subscriptions::check(&known, &mut anomalies) {
            world.0.count("a subscription was judged to the end of the log");
        }
        state::check(&known, world.0.swarm.compaction, &mut anomalies);
    }
    anomalies.sort();
    anomalies.dedup();
    anomalies
}
