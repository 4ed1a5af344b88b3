//! Another stream of the same table, with a name that begins alike: it is filled once, while everything fails, and whatever
//! befalls the stream of the run must leave it as it was.

use ledger::limits;
use ledger::model::Incarnation;
use serde_json::{Value, json};

use crate::checker::REMEMBERED_MS;
use crate::client::Client;
use crate::process::Service;
use crate::world::{STREAM, World};

/// How often each request is tried.
const TRIES: u32 = 60;
/// Longer than all leaps of a run together.
const RETENTION_HOURS: u64 = 720;
/// Each event: its key, and what it says of it.
const EVENTS: [(&str, Option<u64>); 5] =
    [("key-0", Some(1)), ("key-1", Some(2)), ("key-0", Some(3)), ("key-2", Some(4)), ("key-1", None)];
/// What is left of each key, by key.
const STATE: [(&str, Option<u64>); 2] = [("key-0", Some(3)), ("key-2", Some(4))];

/// Creates and fills it, and gives up where nothing succeeds.
pub(crate) async fn fill(world: World) {
    let client = Client::new(&world);
    let definition = json!({
        "stream_id": name(),
        "partition_count": 1,
        "retention_hours": RETENTION_HOURS,
        "compaction": world.0.swarm.compaction,
    });
    let subscription = json!({ "subscription_id": "billing", "start_from": "earliest" });
    let events = EVENTS.map(|(key, value)| json!({ "type": "order.archived", "key": key, "data": value }));
    let once = [("idempotency-key", "archive".to_owned())];
    let requests: [(_, _, &[_], _); 3] = [
        (Service::Admin, "/streams".to_owned(), &[], definition),
        (Service::Admin, path("/subscriptions"), &[], subscription),
        (Service::Publish, path("/events"), &once, json!({ "events": events.to_vec() })),
    ];
    let mut life = None;
    for (service, path, headers, body) in requests {
        let begun = world.0.now();
        let mut tries = 0;
        let reply = loop {
            let reply = client.post(service, &path, headers, body.clone()).await;
            tries += 1;
            // Repeated when its key is forgotten, a request may be done twice, as an answer may tell that comes so late.
            if tries > 1 && world.0.now() > begun + REMEMBERED_MS {
                return;
            }
            if reply.is_ok() {
                break reply;
            }
            if tries == TRIES {
                return;
            }
            world.pause(100..=3_000).await;
        };
        life = life.or_else(|| Incarnation::parse(reply.body()["incarnation"].as_str()?));
    }
    world.0.history().neighbour = life;
    world.0.count("a neighbour was filled");
}

/// It is what it was filled with.
pub(crate) async fn look_at(client: &Client) {
    if client.world.0.history().neighbour.is_none() {
        return;
    }
    let told = |events: &Value| -> Vec<(String, Option<u64>)> {
        let of = |event: &Value| (event["key"].as_str().unwrap_or_default().to_owned(), event["data"].as_u64());
        events.as_array().into_iter().flatten().map(of).collect()
    };
    let all = EVENTS.map(|(key, value)| (key.to_owned(), value));
    for path in [path("/events?from=earliest"), path("/subscriptions/billing/poll")] {
        let page = client.get(&path).await;
        if told(&page.body()["events"]) != all || page.body()["caught_up"] != true {
            client.world.0.anomaly(format!("17 {path} of a neighbour answers {} {}", page.status(), page.body()));
        }
    }
    if client.world.0.swarm.compaction {
        let page = client.get(&path("/compacted")).await;
        let mut state = told(&page.body()["records"]);
        state.sort();
        if state != STATE.map(|(key, value)| (key.to_owned(), value)) {
            client.world.0.anomaly(format!("17 the state of a neighbour is {} {}", page.status(), page.body()));
        }
    }
    // What it spent of small quotas comes back.
    client.world.sleep(limits::QUOTA_WINDOW_MS + 5_000).await;
}

fn name() -> String {
    format!("{STREAM}-archive")
}

fn path(of_it: &str) -> String {
    format!("/streams/{}{of_it}", name())
}
