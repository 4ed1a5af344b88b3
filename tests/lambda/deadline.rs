//! Answers come before Lambda kills the process, and say honestly what was done, whatever the store does meanwhile.
//!
//! Time is tokio's, paused: it moves when nothing else can.

use embedded::{CallInfo, Course, Decision, Failure, Fate};
use lambda_runtime::Context;
use ledger::Timestamp;
use platform::access::Quotas;
use platform::endpoint::Routes;
use serde_json::{Value, json};
use tests::app::{App, Late};

use crate::Fleet;

/// Calls of one operation fail in one way.
struct Failing(&'static str, Failure);

impl Fate for Failing {
    fn decide(&self, call: &CallInfo) -> Course {
        if call.operation == self.0 { Decision::Before(self.1).into() } else { Course::default() }
    }
}

/// A Lambda and the time that each of its invocations has.
struct Function {
    fleet: Fleet,
}

impl Function {
    async fn start() -> Self {
        let function = Self { fleet: Fleet::of(App::start_running(Quotas::default()).await).await };
        let stream = Some(json!({"stream_id": "orders"}));
        assert_eq!(function.invoke(admin::routes(), "POST", "/streams", stream, 60_000).await.0, 201);
        assert_eq!(function.publish(60_000).await.0, 201);
        function
    }

    async fn publish(&self, time_ms: u64) -> (u16, Value, u64) {
        let event = json!({"key": "a", "type": "order.placed", "data": 1});
        self.invoke(publish::routes(), "POST", "/streams/orders/events", Some(event), time_ms).await
    }

    /// Status and body of the answer, and how long it took. It must be there before the time is over.
    async fn invoke(
        &self,
        routes: Routes,
        method: &str,
        target: &str,
        body: Option<Value>,
        time_ms: u64,
    ) -> (u16, Value, u64) {
        let began: Timestamp = self.fleet.app.clock.now();
        let mut context = Context::default();
        context.deadline = began.plus(time_ms).0;
        let (status, body) = self.fleet.invoke(routes, method, target, body, context).await;
        let took = self.fleet.app.clock.now().since(began);
        assert!(took + 400 < time_ms, "answered after {took} of {time_ms} ms");
        (status, body, took)
    }

    async fn events(&self) -> usize {
        let target = "/streams/orders/events?from=earliest";
        let (status, page, _) = self.invoke(poll::routes(), "GET", target, None, 60_000).await;
        assert_eq!(status, 200, "{page}");
        page["events"].as_array().expect("events").len()
    }
}

#[tokio::test(start_paused = true)]
async fn a_publish_whose_outcome_nobody_knows_says_so_in_time() {
    let function = Function::start().await;
    function.fleet.app.engine().set_fate(Failing("PutItem", Failure::Silence));
    for time_ms in [1_600, 3_000, 6_000, 30_000] {
        let (status, problem, took) = function.publish(time_ms).await;
        assert_eq!((status, &problem["code"], &problem["effect"]), (503, &json!("outcome_unknown"), &json!("unknown")));
        assert!(took <= ledger::limits::OPERATION_MS + 1_000, "{took}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_was_refused_throughout_had_no_effect_and_says_so_in_time() {
    let function = Function::start().await;
    function.fleet.app.engine().set_fate(Failing("PutItem", Failure::Throttled));
    for time_ms in [2_000, 5_000] {
        let (status, problem, _) = function.publish(time_ms).await;
        assert_eq!((status, &problem["code"], &problem["effect"]), (503, &json!("unavailable"), &json!("none")));
    }
    // Without the time to begin, nothing is begun.
    function.fleet.app.engine().clear_fate();
    let (status, problem, _) = function.publish(1_400).await;
    assert_eq!((status, &problem["effect"]), (503, &json!("none")), "{problem}");
    assert_eq!(function.events().await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_only_read_had_no_effect_however_it_was_cut_off() {
    let function = Function::start().await;
    let unused = Some(json!({"stream_id": "unused"}));
    assert_eq!(function.invoke(admin::routes(), "POST", "/streams", unused, 60_000).await.0, 201);
    function.fleet.app.engine().set_fate(Failing("Query", Failure::Silence));
    // Where a partition goes on that this process has written to, it knows.
    let event = Some(json!({"key": "a", "type": "order.placed", "data": 1}));
    let (status, problem, _) = function.invoke(publish::routes(), "POST", "/streams/unused/events", event, 1_800).await;
    assert_eq!((status, &problem["code"], &problem["effect"]), (503, &json!("unavailable"), &json!("none")));
    let target = "/streams/orders/events?from=earliest&wait=20";
    let (status, problem, _) = function.invoke(poll::routes(), "GET", target, None, 1_800).await;
    assert_eq!((status, &problem["code"], &problem["effect"]), (503, &json!("unavailable"), &json!("none")));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_poll_ends_before_its_process_does() {
    let function = Function::start().await;
    for (time_ms, waits) in [(6_000, 4_000..5_500), (29_000, 20_000..21_000)] {
        let target = "/streams/orders/events?from=latest&wait=20";
        let (status, page, took) = function.invoke(poll::routes(), "GET", target, None, time_ms).await;
        assert_eq!((status, &page["events"]), (200, &json!([])));
        assert!(waits.contains(&took), "{took}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_frozen_while_it_authenticated_publishes_nothing() {
    let function = Function::start().await;
    let app = &function.fleet.app;
    // Whoever looks up a key hears of it late.
    app.engine().set_fate(Late { operation: "GetItem", keys: "KEY#", milliseconds: 500 });
    let mut context = Context::default();
    context.deadline = app.clock.now().plus(60_000).0;
    let event = Some(json!({"key": "a", "type": "order.placed", "data": 1}));
    let asking = function.fleet.invoke(publish::routes(), "POST", "/streams/orders/events", event, context);
    let freezing = async {
        app.clock.sleep(100).await;
        app.clock.advance(40_000);
    };
    let ((status, problem), ()) = tokio::join!(asking, freezing);
    assert_eq!((status, &problem["effect"]), (503, &json!("none")), "its client has given up: {problem}");
    app.engine().clear_fate();
    assert_eq!(function.events().await, 1);
}
