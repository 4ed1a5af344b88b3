//! Processes that stand still at one of their calls while the world goes on, for longer than what they know holds. The
//! simulation found what is kept here; a seed finds it again only as long as nothing that is drawn changes.

use std::sync::atomic::{AtomicBool, Ordering};

use embedded::{CallInfo, Course, Fate};
use ledger::model::{Event, EventKey};
use ledger::{Clock, Error};

use crate::world::{HOUR_MS, START, World, event, publish, request};

/// The next call of one operation on such keys is long on its way: there, or back.
struct Slow {
    operation: &'static str,
    keys: &'static str,
    there: bool,
    met: AtomicBool,
}

const SLOW_MS: u64 = 500;

impl Slow {
    fn new(operation: &'static str, keys: &'static str, there: bool) -> Self {
        Self { operation, keys, there, met: AtomicBool::new(false) }
    }
}

impl Fate for Slow {
    fn decide(&self, call: &CallInfo) -> Course {
        let meant =
            call.operation == self.operation && call.partition_keys.iter().any(|key| key.starts_with(self.keys));
        let slow_ms = if meant && !self.met.swap(true, Ordering::SeqCst) { SLOW_MS } else { 0 };
        let (reaches_ms, returns_ms) = if self.there { (slow_ms, 0) } else { (0, slow_ms) };
        Course { reaches_ms, returns_ms, ..Course::default() }
    }
}

#[tokio::test(start_paused = true)]
async fn a_description_shows_no_watermark_beyond_its_tail() {
    let world = World::on(Clock::simulated(START)).await;
    let (stream, fleet) = (world.stream(1, 24).await, world.another(2));
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    world.engine.set_fate(Slow::new("GetItem", "STREAM#", true));
    let meanwhile = async {
        world.clock.sleep(SLOW_MS / 5).await;
        publish(&world.ledger, &stream, "b", "1").await.expect("a place");
        world.ledger.compact_stream(&stream).await.expect("compaction")
    };
    let (described, reached) = tokio::join!(fleet.describe_stream(&stream), meanwhile);
    let partition = described.expect("a description").partitions.remove(0);
    assert_eq!((reached[0].watermark, partition.tail, partition.watermark), (2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_compactor_that_was_frozen_for_longer_than_a_tombstone_lasts_puts_nothing_back() {
    let world = World::on(Clock::simulated(START)).await;
    let (stream, fleet) = (world.stream(1, 720).await, world.another(2));
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    world.engine.set_fate(Slow::new("Query", "LOG#", false));
    let meanwhile = async {
        world.clock.sleep(SLOW_MS / 5).await;
        let tombstone = Event { data: None, ..event("a", "1") };
        world.ledger.publish(request(&stream, vec![tombstone])).await.expect("a place");
        world.ledger.compact_stream(&stream).await.expect("compaction");
        world.clock.advance(10 * 24 * HOUR_MS);
        assert_eq!(world.engine.sweep_expired().expect("time to live"), 1, "the tombstone is over");
    };
    let (_, ()) = tokio::join!(fleet.compact_stream(&stream), meanwhile);
    let found = world.ledger.find_compacted(&stream, &EventKey::parse("a").expect("a key")).await;
    assert!(matches!(found, Err(Error::KeyNotFound)), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_compactor_that_was_frozen_since_it_read_the_watermark_puts_nothing() {
    let world = World::on(Clock::simulated(START)).await;
    let (stream, fleet) = (world.stream(1, 720).await, world.another(2));
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    // Before, or that read would be met.
    fleet.describe_stream(&stream).await.expect("a stream");
    world.engine.set_fate(Slow::new("GetItem", "STREAM#", false));
    let meanwhile = async {
        world.clock.sleep(SLOW_MS / 5).await;
        world.clock.advance(10 * 60_000);
        world.engine.record();
    };
    let (compacted, ()) = tokio::join!(fleet.compact_stream(&stream), meanwhile);
    let puts = world.engine.take_calls().into_iter().filter(|call| call.operation == "PutItem");
    assert_eq!(puts.count(), 0, "what it would put may be older than a tombstone that came and went: {compacted:?}");
}
