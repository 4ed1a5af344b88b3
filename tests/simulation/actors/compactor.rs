//! The table's change stream and what listens to it: rings of the doorbell get lost, doubled, late and out of order before
//! they reach a compactor; one that fails gets its ring again, a few times.

use ledger::Result;
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::history::Facts;
use crate::process::Service;
use crate::world::World;

/// How often a batch that failed is delivered again.
const REDELIVERIES: u32 = 3;

/// Takes each ring on its way.
pub(crate) async fn listen(world: World, mut rings: UnboundedReceiver<String>) {
    while let Some(key) = rings.recv().await {
        let (dice, faults) = (&world.0.dice, &world.0.swarm.doorbell);
        let healthy = world.0.is_healthy();
        if !healthy && (world.0.swarm.compactor_off || dice.chance(faults.lost)) {
            world.0.count("a ring was lost");
            continue;
        }
        let times = if !healthy && dice.chance(faults.doubled) { 2 } else { 1 };
        if times == 2 {
            world.0.count("a ring was doubled");
        }
        for _ in 0..times {
            let delay = dice.between(5..=if healthy { 50 } else { faults.delay_ms });
            let (world, key) = (world.clone(), key.clone());
            tokio::spawn(async move {
                world.sleep(delay).await;
                deliver(&world, &key).await;
            });
        }
    }
}

async fn deliver(world: &World, key: &str) {
    for _ in 0..=REDELIVERIES {
        if compact(world, key).await.is_some_and(|outcome| outcome.is_ok()) {
            return;
        }
        world.0.count("a ring was delivered again");
        world.pause(200..=3_000).await;
    }
}

/// One invocation of the compactor.
pub(crate) async fn compact(world: &World, key: &str) -> Option<Result<()>> {
    let changes = json!({ "Records": [{ "eventName": "INSERT", "dynamodb": { "Keys": { "PK": { "S": key } } } }] });
    let changes = serde_json::from_value(changes).expect("the change stream's shape");
    let plan = world.plan(Service::Compactor);
    world.invoke(Service::Compactor, Facts::default(), plan, |it| compactor::compact(it.ledger.clone(), changes)).await
}

/// One sweep of the keeper; whether it succeeded.
pub(crate) async fn keep(world: &World) -> bool {
    invoke_keeper(world, json!({})).await
}

/// One look of the keeper at all subscriptions; whether it succeeded.
pub(crate) async fn sample(world: &World) -> bool {
    invoke_keeper(world, json!({ "task": "sample" })).await
}

async fn invoke_keeper(world: &World, schedule: serde_json::Value) -> bool {
    let schedule = serde_json::from_value(schedule).expect("the schedule's shape");
    let plan = world.plan(Service::Keeper);
    let kept = world.invoke(Service::Keeper, Facts::default(), plan, |it| keeper::keep(it.ledger.clone(), schedule));
    kept.await.is_some_and(|outcome| outcome.is_ok())
}
