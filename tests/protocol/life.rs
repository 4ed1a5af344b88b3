//! Streams over a long time: expiry, heads that must not vanish, compactors that stand still, and lives that end.

use std::collections::BTreeSet;

use embedded::{CallInfo, Course, Fate, Fault, FaultKind};
use ledger::model::KeyHash;
use ledger::{Clock, Error, PageRequest, ReadFrom, StartFrom};

use crate::world::{
    HOUR_MS, START, World, definition, delete_newest, event, keys, page, publish, request, subscription,
};

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
    world.ledger.sweep().await.expect("a sweep");
    assert_eq!(world.log(&stream).await, [(0, 5, "5".to_owned())]);
    world.clock.advance(7 * 24 * HOUR_MS + 1_000);
    assert_eq!(world.engine.sweep_expired().expect("time to live"), 1, "the stub is not needed any more");
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
async fn a_bootstrap_after_an_expiry_replaces_what_was_committed_before() {
    let world = World::new().await;
    let stream = world.stream(2, 1).await;
    let name = subscription("builder");
    world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await.expect("a subscription");
    let poll = async |cursor, limit| {
        let request = PageRequest { limit, wait_ms: 0 };
        world.ledger.poll(&stream, &name, cursor, request).await
    };
    let mut hot = 0;
    for _ in 0..6 {
        hot = publish(&world.ledger, &stream, "hot", "1").await.expect("a place").places[0].0;
    }
    world.ledger.compact_stream(&stream).await.expect("compaction");
    world.clock.advance(59 * 60_000);
    // Keys of the other partition, found by trying.
    let cold = (0..).map(|number| event(&format!("cold-{number}"), "1"));
    let cold = cold.filter(|event| KeyHash::of(event.key.as_ref().expect("a key")).partition(2) != hot);
    for event in cold.take(5) {
        world.ledger.publish(request(&stream, vec![event])).await.expect("a place");
    }
    let first = poll(None, 10).await.expect("five of each");
    world.ledger.commit(&stream, &name, first.cursor).await.expect("a commit");
    world.clock.advance(2 * 60_000);
    let error = poll(None, 10).await.expect_err("the sixth of the hot ones expired");
    let Error::PositionExpired(expired) = error else { panic!("{error:?}") };
    let mut cursor = expired.restart.bootstrap.expect("the stream is compacted");
    let mut built = BTreeSet::new();
    while built.len() < 3 {
        let page = poll(Some(cursor), 2).await.expect("a page");
        built.extend(keys(&page));
        cursor = page.cursor;
    }
    assert!(world.ledger.commit(&stream, &name, cursor).await.expect("a commit").advanced);
    // It crashes, and goes on with what it built and committed.
    let rest = poll(None, 10).await.expect("a page");
    built.extend(keys(&rest));
    assert_eq!(built.len(), 6, "all cold ones and the hot one: {built:?}");
    assert!(rest.consistent && rest.caught_up);
}

#[tokio::test]
async fn who_pauses_in_a_snapshot_until_the_log_is_gone_is_told() {
    let world = World::new().await;
    let stream = world.stream(1, 1).await;
    let name = subscription("builder");
    for key in ["a", "b"] {
        publish(&world.ledger, &stream, key, "1").await.expect("a place");
    }
    world.ledger.compact_stream(&stream).await.expect("compaction");
    world.ledger.create_subscription(&stream, &name, StartFrom::Compacted).await.expect("a subscription");
    let first = world.ledger.poll(&stream, &name, None, PageRequest { limit: 1, wait_ms: 0 }).await.expect("a page");
    assert!(first.in_snapshot);
    publish(&world.ledger, &stream, "c", "1").await.expect("a place");
    world.clock.advance(2 * HOUR_MS);
    world.ledger.sweep().await.expect("a sweep");
    publish(&world.ledger, &stream, "d", "1").await.expect("a place");
    world.ledger.sweep().await.expect("a sweep");
    // Both are gone when the last one can still be read.
    world.clock.advance(7 * 24 * HOUR_MS + HOUR_MS / 2);
    publish(&world.ledger, &stream, "e", "1").await.expect("a place");
    world.clock.advance(HOUR_MS / 2 + 1_000);
    world.engine.sweep_expired().expect("time to live");
    let rest = world.ledger.poll(&stream, &name, Some(first.cursor), page()).await.expect("the rest of the snapshot");
    assert!(!rest.in_snapshot);
    let error = world.ledger.poll(&stream, &name, Some(rest.cursor), page()).await.expect_err("the log went on");
    let Error::PositionExpired(expired) = error else { panic!("{error:?}") };
    assert_eq!(expired.lost_events, 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_away_while_another_clock_still_shows_it() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 1).await;
    publish(&world.ledger, &stream, "a", "0").await.expect("a place");
    world.clock.advance(2_000);
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    // The keeper's clock is ahead: to it the head has expired, and to the reader nothing has.
    let ahead = world.elsewhere(5_000);
    world.clock.advance(HOUR_MS - 3_000);
    ahead.sweep().await.expect("a sweep");
    assert_eq!(world.log(&stream).await.len(), 2);
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
async fn an_idle_reader_learns_that_it_lost_events_though_nothing_is_left() {
    let world = World::new().await;
    let stream = world.stream(1, 1).await;
    let name = subscription("reader");
    world.ledger.create_subscription(&stream, &name, StartFrom::Latest).await.expect("a subscription");
    let idle = world.ledger.poll(&stream, &name, None, page()).await.expect("a page");
    assert!(idle.caught_up && idle.records.is_empty());
    for number in 0..3 {
        publish(&world.ledger, &stream, "a", &number.to_string()).await.expect("a place");
    }
    world.clock.advance(2 * HOUR_MS);
    world.ledger.sweep().await.expect("a sweep");
    world.clock.advance(9 * 24 * HOUR_MS);
    world.engine.sweep_expired().expect("time to live");
    for cursor in [Some(idle.cursor.clone()), None] {
        let error = world.ledger.poll(&stream, &name, cursor, page()).await.expect_err("it expired");
        let Error::PositionExpired(expired) = error else { panic!("{error:?}") };
        assert_eq!(expired.lost_events, 3);
        let again = world.ledger.poll(&stream, &name, Some(expired.restart.earliest), page()).await.expect("a page");
        assert!(again.caught_up && again.records.is_empty());
    }
}

#[tokio::test]
async fn a_bootstrap_from_an_expired_position_sees_the_latest_state() {
    let world = World::new().await;
    let stream = world.stream(2, 1).await;
    let name = subscription("reader");
    world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await.expect("a subscription");
    for (key, data) in [("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"), ("b", "null")] {
        publish(&world.ledger, &stream, key, data).await.expect("a place");
    }
    world.ledger.compact_stream(&stream).await.expect("compaction");
    world.clock.advance(2 * HOUR_MS);
    let error = world.ledger.poll(&stream, &name, None, page()).await.expect_err("it expired");
    let Error::PositionExpired(expired) = error else { panic!("{error:?}") };
    assert_eq!(expired.lost_events, 5);
    let mut cursor = expired.restart.bootstrap.expect("the stream is compacted");
    let mut found = Vec::new();
    loop {
        let page = world.ledger.poll(&stream, &name, Some(cursor), page()).await.expect("a page");
        found.extend(keys(&page));
        cursor = page.cursor.clone();
        if page.caught_up {
            assert!(page.consistent);
            break;
        }
    }
    found.sort();
    assert_eq!(found, ["a", "c"]);
    // The committed positions were expired log positions; what the bootstrap reached is farther.
    assert!(world.ledger.commit(&stream, &name, cursor).await.expect("a commit").advanced);
    assert!(world.ledger.poll(&stream, &name, None, page()).await.expect("a page").caught_up);
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
async fn a_deleted_stream_is_collected_and_its_namesake_untouched() {
    let world = World::new().await;
    let stream = world.stream(2, 1).await;
    world.ledger.publish(request(&stream, vec![event("a", "1"), event("b", "1")])).await.expect("places");
    world.ledger.compact_stream(&stream).await.expect("compaction");
    world.ledger.create_subscription(&stream, &subscription("s"), StartFrom::Earliest).await.expect("a subscription");
    world.ledger.delete_stream(&stream).await.expect("deleted");
    assert!(matches!(world.ledger.delete_stream(&stream).await, Err(Error::StreamNotFound)));
    let again = world.ledger.create_stream(definition("orders", 1, 24)).await.expect("the name is free");
    assert!(again.new);
    publish(&world.ledger, &stream, "a", "2").await.expect("a place");
    world.clock.advance(60_001);
    let mut deleted = Vec::new();
    for _ in 0..2 {
        world.engine.record();
        world.ledger.sweep().await.expect("a sweep");
        deleted.push(world.engine.take_calls().iter().filter(|call| call.operation == "DeleteItem").count());
    }
    assert_eq!(deleted, [6, 0], "a subscription, two partitions, two keys and the note, once");
    assert_eq!(world.log(&stream).await, [(0, 0, "2".to_owned())]);
}

#[tokio::test]
async fn on_a_fleet_a_deleted_name_is_free_only_when_every_cache_expired() {
    let world = World::new().await;
    let fleet = world.another(2);
    let warm = world.another(3);
    let made = fleet.create_stream(definition("orders", 1, 24)).await.expect("a stream");
    let name = made.value.definition.name;
    publish(&warm, &name, "a", "1").await.expect("a place");
    fleet.delete_stream(&name).await.expect("deleted");
    // A service that knows the stream still acknowledges into the life that ended.
    publish(&warm, &name, "a", "2").await.expect("a place in the old life");
    let error = fleet.create_stream(definition("orders", 1, 24)).await.expect_err("too early");
    assert!(matches!(error, Error::StreamDeleting { wait_ms: 60_000, .. }), "{error:?}");
    world.clock.advance(60_000);
    let again = fleet.create_stream(definition("orders", 1, 24)).await.expect("free");
    assert_ne!(again.value.incarnation, made.value.incarnation);
    assert_eq!(publish(&warm, &name, "a", "3").await.expect("a place").places, [(0, 0)]);
    let from = ReadFrom::Start(StartFrom::Earliest);
    assert_eq!(warm.read_events(&name, from, page()).await.expect("a page").records.len(), 1);
}

#[tokio::test]
async fn a_stream_without_compaction_is_left_alone_by_the_compactor() {
    let world = World::new().await;
    let not_compacted = ledger::StreamDefinition { compaction: false, ..definition("orders", 1, 24) };
    let stream = world.ledger.create_stream(not_compacted).await.expect("a stream").value;
    publish(&world.ledger, &stream.definition.name, "a", "1").await.expect("a place");
    world.engine.record();
    let partition = ledger::PartitionId { incarnation: stream.incarnation, partition: 0 };
    assert_eq!(world.ledger.compact_partition(&partition).await.expect("nothing to do").offset, 0);
    assert!(world.engine.take_calls().iter().all(|call| call.write_units == 0.0));
}

#[tokio::test]
async fn a_position_beyond_the_tail_is_refused_by_poll_and_commit() {
    let world = World::new().await;
    let stream = world.ledger.create_stream(definition("orders", 1, 24)).await.expect("a stream").value;
    let (name, reader) = (stream.definition.name, subscription("reader"));
    publish(&world.ledger, &name, "a", "1").await.expect("a place");
    world.ledger.create_subscription(&name, &reader, StartFrom::Earliest).await.expect("a subscription");
    publish(&world.ledger, &name, "a", "2").await.expect("a place");
    let cursor = world.ledger.poll(&name, &reader, None, page()).await.expect("a page").cursor;
    // The table is restored to an earlier time: the second slot never was.
    let key = |name: &str, text: String| (name.to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(text));
    let item = [key("PK", format!("LOG#{}#0", stream.incarnation)), key("SK", format!("SEQ#{:020}", 2))];
    let delete = world.engine.client().delete_item().table_name("eventledger").set_key(Some(item.into()));
    delete.send().await.expect("deleted");
    let error = world.ledger.commit(&name, &reader, cursor.clone()).await.expect_err("beyond the tail");
    assert!(matches!(error, Error::CommitBeyondTail), "{error:?}");
    world.clock.advance(60_001);
    let error = world.ledger.poll(&name, &reader, Some(cursor), page()).await.expect_err("beyond the tail");
    assert!(matches!(error, Error::InvalidCursor), "{error:?}");
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

#[tokio::test]
async fn a_position_far_behind_is_answered_without_reading_what_expired() {
    let world = World::new().await;
    let stream = world.stream(1, 1).await;
    let name = subscription("reader");
    world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await.expect("a subscription");
    for number in 0..200 {
        publish(&world.ledger, &stream, "a", &number.to_string()).await.expect("a place");
    }
    world.clock.advance(2 * HOUR_MS);
    publish(&world.ledger, &stream, "a", "200").await.expect("a place");
    world.engine.record();
    let error = world.ledger.poll(&stream, &name, None, page()).await.expect_err("it expired");
    let Error::PositionExpired(expired) = error else { panic!("{error:?}") };
    assert_eq!(expired.lost_events, 200);
    let rows: usize = world.engine.take_calls().iter().map(|call| call.rows).sum();
    assert!(rows < 40, "{rows} items were read");
}
