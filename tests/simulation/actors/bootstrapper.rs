//! Bootstrappers: they build the state of the stream from its compacted state and follow from there, in one cursor. A
//! restart goes on from the cursor and the state that were kept together, or from what was committed and the state of
//! then; a new beginning drops both.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use ledger::model::cursor::Payload;
use serde_json::json;

use crate::actors::reader::{note_expired, open};
use crate::actors::subscriber::{commit, subscribe};
use crate::checker::bootstraps::within;
use crate::client::{Client, Reply, records};
use crate::history::{Outcome, Read, Seen};
use crate::swarm::{HOUR_MS, RETENTION_HOURS};
use crate::world::{STREAM, World};

/// What was built: per key the id and the offset of its latest event, tombstones included.
type Built = BTreeMap<String, (u64, u64, bool)>;

/// What a bootstrapper committed.
#[derive(Default)]
struct Committed {
    /// The farthest of all that may have been committed since the subscription was created or moved.
    farthest: Option<Payload>,
    /// What was built at that place, if it is one where the bootstrapper was.
    built: Option<Built>,
}

/// A bootstrapper.
pub(crate) struct Bootstrapper {
    client: Client,
    name: String,
    built: Built,
    cursor: Option<String>,
    kept: Option<(String, Built)>,
    /// Whether it restarts from what it committed, and not from what it kept.
    trusts_commits: bool,
    committed: Committed,
    chain: u64,
    /// How long it takes for a page.
    pause_ms: u64,
    /// When the snapshot began that it reads.
    snapshot_begun: Option<u64>,
}

impl Bootstrapper {
    pub(crate) fn new(world: &World, name: &str) -> Self {
        let pause_ms = *world.0.dice.one_of(&[300, 1_000, 4_000]);
        Self {
            client: Client::new(world),
            name: name.to_owned(),
            built: Built::new(),
            cursor: None,
            kept: None,
            trusts_commits: world.0.dice.chance(500),
            committed: Committed::default(),
            chain: 0,
            pause_ms,
            snapshot_begun: None,
        }
    }

    /// Bootstraps and follows until the world stops and the state is that of the whole log.
    pub(crate) async fn run(mut self) {
        let world = self.client.world.clone();
        loop {
            let stopping = world.0.is_stopping();
            world.pause(self.pause_ms / 2..=2 * self.pause_ms).await;
            let limit = if stopping { 100 } else { *world.0.dice.one_of(&[1, 2, 5, 100]) };
            let from = self.cursor.as_ref().map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
            let path = format!("/streams/{STREAM}/subscriptions/{}/poll?limit={limit}{from}", self.name);
            let reply = self.client.get(&path).await;
            match (reply.status(), reply.code()) {
                (200, _) => {
                    let consistent = self.take(&reply).await;
                    if stopping && consistent && reply.body()["caught_up"] == true {
                        world.0.count("a bootstrap was followed to the end");
                        return;
                    }
                    if !stopping {
                        self.restart_now_and_then();
                    }
                }
                (410, _) => self.begin_again(&reply).await,
                (404, "subscription_not_found") => {
                    self.drop_everything();
                    let created = subscribe(&self.client, &self.name, json!("compacted")).await;
                    if stopping && created.code() == "head_lost" {
                        return;
                    }
                }
                (404 | 422, _) | (503, "head_lost") if stopping => return,
                (404, _) => world.pause(1_000..=6_000).await,
                (409, _) => self.drop_everything(),
                (400, _) => self.drop_everything(),
                (503, "compaction_gap") if stopping => {
                    world.0.anomaly("22 nobody can bootstrap although everything was compacted");
                    return;
                }
                _ => {}
            }
        }
    }

    fn drop_everything(&mut self) {
        (self.cursor, self.kept) = (None, None);
        self.built.clear();
        self.snapshot_begun = None;
        self.chain += 1;
    }

    fn restart_now_and_then(&mut self) {
        let dice = &self.client.world.0.dice;
        if dice.chance(300) {
            self.kept = self.cursor.clone().map(|cursor| (cursor, self.built.clone()));
        }
        if !dice.chance(60) {
            return;
        }
        if self.trusts_commits {
            if let Some(built) = self.committed.built.clone() {
                (self.cursor, self.built, self.chain) = (None, built, self.chain + 1);
                self.client.world.0.count("a bootstrap went on from what it had committed");
            }
        } else if let Some((cursor, built)) = self.kept.clone() {
            (self.cursor, self.built, self.chain) = (Some(cursor), built, self.chain + 1);
        }
    }

    /// Adds a page to the state; answers whether it is the state of one moment.
    async fn take(&mut self, reply: &Reply) -> bool {
        let (world, page) = (self.client.world.clone(), reply.body());
        let from = open(&self.client, self.cursor.as_ref()).await;
        let Some(to) = self.client.open(&page["cursor"]).await else { return true };
        if self.cursor.is_none() && !self.committed.is_of(&to) {
            // It was moved since, or is another.
            self.built.clear();
        }
        self.build(&records(page));
        let consistent = page["consistent"] == true;
        self.note_duration(consistent);
        let state = self.built.iter().filter(|(_, (.., gone))| !gone).map(|(key, (id, ..))| (key.clone(), *id));
        let read = reply.page(format!("{} {}", self.name, self.chain), Some(&self.name), from, to.clone());
        world.0.history().reads.push(Read { state: consistent.then(|| state.collect()), ..read });
        self.cursor = page["cursor"].as_str().map(str::to_owned);
        if world.0.dice.chance(400) {
            let (_, outcome) = commit(&self.client, &self.name, &page["cursor"], to.clone()).await;
            self.committed.note(&to, &outcome, &self.built);
        }
        consistent
    }

    /// Tells when a snapshot was read for longer than what follows it is kept.
    fn note_duration(&mut self, consistent: bool) {
        let now = self.client.world.0.now();
        let begun = *self.snapshot_begun.get_or_insert(now);
        if consistent {
            if now - begun > RETENTION_HOURS * HOUR_MS {
                self.client.world.0.count("a bootstrap took longer than the retention");
            }
            self.snapshot_begun = None;
        }
    }

    fn build(&mut self, records: &[Seen]) {
        for record in records {
            let Some(key) = &record.key else { continue };
            let before = self.built.insert(key.clone(), (record.id, record.offset, record.tombstone));
            if let Some((_, offset, _)) = before.filter(|(_, offset, _)| *offset >= record.offset) {
                let what = format!("20 {}: {key} stepped back from {offset} to {}", self.name, record.offset);
                self.client.world.0.anomaly(what);
            }
        }
    }

    /// After a 410: the state is built anew.
    async fn begin_again(&mut self, reply: &Reply) {
        let body = reply.body();
        let earliest = self.client.open(&body["earliest_cursor"]).await;
        if let Some(earliest) = earliest.filter(|_| reply.code() == "position_expired") {
            let from = open(&self.client, self.cursor.as_ref()).await;
            note_expired(&self.client.world, reply, from, earliest);
        }
        self.drop_everything();
        let own = body["links"].to_string().contains("/subscriptions/");
        self.cursor = body["bootstrap_cursor"].as_str().filter(|_| own).map(str::to_owned);
        self.client.world.0.count("a bootstrap began again");
        if !own {
            subscribe(&self.client, &self.name, json!("compacted")).await;
        }
    }
}

impl Committed {
    /// Whether a cursor is of the same generation of the same subscription.
    fn is_of(&self, cursor: &Payload) -> bool {
        let same = |own: &Payload| own.used_for == cursor.used_for && own.incarnation() == cursor.incarnation();
        self.farthest.as_ref().is_some_and(same)
    }

    fn note(&mut self, cursor: &Payload, outcome: &Outcome<bool>, built: &Built) {
        if matches!(outcome, Outcome::Nothing(_)) {
            return;
        }
        let before = self.farthest.take().filter(|before| before.used_for == cursor.used_for);
        // Nobody else commits for it, and so its places of one bootstrap never cross.
        let is_farther = before.as_ref().is_none_or(|Payload { progress: before, .. }| {
            let same = before.bootstrap == cursor.progress.bootstrap;
            cursor.progress.bootstrap > before.bootstrap
                || (same && within(&cursor.progress, before).is_some_and(Ordering::is_ge))
        });
        self.built = (is_farther && outcome.done().is_some()).then(|| built.clone());
        self.farthest = if is_farther { Some(cursor.clone()) } else { before };
    }
}
