//! Every handler is killed at each of its store calls, before and after the effect of that call, and then asked again by
//! a client that wants to know. Whatever half of it was done, nothing may be lost, doubled or torn.

use ledger::limits;
use serde_json::{Value, json};

use crate::actors::bootstrapper::Bootstrapper;
use crate::actors::operator::{self, unsubscribe};
use crate::actors::publisher::Publisher;
use crate::actors::subscriber::{Habit, Subscriber, commit, seek, subscribe};
use crate::actors::{compactor, life, time};
use crate::checker;
use crate::client::{Client, Reply};
use crate::fate::Plan;
use crate::swarm::Swarm;
use crate::world::{STREAM, World};

/// What is killed.
const HANDLERS: [&str; 20] = [
    "publish",
    "publish first",
    "publish once",
    "publish to three",
    "publish a tombstone",
    "publish at a tail",
    "poll",
    "bootstrap",
    "commit",
    "read",
    "look up",
    "subscribe",
    "seek",
    "unsubscribe",
    "create",
    "delete",
    "compact",
    "ring",
    "keep",
    "collect",
];

/// No handler makes more calls in so small a world.
const MOST_CALLS: u64 = 60;

/// Kills each of them at each of its calls.
pub(crate) fn at_each_call() -> Result<(), String> {
    let mut kills = 0;
    for handler in HANDLERS {
        let mut call = 1;
        loop {
            let mut reached = false;
            for after in [false, true] {
                let (killed, anomalies) = with_kill(handler, call, after);
                if !anomalies.is_empty() {
                    return Err(format!(
                        "{handler} killed at call {call}, after it: {after}\n{}",
                        anomalies.join("\n")
                    ));
                }
                reached |= killed;
                kills += u32::from(killed);
            }
            if !reached {
                break;
            }
            call += 1;
            if call > MOST_CALLS {
                return Err(format!("{handler} makes more than {MOST_CALLS} calls"));
            }
        }
        if call < 3 {
            return Err(format!("{handler} was never killed twice: is it right?"));
        }
    }
    println!("{kills} kills");
    Ok(())
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
        let plan = Plan { kill: Some((call, after)), freeze: None };
        ask(handler, &client, Some(plan)).await;
        let killed = world.0.counters().sum("fault kill") > 0;
        let again = ask(handler, &client, None).await;
        if !is_fine(handler, again) {
            world.0.anomaly(format!("22 {handler} is answered {again} when it is asked again"));
        }
        // What the dead one sent to the store lands some time.
        world.sleep(10_000).await;
        if !compactor::keep(&world).await {
            world.0.anomaly("22 a sweep fails");
        }
        read_to_the_end(&world).await;
        if handler == "collect" && is_something_left(&world).await {
            world.0.anomaly("17 something is left of a life that was collected");
        }
        if let Some(life) = time::note_truth(&world).await {
            world.0.history().complete.insert(life);
            crate::actors::reader::describe(&client).await;
            if !checker::state::look_at_everything(&client).await {
                world.0.anomaly("22 compacted state cannot be looked at");
            }
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
        "publish at a tail" => 412,
        "unsubscribe" | "delete" => 404,
        _ => 0,
    };
    (200..300).contains(&status) || status == had_been
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
    if handler.starts_with("publish") {
        return ask_to_publish(handler, world, plan).await.status();
    }
    let stream = format!("/streams/{STREAM}");
    let (mut cursor, mut log) = (Value::Null, String::new());
    match handler {
        "commit" => cursor = poll(client, "billing").await.body()["cursor"].clone(),
        "look up" => assert!(compactor::keep(world).await, "nothing fails yet"),
        "ring" => log = time::note_truth(world).await.map(|life| format!("LOG#{life}#1")).unwrap_or_default(),
        "collect" if plan.is_some() => {
            life::delete_once(client).await;
            world.sleep(limits::NAME_REUSE_MS + 1_000).await;
        }
        _ => {}
    }
    doom(world, plan);
    let reply = match handler {
        "poll" => poll(client, "billing").await,
        "bootstrap" => client.get(&format!("{stream}/subscriptions/state/poll")).await,
        "commit" => {
            let opened = client.open(&cursor).await.expect("the cursor of a page");
            commit(client, "billing", &cursor, opened).await.0
        }
        "read" => client.get(&format!("{stream}/events?from=earliest")).await,
        "look up" => client.get(&format!("{stream}/compacted/key-1")).await,
        "subscribe" => subscribe(client, "shipping", json!("earliest")).await,
        "seek" => seek(client, "billing", json!("latest")).await,
        "unsubscribe" => unsubscribe(client, "billing").await,
        "create" => life::create(client, 3).await,
        "delete" => life::delete_once(client).await,
        "compact" => client.admin("POST", &format!("{stream}/compact"), None::<Value>).await,
        "ring" => return status(compactor::compact(world, &log).await.is_some_and(|outcome| outcome.is_ok())),
        _ => return status(compactor::keep(world).await),
    };
    reply.status()
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
        "publish" | "publish first" => {
            let request = publisher.request(&["key-0"], None);
            doom(world, plan);
            publisher.attempt(&request).await
        }
        "publish a tombstone" => {
            let request = publisher.tombstone("key-0");
            doom(world, plan);
            publisher.attempt(&request).await
        }
        "publish at a tail" => {
            // The tail of that key's partition, as its publisher was told.
            let told = publisher.request(&["key-1"], None);
            let told = publisher.attempt(&told).await;
            let tail = told.body()["events"][0]["offset"].as_u64().expect("a receipt") + 1;
            let request = publisher.expecting("key-1", tail);
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
