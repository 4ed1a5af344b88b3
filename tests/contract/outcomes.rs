//! O: a publish has exactly three outcomes, and its answer says which. The store is broken on purpose.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use embedded::{CallInfo, Course, Decision, Failure, Fate};
use serde_json::{Value, json};
use tests::app::Late;
use tests::stream::numbered;
use tests::{Answer, Api, Stream};

/// The next so many calls of the store meet one decision.
struct Broken {
    left: Arc<AtomicU32>,
    only_writes: bool,
    decision: Decision,
}

impl Fate for Broken {
    fn decide(&self, call: &CallInfo) -> Course {
        let writes = matches!(call.operation.as_str(), "PutItem" | "TransactWriteItems" | "UpdateItem");
        if !writes && self.only_writes {
            return Course::default();
        }
        let hit = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if hit { self.decision.into() } else { Course::default() }
    }
}

const ALL: u32 = u32::MAX;

/// A stream with one event, and how many calls of its store shall still fail.
async fn breakable(decision: Decision, only_writes: bool) -> (Stream, Arc<AtomicU32>) {
    let api = Api::in_process().await;
    let stream = Stream::create(&api, "outcomes").await;
    stream.publish_numbered(0..1).await;
    let left = Arc::new(AtomicU32::new(0));
    api.app().engine().set_fate(Broken { left: Arc::clone(&left), only_writes, decision });
    (stream, left)
}

async fn publish(stream: &Stream, number: u64, key: Option<&str>) -> Answer {
    let mut request = stream.api.request("POST", stream.path("/events")).json(numbered(number).to_string());
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    request.send().await
}

#[tokio::test]
async fn o1_a_store_that_refuses_leaves_no_effect() {
    for only_writes in [true, false] {
        let (stream, broken) = breakable(Decision::Before(Failure::Throttled), only_writes).await;
        broken.store(ALL, Ordering::SeqCst);
        publish(&stream, 1, None).await.problem(503, "unavailable");
        publish(&stream, 1, Some("key")).await.problem(503, "unavailable");
        broken.store(0, Ordering::SeqCst);
        assert_eq!(stream.log(10).await.len(), 1, "effect none means none");
        assert_eq!(publish(&stream, 1, Some("key")).await.ok(201)["replayed"], false);
        assert_eq!(stream.log(10).await.len(), 2);
    }
}

#[tokio::test]
async fn o2_an_unknown_outcome_is_settled_by_the_same_key() {
    let (stream, broken) = breakable(Decision::After(Failure::Timeout), true).await;
    broken.store(ALL, Ordering::SeqCst);
    publish(&stream, 1, Some("key")).await.problem(503, "outcome_unknown");
    broken.store(0, Ordering::SeqCst);
    let settled = publish(&stream, 1, Some("key")).await.ok(201);
    assert_eq!(settled["events"][0]["offset"], 1);
    let log = stream.log(10).await;
    assert_eq!(log.iter().map(|event| &event["data"]["number"]).collect::<Vec<_>>(), [&json!(0), &json!(1)]);
}

#[tokio::test]
async fn o3_a_lost_answer_is_not_a_second_event() {
    for failure in [Failure::Timeout, Failure::ServerError, Failure::ConnectionReset] {
        let (stream, broken) = breakable(Decision::After(failure), true).await;
        for number in 1..9 {
            // The store did it and its answer is lost; the repeated write must recognise its own batch.
            broken.store(1, Ordering::SeqCst);
            let key = format!("key-{number}");
            let answer = publish(&stream, number, number.is_multiple_of(2).then_some(key.as_str())).await;
            assert_eq!(answer.ok(201)["events"][0]["offset"], number);
            assert_eq!(broken.load(Ordering::SeqCst), 0, "the fault was meant to happen");
        }
        let numbers: Vec<Value> = stream.log(100).await.iter().map(|event| event["data"]["number"].clone()).collect();
        assert_eq!(numbers, (0..9).map(Value::from).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn o4_readers_wait_for_a_store_that_is_away() {
    let (stream, broken) = breakable(Decision::Before(Failure::ServerError), false).await;
    stream.subscribe("reader", json!("earliest")).await;
    broken.store(ALL, Ordering::SeqCst);
    stream.get("/subscriptions/reader/poll").await.problem(503, "unavailable");
    stream.get("/events?from=earliest").await.problem(503, "unavailable");
    broken.store(0, Ordering::SeqCst);
    assert_eq!(stream.drain("reader", 10).await.len(), 1);
}

#[tokio::test]
async fn o5_what_takes_too_long_is_answered_with_what_is_known() {
    let api = Api::in_process().await;
    let stream = Stream::create(&api, "o5").await;
    stream.publish_numbered(0..1).await;
    let (app, unused) = (api.app(), Stream::create(&api, "o5-unused").await);
    app.engine().set_fate(Late::endless("Query"));
    let refused = stream.get("/events?from=earliest").await;
    assert_eq!(refused.problem(503, "unavailable")["effect"], "none");
    // Where a partition goes on that this process has written to, it knows.
    let refused = publish(&unused, 1, None).await;
    assert_eq!(refused.problem(503, "unavailable")["effect"], "none", "it had only read");
    app.engine().set_fate(Late::endless("PutItem"));
    let refused = publish(&stream, 1, None).await;
    assert_eq!(refused.problem(503, "outcome_unknown")["effect"], "unknown");
    app.engine().clear_fate();
    assert_eq!(stream.log(10).await.len(), 2, "it had been stored");
}
