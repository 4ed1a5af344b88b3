//! Streams over a long time: readers whose places expire, bootstraps after that, and lives that end.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use ledger::model::cursor::Cursor;
use ledger::model::{StreamName, SubscriptionName};
use ledger::{Clock, Error, PageRequest, ReadFrom, StartFrom, limits};

use crate::world::{HOUR_MS, START, World, definition, event, keys, page, publish, request, subscription};

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
async fn a_deleted_stream_is_collected_and_its_namesake_untouched() {
    let world = World::new().await;
    let stream = world.stream(2, 1).await;
    world.ledger.publish(request(&stream, vec![event("a", "1"), event("b", "1")])).await.expect("places");
    world.ledger.compact_stream(&stream).await.expect("compaction");
    world.ledger.create_subscription(&stream, &subscription("s"), StartFrom::Earliest).await.expect("a subscription");
    world.ledger.delete_stream(&stream).await.expect("deleted");
    assert!(matches!(world.ledger.delete_stream(&stream).await, Err(Error::StreamNotFound)));
    let again = world.ledger.create_stream(definition("orders", 1, 48)).await.expect("the name is free");
    assert!(again.new);
    publish(&world.ledger, &stream, "a", "2").await.expect("a place");
    world.clock.advance(limits::NAME_REUSE_MS + 1);
    let (mut deleted, mut looks) = (Vec::new(), Vec::new());
    for pause_ms in [0, 3 * HOUR_MS, 21 * HOUR_MS] {
        world.engine.record();
        world.ledger.sweep().await.expect("a sweep");
        let calls = world.engine.take_calls();
        deleted.push(calls.iter().filter(|call| call.operation == "DeleteItem").count());
        looks.push(calls.iter().filter(|call| call.operation == "Query").count());
        world.clock.advance(pause_ms);
    }
    assert_eq!(deleted, [5, 0, 0], "a subscription, two partitions and two keys; the note stays for a day");
    assert_eq!(looks[1] - looks[2], 5, "its items, two logs and two states are not looked for each hour of the day");
    world.ledger.sweep().await.expect("a sweep");
    assert_eq!(world.log(&stream).await, [(0, 0, "2".to_owned())]);
}

#[tokio::test]
async fn what_a_late_compaction_leaves_of_a_deleted_stream_is_collected_too() {
    let world = World::new().await;
    let stream = world.stream(1, 1).await;
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    world.ledger.compact_stream(&stream).await.expect("compaction");
    let client = world.engine.client();
    let items =
        async || client.scan().table_name("eventledger").send().await.expect("the table").items.unwrap_or_default();
    let is_state =
        |item: &HashMap<String, AttributeValue>| item["PK"].as_s().is_ok_and(|key| key.starts_with("COMPACT#"));
    let state = items().await.into_iter().find(is_state).expect("compacted state");
    world.ledger.delete_stream(&stream).await.expect("deleted");
    world.clock.advance(HOUR_MS);
    world.ledger.sweep().await.expect("a sweep");
    assert!(!items().await.iter().any(is_state));
    // A compaction that began before writes what it had read.
    client.put_item().table_name("eventledger").set_item(Some(state)).send().await.expect("a put");
    for _ in 0..2 {
        world.clock.advance(23 * HOUR_MS);
        world.ledger.sweep().await.expect("a sweep");
    }
    let left: Vec<_> = items().await.into_iter().map(|item| item["PK"].as_s().expect("text").clone()).collect();
    assert!(!left.iter().any(|key| key.starts_with("COMPACT#") || key == "DELETED"), "{left:?}");
}

/// A stream in its second life, and a cursor of a subscription in its first.
async fn second_life(world: &World, name: &SubscriptionName) -> (StreamName, Cursor) {
    let stream = world.stream(1, 24).await;
    world.ledger.create_subscription(&stream, name, StartFrom::Earliest).await.expect("a subscription");
    let old = world.ledger.poll(&stream, name, None, page()).await.expect("a page").cursor;
    world.ledger.delete_stream(&stream).await.expect("deleted");
    (world.stream(1, 24).await, old)
}

#[tokio::test]
async fn who_goes_on_in_the_next_life_commits_beside_a_bootstrap() {
    let (world, name) = (World::new().await, subscription("reader"));
    let (stream, old) = second_life(&world, &name).await;
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    world.ledger.compact_stream(&stream).await.expect("compaction");
    publish(&world.ledger, &stream, "b", "1").await.expect("a place");
    world.ledger.create_subscription(&stream, &name, StartFrom::Compacted).await.expect("a subscription");
    let begun = world.ledger.poll(&stream, &name, None, page()).await.expect("compacted state");
    world.ledger.commit(&stream, &name, begun.cursor).await.expect("a commit");
    let error = world.ledger.poll(&stream, &name, Some(old), page()).await.expect_err("another life");
    let Error::StreamRecreated(restart) = error else { panic!("{error:?}") };
    let all = world.ledger.poll(&stream, &name, Some(restart.earliest), page()).await.expect("a page");
    assert_eq!(keys(&all), ["a", "b"]);
    assert!(world.ledger.commit(&stream, &name, all.cursor).await.expect("a commit").advanced);
    assert!(world.ledger.poll(&stream, &name, None, page()).await.expect("a page").records.is_empty());
}

#[tokio::test]
async fn who_goes_on_in_the_next_life_after_a_loss_is_not_consistent() {
    let (world, name) = (World::new().await, subscription("reader"));
    let (stream, old) = second_life(&world, &name).await;
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    world.clock.advance(25 * HOUR_MS);
    publish(&world.ledger, &stream, "b", "1").await.expect("a place");
    world.ledger.compact_stream(&stream).await.expect("compaction");
    world.ledger.create_subscription(&stream, &name, StartFrom::Compacted).await.expect("a subscription");
    let begun = world.ledger.poll(&stream, &name, None, page()).await.expect("compacted state");
    assert_eq!(keys(&begun).len(), 2);
    world.ledger.commit(&stream, &name, begun.cursor).await.expect("a commit");
    let error = world.ledger.poll(&stream, &name, Some(old), page()).await.expect_err("another life");
    let Error::StreamRecreated(restart) = error else { panic!("{error:?}") };
    let rest = world.ledger.poll(&stream, &name, Some(restart.earliest), page()).await.expect("a page");
    assert_eq!((keys(&rest), rest.consistent), (vec!["b".to_owned()], false), "it never saw what became of a");
    assert!(world.ledger.poll(&stream, &name, None, page()).await.expect("a page").consistent, "the other did");
}

#[tokio::test]
async fn who_goes_on_in_the_next_life_ends_no_bootstrap_of_which_nothing_is_committed_yet() {
    let world = World::new().await;
    let name = subscription("builder");
    let (stream, old) = second_life(&world, &name).await;
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    world.ledger.compact_stream(&stream).await.expect("compaction");
    // The state is all that is left of it.
    world.clock.advance(25 * HOUR_MS);
    world.ledger.create_subscription(&stream, &name, StartFrom::Compacted).await.expect("a subscription");
    let error = world.ledger.poll(&stream, &name, Some(old), page()).await.expect_err("another life");
    let Error::StreamRecreated(restart) = error else { panic!("{error:?}") };
    let nothing = world.ledger.poll(&stream, &name, Some(restart.earliest), page()).await.expect("a page");
    assert!(!world.ledger.commit(&stream, &name, nothing.cursor).await.expect("a commit").advanced);
    let state = world.ledger.poll(&stream, &name, None, page()).await.expect("the state");
    assert_eq!(keys(&state), ["a"]);
}

#[tokio::test]
async fn who_goes_on_in_the_next_life_ends_no_snapshot_that_another_reads() {
    let (world, name) = (World::new().await, subscription("reader"));
    let (stream, old) = second_life(&world, &name).await;
    for key in ["a", "b"] {
        publish(&world.ledger, &stream, key, "1").await.expect("a place");
    }
    world.ledger.compact_stream(&stream).await.expect("compaction");
    // The state is all that is left of them.
    world.clock.advance(25 * HOUR_MS);
    world.ledger.create_subscription(&stream, &name, StartFrom::Compacted).await.expect("a subscription");
    let one = PageRequest { limit: 1, wait_ms: 0 };
    let first = world.ledger.poll(&stream, &name, None, one).await.expect("half of the state");
    world.ledger.commit(&stream, &name, first.cursor.clone()).await.expect("a commit");
    let error = world.ledger.poll(&stream, &name, Some(old), page()).await.expect_err("another life");
    let Error::StreamRecreated(restart) = error else { panic!("{error:?}") };
    let nothing = world.ledger.poll(&stream, &name, Some(restart.earliest), page()).await.expect("a page");
    assert!(!world.ledger.commit(&stream, &name, nothing.cursor).await.expect("a commit").advanced);
    let rest = world.ledger.poll(&stream, &name, None, page()).await.expect("the other half");
    let mut found = [keys(&first), keys(&rest)].concat();
    found.sort();
    assert_eq!(found, ["a", "b"]);
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
    assert!(matches!(error, Error::StreamDeleting { wait_ms: limits::NAME_REUSE_MS, .. }), "{error:?}");
    world.clock.advance(limits::NAME_REUSE_MS);
    let again = fleet.create_stream(definition("orders", 1, 24)).await.expect("free");
    assert_ne!(again.value.incarnation, made.value.incarnation);
    assert_eq!(publish(&warm, &name, "a", "3").await.expect("a place").places, [(0, 0)]);
    let from = ReadFrom::Start(StartFrom::Earliest);
    assert_eq!(warm.read_events(&name, from, page()).await.expect("a page").records.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_not_free_while_a_service_knows_it_by_its_own_clock() {
    let world = World::on(Clock::simulated(START)).await;
    let (warm, behind, ahead) = (world.another(3), world.skewed(-30_000), world.skewed(30_000));
    let made = warm.create_stream(definition("orders", 1, 24)).await.expect("a stream");
    let name = made.value.definition.name;
    publish(&warm, &name, "a", "1").await.expect("a place");
    behind.delete_stream(&name).await.expect("deleted");
    // As long as one service takes what it knows for fresh, and then is at work on a request.
    for _ in 0..69 {
        world.clock.advance(1_000);
        let error = ahead.create_stream(definition("orders", 1, 24)).await.expect_err("too early");
        assert!(matches!(error, Error::StreamDeleting { .. }), "{error:?}");
    }
    world.clock.advance(2_000);
    ahead.create_stream(definition("orders", 1, 24)).await.expect("the name is free");
}

#[tokio::test]
async fn a_stream_without_compaction_is_left_alone_by_the_compactor() {
    let world = World::new().await;
    let not_compacted = ledger::StreamDefinition { compaction: false, ..definition("orders", 1, 24) };
    let stream = world.ledger.create_stream(not_compacted).await.expect("a stream").value;
    publish(&world.ledger, &stream.definition.name, "a", "1").await.expect("a place");
    world.engine.record();
    let partition = ledger::PartitionId { incarnation: stream.incarnation, partition: 0 };
    let reached = world.ledger.compact_partitions([partition]).await.into_values().next().expect("it had its turn");
    assert_eq!(reached.expect("nothing to do").offset, 0);
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
