//! R: what a reader is promised.

use serde_json::{Value, json};
use tests::oracle::{assert_dense, essence, offsets};
use tests::stream::{list, numbered};
use tests::{Api, Stream};

#[tokio::test]
async fn r1_pages_of_any_size_are_the_same_log_without_a_gap() {
    let api = Api::start().await;
    let stream = Stream::define(&api, "r1", json!({ "partition_count": 3 })).await;
    for request in 0..12 {
        let events: Vec<Value> = (0..10).map(|number| numbered(request * 10 + number)).collect();
        stream.publish(json!(events)).await;
    }
    let whole = offsets(&stream.log(1000).await);
    for limit in [1, 7, 10, 119] {
        let log = stream.log(limit).await;
        assert_dense(&log);
        assert_eq!(offsets(&log), whole, "in pages of {limit}");
        let name = format!("pages-of-{limit}");
        stream.subscribe(&name, json!("earliest")).await;
        assert_eq!(offsets(&stream.drain(&name, limit).await), whole, "subscribed, in pages of {limit}");
    }
}

#[tokio::test]
async fn r2_polling_changes_nothing() {
    let api = Api::start().await;
    let stream = Stream::create(&api, "r2").await;
    stream.subscribe("reader", json!("earliest")).await;
    stream.publish_numbered(0..10).await;
    let before = stream.get("/subscriptions/reader").await.ok(200);
    let first = stream.poll("reader", "?limit=4").await;
    let ahead = stream.poll("reader", &format!("?limit=4&cursor={}", first["cursor"].as_str().unwrap())).await;
    assert_eq!(offsets(&list(&first["events"]))[&0], [0, 1, 2, 3]);
    assert_eq!(offsets(&list(&ahead["events"]))[&0], [4, 5, 6, 7]);
    assert_eq!(stream.poll("reader", "?limit=4").await["events"], first["events"]);
    let after = stream.get("/subscriptions/reader").await.ok(200);
    for member in ["generation", "phase", "last_commit_at", "start_from"] {
        assert_eq!(after[member], before[member], "{member}");
    }
    assert_eq!(after["lag"]["events"], 10);
}

#[tokio::test]
async fn r3_caught_up_means_nothing_was_left() {
    let api = Api::start().await;
    let stream = Stream::create(&api, "r3").await;
    stream.subscribe("reader", json!("earliest")).await;
    let idle = stream.poll("reader", "").await;
    assert_eq!((&idle["caught_up"], &idle["phase"]), (&json!(true), &json!("live")));
    assert_eq!(idle["lag"], json!({ "events": 0, "ms": 0 }));
    assert!(idle["poll_after_ms"].as_u64().is_some_and(|ms| ms > 0), "an idle reader is told to wait: {idle}");
    stream.publish_numbered(0..5).await;
    let part = stream.poll("reader", "?limit=3").await;
    assert_eq!((&part["caught_up"], &part["lag"]["events"]), (&json!(false), &json!(2)));
    assert_eq!(part["poll_after_ms"], 0, "more is ready");
    let cursor = part["cursor"].as_str().unwrap();
    let rest = stream.poll("reader", &format!("?limit=3&cursor={cursor}")).await;
    assert_eq!((&rest["caught_up"], list(&rest["events"]).len()), (&json!(true), 2));
}

#[tokio::test]
async fn r4_the_log_can_be_read_without_a_subscription() {
    let api = Api::start().await;
    let stream = Stream::create(&api, "r4").await;
    stream.publish_numbered(0..3).await;
    let latest = stream.get("/events?from=latest").await.ok(200);
    assert_eq!((&latest["events"], &latest["caught_up"]), (&json!([]), &json!(true)));
    stream.publish_numbered(3..5).await;
    let next = stream.get(&format!("/events?cursor={}", latest["cursor"].as_str().unwrap())).await.ok(200);
    assert_eq!(offsets(&list(&next["events"]))[&0], [3, 4]);
    let event = &next["events"][0];
    assert_eq!((&event["id"], &event["partition"], &event["type"]), (&json!("0-3"), &json!(0), &json!("numbered")));
    assert!(event["published_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{event}");
    assert!(event.get("snapshot").is_none(), "an event of the log is no snapshot");
}

#[tokio::test]
async fn r5_start_points_are_fixed_when_the_subscription_is_created() {
    let api = Api::in_process().await;
    let stream = Stream::create(&api, "r5").await;
    stream.publish_numbered(0..3).await;
    api.app().clock.advance(1000);
    let time = api.app().clock.now().to_string();
    api.app().clock.advance(1000);
    stream.publish_numbered(3..5).await;
    let starts = [
        ("earliest", json!("earliest"), 0),
        ("latest", json!("latest"), 5),
        ("time", json!({ "timestamp": time }), 3),
        ("future", json!({ "timestamp": "2999-01-01T00:00:00.000Z" }), 5),
    ];
    for (name, start_from, _) in &starts {
        let made = stream.subscribe(name, start_from.clone()).await;
        assert_eq!(made["start_from"], *start_from);
    }
    stream.publish_numbered(5..6).await;
    for (name, start_from, first) in starts {
        let read = stream.drain(name, 100).await;
        assert_eq!(offsets(&read)[&0], (first..6).collect::<Vec<u64>>(), "{name}");
        // The same again is the same subscription, which does not begin anew; another start is refused.
        let again = json!({ "subscription_id": name, "start_from": start_from });
        assert_eq!(stream.post("/subscriptions", again).await.ok(200)["start_from"], start_from);
        assert_eq!(stream.drain(name, 100).await, Vec::<Value>::new());
        let other = json!({ "subscription_id": name, "start_from": "compacted" });
        stream.post("/subscriptions", other).await.problem(409, "subscription_exists");
    }
    let from_time = stream.get(&format!("/events?from={time}")).await.ok(200);
    assert_eq!(offsets(&list(&from_time["events"]))[&0], [3, 4, 5]);
    let from_before_computers = stream.get("/events?from=1815-12-10T00:00:00Z").await.ok(200);
    assert_eq!(list(&from_before_computers["events"]).len(), 6);
}

#[tokio::test]
async fn r6_subscriptions_do_not_know_of_each_other() {
    let api = Api::start().await;
    let stream = Stream::create(&api, "r6").await;
    stream.publish_numbered(0..6).await;
    stream.subscribe("one", json!("earliest")).await;
    stream.subscribe("two", json!("earliest")).await;
    let untouched = stream.get("/subscriptions/two").await.ok(200)["lag"]["events"].clone();
    let page = stream.poll("one", "").await;
    assert!(stream.commit("one", &page).await);
    stream.seek("one", json!("earliest")).await.ok(200)["generation"].as_u64().expect("a generation");
    let _ = stream.delete("/subscriptions/one").await.ok(204);
    assert_eq!(stream.get("/subscriptions/two").await.ok(200)["lag"]["events"], untouched);
    let read = stream.drain("two", 4).await;
    assert_eq!(offsets(&read)[&0], (0..6).collect::<Vec<u64>>());
}

#[tokio::test]
async fn r7_a_cursor_is_for_one_use() {
    let api = Api::start().await;
    let (stream, other) = (Stream::create(&api, "r7").await, Stream::create(&api, "r7-other").await);
    for stream in [&stream, &other] {
        stream.publish_numbered(0..3).await;
        stream.subscribe("one", json!("earliest")).await;
        stream.subscribe("two", json!("earliest")).await;
        stream.compact().await;
    }
    let of_one = stream.poll("one", "?limit=1").await;
    let of_events = stream.get("/events?from=earliest&limit=1").await.ok(200);
    let of_compacted = stream.get("/compacted?limit=1").await.ok(200);
    for wrong in [&of_events, &of_compacted] {
        stream.try_commit("one", wrong).await.problem(400, "invalid_cursor");
    }
    stream.try_commit("two", &of_one).await.problem(400, "invalid_cursor");
    other.try_commit("one", &of_one).await.problem(400, "invalid_cursor");
    let text = |page: &Value| page["cursor"].as_str().expect("a cursor").to_owned();
    for (path, wrong) in [
        ("/events?cursor=", &of_one),
        ("/events?cursor=", &of_compacted),
        ("/compacted?cursor=", &of_events),
        ("/subscriptions/one/poll?cursor=", &of_events),
        ("/subscriptions/two/poll?cursor=", &of_one),
    ] {
        stream.get(&format!("{path}{}", text(wrong))).await.problem(400, "invalid_cursor");
    }
    other.get(&format!("/events?cursor={}", text(&of_events))).await.problem(400, "invalid_cursor");
    assert!(stream.commit("one", &of_one).await, "where it belongs it works");
}

#[tokio::test]
async fn r8_a_page_is_cut_before_it_is_too_large() {
    let api = Api::start().await;
    let stream = Stream::create(&api, "r8").await;
    let data = "x".repeat(250 * 1024);
    for _ in 0..8 {
        let events = vec![json!({ "key": "k", "type": "a", "data": data }); 4];
        stream.publish(json!(events)).await;
    }
    let page = stream.get("/events?from=earliest&limit=1000").await;
    assert!(page.body.len() <= 5_000_000, "a page of {} bytes", page.body.len());
    assert_eq!(page.ok(200)["caught_up"], false);
    let log = stream.log(1000).await;
    assert_dense(&log);
    assert_eq!(log.len(), 32);
}

#[tokio::test]
async fn r9_waiting_ends_with_the_first_event_or_with_the_time() {
    let api = Api::in_process().await;
    let stream = Stream::create(&api, "r9").await;
    stream.subscribe("reader", json!("latest")).await;
    let empty = stream.poll("reader", "?wait=1").await;
    assert_eq!((&empty["events"], &empty["caught_up"]), (&json!([]), &json!(true)));
    stream.publish_numbered(0..1).await;
    let found = stream.poll("reader", "?wait=20").await;
    assert_eq!(list(&found["events"]).len(), 1);
    assert_eq!(essence(&found["events"][0]), stream.log(1).await[0]);
}
