//! Every handler is killed at each of its store calls, before and after the effect of that call, and then asked again by
//! a client that wants to know. Whatever half of it was done, nothing may be lost, doubled or torn.

use serde_json::{Value, json};

use crate::actors::publisher::Publisher;
use crate::actors::subscriber::{seek, subscribe};
use crate::actors::{compactor, life, time};
use crate::checker;
use crate::client::Client;
use crate::fate::Plan;
use crate::process::Service;
use crate::swarm::Swarm;
use crate::world::{STREAM, World};

/// What is killed.
const HANDLERS: [&str; 14] = [
    "publish",
    "publish first",
    "publish once",
    "publish to three",
    "poll",
    "commit",
    "read",
    "look up",
    "subscribe",
    "seek",
    "create",
    "delete",
    "compact",
    "keep",
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
        ask(handler, &client, None).await;
        // What the dead one sent to the store lands some time.
        world.sleep(10_000).await;
        if !compactor::keep(&world).await {
            world.0.anomaly("22 a sweep fails");
        }
        if let Some(life) = time::note_truth(&world).await {
            world.0.history().complete.insert(life);
            crate::actors::reader::describe(&client).await;
            checker::state::look_at_everything(&client).await;
        }
        (killed, checker::check(&world))
    })
}

async fn prepare(client: &Client) {
    let mut publisher = Publisher::new(&client.world, 0);
    for keys in [&["key-0", "key-1", "key-2"][..], &["key-1"]] {
        let request = publisher.request(keys, None);
        publisher.attempt(&request).await;
    }
    subscribe(client, "billing", json!("earliest")).await;
}

/// Lets the handler do what it does. The plan befalls its first invocation; what must come before is done before.
async fn ask(handler: &str, client: &Client, plan: Option<Plan>) {
    let world = &client.world;
    let doom = || {
        if let Some(plan) = plan {
            world.0.set_next_plan(plan);
        }
    };
    let mut publisher = Publisher::new(world, 1);
    let subscription = format!("/streams/{STREAM}/subscriptions/billing");
    match handler {
        "publish" | "publish first" => {
            let request = publisher.request(&["key-0"], None);
            doom();
            publisher.attempt(&request).await;
        }
        "publish once" | "publish to three" => {
            let keys = if handler == "publish once" { &["key-0"][..] } else { &["key-0", "key-1", "key-2", "key-3"] };
            let request = publisher.request(keys, Some(&format!("{}", plan.is_some())));
            doom();
            publisher.attempt(&request).await;
            // The same client asks again: it does not know.
            publisher.attempt(&request).await;
        }
        "poll" => {
            doom();
            client.get(&format!("{subscription}/poll")).await;
        }
        "commit" => {
            let page = client.get(&format!("{subscription}/poll")).await;
            let body = json!({ "cursor": page.body()["cursor"] });
            doom();
            client.post(Service::Poll, &format!("{subscription}/commit"), &[], body).await;
        }
        "read" => {
            doom();
            client.get(&format!("/streams/{STREAM}/events?from=earliest")).await;
        }
        "look up" => {
            compactor::keep(world).await;
            doom();
            client.get(&format!("/streams/{STREAM}/compacted/key-1")).await;
        }
        "subscribe" => {
            doom();
            subscribe(client, "shipping", json!("earliest")).await;
        }
        "seek" => {
            doom();
            seek(client, "billing", json!("latest")).await;
        }
        "create" => {
            doom();
            life::create(client, 3).await;
        }
        "delete" => {
            doom();
            life::delete_once(client).await;
        }
        "compact" => {
            doom();
            client.admin("POST", &format!("/streams/{STREAM}/compact"), None::<Value>).await;
        }
        _ => {
            doom();
            compactor::keep(world).await;
        }
    }
}
