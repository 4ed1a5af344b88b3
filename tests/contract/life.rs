//! L: the life of streams and subscriptions.

use futures::future::join_all;
use platform::health::{Probe, Sight};
use serde_json::{Value, json};
use tests::stream::list;
use tests::{Api, Stream};
use tower::ServiceExt;

#[tokio::test]
async fn l1_creating_the_same_again_changes_nothing() {
    let api = Api::start().await;
    let name = api.name("l1");
    let made = api.post("/streams", json!({ "stream_id": name })).await.ok(201);
    let defaults = json!({ "partition_count": 1, "retention_hours": 360, "compaction": true, "stream_id": name });
    for (member, value) in defaults.as_object().expect("an object") {
        assert_eq!(made[member], *value, "the default of {member}");
    }
    assert_eq!(api.post("/streams", defaults.clone()).await.ok(200), made);
    // JSON does not tell integers from other numbers.
    let doubles = json!({ "stream_id": name, "partition_count": 1.0, "retention_hours": 360.0 });
    assert_eq!(api.post("/streams", doubles).await.ok(200), made);
    for (member, value) in [("partition_count", json!(2)), ("retention_hours", json!(1)), ("compaction", json!(false))]
    {
        let mut other = defaults.clone();
        other[member] = value;
        api.post("/streams", other).await.problem(409, "stream_exists");
    }
    let described = api.get(format!("/streams/{name}")).await.ok(200);
    assert_eq!((&described["incarnation"], &described["events"]), (&made["incarnation"], &json!(0)));
    let partition = json!([{ "partition": 0, "head": 0, "tail": 0, "watermark": 0 }]);
    assert_eq!(described["partitions"], partition);
    // Names are case-sensitive.
    let upper = api.post("/streams", json!({ "stream_id": api.name("L1") })).await.ok(201);
    assert_ne!(upper["incarnation"], made["incarnation"]);
}

#[tokio::test]
async fn l2_of_concurrent_creates_one_wins() {
    let api = Api::start().await;
    let name = api.name("l2");
    let creates = (1..=8).map(|count| api.post("/streams", json!({ "stream_id": name, "partition_count": count })));
    let answers = join_all(creates).await;
    let won: Vec<&tests::Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(won.len(), 1, "one create makes the stream");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "stream_exists");
    }
    let described = api.get(format!("/streams/{name}")).await.ok(200);
    assert_eq!(described["incarnation"], won[0].json()["incarnation"]);
}

#[tokio::test]
async fn l3_deleting_is_complete() {
    let api = Api::start().await;
    let stream = Stream::create(&api, "l3").await;
    stream.publish_numbered(0..3).await;
    stream.compact().await;
    stream.subscribe("reader", json!("earliest")).await;
    let page = stream.poll("reader", "").await;
    let _ = stream.delete("").await.ok(204);
    stream.delete("").await.problem(404, "stream_not_found");
    stream.post("/events", json!({ "type": "a", "data": 1 })).await.problem(404, "stream_not_found");
    stream.try_commit("reader", &page).await.problem(404, "stream_not_found");
    stream.seek("reader", json!("latest")).await.problem(404, "stream_not_found");
    stream.post("/compact", json!({})).await.problem(404, "stream_not_found");
    let body = json!({ "subscription_id": "another", "start_from": "earliest" });
    stream.post("/subscriptions", body).await.problem(404, "stream_not_found");
    for path in [
        "",
        "/events?from=earliest",
        "/subscriptions",
        "/subscriptions/reader",
        "/subscriptions/reader/poll",
        "/compacted",
    ] {
        stream.get(path).await.problem(404, "stream_not_found");
    }
    stream.get("/compacted/key-1").await.problem(404, "stream_not_found");
    let listed = api.get(format!("/streams?prefix={}", stream.name)).await.ok(200);
    assert_eq!(listed["streams"], json!([]));
}

#[tokio::test]
async fn l4_a_name_created_again_is_a_new_stream() {
    let api = Api::in_process().await;
    let stream = Stream::create(&api, "l4").await;
    stream.publish_numbered(0..3).await;
    stream.compact().await;
    stream.subscribe("reader", json!("earliest")).await;
    let page = stream.poll("reader", "?limit=1").await;
    let read = stream.get("/events?from=earliest&limit=1").await.ok(200);
    let listed = stream.get("/compacted?limit=1").await.ok(200);
    let _ = stream.delete("").await.ok(204);
    let stream = Stream::create(&api, "l4").await;
    assert_eq!(stream.log(10).await, Vec::<Value>::new());
    assert_eq!(stream.get("/subscriptions").await.ok(200)["subscriptions"], json!([]));
    assert_eq!(stream.publish(json!([{ "type": "a", "data": 1 }])).await[0]["offset"], 0);
    stream.subscribe("reader", json!("earliest")).await;

    stream.try_commit("reader", &page).await.problem(410, "stream_recreated");
    for (path, cursor) in [("/subscriptions/reader/poll", &page), ("/events", &read)] {
        let old = cursor["cursor"].as_str().expect("a cursor");
        let gone = stream.get(&format!("{path}?cursor={old}")).await.problem(410, "stream_recreated");
        let earliest = gone["earliest_cursor"].as_str().expect("where to go on");
        let events = stream.get(&format!("{path}?cursor={earliest}")).await.ok(200);
        assert_eq!(list(&events["events"]).len(), 1, "the cursor of the answer reads the new life");
    }
    let old = listed["cursor"].as_str().expect("there was a second page");
    stream.get(&format!("/compacted?cursor={old}")).await.problem(410, "stream_recreated");
}

#[tokio::test]
async fn l5_streams_are_listed_page_by_page() {
    let api = Api::start().await;
    let prefix = api.name("l5");
    let mut names = Vec::new();
    for number in [3, 1, 2, 5, 4] {
        names.push(Stream { api: api.clone(), name: format!("{prefix}-{number}") }.name);
        let _ = api.post("/streams", json!({ "stream_id": names.last() })).await.ok(201);
    }
    names.sort();
    for limit in [1, 2, 5, 1000] {
        let (mut listed, mut after) = (Vec::new(), String::new());
        loop {
            let page = api.get(format!("/streams?prefix={prefix}-&limit={limit}{after}")).await.ok(200);
            let streams = list(&page["streams"]);
            assert!(streams.len() <= limit, "a page over its limit");
            listed.extend(streams.iter().map(|stream| stream["stream_id"].as_str().expect("a name").to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(listed, names, "in pages of {limit}");
    }
    for after in ["zzz", "~~~", "%F0%9F%98%80"] {
        let page = api.get(format!("/streams?prefix=a&after={after}")).await.ok(200);
        assert_eq!((&page["streams"], &page["next"]), (&json!([]), &json!(null)), "nothing comes after {after}");
    }
}

#[tokio::test]
async fn l6_subscriptions_come_and_go() {
    let api = Api::start().await;
    let stream = Stream::create(&api, "l6").await;
    for name in ["b", "a", "c"] {
        let made = stream.subscribe(name, json!("earliest")).await;
        assert_eq!((&made["subscription_id"], &made["stream_id"]), (&json!(name), &json!(stream.name)));
    }
    let page = stream.get("/subscriptions?limit=2").await.ok(200);
    let names = |page: &Value| list(&page["subscriptions"]).iter().map(|one| one["subscription_id"].clone()).collect();
    let first: Vec<Value> = names(&page);
    let next = page["next"].as_str().expect("a second page");
    let rest: Vec<Value> = names(&stream.get(&format!("/subscriptions?limit=2&after={next}")).await.ok(200));
    assert_eq!([first, rest].concat(), ["a", "b", "c"]);
    let old = stream.poll("b", "").await;
    let _ = stream.delete("/subscriptions/b").await.ok(204);
    stream.delete("/subscriptions/b").await.problem(404, "subscription_not_found");
    stream.get("/subscriptions/b").await.problem(404, "subscription_not_found");
    stream.get("/subscriptions/b/poll").await.problem(404, "subscription_not_found");
    stream.seek("b", json!("latest")).await.problem(404, "subscription_not_found");
    stream.try_commit("b", &old).await.problem(404, "subscription_not_found");
    // Created again it begins anew.
    stream.publish_numbered(0..2).await;
    stream.subscribe("b", json!("earliest")).await;
    assert_eq!(stream.drain("b", 10).await.len(), 2);
}

#[tokio::test]
async fn l7_health_is_open_to_all() {
    let api = Api::start().await;
    let health = api.with_key(None).get("/health").await.ok(200);
    assert!(health["version"].is_string(), "{health}");
}

#[tokio::test]
async fn l7_health_says_what_is_wrong() {
    let api = Api::in_process().await;
    let (app, anybody) = (api.app(), api.with_key(None));
    assert_eq!(anybody.get("/health").await.ok(200)["findings"][0]["subject"], "keeper");
    app.ledger.sweep().await.expect("a sweep");
    app.clock.advance(ledger::limits::CACHE_MS);
    let health = anybody.get("/health").await.ok(200);
    assert_eq!((&health["status"], &health["findings"]), (&json!("ok"), &json!([])));
    app.clock.advance(4 * 3_600_000);
    let health = anybody.get("/health").await.ok(200);
    assert_eq!((&health["status"], &health["findings"][0]["subject"]), (&json!("degraded"), &json!("keeper")));

    // Asking often costs nothing; a store that is away is noticed within the same half minute.
    app.engine().record();
    for _ in 0..10 {
        let _ = anybody.get("/health").await.ok(200);
    }
    assert_eq!(app.engine().take_calls().len(), 0);
    app.clock.advance(ledger::limits::CACHE_MS);
    // Nor does it while the store is away: it has enough to do.
    app.engine().inject(embedded::Fault::any(embedded::FaultKind::ServerErrorBefore, 4));
    app.engine().record();
    let all = futures::future::join_all((0..10).map(|_| anybody.get("/health"))).await;
    all.iter().for_each(|answer| _ = answer.problem(503, "unavailable"));
    anybody.get("/health").await.problem(503, "unavailable");
    assert_eq!(app.engine().take_calls().len(), 4, "one look, tried four times");
    app.clock.advance(ledger::limits::UNANSWERED_MS);
    let _ = anybody.get("/health").await.ok(200);
}

#[tokio::test]
async fn l7_health_is_unavailable_where_nothing_can_be_answered_whatever_was_heard_before() {
    let api = Api::in_process().await;
    let _ = api.with_key(None).get("/health").await.ok(200);
    let probe = Probe::new(|| Some(Sight::Standstill("the disk failed")));
    let stands_still = api.app().router.clone().layer(axum::Extension(probe));
    let request = axum::http::Request::get("/health").body(axum::body::Body::empty()).expect("a request");
    assert_eq!(stands_still.oneshot(request).await.expect("an answer").status(), 503);
}
