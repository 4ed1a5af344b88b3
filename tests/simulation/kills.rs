//! Every handler is killed at each of its store calls, before and after the effect of that call, and then asked again by
//! a client that wants to know. Whatever half of it was done, nothing may be lost, doubled or torn.

use std::sync::atomic::{AtomicUsize, Ordering};

use ledger::{ApiKeyState, Randomness, Timestamp, limits};
use platform::api_key::Token;
use serde_json::{Value, json};

use crate::actors::bootstrapper::Bootstrapper;
use crate::actors::keys::{self, Change};
use crate::actors::operator::{self, Item, unsubscribe};
use crate::actors::publisher::Publisher;
use crate::actors::subscriber::{Habit, Subscriber, commit, seek, subscribe};
use crate::actors::{compactor, life, time};
use crate::checker;
use crate::client::{Client, Reply};
use crate::fate::Plan;
use crate::suite::on_all_processors;
use crate::swarm::{DAY_MS, HOUR_MS, RETENTION_HOURS, Swarm};
use crate::world::{ENVIRONMENT, EVERYTHING, STREAM, World};

/// What is killed.
const HANDLERS: [&str; 43] = [
    "publish",
    "publish first",
    "publish once",
    "publish to three",
    "publish a tombstone",
    "publish at a tail",
    "publish at a tail once",
    "publish much",
    "publish again",
    "publish behind expired",
    "poll",
    "poll what expired",
    "poll on",
    "bootstrap",
    "bootstrap on",
    "commit",
    "read",
    "read on",
    "look up",
    "look at all",
    "list",
    "describe",
    "describe a subscription",
    "list subscriptions",
    "subscribe",
    "seek",
    "seek a cursor",
    "seek the state",
    "unsubscribe",
    "create",
    "create again",
    "delete",
    "compact",
    "ring",
    "keep",
    "keep what expired",
    "keep what stalled",
    "sample",
    "collect",
    "make a key",
    "replace a key",
    "revoke a key",
    "revoke a key at once",
];

/// No handler makes more calls in so small a world.
const MOST_CALLS: u64 = 100;

/// Kills each of them at each of its calls.
pub(crate) fn at_each_call() -> Result<(), String> {
    let next = AtomicUsize::new(0);
    let take_turns = || std::iter::from_fn(|| HANDLERS.get(next.fetch_add(1, Ordering::SeqCst)));
    let work = || take_turns().map(|handler| kill_everywhere(handler)).collect::<Vec<_>>();
    let outcomes = on_all_processors(work).concat();
    println!("{} kills", outcomes.iter().flatten().sum::<u64>());
    let wrong: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// How often a handler was killed, until it makes no such call any more.
fn kill_everywhere(handler: &'static str) -> Result<u64, String> {
    let mut kills = 0;
    for call in 1..=MOST_CALLS {
        let before = kills;
        for after in [false, true] {
            let (killed, anomalies) = with_kill(handler, call, after);
            if !anomalies.is_empty() {
                return Err(format!("{handler} killed at call {call}, after it: {after}\n{}", anomalies.join("\n")));
            }
            kills += u64::from(killed);
        }
        match (kills - before, call) {
            (0, 1) => return Err(format!("{handler} was never killed: is it right?")),
            (0, _) => return Ok(kills),
            _ => {}
        }
    }
    Err(format!("{handler} makes more than {MOST_CALLS} calls"))
}

/// Whether the handler lived long enough to be killed at this call, and what was wrong afterwards.
fn with_kill(handler: &'static str, call: u64, after: bool) -> (bool, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async move {
        let (world, _rings) = World::create(1, Some(Swarm::calm(3)), false).await;
        let client = Client::new(&world);
        if handler != "create" {
            life::begin(&world).await;
        }
        if !matches!(handler, "create" | "publish first") {
            prepare(&client).await;
        }
        let unreadable = if handler == "keep what stalled" { stall(&world).await } else { None };
        let plan = Plan { kill: Some((call, after)), ..Plan::default() };
        ask(handler, &client, Some(plan)).await;
        let killed = world.0.counters().sum("fault kill") > 0;
        let again = ask(handler, &client, None).await;
        if !is_fine(handler, again) {
            world.0.anomaly(format!("22 {handler} is answered {again} when it is asked again"));
        }
        // What the dead one sent to the store lands some time.
        world.sleep(10_000).await;
        if let Some(healthy) = unreadable {
            operator::repair(&world, healthy).await;
        }
        if !compactor::keep(&world).await {
            world.0.anomaly("22 a sweep fails");
        }
        read_to_the_end(&world).await;
        if handler == "collect" {
            world.0.clock.advance(DAY_MS);
            if !compactor::keep(&world).await || is_something_left(&world).await {
                world.0.anomaly("17 something is left of a life that was collected");
            }
        }
        match time::note_truth(&world).await {
            Some(life) => {
                world.0.history().complete.insert(life);
                crate::actors::reader::describe(&client).await;
                if !checker::state::look_at_everything(&client).await {
                    world.0.anomaly("22 compacted state cannot be looked at");
                }
            }
            None if matches!(handler, "delete" | "collect") => {}
            None => world.0.anomaly("22 the log cannot be read at rest"),
        }
        (killed, checker::check(&world))
    })
}

/// Those whose subscriptions are there read everything, and are judged by what they find.
async fn read_to_the_end(world: &World) {
    world.0.heal();
    world.0.stop();
    let mut readers = tokio::task::JoinSet::new();
    readers.spawn(Subscriber::new(world, "billing", "billing", Habit::Always).run());
    readers.spawn(Bootstrapper::new(world, "state").run());
    tokio::select! {
        biased;
        _ = async { while readers.join_next().await.is_some() {} } => {}
        () = world.sleep(10 * 60_000) => world.0.anomaly("22 readers never came to the end of the log"),
    }
}

/// Whether there is anything of an ended life that does not expire by itself, as its record batches do.
async fn is_something_left(world: &World) -> bool {
    let stays = ["STREAM#", "COMPACT#", "DELETED"];
    let items = operator::scan(world).await;
    items.iter().filter_map(|item| item["PK"].as_s().ok()).any(|key| stays.iter().any(|prefix| key.starts_with(prefix)))
}

/// Whether a status is a good answer to who asks again: it was done now, or had been.
fn is_fine(handler: &str, status: u16) -> bool {
    let had_been = match handler {
        // The dead one had moved the tail.
        "publish at a tail" => Some(412),
        "unsubscribe" | "delete" => Some(404),
        "poll what expired" => Some(410),
        // A sweep that cannot compact fails when everything else is done.
        "keep what stalled" => Some(503),
        _ => None,
    };
    (200..300).contains(&status) || Some(status) == had_been
}

async fn prepare(client: &Client) {
    let mut publisher = Publisher::new(&client.world, 0);
    for keys in [&["key-0", "key-1", "key-2"][..], &["key-1"]] {
        let request = publisher.request(keys, None);
        publisher.attempt(&request).await;
    }
    compactor::keep(&client.world).await;
    // Compacted state has something to take back, and something to forget.
    for request in [publisher.request(&["key-1"], None), publisher.tombstone("key-2")] {
        publisher.attempt(&request).await;
    }
    subscribe(client, "billing", json!("earliest")).await;
    subscribe(client, "state", json!("compacted")).await;
}

/// Lets the handler do what it does. The plan befalls its first invocation; what must come before is done before. Answers
/// the status; what is no request has that of one.
async fn ask(handler: &str, client: &Client, plan: Option<Plan>) -> u16 {
    let world = &client.world;
    if plan.is_some() {
        come_before(handler, client).await;
    }
    if handler.starts_with("publish") {
        return ask_to_publish(handler, world, plan).await.status();
    }
    if handler.ends_with("a key") || handler.ends_with("a key at once") {
        return ask_for_a_key(handler, world, plan).await;
    }
    let stream = format!("/streams/{STREAM}");
    let (mut cursor, mut log) = (Value::Null, String::new());
    match handler {
        "commit" | "seek a cursor" | "poll on" => cursor = poll(client, "billing").await.body()["cursor"].clone(),
        "read on" => cursor = client.get(&format!("{stream}/events?from=earliest")).await.body()["cursor"].clone(),
        "bootstrap on" => {
            let begun = client.get(&format!("{stream}/subscriptions/state/poll?limit=1")).await;
            cursor = begun.body()["cursor"].clone();
        }
        "ring" => log = time::note_truth(world).await.map(|life| format!("LOG#{life}#1")).unwrap_or_default(),
        _ => {}
    }
    doom(world, plan);
    let reply = match handler {
        "poll" | "poll what expired" => poll(client, "billing").await,
        "poll on" | "read on" | "bootstrap on" => {
            let of = match handler {
                "poll on" => "subscriptions/billing/poll",
                "bootstrap on" => "subscriptions/state/poll",
                _ => "events",
            };
            client.get(&format!("{stream}/{of}?cursor={}", cursor.as_str().expect("the cursor of a page"))).await
        }
        "bootstrap" => client.get(&format!("{stream}/subscriptions/state/poll")).await,
        "commit" => {
            let opened = client.open(&cursor).await.expect("the cursor of a page");
            commit(client, "billing", &cursor, opened).await.0
        }
        "read" => client.get(&format!("{stream}/events?from=earliest")).await,
        "look up" => client.get(&format!("{stream}/compacted/key-1")).await,
        "look at all" => client.get(&format!("{stream}/compacted")).await,
        "list" => client.admin("GET", "/streams", None).await,
        "describe" => client.admin("GET", &stream, None).await,
        "describe a subscription" => client.admin("GET", &format!("{stream}/subscriptions/billing"), None).await,
        "list subscriptions" => client.admin("GET", &format!("{stream}/subscriptions"), None).await,
        "subscribe" => subscribe(client, "shipping", json!("earliest")).await,
        "seek" => seek(client, "billing", json!("latest")).await,
        "seek a cursor" => seek(client, "billing", json!({ "cursor": cursor })).await,
        "seek the state" => seek(client, "state", json!("compacted")).await,
        "unsubscribe" => unsubscribe(client, "billing").await,
        "create" | "create again" => life::create(client, 3).await,
        "delete" => life::delete_once(client).await,
        "compact" => client.admin("POST", &format!("{stream}/compact"), None::<Value>).await,
        "ring" => return status(compactor::compact(world, &log).await.is_some_and(|outcome| outcome.is_ok())),
        "sample" => return status(compactor::sample(world).await),
        _ => return status(compactor::keep(world).await),
    };
    reply.status()
}

/// What must have been before a handler can do what it does.
async fn come_before(handler: &str, client: &Client) {
    let world = &client.world;
    match handler {
        "look up" | "look at all" => assert!(compactor::keep(world).await, "nothing fails yet"),
        "collect" | "create again" => {
            life::delete_once(client).await;
            world.sleep(limits::NAME_REUSE_MS + 1_000).await;
        }
        "publish behind expired" => {
            expire(world).await;
            assert!(compactor::keep(world).await, "nothing fails yet");
        }
        "poll what expired" | "keep what expired" => expire(world).await,
        _ => {}
    }
}

/// What cannot be compacted is older than it may become; the record batch that cannot be read, as it was.
async fn stall(world: &World) -> Option<Item> {
    time::note_truth(world).await;
    world.0.clock.advance(4 * DAY_MS);
    operator::damage(world).await
}

/// Everything is past its retention, and nobody has swept yet.
async fn expire(world: &World) {
    time::note_truth(world).await;
    world.0.clock.advance(RETENTION_HOURS * HOUR_MS + 60_000);
}

/// The same for what operators do with keys: they ask until it is done, and then it is so for whoever uses the key.
async fn ask_for_a_key(handler: &str, world: &World, plan: Option<Plan>) -> u16 {
    let token = Token::mint(&Randomness::seeded(1), ENVIRONMENT);
    let record = token.record("guest", &EVERYTHING, Timestamp(0));
    if handler != "make a key" && plan.is_some() {
        world.0.faultless().create_api_key(&record).await.expect("nothing fails yet");
    }
    let (change, used_then) = match handler {
        "make a key" => (Change::Make(record), 200),
        "replace a key" => {
            let until = Timestamp(world.0.now() + limits::HOUR_MS);
            (Change::State(ApiKeyState::Grace { until }), 200)
        }
        "revoke a key" => (Change::State(ApiKeyState::Revoked), 401),
        _ => (Change::RevokeAtOnce, 401),
    };
    let asks_again = plan.is_none();
    doom(world, plan);
    let outcome = keys::attempt(world, token.id(), &change).await;
    if !asks_again {
        return 0;
    }
    let used = Client::with_key(world, &token).admin("GET", "/streams", None).await;
    status(outcome.is_some_and(|outcome| outcome.is_ok()) && used.status() == used_then)
}

async fn poll(client: &Client, subscription: &str) -> Reply {
    let reply = client.get(&format!("/streams/{STREAM}/subscriptions/{subscription}/poll")).await;
    if let Some(to) = client.open(&reply.body()["cursor"]).await {
        let read = reply.page("the first reader".to_owned(), Some(subscription), None, to);
        client.world.0.history().reads.push(read);
    }
    reply
}

/// The plan befalls the invocation that comes next.
fn doom(world: &World, plan: Option<Plan>) {
    if let Some(plan) = plan {
        world.0.set_next_plan(plan);
    }
}

/// The same for what publishes.
async fn ask_to_publish(handler: &str, world: &World, plan: Option<Plan>) -> Reply {
    let mut publisher = Publisher::new(world, 1);
    match handler {
        "publish" | "publish first" | "publish behind expired" => {
            let request = publisher.request(&["key-0"], None);
            doom(world, plan);
            publisher.attempt(&request).await
        }
        "publish a tombstone" => {
            let request = publisher.tombstone("key-0");
            doom(world, plan);
            publisher.attempt(&request).await
        }
        "publish at a tail" | "publish at a tail once" => {
            // The tail of that key's partition, as its publisher was told.
            let told = publisher.request(&["key-1"], None);
            let told = publisher.attempt(&told).await;
            let tail = told.body()["events"][0]["offset"].as_u64().expect("a receipt") + 1;
            let once = handler == "publish at a tail once";
            let key = plan.is_some().to_string();
            let request = publisher.expecting("key-1", tail, once.then_some(&*key));
            doom(world, plan);
            let reply = publisher.attempt(&request).await;
            // Without a key it must not ask again; with one it is told what became of it.
            if once { publisher.attempt(&request).await } else { reply }
        }
        "publish much" => {
            let request = publisher.large(4);
            doom(world, plan);
            publisher.attempt(&request).await
        }
        "publish again" => {
            let request = publisher.request(&["key-0"], Some(&plan.is_some().to_string()));
            publisher.attempt(&request).await;
            doom(world, plan);
            publisher.attempt(&request).await
        }
        "publish once" | "publish to three" => {
            let keys = if handler == "publish once" { &["key-0"][..] } else { &["key-0", "key-1", "key-2", "key-3"] };
            let request = publisher.request(keys, Some(&plan.is_some().to_string()));
            doom(world, plan);
            publisher.attempt(&request).await;
            // The same client asks again: it does not know.
            publisher.attempt(&request).await
        }
        other => unreachable!("nothing publishes as {other}"),
    }
}

/// What a success would have, and a failure.
fn status(is_done: bool) -> u16 {
    if is_done { 200 } else { 503 }
}
