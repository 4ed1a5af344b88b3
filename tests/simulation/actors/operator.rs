//! What operators and accidents do to a running system: subscriptions are moved and deleted, a client floods, a
//! stored record batch is damaged and later repaired. What happens to API keys is in [`keys`](super::keys).

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;

use crate::actors::subscriber::{draw_start, seek, subscribe};
use crate::client::{Client, Reply};
use crate::history::Unsubscribe;
use crate::world::{STREAM, TABLE, World};

/// An item of the table.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Moves subscriptions, and ends some, a few times.
pub(crate) async fn move_subscriptions(world: World) {
    let client = Client::new(&world);
    for _ in 0..world.0.dice.between(1..=4) {
        world.pause(1_000..=6_000).await;
        match world.0.dice.between(0..=8) {
            // To any place where somebody was, perhaps before another seek or in an earlier life of the name.
            8 => {
                let name = *world.0.dice.one_of(&["billing", "shipping", "audit"]);
                let given_out = world.0.history().cursors.get(name).cloned().unwrap_or_default();
                if !given_out.is_empty() {
                    let cursor = world.0.dice.one_of(&given_out).clone();
                    seek(&client, name, json!({ "cursor": cursor })).await;
                    world.0.count("a subscription was moved to an old cursor");
                }
            }
            // Whoever reads for them begins again.
            5 => drop(unsubscribe(&client, "shipping").await),
            6 => {
                unsubscribe(&client, "audit").await;
                subscribe(&client, "audit", json!("earliest")).await;
            }
            // Perhaps it is there, and begins elsewhere.
            7 => drop(subscribe(&client, "billing", json!("latest")).await),
            0 => drop(seek(&client, "state-1", json!("compacted")).await),
            1 => {
                client.admin("GET", &format!("/streams/{STREAM}/subscriptions"), None).await;
                // To where it stands: commits of before must be refused all the same.
                let path = format!("/streams/{STREAM}/subscriptions/billing");
                let reply = client.admin("GET", &path, None).await;
                if reply.is_ok() {
                    seek(&client, "billing", json!({ "cursor": reply.body()["cursor"] })).await;
                }
            }
            number => {
                seek(&client, ["billing", "shipping", "audit"][number as usize - 2], draw_start(&world)).await;
            }
        }
    }
}

/// Deletes a subscription, or tries to.
pub(crate) async fn unsubscribe(client: &Client, name: &str) -> Reply {
    let reply = client.admin("DELETE", &format!("/streams/{STREAM}/subscriptions/{name}"), None).await;
    if reply.is_ok() {
        client.world.0.count("a subscription was deleted");
    }
    let (span, outcome) = (reply.span, reply.outcome(|_| ()));
    client.world.0.history().unsubscribes.push(Unsubscribe { span, name: name.to_owned(), outcome });
    reply
}

/// Asks for far more than anyone may.
pub(crate) async fn flood(world: World) {
    let client = Client::new(&world);
    for _ in 0..world.0.dice.between(1..=2) {
        world.pause(500..=4_000).await;
        for _ in 0..30 {
            client.admin("GET", "/streams", None).await;
        }
    }
}

/// Damages the newest record batch of a log for a while.
pub(crate) async fn poison(world: World) {
    world.pause(1_500..=5_000).await;
    let quiet = world.0.gate.write().await;
    let Some(healthy) = damage(&world).await else { return };
    drop(quiet);
    world.pause(2_000..=8_000).await;
    let quiet = world.0.gate.write().await;
    repair(&world, healthy).await;
    drop(quiet);
}

/// Makes the newest record batch unreadable; what it was, if there is one.
pub(crate) async fn damage(world: &World) -> Option<Item> {
    let healthy = newest_batch(world).await?;
    let mut damaged = healthy.clone();
    let body = healthy["body"].as_b().expect("a body").as_ref();
    let mut bytes = body.to_vec();
    // What is stored there is no body of any format.
    bytes[0] ^= 0x7f;
    damaged.insert("body".to_owned(), AttributeValue::B(Blob::new(bytes)));
    put(world, damaged).await;
    world.0.set_poisoned(true);
    world.0.count("a record batch was damaged");
    Some(healthy)
}

/// Puts back what it was.
pub(crate) async fn repair(world: &World, healthy: Item) {
    put(world, healthy).await;
    // Answers that are on their way may still tell of it.
    world.sleep(30_000).await;
    world.0.set_poisoned(false);
}

async fn put(world: &World, item: Item) {
    let put = world.0.client.put_item().table_name(TABLE).set_item(Some(item));
    put.condition_expression("attribute_exists(PK)").send().await.ok();
}

async fn newest_batch(world: &World) -> Option<Item> {
    let items = scan(world).await;
    let text = |item: &Item, name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    // Not of the neighbour's.
    let other = world.0.history().neighbour.map(|life| format!("LOG#{life}"));
    let is_other = |key: &str| other.as_ref().is_some_and(|other| key.starts_with(other));
    let is_log = |key: &String| key.starts_with("LOG#") && !is_other(key);
    let log = |item: &Item| text(item, "PK").as_ref().is_some_and(is_log) && item.contains_key("body");
    // Of the life that is used.
    let accepted_at = |item: &Item| item["accepted_at"].as_n().ok().and_then(|number| number.parse::<u64>().ok());
    items.into_iter().filter(log).max_by_key(|item| (accepted_at(item), text(item, "SK")))
}

/// Every item of the table, in the order of their keys.
pub(crate) async fn scan(world: &World) -> Vec<Item> {
    let mut items = Vec::new();
    let mut start = None;
    loop {
        let page = world.0.client.scan().table_name(TABLE).consistent_read(true).set_exclusive_start_key(start);
        let page = page.send().await.expect("the table answers");
        items.extend(page.items.unwrap_or_default());
        match page.last_evaluated_key {
            None => break,
            next => start = next,
        }
    }
    items.sort_by_key(|item| [item["PK"].as_s().cloned().ok(), item["SK"].as_s().cloned().ok()]);
    items
}
