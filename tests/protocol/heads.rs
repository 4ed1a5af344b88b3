//! Heads that must not vanish: stubs, deletions that are put off, sweeps that are late, and compactors that stand still.

use embedded::{CallInfo, Course, Fate, Fault, FaultKind};
use ledger::{Clock, Error, ReadFrom, StartFrom};

use crate::world::{HOUR_MS, START, World, delete_newest, event, page, publish, request, subscription};

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

#[tokio::test]
async fn a_stub_is_no_head_any_more_once_something_came_after_it() {
    let world = World::new().await;
    let stream = world.stream(1, 1).await;
    let fleet = world.another(2);
    publish(&fleet, &stream, "a", "0").await.expect("a place");
    world.clock.advance(2 * HOUR_MS);
    world.ledger.sweep().await.expect("a sweep");
    publish(&fleet, &stream, "a", "1").await.expect("a place after the stub");
    // From here on nobody sweeps, and time to live begins with the newest.
    world.clock.advance(9 * 24 * HOUR_MS);
    delete_newest(&world.engine).await;
    let error = publish(&fleet, &stream, "a", "2").await.expect_err("its offset may have been used");
    assert!(matches!(error, Error::HeadLost), "{error:?}");
}

#[tokio::test]
async fn what_is_put_off_never_outlives_what_came_after_it() {
    let world = World::new().await;
    let stream = world.stream(1, 1).await;
    for day in 0..5 {
        publish(&world.ledger, &stream, "a", &day.to_string()).await.expect("a place");
        if day < 4 {
            world.clock.advance(24 * HOUR_MS);
        }
    }
    stop_compaction(&world, 500);
    world.ledger.sweep().await.expect_err("compaction fails");
    let items = world.engine.client().scan().table_name("eventledger").send().await.expect("the table").items;
    let mut batches: Vec<(u64, u64)> = items
        .unwrap_or_default()
        .iter()
        .filter_map(|item| {
            let number = |name: &str| item.get(name)?.as_n().ok()?.parse().ok();
            Some((number("base_offset")?, number("expires_at")?))
        })
        .collect();
    batches.sort_unstable();
    assert_eq!(batches.len(), 5);
    assert!(batches.is_sorted_by_key(|(_, expires_at)| *expires_at), "{batches:?}");
    let put_off = (world.clock.now().0 + HOUR_MS + 7 * 24 * HOUR_MS) / 1_000;
    assert_eq!(batches[0].1, put_off);
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
        world.engine.set_fate(Prompt);
        publish(&fleet, &stream, "a", "1").await
    };
    let (swept, appended) = tokio::join!(world.ledger.sweep(), append);
    swept.expect("a sweep");
    appended.expect("a place");
    // From here on nobody sweeps, and time to live begins with the newest.
    world.clock.advance(9 * 24 * HOUR_MS);
    delete_newest(&world.engine).await;
    let error = publish(&fleet, &stream, "a", "2").await.expect_err("its offset may have been used");
    assert!(matches!(error, Error::HeadLost), "{error:?}");
}

/// Nothing is late.
struct Prompt;

impl Fate for Prompt {
    fn decide(&self, _: &CallInfo) -> Course {
        Course::default()
    }
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

/// So many puts into compacted state fail.
fn stop_compaction(world: &World, count: u32) {
    let mut fault = Fault::on("PutItem", FaultKind::Throttle, count);
    fault.partition_key_prefix = Some("COMPACT#".to_owned());
    world.engine.inject(fault);
}

/// Compacted state is slow to take what is put.
struct SlowState;

impl Fate for SlowState {
    fn decide(&self, call: &CallInfo) -> Course {
        let slow = call.operation == "PutItem" && call.partition_keys.iter().any(|key| key.starts_with("COMPACT#"));
        Course { returns_ms: if slow { 300 } else { 0 }, ..Course::default() }
    }
}

#[tokio::test(start_paused = true)]
async fn a_compaction_that_does_not_come_to_its_end_keeps_no_sweep_from_its_duty() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 1).await;
    for request_number in 0..5 {
        let key = |number| event(&format!("{request_number}-{number}"), "1");
        world.ledger.publish(request(&stream, (0..500).map(key).collect())).await.expect("places");
    }
    world.clock.advance(4 * 24 * HOUR_MS);
    world.engine.set_fate(SlowState);
    world.ledger.sweep().await.expect("a sweep");
    let error = publish(&world.another(2), &stream, "a", "1").await.expect_err("what is left is too old");
    assert!(matches!(error, Error::CompactorStalled), "{error:?}");
    world.ledger.sweep().await.expect("another sweep");
    publish(&world.another(3), &stream, "a", "1").await.expect("all is compacted");
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

#[tokio::test]
async fn a_compactor_that_stands_still_stops_publishing_before_anything_is_lost() {
    let world = World::new().await;
    let stream = world.stream(1, 1).await;
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    publish(&world.ledger, &stream, "b", "1").await.expect("a place");
    world.clock.advance(4 * 24 * HOUR_MS);
    stop_compaction(&world, 500);
    world.ledger.sweep().await.expect_err("compaction fails");
    let error = publish(&world.ledger, &stream, "a", "2").await.expect_err("publishing is paused");
    assert!(matches!(error, Error::CompactorStalled), "{error:?}");
    // An exact bootstrap is impossible: the log above the watermark is past its retention.
    let name = subscription("reader");
    world.ledger.create_subscription(&stream, &name, StartFrom::Compacted).await.expect("a subscription");
    let error = world.ledger.poll(&stream, &name, None, page()).await.expect_err("no exact bootstrap");
    assert!(matches!(error, Error::CompactionGap), "{error:?}");
    // The grace passes, and time to live takes nothing, because its deletion was put off.
    world.clock.advance(5 * 24 * HOUR_MS);
    assert_eq!(world.engine.sweep_expired().expect("time to live"), 0);
    let mut sweeps = 0;
    while world.ledger.sweep().await.is_err() {
        sweeps += 1;
        assert!(sweeps < 100, "the faults are used up some time");
    }
    let published = publish(&world.ledger, &stream, "a", "2").await.expect("publishing goes on");
    assert_eq!(published.places, [(0, 2)]);
    let page = world.ledger.poll(&stream, &name, None, page()).await.expect("a page");
    assert_eq!(page.records.len(), 2);
}

#[tokio::test]
async fn putting_off_a_deletion_never_shortens_a_retention() {
    let world = World::new().await;
    let stream = world.stream(1, 720).await;
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    publish(&world.ledger, &stream, "b", "1").await.expect("a place");
    world.clock.advance(4 * 24 * HOUR_MS);
    let mut fault = Fault::on("PutItem", FaultKind::Throttle, 500);
    fault.partition_key_prefix = Some("COMPACT#".to_owned());
    world.engine.inject(fault);
    world.ledger.sweep().await.expect_err("compaction fails");
    // Retention is thirty days; what was put off on the fourth is still there on the twenty-ninth.
    world.clock.advance(25 * 24 * HOUR_MS);
    assert_eq!(world.engine.sweep_expired().expect("time to live"), 0);
    assert_eq!(world.log(&stream).await.len(), 2);
}
