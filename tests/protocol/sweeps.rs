//! Sweeps beside a compactor that is behind or stands still: what they put off, and what work never keeps them from.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use embedded::{CallInfo, Course, Decision, Failure, Fate, Page};
use ledger::model::{EventKey, StreamName};
use ledger::{Clock, Error, PartitionId, StartFrom, limits};
use tests::app::Late;

use crate::world::{HOUR_MS, START, World, definition, event, page, publish, request, stop_compaction, subscription};

/// Compacted state is slow to take what is put.
const SLOW_STATE: Late = Late { operation: "PutItem", keys: "COMPACT#", milliseconds: 300 };

/// Of each log, when time to live may delete its record batches, in seconds, in their order.
async fn logs(world: &World) -> BTreeMap<String, Vec<u64>> {
    let items = world.engine.client().scan().table_name("eventledger").send().await.expect("the table").items;
    let mut batches: BTreeMap<String, BTreeMap<u64, u64>> = BTreeMap::new();
    for item in items.unwrap_or_default() {
        let number = |name: &str| item.get(name)?.as_n().ok()?.parse().ok();
        if let (Some(offset), Some(ends)) = (number("base_offset"), number("expires_at")) {
            batches.entry(item["PK"].as_s().expect("text").clone()).or_default().insert(offset, ends);
        }
    }
    batches.into_iter().map(|(log, ends)| (log, ends.into_values().collect())).collect()
}

/// The same of the one log there is.
async fn deletable_at(world: &World) -> Vec<u64> {
    logs(world).await.into_values().flatten().collect()
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
    let put_off = (world.clock.now().0 + HOUR_MS + 7 * 24 * HOUR_MS) / 1_000;
    world.ledger.sweep().await.expect_err("compaction fails");
    let deletable_at = deletable_at(&world).await;
    assert_eq!(deletable_at.len(), 5);
    assert!(deletable_at.is_sorted(), "{deletable_at:?}");
    assert_eq!(deletable_at[0], put_off, "as long as the head");
}

#[tokio::test]
async fn putting_off_a_deletion_shortens_no_life() {
    let world = World::new().await;
    let stream = world.stream(1, 720).await;
    for number in 0..3 {
        publish(&world.ledger, &stream, "a", &number.to_string()).await.expect("a place");
        world.clock.advance(HOUR_MS);
    }
    let mut before = deletable_at(&world).await;
    let mut put_off = 0;
    // Retention is thirty days; each week nothing has been compacted.
    for week in 1..=8 {
        world.clock.advance(7 * 24 * HOUR_MS);
        stop_compaction(&world, 500);
        world.ledger.sweep().await.expect_err("compaction fails");
        assert_eq!(world.engine.sweep_expired().expect("time to live"), 0, "week {week}");
        let after = deletable_at(&world).await;
        assert!(after.iter().zip(&before).all(|(after, before)| after >= before), "week {week}");
        put_off += usize::from(after != before);
        before = after;
    }
    assert_eq!(put_off, 1, "in the fifth week, and for as long as something new would stay");
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

#[tokio::test(start_paused = true)]
async fn a_compaction_that_does_not_come_to_its_end_keeps_no_sweep_from_its_duty() {
    let world = World::on(Clock::simulated(START)).await;
    let mut streams = Vec::new();
    for name in ["a", "b", "c"] {
        let stream = world.ledger.create_stream(definition(name, 1, 1)).await.expect("a stream").value.definition.name;
        for request_number in 0..5 {
            let key = |number| event(&format!("{request_number}-{number}"), "1");
            world.ledger.publish(request(&stream, (0..500).map(key).collect())).await.expect("places");
        }
        streams.push(stream);
    }
    world.clock.advance(4 * 24 * HOUR_MS);
    world.engine.set_fate(SLOW_STATE);
    let is_paused = async |seed| {
        let (mut paused, fleet) = (0, world.another(seed));
        for stream in &streams {
            match publish(&fleet, stream, "0-0", "1").await {
                Err(Error::CompactorStalled) => paused += 1,
                other => drop(other.expect("a place")),
            }
        }
        paused
    };
    let began = world.clock.now();
    world.ledger.sweep().await.expect("a sweep");
    let took_ms = world.clock.now().since(began);
    assert!(took_ms < 2 * limits::SWEEP_MS, "{took_ms} ms for three streams of 47 seconds each");
    assert_eq!(is_paused(2).await, 3, "what is left of each is too old");
    // Wherever a sweep begins, each gets its turn.
    let mut sweeps = 1;
    while is_paused(10 + sweeps).await > 0 {
        world.ledger.sweep().await.expect("another sweep");
        sweeps += 1;
        assert!(sweeps < 20, "never compacted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_away_for_long_deletes_nothing_that_is_not_compacted() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 1).await;
    for request_number in 0..10 {
        let key = |number| event(&format!("{request_number}-{number}"), "1");
        world.ledger.publish(request(&stream, (0..500).map(key).collect())).await.expect("places");
    }
    // Its head ends a day later than what it follows, and both long ago.
    world.clock.advance(2 * 24 * HOUR_MS);
    publish(&world.ledger, &stream, "last", "1").await.expect("a place");
    world.clock.advance(10 * 24 * HOUR_MS);
    world.engine.set_fate(SLOW_STATE);
    world.ledger.sweep().await.expect("a sweep that has not come to its end");
    world.engine.sweep_expired().expect("time to live");
    world.engine.clear_fate();
    let mut rounds = 0;
    while world.ledger.compact_stream(&stream).await.expect("it can be read")[0].watermark < 5_001 {
        rounds += 1;
        assert!(rounds < 20, "what was not compacted is gone");
    }
    for key in (0..10).map(|number| format!("{number}-499")).chain(["last".to_owned()]) {
        let key = EventKey::parse(key).expect("a key");
        world.ledger.find_compacted(&stream, &key).await.expect("it is in the state");
    }
    world.clock.advance(HOUR_MS);
    world.ledger.sweep().await.expect("a sweep");
    let published = publish(&world.ledger, &stream, "next", "1").await.expect("the log goes on");
    assert_eq!(published.places, [(0, 5_001)]);
}

#[tokio::test]
async fn a_long_log_holds_up_no_short_one() {
    let world = World::new().await;
    let mut partitions = Vec::new();
    for (name, keys) in [("long", 4_500), ("short", 10)] {
        let stream = world.ledger.create_stream(definition(name, 1, 1)).await.expect("a stream").value;
        let keys: Vec<_> = (0..keys).map(|number| event(&number.to_string(), "1")).collect();
        for events in keys.chunks(500) {
            world.ledger.publish(request(&stream.definition.name, events.to_vec())).await.expect("places");
        }
        partitions.push(PartitionId { incarnation: stream.incarnation, partition: 0 });
    }
    world.engine.record();
    let reached = world.ledger.compact_partitions(partitions.clone()).await;
    assert!(reached.values().all(Result::is_ok));
    let moved = world.engine.take_calls().into_iter().filter(|call| call.operation == "UpdateItem");
    let moved: Vec<_> = moved.filter_map(|call| call.partition_keys.into_iter().next()).collect();
    let [long, short] = [0, 1].map(|index: usize| format!("STREAM#{}", partitions[index].incarnation));
    assert_eq!(moved, [long.clone(), short, long.clone(), long]);
}

/// Nothing is compacted, and putting off takes its time.
struct NoStateAndSlowLog;

impl Fate for NoStateAndSlowLog {
    fn decide(&self, call: &CallInfo) -> Course {
        let of = |prefix: &str| call.partition_keys.iter().any(|key| key.starts_with(prefix));
        if call.operation == "PutItem" && of("COMPACT#") {
            return Decision::Before(Failure::TransactionConflict).into();
        }
        let slow = call.operation == "UpdateItem" && of("LOG#");
        Course { returns_ms: if slow { 450 } else { 0 }, ..Course::default() }
    }
}

#[tokio::test(start_paused = true)]
async fn putting_off_goes_on_where_the_sweep_before_had_no_more_time() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 1).await;
    for number in 0..300 {
        publish(&world.ledger, &stream, "a", &number.to_string()).await.expect("a place");
    }
    world.clock.advance(4 * 24 * HOUR_MS);
    world.engine.set_fate(NoStateAndSlowLog);
    let (mut put_off, mut sweeps) = (0, 0);
    loop {
        let before = deletable_at(&world).await;
        world.engine.record();
        let began = world.clock.now();
        let _ = world.ledger.sweep().await.expect_err("nothing is compacted");
        // Trying to compact takes its time as well.
        assert!(world.clock.now().since(began) < 2 * limits::SWEEP_MS);
        let of_log = |keys: &[String]| keys.iter().all(|key| key.starts_with("LOG#"));
        let calls = world.engine.take_calls();
        let updates =
            calls.iter().filter(|call| call.operation == "UpdateItem" && of_log(&call.partition_keys)).count();
        assert!(matches!(publish(&world.another(2), &stream, "a", "1").await, Err(Error::CompactorStalled)));
        let after = deletable_at(&world).await;
        assert!(after.is_sorted(), "never an older one stays longer");
        if updates == 0 {
            assert_eq!(before, after);
            break;
        }
        (put_off, sweeps) = (put_off + updates, sweeps + 1);
        world.clock.advance(HOUR_MS);
    }
    assert_eq!((put_off, sweeps), (300, 3), "each of them once, in three sweeps");
    world.clock.advance(5 * 24 * HOUR_MS);
    assert_eq!(world.engine.sweep_expired().expect("time to live"), 0);
}

#[tokio::test(start_paused = true)]
async fn every_stalled_partition_has_its_share_of_a_sweep() {
    let world = World::on(Clock::simulated(START)).await;
    for (name, count) in [("a", 300), ("b", 10)] {
        let stream = world.ledger.create_stream(definition(name, 1, 1)).await.expect("a stream").value.definition.name;
        for _ in 0..count {
            publish(&world.ledger, &stream, "a", "1").await.expect("a place");
        }
    }
    world.clock.advance(4 * 24 * HOUR_MS);
    world.engine.set_fate(NoStateAndSlowLog);
    let before = logs(&world).await;
    let _ = world.ledger.sweep().await.expect_err("nothing is compacted");
    let mut put_off = Vec::new();
    for (log, ends) in logs(&world).await {
        put_off.push(ends.iter().zip(&before[&log]).filter(|(after, before)| after > before).count());
    }
    put_off.sort_unstable();
    assert!(put_off[0] == 10 && (60..=134).contains(&put_off[1]), "a minute, or what the short one left: {put_off:?}");
}

/// Nobody can look at the log.
struct NoLog;

impl Fate for NoLog {
    fn decide(&self, call: &CallInfo) -> Course {
        let log = call.operation == "Query" && call.partition_keys.iter().any(|key| key.starts_with("LOG#"));
        if log { Decision::Before(Failure::Throttled).into() } else { Course::default() }
    }
}

#[tokio::test]
async fn a_sweep_that_cannot_look_takes_no_pause_back() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    world.clock.advance(limits::COMPACTOR_STALLED_MS + 1);
    stop_compaction(&world, 500);
    let is_paused = async |seed| {
        let answer = publish(&world.another(seed), &stream, "a", "2").await;
        matches!(answer, Err(Error::CompactorStalled))
    };
    world.ledger.sweep().await.expect_err("nothing is compacted");
    assert!(is_paused(2).await);
    world.engine.set_fate(NoLog);
    world.ledger.sweep().await.expect_err("nobody knows");
    world.engine.clear_fate();
    assert!(is_paused(3).await);
}

/// Looking at the log is slow.
struct SlowQueries;

impl Fate for SlowQueries {
    fn decide(&self, call: &CallInfo) -> Course {
        let slow = call.operation == "Query" && call.partition_keys.iter().any(|key| key.starts_with("LOG#"));
        Course { returns_ms: if slow { 700 } else { 0 }, page: Page::Cut(1), ..Course::default() }
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_slow_to_read_is_compacted_in_rounds() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.ledger.create_stream(definition("orders", 1, 1)).await.expect("a stream").value;
    for number in 0..100 {
        publish(&world.ledger, &stream.definition.name, "a", &number.to_string()).await.expect("a place");
    }
    world.engine.set_fate(SlowQueries);
    let partition = PartitionId { incarnation: stream.incarnation, partition: 0 };
    let reached = world.ledger.compact_partitions([partition]).await.into_values().next().expect("its turn");
    assert_eq!(reached.expect("a watermark").offset, 100);
}

/// A stream of three record batches whose second is gone.
async fn stream_with_a_gap(world: &World) -> StreamName {
    let stream = world.stream(1, 1).await;
    for number in 0..3 {
        publish(&world.ledger, &stream, "a", &number.to_string()).await.expect("a place");
    }
    let client = world.engine.client();
    let items = client.scan().table_name("eventledger").send().await.expect("the table").items.unwrap_or_default();
    let is_second = |item: &HashMap<_, AttributeValue>| item["SK"].as_s().is_ok_and(|key| key.ends_with("02"));
    let second = items.into_iter().find(is_second).expect("the second record batch");
    let delete = client.delete_item().table_name("eventledger");
    delete.key("PK", second["PK"].clone()).key("SK", second["SK"].clone()).send().await.expect("deleted");
    stream
}

#[tokio::test]
async fn compaction_goes_up_to_a_gap_and_says_so() {
    let world = World::new().await;
    let stream = stream_with_a_gap(&world).await;
    let error = world.ledger.compact_stream(&stream).await.expect_err("the second one is gone");
    assert!(
        matches!(&error, Error::OutcomeUnknown(cause) if cause.to_string().contains("compacted state is behind")),
        "{error:?}"
    );
    let state = world.ledger.list_compacted(&stream, None, "", 10).await.expect("compacted state");
    assert_eq!(state.records.len(), 1);
}

#[tokio::test]
async fn a_gap_keeps_nothing_else_from_being_put_off() {
    let world = World::new().await;
    stream_with_a_gap(&world).await;
    world.clock.advance(4 * 24 * HOUR_MS);
    stop_compaction(&world, 500);
    let least = (world.clock.now().0 + HOUR_MS + 7 * 24 * HOUR_MS) / 1_000;
    world.ledger.sweep().await.expect_err("the second one is gone");
    let deletable_at = deletable_at(&world).await;
    assert!(deletable_at.len() == 2 && deletable_at.iter().all(|at| *at >= least), "{deletable_at:?}");
}
