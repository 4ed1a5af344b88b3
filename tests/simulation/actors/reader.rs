//! Readers without a subscription: from the earliest event, the latest, or a time, page after page with a cursor. And
//! lookups of compacted state and of how far the stream goes.

use ledger::model::Incarnation;
use ledger::model::cursor::Payload;

use crate::client::{Client, seen};
use crate::history::{Described, Expired, Lookup, Read};
use crate::swarm::Leap;
use crate::world::{STREAM, World};

/// Reads the log until the world stops, each chain of pages from a start of its own.
pub(crate) async fn read(world: World, name: String) {
    let client = Client::new(&world);
    let mut cursor: Option<String> = None;
    let mut chain = 0;
    let mut start = "earliest".to_owned();
    let mut before = serde_json::Value::Null;
    loop {
        let stopping = world.0.is_stopping();
        client.pause_after(&before).await;
        let limit = if stopping { 100 } else { *world.0.dice.one_of(&[1, 2, 3, 10, 100]) };
        let query = cursor.as_ref().map_or(format!("from={start}"), |cursor| format!("cursor={cursor}"));
        let reply = client.get(&format!("/streams/{STREAM}/events?limit={limit}&{query}")).await;
        let page = reply.body();
        before = page.clone();
        match (reply.status(), reply.code()) {
            (200, _) => {
                let from = open(&client, cursor.as_ref()).await;
                let Some(to) = client.open(&page["cursor"]).await else { return };
                let read = reply.page(format!("{name} {chain} {start}"), None, from, to);
                world.0.history().reads.push(Read { snapshot: false, ..read });
                cursor = page["cursor"].as_str().map(str::to_owned);
                if stopping && page["caught_up"] == true {
                    return;
                }
                if !stopping && world.0.dice.chance(100) {
                    (cursor, chain) = (None, chain + 1);
                    start = draw_start(&world);
                }
            }
            (410, code) => {
                let earliest = client.open(&page["earliest_cursor"]).await;
                if let Some(earliest) = earliest.filter(|_| code == "position_expired") {
                    let from = open(&client, cursor.as_ref()).await;
                    note_expired(&world, &reply, from, earliest);
                }
                (cursor, chain) = (page["earliest_cursor"].as_str().map(str::to_owned), chain + 1);
                start = "restart".to_owned();
            }
            (404, _) | (503, "head_lost") if stopping => return,
            (404, _) => world.pause(1_000..=6_000).await,
            (400, code) if !world.0.swarm.leaps.contains(&Leap::Neglect) => {
                world.0.anomaly(format!("0 a reader was answered {code}"))
            }
            _ => {}
        }
    }
}

/// Opens a cursor, if there is one.
pub(crate) async fn open(client: &Client, cursor: Option<&String>) -> Option<Payload> {
    client.open(&cursor?.as_str().into()).await
}

/// Where a chain of pages begins.
pub(crate) fn draw_start(world: &World) -> String {
    match world.0.dice.between(0..=2) {
        0 => "earliest".to_owned(),
        1 => "latest".to_owned(),
        _ => {
            let ago = world.0.dice.between(0..=60_000);
            ledger::Timestamp(world.0.now().saturating_sub(ago)).to_string()
        }
    }
}

pub(crate) fn note_expired(world: &World, reply: &crate::client::Reply, from: Option<Payload>, earliest: Payload) {
    world.0.history().expired.push(Expired {
        span: reply.span,
        from,
        lost_events: reply.body()["lost_events"].as_u64().unwrap_or_default(),
        earliest,
    });
}

/// Looks up keys and describes the stream, until the world stops.
pub(crate) async fn look_up(world: World) {
    let client = Client::new(&world);
    while !world.0.is_stopping() {
        world.pause(500..=4_000).await;
        if world.0.dice.chance(500) {
            describe(&client).await;
        } else {
            let key = format!("key-{}", world.0.dice.between(0..=5));
            let reply = client.get(&format!("/streams/{STREAM}/compacted/{key}")).await;
            let absent = reply.code() == "key_not_found";
            if reply.status() == 200 || absent {
                let found = (!absent).then(|| seen(reply.body()));
                world.0.history().lookups.push(Lookup { span: reply.span, key, found, facts: reply.facts.clone() });
            }
        }
    }
}

/// Describes the stream, if it exists.
pub(crate) async fn describe(client: &Client) -> Option<Described> {
    let reply = client.admin("GET", &format!("/streams/{STREAM}"), None).await;
    if !reply.is_ok() {
        return None;
    }
    let body = reply.body();
    let number = |partition: &serde_json::Value, name: &str| partition[name].as_u64().expect("an offset");
    let described = Described {
        span: reply.span,
        incarnation: body["incarnation"].as_str().and_then(Incarnation::parse).expect("an incarnation"),
        partitions: body["partitions"]
            .as_array()
            .expect("partitions")
            .iter()
            .map(|one| [number(one, "head"), number(one, "tail"), number(one, "watermark")])
            .collect(),
    };
    client.world.0.history().described.push(described.clone());
    Some(described)
}
