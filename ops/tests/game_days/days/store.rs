//! Days on which the store is in trouble, or too many want the same of it.

use std::sync::atomic::{AtomicU32, Ordering};

use embedded::{CallInfo, Course, Decision, Failure, Fate};

use crate::cloudwatch::State;
use crate::world::{Fleet, World};

/// Each call is throttled once.
struct Storm(AtomicU32);

impl Fate for Storm {
    fn decide(&self, _: &CallInfo) -> Course {
        match self.0.fetch_add(1, Ordering::SeqCst) % 2 {
            0 => Decision::Before(Failure::Throttled).into(),
            _ => Course::default(),
        }
    }
}

/// Nothing is answered.
struct Gone;

impl Fate for Gone {
    fn decide(&self, _: &CallInfo) -> Course {
        Decision::Before(Failure::ServerError).into()
    }
}

/// Each call takes so many milliseconds to the store, and as many back: so who asks at once is told the same.
struct Slow(u64);

impl Fate for Slow {
    fn decide(&self, _: &CallInfo) -> Course {
        Course { reaches_ms: self.0, returns_ms: self.0, ..Course::default() }
    }
}

/// Seven publish at once, some times in a minute.
async fn crowd(fleet: &Fleet) {
    for _ in 0..4 {
        fleet.clock.sleep(12_000).await;
        futures::future::join_all((0..7).map(|_| fleet.publish())).await;
    }
}

async fn publish_often(fleet: &Fleet) {
    for _ in 0..12 {
        fleet.clock.sleep(3_000).await;
        fleet.publish().await;
    }
}

#[test]
fn the_store_throttles() {
    let mut world = World::begin(20, 24);
    world.play_with(5, publish_often);
    world.now(async |fleet| fleet.engine.set_fate(Storm(AtomicU32::new(0))));
    let minutes = world.until_with("store-throttled", State::Alarm, 15, publish_often);
    assert!((6..=12).contains(&minutes), "{minutes}");
    world.now(async |fleet| fleet.engine.clear_fate());
    world.until_with("store-throttled", State::Ok, 12, publish_often);
    let _ = world.verify("store-throttled");
    world.insists(&[], &["store-throttled"]);
}

#[test]
fn the_store_does_not_answer() {
    let mut world = World::begin(20, 24);
    world.life.canary_every = 1;
    world.play(5);
    world.now(async |fleet| fleet.engine.set_fate(Gone));
    let minutes = world.until("availability-fast-burn", State::Alarm, 5);
    assert!(minutes <= 3, "{minutes}");
    let _ = world.look("availability-fast-burn").exits("check", 0);
    world.play(10 - minutes);
    world.now(async |fleet| fleet.engine.clear_fate());
    world.until("availability-fast-burn", State::Ok, 8);
    let _ = world.verify("availability-fast-burn");
    // The keeper cannot look either.
    let pages = ["availability-fast-burn", "canary-failing", "sampler-dead"];
    world.insists(&pages, &["availability-slow-burn", "functions-failing"]);
}

#[test]
fn too_many_publish_to_one_partition() {
    let mut world = World::begin(20, 24);
    world.play(5);
    world.now(async |fleet| fleet.engine.set_fate(Slow(2)));
    let minutes = world.until_with("partition-hot", State::Alarm, 15, crowd);
    assert!((6..=12).contains(&minutes), "{minutes}");
    let _ = world.look("partition-hot").says("report --stream orders", "billing");
    world.now(async |fleet| fleet.engine.clear_fate());
    world.until("partition-hot", State::Ok, 12);
    let _ = world.verify("partition-hot");
    world.insists(&[], &["partition-hot"]);
}

#[test]
fn the_store_is_slow() {
    let mut world = World::begin(12, 24);
    world.play(5);
    world.now(async |fleet| fleet.engine.set_fate(Slow(100)));
    let minutes = world.until("publish-latency-fast-burn", State::Alarm, 8);
    assert!((3..=5).contains(&minutes), "{minutes}");
    world.until("poll-latency-fast-burn", State::Alarm, 4);
    let _ = world.look("publish-latency-fast-burn").says("report", "billing");
    let _ = world.look("poll-latency-fast-burn").says("report", "billing");
    world.now(async |fleet| fleet.engine.clear_fate());
    world.until("publish-latency-fast-burn", State::Ok, 6);
    let pages = ["commit-latency-fast-burn", "poll-latency-fast-burn", "publish-latency-fast-burn"];
    let tickets = ["commit-latency-slow-burn", "poll-latency-slow-burn", "publish-latency-slow-burn"];
    world.insists(&pages, &tickets);
}

#[test]
fn too_few_lambdas_may_run() {
    let mut world = World::begin(20, 24);
    world.play(5);
    world.now(async |fleet| {
        fleet.engine.set_fate(Slow(2));
        fleet.publishing.limit(1);
    });
    let minutes = world.until_with("functions-throttled", State::Alarm, 12, crowd);
    assert!((5..=11).contains(&minutes), "{minutes}");
    world.now(async |fleet| fleet.publishing.limit(100));
    world.until("functions-throttled", State::Ok, 12);
    let _ = world.verify("functions-throttled");
    world.insists(&[], &["functions-throttled"]);
}
