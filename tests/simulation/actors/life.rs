//! The life of the stream: created, perhaps by two at once with different definitions, deleted, and created again.

use ledger::limits;
use ledger::model::Incarnation;
use serde_json::json;

use crate::actors::{compactor, time};
use crate::client::{Client, Reply};
use crate::history::{Create, Delete};
use crate::swarm::RETENTION_HOURS;
use crate::world::{STREAM, World};

/// Creates the stream, and goes on until it exists.
pub(crate) async fn begin(world: &World) {
    let client = Client::new(world);
    let partitions = world.0.swarm.partitions;
    loop {
        let created = if world.0.dice.chance(300) {
            let (one, other) = tokio::join!(create(&client, partitions), create(&client, partitions % 3 + 1));
            one.is_ok() || other.is_ok()
        } else {
            create(&client, partitions).await.is_ok()
        };
        if created || Client::new(world).admin("GET", &format!("/streams/{STREAM}"), None).await.is_ok() {
            return;
        }
        world.pause(500..=5_000).await;
    }
}

/// Asks once for the stream.
pub(crate) async fn create(client: &Client, partitions: u64) -> Reply {
    let world = &client.world.0;
    let definition = json!({
        "stream_id": STREAM,
        "partition_count": partitions,
        "retention_hours": RETENTION_HOURS,
        "compaction": world.swarm.compaction,
    });
    let reply = client.admin("POST", "/streams", Some(definition)).await;
    let new = reply.status() == 201;
    let outcome = reply.outcome(|body| {
        let incarnation = body["incarnation"].as_str().and_then(Incarnation::parse).expect("an incarnation");
        if new {
            world.began(incarnation);
        }
        (incarnation, body["partition_count"].as_u64().expect("a count"), new)
    });
    world.history().creates.push(Create { span: reply.span, outcome });
    reply
}

/// Ends the stream and begins its next life, as often as the swarm says.
pub(crate) async fn end_and_begin(world: World) {
    for _ in 0..world.0.swarm.deletes {
        world.pause(3_000..=9_000).await;
        delete(&world).await;
        if world.0.dice.chance(300) {
            // The name stays unused for a while.
            world.pause(10_000..=90_000).await;
        }
        begin(&world).await;
        world.0.count("a stream was created again");
        if world.0.dice.chance(600) {
            // A sweep collects what was left of the life before, while the new one is used.
            compactor::keep(&world).await;
        }
    }
}

async fn delete(world: &World) {
    if !world.0.dice.chance(400) {
        return delete_until_gone(&Client::new(world)).await;
    }
    // First everything comes to rest and services forget the stream, so that all of the life is known and can be judged.
    let quiet = time::quiet(world, limits::REQUEST_MS.max(limits::CACHE_MS) + 15_000).await;
    if let Some(life) = time::note_truth(world).await {
        world.0.history().complete.insert(life);
        world.0.count("a life was known to its end");
    }
    delete_until_gone(&Client::in_quiet(world)).await;
    drop(quiet);
}

async fn delete_until_gone(client: &Client) {
    while !is_gone(&delete_once(client).await) {
        client.world.pause(300..=3_000).await;
    }
}

/// Asks once for the end of the stream.
pub(crate) async fn delete_once(client: &Client) -> Reply {
    let reply = client.admin("DELETE", &format!("/streams/{STREAM}"), None).await;
    let outcome = reply.outcome(|_| client.world.0.ended());
    client.world.0.history().deletes.push(Delete { span: reply.span, outcome });
    reply
}

fn is_gone(reply: &Reply) -> bool {
    reply.is_ok() || reply.code() == "stream_not_found"
}
