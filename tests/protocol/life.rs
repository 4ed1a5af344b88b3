//! Streams over a long time: readers whose places expire, bootstraps after that, and lives that end.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use ledger::model::cursor::Cursor;
use ledger::model::{KeyHash, StreamName, SubscriptionName};
use ledger::{Clock, Error, PageRequest, ReadFrom, StartFrom, limits};

use crate::world::{HOUR_MS, START, World, definition, event, keys, page, publish, request, subscription};

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
async fn a_commit_that_comes_late_ends_no_bootstrap_that_began_since() {
    let world = World::new().await;
    let stream = world.stream(1, 1).await;
    let name = subscription("builder");
    for key in ["a", "b", "c", "d"] {
        publish(&world.ledger, &stream, key, "1").await.expect("a place");
    }
    world.ledger.compact_stream(&stream).await.expect("compaction");
    world.ledger.create_subscription(&stream, &name, StartFrom::Compacted).await.expect("a subscription");
    let poll = async |cursor, limit| {
        let request = PageRequest { limit, wait_ms: 0 };
        world.ledger.poll(&stream, &name, cursor, request).await.expect("a page")
    };
    let commit = async |cursor| world.ledger.commit(&stream, &name, cursor).await.expect("a commit").advanced;
    // It reads everything and crashes, and what it committed is still on its way. So it begins again.
    let all = poll(None, 10).await;
    let first = poll(None, 1).await;
    assert!(commit(all.cursor.clone()).await);
    assert!(commit(first.cursor.clone()).await, "what was built since replaces it");
    assert!(!commit(all.cursor).await);
    // It crashes again, and goes on with what it built and committed.
    let rest = poll(None, 10).await;
    let mut built = [keys(&first), keys(&rest)].concat();
    built.sort();
    assert_eq!(built, ["a", "b", "c", "d"]);
    assert!(rest.consistent && !rest.in_snapshot);
}

#[tokio::test]
async fn who_lost_events_has_the_state_of_no_moment() {
    let world = World::new().await;
    let (stream, name) = world.state_of_a().await;
    let poll = async |cursor| world.ledger.poll(&stream, &name, cursor, page()).await;
    let built = poll(None).await.expect("the state");
    assert!(built.consistent);
    publish(&world.ledger, &stream, "b", "1").await.expect("a place");
    world.ledger.compact_stream(&stream).await.expect("compaction");
    world.clock.advance(2 * HOUR_MS);
    publish(&world.ledger, &stream, "c", "1").await.expect("a place");
    let error = poll(Some(built.cursor)).await.expect_err("it never saw b");
    let Error::PositionExpired(expired) = error else { panic!("{error:?}") };
    let rest = poll(Some(expired.restart.earliest)).await.expect("what is left");
    assert_eq!((keys(&rest), rest.caught_up, rest.consistent), (vec!["c".to_owned()], true, false));
    let again = poll(expired.restart.bootstrap).await.expect("the state, and what is not compacted yet");
    let rest = poll(Some(again.cursor)).await.expect("the log");
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
async fn who_lags_behind_makes_nothing_inconsistent_that_another_built() {
    let world = World::new().await;
    let (stream, name) = world.state_of_a().await;
    let poll = async |cursor| world.ledger.poll(&stream, &name, cursor, page()).await;
    let commit = async |cursor| world.ledger.commit(&stream, &name, cursor).await.expect("a commit").advanced;
    let state = poll(None).await.expect("the state");
    let mut ahead = state.cursor.clone();
    for key in ["b", "c"] {
        publish(&world.ledger, &stream, key, "1").await.expect("a place");
        ahead = poll(Some(ahead)).await.expect("a page").cursor;
        world.clock.advance(50 * 60_000);
    }
    assert!(commit(ahead).await);
    // For another reader of the subscription it is too late.
    let error = poll(Some(state.cursor)).await.expect_err("b expired");
    let Error::PositionExpired(expired) = error else { panic!("{error:?}") };
    assert!(!commit(expired.restart.earliest).await);
    assert!(poll(None).await.expect("a page").consistent);
}

#[tokio::test]
async fn a_loss_in_one_partition_says_nothing_of_the_others() {
    let (world, name) = (World::new().await, subscription("builder"));
    let stream = world.stream(2, 1).await;
    let busy = publish(&world.ledger, &stream, "a", "1").await.expect("a place").places[0].0;
    let mut idle = (0..).map(|number| format!("idle-{number}"));
    while publish(&world.ledger, &stream, &idle.next().expect("a key"), "1").await.expect("a place").places[0].0 == busy
    {
    }
    world.ledger.compact_stream(&stream).await.expect("compaction");
    world.ledger.create_subscription(&stream, &name, StartFrom::Compacted).await.expect("a subscription");
    let poll = async |cursor| world.ledger.poll(&stream, &name, cursor, page()).await;
    let commit = async |cursor| world.ledger.commit(&stream, &name, cursor).await.expect("a commit").advanced;
    let state = poll(None).await.expect("the state");
    let mut ahead = state.cursor.clone();
    for _ in 0..2 {
        publish(&world.ledger, &stream, "a", "1").await.expect("a place");
        ahead = poll(Some(ahead)).await.expect("a page").cursor;
        world.clock.advance(50 * 60_000);
    }
    assert!(commit(ahead.clone()).await);
    // Another reader of the subscription comes too late in the busy partition, and has all of the idle one.
    let error = poll(Some(state.cursor)).await.expect_err("an event expired");
    let Error::PositionExpired(expired) = error else { panic!("{error:?}") };
    assert!(!commit(expired.restart.earliest).await);
    assert!(!commit(ahead).await);
    assert!(poll(None).await.expect("a page").consistent);
}

#[tokio::test]
async fn the_start_of_a_bootstrap_has_passed_nothing() {
    let world = World::new().await;
    let (stream, name) = (world.stream(1, 1).await, subscription("reader"));
    let poll = async |cursor| world.ledger.poll(&stream, &name, cursor, page()).await;
    let commit = async |cursor| world.ledger.commit(&stream, &name, cursor).await.expect("a commit").advanced;
    let restart = async || {
        for pause_ms in [2 * HOUR_MS, 0] {
            publish(&world.ledger, &stream, "a", "1").await.expect("a place");
            world.ledger.compact_stream(&stream).await.expect("compaction");
            world.clock.advance(pause_ms);
        }
        match poll(None).await.expect_err("an event expired") {
            Error::PositionExpired(expired) => expired.restart,
            other => panic!("{other:?}"),
        }
    };
    world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await.expect("a subscription");
    // Before its first bootstrap and after one.
    for _ in 0..2 {
        let restart = restart().await;
        let begin = restart.bootstrap.expect("there is compacted state");
        assert!(commit(poll(Some(restart.earliest)).await.expect("a page").cursor).await);
        // It comes late, and what was read since counts.
        assert!(!commit(begin.clone()).await);
        assert_eq!(poll(None).await.expect("a page").records.len(), 0);
        assert!(
            commit(poll(Some(begin)).await.expect("the state").cursor).await,
            "to read on from there is what begins it"
        );
    }
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
