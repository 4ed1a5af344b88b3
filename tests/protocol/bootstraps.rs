//! Bootstraps: after an expiry, beside other readers and late commits, and what compaction left half done.

use std::collections::BTreeSet;

use embedded::{Call, CallInfo, Course, Decision, Failure, Fate};
use ledger::model::KeyHash;
use ledger::{Error, PageRequest, StartFrom, limits};

use crate::world::{HOUR_MS, World, event, keys, page, publish, request, subscription};

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

/// Nothing that is there can be changed.
struct NoUpdates;

impl Fate for NoUpdates {
    fn decide(&self, call: &CallInfo) -> Course {
        let decision =
            if call.operation == "UpdateItem" { Decision::Before(Failure::Throttled) } else { Decision::Proceed };
        decision.into()
    }
}

#[tokio::test]
async fn what_was_compacted_beyond_the_watermark_comes_from_the_log_alone() {
    let world = World::new().await;
    let (stream, name) = world.state_of_a().await;
    publish(&world.ledger, &stream, "b", "1").await.expect("a place");
    world.engine.set_fate(NoUpdates);
    world.ledger.compact_stream(&stream).await.expect_err("the watermark does not move");
    world.engine.clear_fate();
    let state = world.ledger.poll(&stream, &name, None, page()).await.expect("the state");
    assert_eq!((keys(&state), state.snapshot), (vec!["a".to_owned()], true));
    let log = world.ledger.poll(&stream, &name, Some(state.cursor), page()).await.expect("the log");
    assert_eq!((keys(&log), log.snapshot, log.caught_up), (vec!["b".to_owned()], false, true));
}

/// Where several keys are put with one write, those that are there already stand in the way of none.
#[tokio::test]
async fn keys_that_are_put_together_are_compacted_whatever_an_interrupted_round_left() {
    let world = World::embedded().await;
    let stream = world.stream(1, 24).await;
    let events = |count: u64| (0..count).map(|number| event(&format!("key-{number:02}"), "1")).collect::<Vec<_>>();
    world.ledger.publish(request(&stream, events(25))).await.expect("places");
    world.engine.set_fate(NoUpdates);
    world.engine.record();
    world.ledger.compact_stream(&stream).await.expect_err("the watermark does not move");
    let operations = |calls: &[Call], name: &str| calls.iter().filter(|call| call.operation == name).count();
    let calls = world.engine.take_calls();
    assert_eq!((operations(&calls, "TransactWriteItems"), operations(&calls, "PutItem")), (3, 0));
    world.engine.clear_fate();
    // Twelve of them change, which leaves one transaction with both kinds.
    world.ledger.publish(request(&stream, [events(12), vec![event("new", "1")]].concat())).await.expect("places");
    assert_eq!(world.ledger.compact_stream(&stream).await.expect("compaction")[0].watermark, 38);
    let page = world.ledger.list_compacted(&stream, None, "", 1_000).await.expect("a page");
    let offsets: BTreeSet<u64> = page.records.iter().map(|record| record.offset).collect();
    assert_eq!((page.records.len(), offsets), (26, (12..38).collect()), "the latest of each key");
}

#[tokio::test]
async fn a_page_of_state_is_cut_before_it_is_too_large() {
    let (world, name) = (World::new().await, subscription("builder"));
    let stream = world.stream(1, 24).await;
    for number in 0..30 {
        let text = format!("\"{}\"", world.ledger.randomness().base62(240_000));
        publish(&world.ledger, &stream, &format!("key-{number}"), &text).await.expect("a place");
    }
    world.ledger.compact_stream(&stream).await.expect("compaction");
    world.ledger.create_subscription(&stream, &name, StartFrom::Compacted).await.expect("a subscription");
    let all = PageRequest { limit: 1_000, wait_ms: 0 };
    let (mut cursor, mut bootstrapped) = (None, Vec::new());
    loop {
        let page = world.ledger.poll(&stream, &name, cursor, all).await.expect("a page");
        bootstrapped.push(page.records);
        cursor = Some(page.cursor);
        if !page.in_snapshot {
            break;
        }
    }
    let (mut cursor, mut listed) = (None, Vec::new());
    loop {
        let page = world.ledger.list_compacted(&stream, cursor, "", 1_000).await.expect("a page");
        listed.push(page.records);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    for pages in [bootstrapped, listed] {
        let bytes = pages.iter().map(|page| page.iter().map(|record| record.event.payload_bytes()).sum::<usize>());
        let bytes: Vec<usize> = bytes.collect();
        assert!(bytes.iter().all(|bytes| *bytes <= limits::PAGE_BYTES), "{bytes:?}");
        assert!(bytes[0] > limits::PAGE_BYTES / 2 && bytes.len() < 5, "{bytes:?}");
        let found: Vec<_> = pages.iter().flatten().filter_map(|record| record.event.key.clone()).collect();
        assert_eq!((found.len(), found.iter().map(|key| key.as_str()).collect::<BTreeSet<_>>().len()), (30, 30));
    }
}
