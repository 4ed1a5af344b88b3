//! What time does: the keeper sweeps, clocks leap over quiet times, and time to live deletes what expired, one item here
//! and one there, early, late and in any order.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use ledger::model::cursor::Payload;
use ledger::{Error, PageRequest, ReadFrom, StartFrom};
use tokio::sync::RwLockWriteGuard;

use crate::actors::compactor::{keep, sample};
use crate::actors::operator::{Item, scan};
use crate::checker::LATEST_EFFECT_MS;
use crate::history::Seen;
use crate::swarm::{DAY_MS, HOUR_MS, Leap, RETENTION_HOURS};
use crate::world::{TABLE, World};

/// The keeper's schedule, and the leaps of this run.
pub(crate) async fn pass(world: World) {
    for leap in world.0.swarm.leaps.clone() {
        world.pause(2_000..=7_000).await;
        world.0.count(format!("leap {leap:?}"));
        match leap {
            Leap::Caches => over(&world, 31_000 + world.0.dice.between(0..=40_000)).await,
            Leap::Retention => {
                over(&world, RETENTION_HOURS * HOUR_MS - world.0.dice.between(15_000..=70_000)).await;
                sweep(&world).await;
                world.pause(1_000..=30_000).await;
                over(&world, 60_000).await;
            }
            Leap::Stall => {
                over(&world, 4 * DAY_MS).await;
                keep(&world).await;
                world.pause(2_000..=10_000).await;
            }
            Leap::Grace => {
                over(&world, RETENTION_HOURS * HOUR_MS + 60_000).await;
                for _ in 0..2 {
                    sweep(&world).await;
                    over(&world, 3 * DAY_MS + 12 * HOUR_MS).await;
                }
                delete_expired(&world, 1_000).await;
            }
            Leap::Neglect => {
                over(&world, RETENTION_HOURS * HOUR_MS + 8 * DAY_MS).await;
                delete_expired(&world, 1_000).await;
            }
        }
        world.pause(500..=3_000).await;
        if !world.0.swarm.compactor_off {
            keep(&world).await;
        }
        delete_expired(&world, world.0.dice.between(0..=1_000)).await;
    }
}

/// The keeper and time to live at work while everybody is busy.
pub(crate) async fn sweep_now_and_then(world: World) {
    for _ in 0..world.0.swarm.sweeps {
        world.pause(500..=9_000).await;
        keep(&world).await;
        sample(&world).await;
        world.0.count("a sweep while everybody was busy");
        delete_expired(&world, world.0.dice.between(0..=1_000)).await;
    }
}

/// Sweeps until a sweep succeeds: there are many hours in the grace.
pub(crate) async fn sweep(world: &World) {
    for _ in 0..200 {
        if keep(world).await {
            let is_stub = |item: &&Item| item.contains_key("base_offset") && !item.contains_key("body");
            for _ in scan(world).await.iter().filter(is_stub) {
                world.0.count("a head was a stub");
            }
            return;
        }
        world.pause(100..=2_000).await;
    }
    world.0.count("no sweep of two hundred succeeded");
}

/// Leaps once nothing is on its way any more but what is frozen, after the truth was written down: also not what goes on
/// without a client that gave up.
async fn over(world: &World, milliseconds: u64) {
    let _quiet = quiet(world, LATEST_EFFECT_MS).await;
    note_truth(world).await;
    world.0.clock.advance(milliseconds);
}

/// Keeps everybody from beginning anything, for so long and until what comes back is dropped; begins when the log can be read.
pub(crate) async fn quiet(world: &World, milliseconds: u64) -> RwLockWriteGuard<'_, ()> {
    let mut quiet = world.0.gate.write().await;
    while world.0.is_poisoned() {
        drop(quiet);
        world.sleep(1_000).await;
        quiet = world.0.gate.write().await;
    }
    world.sleep(milliseconds).await;
    quiet
}

/// Reads the whole log without any fault, and adds it to the history; the life that it is of.
pub(crate) async fn note_truth(world: &World) -> Option<ledger::model::Incarnation> {
    let ledger = world.0.faultless();
    let client = crate::client::Client::new(world);
    let mut from = ReadFrom::Start(StartFrom::Earliest);
    let mut life = None;
    loop {
        let page = match ledger.read_events(&world.0.stream(), from, PageRequest { limit: 1_000, wait_ms: 0 }).await {
            Ok(page) => page,
            Err(Error::StreamNotFound | Error::HeadLost) => return None,
            Err(error) => {
                world.0.anomaly(format!("3 the log cannot be read without faults: {error:?}"));
                return None;
            }
        };
        let opened: Payload = client.open(&page.cursor.as_str().into()).await?;
        let (mut history, mut changed) = (world.0.history(), Vec::new());
        let truth = history.truth.entry(opened.incarnation()).or_default();
        truth.resize_with(opened.progress.positions.len(), BTreeMap::new);
        for record in &page.records {
            let id = record.event.id.as_ref().and_then(|id| id.as_str().strip_prefix('v')?.parse().ok());
            let seen = Seen {
                partition: record.partition,
                offset: record.offset,
                id: id.expect("the id that the publisher gave it"),
                key: record.event.key.as_ref().map(|key| key.as_str().to_owned()),
                tombstone: record.event.data.is_none(),
                published_at: record.published_at.0,
            };
            let before = truth[usize::from(record.partition)].insert(record.offset, seen.clone());
            changed.extend(before.filter(|before| *before != seen).map(|before| (before, seen)));
        }
        history.anomalies.extend(changed.into_iter().map(|(was, is)| format!("1 {was:?} became {is:?}")));
        life = Some(opened.incarnation()).or(life);
        if page.caught_up {
            return life;
        }
        if page.records.is_empty() {
            drop(history);
            world.0.anomaly("3 the log has a place that nobody can read past");
            return None;
        }
        from = ReadFrom::Cursor(page.cursor);
    }
}

/// Deletes so many in a thousand of the items that expired, in any order. Like DynamoDB it looks again at each before it
/// deletes it.
async fn delete_expired(world: &World, per_mille: u64) {
    let early = world.0.dice.between(0..=world.0.swarm.early_deletion_ms);
    let now = (world.0.now() + early) / 1_000;
    let expires = |item: &Item| -> Option<u64> { item.get(ledger::table::TIME_TO_LIVE)?.as_n().ok()?.parse().ok() };
    let mut expired: Vec<_> =
        scan(world).await.into_iter().filter(|item| expires(item).is_some_and(|at| at < now)).collect();
    while !expired.is_empty() {
        let item = expired.swap_remove(world.0.dice.index(expired.len()));
        if !world.0.dice.chance(per_mille) {
            continue;
        }
        let value = AttributeValue::N(now.to_string());
        let delete = world.0.client.delete_item().table_name(TABLE).key("PK", item["PK"].clone());
        let delete = delete.key("SK", item["SK"].clone()).condition_expression("expires_at < :now");
        if delete.expression_attribute_values(":now", value).send().await.is_ok() {
            world.0.count("time to live deleted an item");
            if expires(&item).is_some_and(|at| at > world.0.now() / 1_000) {
                world.0.count("time to live deleted an item too early");
            }
        }
        if world.0.dice.chance(200) {
            world.pause(1..=500).await;
        }
    }
}
