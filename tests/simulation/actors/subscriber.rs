//! Subscribers: they poll, and commit always, now and then two pages at the same time, or sometimes, or cursors that are long
//! passed. Several may share a subscription. One that restarts forgets its cursor and goes on from what was committed.

use ledger::model::cursor::Payload;
use serde_json::{Value, json};

use crate::actors::reader::{note_expired, open};
use crate::client::{Client, Reply};
use crate::history::{Commit, Outcome, Placed};
use crate::process::Service;
use crate::world::{STREAM, World};

/// How a subscriber commits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Habit {
    Always,
    Sometimes,
    OldCursors,
}

/// A subscriber.
pub(crate) struct Subscriber {
    client: Client,
    name: String,
    subscription: String,
    habit: Habit,
    cursor: Option<String>,
    passed: Vec<String>,
    /// The cursor of a page that is still at work, to be committed at the same time as the next.
    held: Option<String>,
    chain: u64,
}

impl Subscriber {
    pub(crate) fn new(world: &World, name: &str, subscription: &str, habit: Habit) -> Self {
        Self {
            client: Client::new(world),
            name: name.to_owned(),
            subscription: subscription.to_owned(),
            habit,
            cursor: None,
            passed: Vec::new(),
            held: None,
            chain: 0,
        }
    }

    fn poll_path(&self) -> String {
        format!("/streams/{STREAM}/subscriptions/{}/poll", self.subscription)
    }

    /// Polls and commits until the world stops and everything was read.
    pub(crate) async fn run(mut self) {
        let world = self.client.world.clone();
        let mut last_round = false;
        let mut before = Value::Null;
        loop {
            let stopping = world.0.is_stopping();
            if stopping && !last_round {
                // To the end it reads what counts: what a fresh client finds after the last commit.
                self.restart();
                last_round = true;
            }
            self.client.pause_after(&before).await;
            let limit = if stopping { 100 } else { *world.0.dice.one_of(&[1, 3, 10, 100]) };
            let wait = if world.0.dice.chance(60) { "&wait=2" } else { "" };
            let from = self.cursor.as_ref().map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
            let reply = self.client.get(&format!("{}?limit={limit}{wait}{from}", self.poll_path())).await;
            before = reply.body().clone();
            match (reply.status(), reply.code()) {
                (200, _) => {
                    let end = self.take(&reply).await;
                    if stopping && end {
                        return;
                    }
                }
                (410, _) => self.go_on_elsewhere(&reply).await,
                (404, "subscription_not_found") => {
                    let start = if world.0.dice.chance(700) { json!("earliest") } else { draw_start(&world) };
                    let created = subscribe(&self.client, &self.subscription, start).await;
                    if stopping && created.code() == "head_lost" {
                        return;
                    }
                    self.restart();
                }
                (404, _) | (503, "head_lost") if stopping => return,
                (404, _) => world.pause(1_000..=6_000).await,
                (409, "generation_mismatch") => self.restart(),
                (400, "invalid_cursor") => {
                    // A cursor of the old subscription of that name, after the stream's next life began.
                    self.restart();
                }
                _ => {}
            }
        }
    }

    fn restart(&mut self) {
        self.cursor = None;
        self.chain += 1;
    }

    /// Records a page, and commits or not; answers whether that was the end of the log, committed.
    async fn take(&mut self, reply: &Reply) -> bool {
        let (world, page) = (self.client.world.clone(), reply.body());
        let from = open(&self.client, self.cursor.as_ref()).await;
        let Some(to) = self.client.open(&page["cursor"]).await else { return true };
        let read = reply.page(format!("{} {}", self.name, self.chain), Some(&self.subscription), from, to);
        world.0.history().reads.push(read);
        let cursor = page["cursor"].as_str().unwrap_or_default().to_owned();
        self.cursor = Some(cursor.clone());
        self.passed.push(cursor.clone());
        world.0.history().cursors.entry(self.subscription.clone()).or_default().push(cursor.clone());
        let dice = &world.0.dice;
        let stopping = world.0.is_stopping();
        let commits = match self.habit {
            _ if stopping => Some(cursor),
            Habit::Always if self.held.is_none() && dice.chance(250) => {
                self.held = Some(cursor);
                None
            }
            Habit::Always => Some(cursor),
            Habit::Sometimes => dice.chance(350).then_some(cursor),
            Habit::OldCursors => dice.chance(700).then(|| dice.one_of(&self.passed).clone()),
        };
        let mut committed = false;
        if let Some(cursor) = commits {
            committed = self.commit(cursor).await;
        }
        if !stopping && dice.chance(120) {
            self.restart();
        }
        page["caught_up"] == true && committed
    }

    /// Commits a cursor, and at the same time the one that was held back.
    async fn commit(&mut self, cursor: String) -> bool {
        let held = self.held.take();
        if held.is_some() {
            self.client.world.0.count("two cursors were committed at the same time");
        }
        let (reply, _) = tokio::join!(self.commit_one(Some(cursor)), self.commit_one(held));
        let Some(reply) = reply else { return false };
        if matches!(reply.code(), "generation_mismatch" | "stream_recreated") {
            self.restart();
        }
        reply.is_ok()
    }

    async fn commit_one(&self, cursor: Option<String>) -> Option<Reply> {
        let cursor = Value::from(cursor?);
        let opened = self.client.open(&cursor).await?;
        Some(commit(&self.client, &self.subscription, &cursor, opened).await.0)
    }

    /// After a 410: from the earliest cursor, if it is one of this subscription.
    async fn go_on_elsewhere(&mut self, reply: &Reply) {
        let body = reply.body();
        let earliest = self.client.open(&body["earliest_cursor"]).await;
        if let Some(earliest) = earliest.filter(|_| reply.code() == "position_expired") {
            let from = open(&self.client, self.cursor.as_ref()).await;
            note_expired(&self.client.world, reply, from, earliest);
        }
        self.restart();
        let own = body["links"].to_string().contains("/subscriptions/");
        self.cursor = body["earliest_cursor"].as_str().filter(|_| own).map(str::to_owned);
        if !own {
            subscribe(&self.client, &self.subscription, json!("earliest")).await;
        }
    }
}

/// Commits a cursor of a subscription, which is opened already; answers what that came to too.
pub(crate) async fn commit(
    client: &Client,
    subscription: &str,
    cursor: &Value,
    opened: Payload,
) -> (Reply, Outcome<bool>) {
    let path = format!("/streams/{STREAM}/subscriptions/{subscription}/commit");
    let reply = client.post(Service::Poll, &path, &[], json!({ "cursor": cursor })).await;
    let outcome = reply.outcome(|body| body["advanced"] == true);
    client.world.0.history().commits.push(Commit { span: reply.span, cursor: opened, outcome: outcome.clone() });
    (reply, outcome)
}

/// Creates a subscription, or tries to.
pub(crate) async fn subscribe(client: &Client, subscription: &str, start: Value) -> Reply {
    let path = format!("/streams/{STREAM}/subscriptions");
    let body = json!({ "subscription_id": subscription, "start_from": start });
    let reply = client.post(Service::Admin, &path, &[], body).await;
    if reply.status() != 200 {
        note_placed(client, &reply, subscription, &start, false).await;
    } else if reply.facts.get().writes.iter().any(|(operation, ..)| operation == "PutItem") {
        // It was there; but perhaps this very create had made it, and somebody moved it before that could be found out.
        placed(client, &reply, subscription, &start, false, (None, Outcome::Unknown));
    }
    reply
}

/// Moves a subscription.
pub(crate) async fn seek(client: &Client, subscription: &str, to: Value) -> Reply {
    let path = format!("/streams/{STREAM}/subscriptions/{subscription}/seek");
    let reply = client.post(Service::Admin, &path, &[], json!({ "to": to })).await;
    note_placed(client, &reply, subscription, &to, true).await;
    reply
}

async fn note_placed(client: &Client, reply: &Reply, name: &str, start: &Value, seek: bool) {
    let target = client.open(&start["cursor"]).await;
    let outcome = match client.open(&reply.body()["cursor"]).await {
        Some(payload) if reply.is_ok() => Outcome::Done(payload),
        _ => reply.outcome(|_| ()).map_unknown(),
    };
    placed(client, reply, name, start, seek, (target, outcome));
}

fn placed(
    client: &Client,
    reply: &Reply,
    name: &str,
    start: &Value,
    seek: bool,
    (target, outcome): (Option<Payload>, Outcome<Payload>),
) {
    let start = start.as_str().or(start["timestamp"].as_str()).unwrap_or("cursor").to_owned();
    let placed = Placed { span: reply.span, name: name.to_owned(), start, target, seek, outcome };
    client.world.0.history().placed.push(placed);
}

impl Outcome<()> {
    /// The same, of a request whose answer would have said more; one that was done without saying it is unknown.
    fn map_unknown<T>(self) -> Outcome<T> {
        match self {
            Self::Nothing(code) => Outcome::Nothing(code),
            Self::Done(()) | Self::Unknown => Outcome::Unknown,
        }
    }
}

/// A start point, as the API takes it.
pub(crate) fn draw_start(world: &World) -> Value {
    match crate::actors::reader::draw_start(world) {
        start if start.starts_with("20") => json!({ "timestamp": start }),
        start => json!(start),
    }
}
