//! Heads that must not vanish: stubs, and sweeps that are late.

use std::sync::atomic::{AtomicBool, Ordering};

use embedded::{CallInfo, Course, Fate};
use ledger::model::StreamName;
use ledger::{Clock, Error, Ledger, ReadFrom, StartFrom};

use crate::world::{HOUR_MS, START, World, delete_newest, page, publish, stop_compaction, subscription};

#[tokio::test]
async fn offsets_go_on_after_everything_expired_and_was_deleted() {
    let world = World::new().await;
    let stream = world.stream(1, 1).await;
    for number in 0..5 {
        publish(&world.ledger, &stream, "a", &number.to_string()).await.expect("a place");
    }
    world.clock.advance(2 * HOUR_MS);
    world.ledger.sweep().await.expect("a sweep");
    world.clock.advance(9 * 24 * HOUR_MS);
    assert_eq!(world.engine.sweep_expired().expect("time to live"), 4, "all but the stub of the head");
    let published = publish(&world.ledger, &stream, "a", "5").await.expect("a place");
    assert_eq!(published.places, [(0, 5)]);
    assert_eq!(world.log(&stream).await, [(0, 5, "5".to_owned())]);
    world.clock.advance(2 * HOUR_MS);
    world.ledger.sweep().await.expect("a sweep");
    world.clock.advance(7 * 24 * HOUR_MS);
    assert_eq!(world.engine.sweep_expired().expect("time to live"), 1, "the first stub is not needed any more");
}

#[tokio::test]
async fn who_stands_at_a_stub_learns_what_it_lost_although_events_came_after_it() {
    let world = World::new().await;
    let stream = world.stream(1, 1).await;
    let name = subscription("reader");
    world.ledger.create_subscription(&stream, &name, StartFrom::Latest).await.expect("a subscription");
    publish(&world.ledger, &stream, "a", "0").await.expect("a place");
    world.clock.advance(2 * HOUR_MS);
    world.ledger.sweep().await.expect("a sweep");
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    world.ledger.sweep().await.expect("a sweep");
    world.clock.advance(1_000);
    world.engine.sweep_expired().expect("time to live");
    let error = world.ledger.poll(&stream, &name, None, page()).await.expect_err("the first event expired");
    let Error::PositionExpired(expired) = error else { panic!("{error:?}") };
    assert_eq!(expired.lost_events, 1);
}

#[tokio::test]
async fn a_half_deleted_log_has_no_tail_that_anyone_knows() {
    let world = World::new().await;
    let stream = world.stream(1, 1).await;
    let name = subscription("reader");
    let fleet = world.another(2);
    for number in 0..3 {
        publish(&fleet, &stream, "a", &number.to_string()).await.expect("a place");
    }
    fleet.create_subscription(&stream, &name, StartFrom::Latest).await.expect("a subscription");
    // Nobody swept for longer than the grace, and time to live began with the newest.
    world.clock.advance(9 * 24 * HOUR_MS);
    delete_newest(&world.engine).await;
    let lost = |error: Error| assert!(matches!(error, Error::HeadLost), "{error:?}");
    lost(fleet.poll(&stream, &name, None, page()).await.expect_err("a valid position is not refused"));
    lost(fleet.describe_subscription(&stream, &name).await.expect_err("nobody knows the lag"));
    for start in [StartFrom::Earliest, StartFrom::Latest] {
        lost(fleet.read_events(&stream, ReadFrom::Start(start), page()).await.expect_err("nobody knows the tail"));
    }
}

/// From here on nobody sweeps, and time to live begins with the newest.
async fn nobody_takes_an_older_one_for_the_head(world: &World, fleet: &Ledger, stream: &StreamName) {
    world.clock.advance(9 * 24 * HOUR_MS);
    delete_newest(&world.engine).await;
    let error = publish(fleet, stream, "a", "2").await.expect_err("its offset may have been used");
    assert!(matches!(error, Error::HeadLost), "{error:?}");
}

#[tokio::test]
async fn a_stub_is_no_head_any_more_once_something_came_after_it() {
    let world = World::new().await;
    let stream = world.stream(1, 1).await;
    let fleet = world.another(2);
    publish(&fleet, &stream, "a", "0").await.expect("a place");
    world.clock.advance(2 * HOUR_MS);
    world.ledger.sweep().await.expect("a sweep");
    publish(&fleet, &stream, "a", "1").await.expect("a place after the stub");
    nobody_takes_an_older_one_for_the_head(&world, &fleet, &stream).await;
}

/// What a sweep writes to the log reaches it late.
struct LateReduction;

impl Fate for LateReduction {
    fn decide(&self, call: &CallInfo) -> Course {
        // Alone, or with a look at what comes after the head; a publish is under way only when nothing is late any more.
        let writes = call.operation == "UpdateItem" || call.transaction_items == 2;
        let reduces = writes && call.partition_keys.iter().all(|key| key.starts_with("LOG#"));
        Course { reaches_ms: if reduces { 500 } else { 0 }, ..Course::default() }
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_something_came_after_becomes_no_stub() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 1).await;
    let fleet = world.another(2);
    publish(&fleet, &stream, "a", "0").await.expect("a place");
    world.ledger.compact_stream(&stream).await.expect("compaction");
    world.clock.advance(2 * HOUR_MS);
    world.engine.set_fate(LateReduction);
    let append = async {
        world.clock.sleep(100).await;
        world.engine.clear_fate();
        publish(&fleet, &stream, "a", "1").await
    };
    let (swept, appended) = tokio::join!(world.ledger.sweep(), append);
    swept.expect("a sweep");
    appended.expect("a place");
    nobody_takes_an_older_one_for_the_head(&world, &fleet, &stream).await;
}

/// The first write to the log reaches it late.
#[derive(Default)]
struct LateAppend(AtomicBool);

impl Fate for LateAppend {
    fn decide(&self, call: &CallInfo) -> Course {
        let writes = call.operation != "Query" && call.partition_keys.iter().any(|key| key.starts_with("LOG#"));
        let late = writes && !self.0.swap(true, Ordering::SeqCst);
        Course { reaches_ms: if late { 500 } else { 0 }, ..Course::default() }
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_becomes_a_stub_while_its_successor_is_under_way_does_not_outlive_it() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 1).await;
    let fleet = world.another(2);
    publish(&fleet, &stream, "a", "0").await.expect("a place");
    world.ledger.compact_stream(&stream).await.expect("compaction");
    world.clock.advance(2 * HOUR_MS);
    world.engine.set_fate(LateAppend::default());
    let sweep = async {
        world.clock.sleep(100).await;
        world.ledger.sweep().await
    };
    let (appended, swept) = tokio::join!(publish(&fleet, &stream, "a", "1"), sweep);
    appended.expect("a place");
    swept.expect("a sweep");
    world.engine.clear_fate();
    nobody_takes_an_older_one_for_the_head(&world, &fleet, &stream).await;
}

#[tokio::test]
async fn a_sweep_puts_off_nothing_below_a_head_that_may_not_be_the_last() {
    let world = World::new().await;
    let stream = world.stream(1, 1).await;
    let fleet = world.another(2);
    for number in 0..2 {
        publish(&fleet, &stream, "a", &number.to_string()).await.expect("a place");
    }
    world.clock.advance(9 * 24 * HOUR_MS);
    delete_newest(&world.engine).await;
    stop_compaction(&world, 500);
    fleet.sweep().await.expect_err("the head is lost");
    let error = publish(&world.another(3), &stream, "a", "2").await.expect_err("its offset may have been used");
    assert!(matches!(error, Error::HeadLost | Error::CompactorStalled), "{error:?}");
    while fleet.sweep().await.is_err_and(|error| !matches!(error, Error::HeadLost)) {}
    let error = publish(&world.another(4), &stream, "a", "2").await.expect_err("still");
    assert!(matches!(error, Error::HeadLost), "{error:?}");
}

#[tokio::test]
async fn a_used_partition_without_a_head_takes_nothing() {
    let world = World::new().await;
    let stream = world.stream(1, 1).await;
    publish(&world.ledger, &stream, "a", "0").await.expect("a place");
    // Nobody swept, so time to live takes the head.
    world.clock.advance(9 * 24 * HOUR_MS);
    assert_eq!(world.engine.sweep_expired().expect("time to live"), 1);
    let error = publish(&world.ledger, &stream, "a", "1").await.expect_err("an offset would be used twice");
    assert!(matches!(error, Error::HeadLost), "{error:?}");
}
