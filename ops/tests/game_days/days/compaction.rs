//! Days on which compacted state does not follow the log.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use embedded::TABLE;

use crate::cloudwatch::State;
use crate::world::{Fleet, SUBSCRIPTION, World};

type Stored = HashMap<String, AttributeValue>;

/// The newest record batch of the stream.
async fn newest(fleet: &Fleet) -> Stored {
    let found = fleet.engine.client().scan().table_name(TABLE).send().await.expect("a small table").items;
    let found = found.expect("items");
    let text = |item: &Stored, name: &str| item[name].as_s().cloned().expect("a text");
    let of_stream =
        found.iter().find(|item| text(item, "SK") == format!("SUB#{SUBSCRIPTION}")).expect("its subscription");
    let log = text(of_stream, "PK").replace("STREAM#", "LOG#");
    let of_log = found.into_iter().filter(|item| text(item, "PK").starts_with(&log));
    of_log.max_by_key(|item| text(item, "SK")).expect("a record batch")
}

async fn put(fleet: &Fleet, item: Stored) {
    fleet.engine.client().put_item().table_name(TABLE).set_item(Some(item)).send().await.expect("a write");
}

#[test]
fn nobody_compacts() {
    let mut world = World::begin(30, 24);
    world.play(5);
    world.life.compactor = false;
    let minutes = world.until("compactor-behind", State::Alarm, 25);
    assert!((15..=21).contains(&minutes), "{minutes}");
    let _ = world.look("compactor-behind").exits("verify orders", 0).says("verify orders", "looked at");
    world.life.compactor = true;
    world.until("compactor-behind", State::Ok, 7);
    let _ = world.verify("compactor-behind");
    world.insists(&[], &["compactor-behind"]);
}

#[test]
fn a_record_batch_is_damaged() {
    let mut world = World::begin(12, 24);
    // One that was read, is not compacted yet, and is not the last one.
    world.life.compactor = false;
    world.play(1);
    let whole = world.now(newest);
    world.play(1);
    world.life.compactor = true;
    world.now(async |fleet| {
        let damaged = ("body".to_owned(), AttributeValue::B(Blob::new(*b"nonsense")));
        put(fleet, whole.clone().into_iter().chain([damaged]).collect()).await;
    });
    assert_eq!(world.until("compactor-poisoned", State::Alarm, 2), 1);
    let looked = world.look("compactor-poisoned").exits("verify orders", 1).says("verify orders", "do not read");
    let _ = looked.exits("peek orders", 1).says("peek orders", "DAMAGED");
    // As it is in the backup of the table.
    world.now(async |fleet| put(fleet, whole.clone()).await);
    world.until("compactor-poisoned", State::Ok, 7);
    let _ = world.verify("compactor-poisoned");
    world.insists(&[], &["compactor-poisoned"]);
}
