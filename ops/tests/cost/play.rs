//! Minutes of a workload, played: publishers, subscribers and the compactor at the pace that the workload says, each at its own
//! time, and what the table billed for each kind of work.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ledger::{PartitionId, Randomness};
use ops::lag::cost::units::Units;
use ops::lag::cost::workload::{Volume, Workload};

use crate::events::event;
use crate::fleet::{Billed, Fleet, reader};

/// Changes that a batch of the change stream has at most.
const DOORBELL_BATCH: usize = 100;
const MINUTE_MS: u64 = 60_000;

/// A kind of work, and what was seen of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) times: f64,
    pub(crate) units: Units,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Played {
    pub(crate) seconds: f64,
    /// By the name of the work.
    pub(crate) work: BTreeMap<&'static str, Seen>,
    /// What it took besides, of publishers and of readers.
    pub(crate) beside: BTreeMap<&'static str, Units>,
    /// Events and bytes of each page that was answered.
    pub(crate) pages: Vec<(usize, usize)>,
}

impl Played {
    fn note(&mut self, name: &'static str, whose: Option<&'static str>, billed: Billed) {
        let seen = self.work.entry(name).or_default();
        seen.times += 1.0;
        seen.units = seen.units + billed.data;
        match whose {
            Some(whose) => {
                let beside = self.beside.entry(whose).or_default();
                *beside = *beside + billed.beside;
            }
            None => assert_eq!(billed.beside, Units::default(), "{name}"),
        }
    }
}

/// A subscriber on its way.
struct Reader {
    name: String,
    cursor: Option<String>,
    /// How many events there are when it polls next.
    polls_at: u64,
    /// What it commits, and when.
    commits: VecDeque<(u64, String)>,
}

/// Somebody who plays.
pub(crate) struct Player<'a> {
    pub(crate) fleet: &'a Fleet,
    workload: &'a Workload,
    volume: &'a Volume,
    randomness: Randomness,
    published: u64,
    published_bytes: usize,
    readers: Vec<Reader>,
    played: Played,
}

impl<'a> Player<'a> {
    /// Begins with a stream that was used, and with readers that are at its tail.
    pub(crate) async fn begin(fleet: &'a Fleet, workload: &'a Workload, volume: &'a Volume) -> Self {
        let readers = (0..workload.subscribers as usize).map(|number| Reader {
            name: reader(number),
            cursor: None,
            polls_at: 0,
            commits: VecDeque::new(),
        });
        let (randomness, readers) = (Randomness::seeded(5), readers.collect());
        let (published, published_bytes, played) = (0, 0, Played::default());
        let mut player = Self { fleet, workload, volume, randomness, published, published_bytes, readers, played };
        // Enough of them, that each partition has some.
        for _ in 0..4 * volume.partitions {
            player.publish().await;
        }
        player.fleet.compact(&player.fleet.changed()).await;
        for number in 0..player.readers.len() {
            player.poll(number, 0).await;
            player.commit(number).await;
        }
        player.played = Played::default();
        // Everybody forgets what they knew, and a minute begins.
        player.pass_until((player.now() / MINUTE_MS + 1) * MINUTE_MS);
        player
    }

    fn now(&self) -> u64 {
        self.fleet.clock.now().0
    }

    fn pass_until(&self, at: u64) {
        self.fleet.clock.advance(at.saturating_sub(self.now()));
    }

    async fn publish(&mut self) {
        let events: Vec<_> = (0..self.workload.events_per_publish)
            .map(|_| {
                self.published += 1;
                event(&self.randomness, self.published)
            })
            .collect();
        self.published_bytes += events.iter().map(|event| event.to_string().len()).sum::<usize>();
        let key = self.workload.idempotency_keys.then(|| format!("publish-{}", self.published));
        let ((), billed) = self.fleet.billed(&["LOG#", "IDEM#"], self.fleet.publish(events, key)).await;
        self.played.note("publish", Some("publishers"), billed);
    }

    /// Polls, and commits what comes of it so much later.
    async fn poll(&mut self, number: usize, handling_ms: u64) {
        let reader = &self.readers[number];
        let (page, billed) =
            self.fleet.billed(&["LOG#"], self.fleet.poll(&reader.name, reader.cursor.as_deref())).await;
        let events = page.body["events"].as_array().expect("a page").len();
        let cursor = page.body["cursor"].as_str().expect("a cursor").to_owned();
        let commits_at = self.now() + handling_ms;
        let reader = &mut self.readers[number];
        reader.cursor = Some(cursor.clone());
        let name = if events == 0 {
            "poll that finds nothing"
        } else {
            reader.commits.push_back((commits_at, cursor));
            "page"
        };
        self.played.note(name, Some("readers"), billed);
        self.played.pages.push((events, page.bytes));
    }

    async fn commit(&mut self, number: usize) {
        let (_, cursor) = self.readers[number].commits.pop_front().expect("it has polled");
        let name = &self.readers[number].name;
        let ((), billed) = self.fleet.billed(&["LOG#", "STREAM#"], self.fleet.commit(name, &cursor)).await;
        self.played.note("commit", Some("readers"), billed);
    }

    async fn compact(&mut self, partitions: &[PartitionId]) {
        let ((), billed) = self.fleet.billed(&["LOG#", "STREAM#", "COMPACT#"], self.fleet.compact(partitions)).await;
        self.played.note("round of compaction", None, billed);
    }

    /// When something happens so often by chance, in their order.
    fn by_chance(&self, count: usize, seconds: u64) -> Vec<u64> {
        let begin = self.now();
        let mut times: Vec<_> = (0..count).map(|_| begin + self.randomness.below(seconds * 1_000)).collect();
        times.sort_unstable();
        times
    }

    /// Plays so many seconds in which events come, by chance. A subscriber polls when a page is there, and commits it later.
    pub(crate) async fn busy(&mut self, seconds: u64, handling_ms: u64) -> Played {
        let end = self.now() + seconds * 1_000;
        let count = (self.workload.publishes_per_second(self.volume) * seconds as f64).round() as usize;
        let mut publishes = VecDeque::from(self.by_chance(count, seconds));
        // Each partition rings by itself, and is rung for when its first change is a second old, or there are many.
        let mut ringing: BTreeMap<PartitionId, (u64, usize)> = BTreeMap::new();
        let page = u64::from(self.workload.events_per_poll);
        for (number, reader) in (0..).zip(&mut self.readers) {
            // Not all at once.
            reader.polls_at = self.published + page * (number + 1) / u64::from(self.workload.subscribers);
        }
        loop {
            let commits = self.readers.iter().filter_map(|reader| reader.commits.front()).map(|(at, _)| *at);
            let rings = ringing.values().map(|(due, _)| *due);
            let next = commits.chain(rings).chain(publishes.front().copied()).min();
            let Some(next) = next.filter(|next| *next < end) else { break };
            self.pass_until(next);
            if publishes.front() == Some(&next) {
                publishes.pop_front();
                self.publish().await;
                for partition in self.fleet.changed() {
                    ringing.entry(partition).or_insert((next + 1_000, 0)).1 += 1;
                }
            }
            let due = ringing.iter().filter(|(_, (due, changes))| *due <= next || *changes >= DOORBELL_BATCH);
            let due: BTreeSet<PartitionId> = due.map(|(partition, _)| partition.clone()).collect();
            for partition in due {
                ringing.remove(&partition);
                self.compact(&[partition]).await;
            }
            for number in 0..self.readers.len() {
                if self.readers[number].commits.front().is_some_and(|(at, _)| *at <= next) {
                    self.commit(number).await;
                }
                if self.readers[number].polls_at <= self.published {
                    self.poll(number, handling_ms).await;
                    self.readers[number].polls_at += page;
                }
            }
        }
        self.pass_until(end);
        let played = self.end(seconds);
        // What rings later.
        self.compact(&ringing.into_keys().collect::<Vec<_>>()).await;
        played
    }

    /// Plays so many seconds in which none come.
    pub(crate) async fn idle(&mut self, seconds: u64) -> Played {
        for number in 0..self.readers.len() {
            // What is left.
            self.poll(number, 0).await;
        }
        self.played = Played::default();
        let pause_ms = (self.workload.idle_poll_seconds * 1_000.0) as u64;
        // The first of them as the minute begins, and before anybody is away for longer than one.
        self.pass_until((self.now() / MINUTE_MS + 1) * MINUTE_MS - pause_ms);
        for _ in 0..seconds * 1_000 / pause_ms {
            self.fleet.clock.advance(pause_ms);
            for number in 0..self.readers.len() {
                self.poll(number, 0).await;
            }
        }
        self.end(seconds)
    }

    /// The mean length of what was published.
    pub(crate) fn event_bytes(&self) -> f64 {
        self.published_bytes as f64 / self.published as f64
    }

    fn end(&mut self, seconds: u64) -> Played {
        Played { seconds: seconds as f64, ..std::mem::take(&mut self.played) }
    }
}
