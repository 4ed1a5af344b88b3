//! E: what retention keeps, and how loud it is about what it does not. Time is moved by hand.

use serde_json::{Value, json};
use tests::oracle::offsets;
use tests::stream::list;
use tests::{Api, Stream};

const HOUR_MS: u64 = 3_600_000;

/// A stream that keeps events for two hours, with events 0 to 2 of an hour ago and 3 and 4 of now.
async fn half_expired(base: &str, compaction: bool) -> Stream {
    let api = Api::in_process().await;
    let stream = Stream::define(&api, base, json!({ "retention_hours": 2, "compaction": compaction })).await;
    stream.subscribe("reader", json!("earliest")).await;
    stream.publish_numbered(0..3).await;
    if compaction {
        stream.compact().await;
    }
    api.app().clock.advance(HOUR_MS);
    stream.publish_numbered(3..5).await;
    stream
}

#[tokio::test]
async fn e1_an_event_is_readable_for_its_retention_and_not_after_it() {
    let stream = half_expired("e1", true).await;
    let clock = stream.api.app().clock.clone();
    clock.advance(HOUR_MS - 1);
    assert_eq!(offsets(&stream.log(1000).await)[&0], [0, 1, 2, 3, 4], "a millisecond before");
    clock.advance(2);
    assert_eq!(offsets(&stream.log(1000).await)[&0], [3, 4], "a millisecond after");
    let described = stream.get("").await.ok(200);
    assert_eq!(described["events"], 2);
    assert_eq!((&described["partitions"][0]["head"], &described["partitions"][0]["tail"]), (&json!(3), &json!(5)));
}

#[tokio::test]
async fn e2_an_expired_position_says_how_much_is_lost_and_where_to_go_on() {
    for compaction in [true, false] {
        let stream = half_expired("e2", compaction).await;
        let page = stream.poll("reader", "?limit=1").await;
        assert!(stream.commit("reader", &page).await);
        let ahead = stream.poll("reader", "?limit=1").await;
        stream.api.app().clock.advance(HOUR_MS + 1);

        let gone = stream.get("/subscriptions/reader/poll").await.problem(410, "position_expired");
        assert_eq!(gone["lost_events"], 2, "one was committed, two were not read");
        let cursor = ahead["cursor"].as_str().expect("a cursor");
        let further = stream.get(&format!("/subscriptions/reader/poll?cursor={cursor}")).await;
        assert_eq!(further.problem(410, "position_expired")["lost_events"], 1);

        let earliest = gone["earliest_cursor"].as_str().expect("where to go on");
        let rest = stream.poll("reader", &format!("?cursor={earliest}")).await;
        assert_eq!(offsets(&list(&rest["events"]))[&0], [3, 4]);
        assert_eq!(gone["links"]["earliest"].as_str().map(|link| link.contains(earliest)), Some(true));
        if compaction {
            let bootstrap = gone["bootstrap_cursor"].as_str().expect("a new bootstrap");
            let snapshot = stream.poll("reader", &format!("?limit=1&cursor={bootstrap}")).await;
            assert_eq!((&snapshot["phase"], &snapshot["events"][0]["snapshot"]), (&json!("snapshot"), &json!(true)));
        } else {
            assert_eq!((&gone["bootstrap_cursor"], &gone["links"]["bootstrap"]), (&Value::Null, &Value::Null));
        }
        assert!(stream.commit("reader", &rest).await, "committing the new position ends the trouble");
        assert_eq!(stream.poll("reader", "").await["events"], json!([]));
    }
}

#[tokio::test]
async fn e3_a_reader_without_a_subscription_is_told_too() {
    let stream = half_expired("e3", true).await;
    let page = stream.get("/events?from=earliest&limit=2").await.ok(200);
    stream.api.app().clock.advance(HOUR_MS + 1);
    let path = format!("/events?cursor={}", page["cursor"].as_str().expect("a cursor"));
    let gone = stream.get(&path).await.problem(410, "position_expired");
    assert_eq!(gone["lost_events"], 1);
    let earliest = gone["earliest_cursor"].as_str().expect("where to go on");
    let rest = stream.get(&format!("/events?cursor={earliest}")).await.ok(200);
    assert_eq!(offsets(&list(&rest["events"]))[&0], [3, 4]);
}

#[tokio::test]
async fn e4_an_idle_reader_learns_of_its_loss_when_everything_has_expired() {
    // Expired and still stored, and then deleted for good, when nothing in the log tells of it any more.
    for deleted in [false, true] {
        let stream = half_expired("e4", true).await;
        let start = stream.get("/subscriptions/reader").await.ok(200);
        stream.compact().await;
        stream.api.app().clock.advance(10 * HOUR_MS);
        if deleted {
            delete_what_expired(&stream).await;
        }
        let gone = stream.get("/subscriptions/reader/poll").await.problem(410, "position_expired");
        assert_eq!(gone["lost_events"], 5, "deleted: {deleted}");
        let path = format!("/subscriptions/reader/poll?cursor={}", start["cursor"].as_str().expect("a cursor"));
        stream.get(&path).await.problem(410, "position_expired");
        // A reader that had read everything lost nothing, however long ago.
        stream.subscribe("late", json!("latest")).await;
        stream.api.app().clock.advance(100 * HOUR_MS);
        assert_eq!(stream.poll("late", "").await["caught_up"], true);
    }
}

#[tokio::test]
async fn e5_offsets_are_not_used_again_after_everything_has_expired() {
    let stream = half_expired("e5", true).await;
    stream.compact().await;
    for _ in 0..3 {
        delete_what_expired(&stream).await;
        let tail = stream.partitions().await[0]["tail"].as_u64().expect("a tail");
        let receipt = stream.publish(json!([{ "key": "k", "type": "a", "data": 1 }])).await.remove(0);
        assert_eq!(receipt["offset"].as_u64(), Some(tail));
        assert!(tail >= 5, "offsets went back to {tail}");
        assert_eq!(offsets(&stream.log(10).await)[&0], [tail]);
        stream.compact().await;
    }
}

/// Lets a month pass, in which the sweeper runs and the store deletes what it may.
async fn delete_what_expired(stream: &Stream) {
    let (app, mut deleted) = (stream.api.app(), 0);
    for _ in 0..2 {
        app.clock.advance(15 * 24 * HOUR_MS);
        app.ledger.sweep().await.expect("a sweep");
        deleted += app.engine().sweep_expired().expect("the store deletes");
    }
    assert!(deleted > 0, "something was meant to be deleted for good");
}

#[tokio::test]
async fn e6_compacted_state_outlives_the_log() {
    let stream = half_expired("e6", true).await;
    stream.compact().await;
    stream.api.app().clock.advance(100 * HOUR_MS);
    let records = stream.compacted("", 2).await;
    assert_eq!(records.len(), 5, "each key's latest record is kept");
    stream.subscribe("fresh", json!("compacted")).await;
    assert_eq!(stream.drain("fresh", 2).await.len(), 5);
}
