//! What is never told: credentials, and whatever is a client's: keys of events, data, headers, cursors, queries.

use std::collections::BTreeSet;

use embedded::{Fault, FaultKind};
use futures::FutureExt;
use platform::access::Quotas;
use platform::telemetry::{self, EmfRecorder, Format};
use serde_json::{Value, json};
use tests::api::Api;
use tests::app::App;
use tests::secrecy;
use tests::spans::Spans;
use tower::ServiceExt;

use crate::told::{Told, listen};

/// In every place where a client can write something.
const CANARY: &str = "canary-7f3a";

/// Does everything that can be done with a stream, rightly and wrongly, and answers the cursors that were given out.
async fn sing(api: &Api) -> Vec<String> {
    let mut cursors = Vec::new();
    let mut keep = |answer: Value| cursors.extend(answer["cursor"].as_str().map(str::to_owned));
    let event = json!({
        "id": format!("id-{CANARY}"), "key": format!("key-{CANARY}"), "type": format!("type.{CANARY}"),
        "headers": { "trace": CANARY }, "data": { CANARY: CANARY }
    });
    let _ = api.post("/streams", json!({ "stream_id": "orders", "compaction": true })).await.ok(201);
    let _ = api.post("/streams/orders/events", event.clone()).await.ok(201);
    let _ = api
        .request("POST", "/streams/orders/events")
        .header("idempotency-key", CANARY)
        .json(event.to_string())
        .send()
        .await
        .ok(201);
    let _ = api
        .request("POST", "/streams/orders/events")
        .header("if-match", format!("\"{CANARY}\""))
        .json(event.to_string())
        .send()
        .await
        .problem(400, "invalid_header");
    let _ = api
        .post("/streams/orders/events", json!({ "type": CANARY, CANARY: CANARY }))
        .await
        .problem(422, "validation_failed");
    let _ = api
        .post("/streams/orders/subscriptions", json!({ "subscription_id": "billing", "start_from": "earliest" }))
        .await
        .ok(201);
    let page = api.get("/streams/orders/subscriptions/billing/poll").await.ok(200);
    let _ = api.post("/streams/orders/subscriptions/billing/commit", json!({ "cursor": page["cursor"] })).await.ok(200);
    let _ = api
        .post("/streams/orders/subscriptions/billing/commit", json!({ "cursor": CANARY }))
        .await
        .problem(400, "invalid_cursor");
    keep(page);
    keep(api.get("/streams/orders/events?from=earliest").await.ok(200));
    let _ = api.get(format!("/streams/orders/events?from={CANARY}")).await.problem(400, "invalid_query");
    let _ = api.get(format!("/streams/orders/events?{CANARY}=1")).await.problem(400, "invalid_query");
    let _ = api.get(format!("/streams/orders/compacted/key-{CANARY}")).await.problem(404, "key_not_found");
    let _ = api.get(format!("/{CANARY}")).await.problem(404, "route_not_found");
    let stranger = api.with_key(Some(format!("elk_test_{CANARY}")));
    let _ = stranger.get("/streams").await.problem(401, "unauthenticated");
    let _ = stranger.get(format!("/streams?api_key={CANARY}")).await.problem(400, "credential_in_url");
    let _ = stranger.get(format!("/{CANARY}?api_key={CANARY}")).await.problem(400, "credential_in_url");
    // In the place of a name.
    let _ = stranger.get(format!("/streams/{CANARY}")).await.problem(401, "unauthenticated");
    let elsewhere = api.with_scopes(&["poll:orders-*"]).await;
    let _ =
        elsewhere.get(format!("/streams/{CANARY}/subscriptions/{CANARY}/poll")).await.problem(404, "stream_not_found");
    cursors
}

#[tokio::test]
async fn nothing_of_a_client_is_ever_told() {
    let levels = "info,ledger=trace,platform=trace,admin=trace,publish=trace,poll=trace,compactor=trace,keeper=trace,\
                  embedded=trace,local=trace";
    let (logged, _logging) = listen(Format::Json, levels);
    let (recorder, spans) = (EmfRecorder::default(), Spans::of_this_process());
    let told = Told::by("everything", &recorder);
    let api = Api::telling(told.telemetry.clone()).await;
    let key = api.key().expect("a key").to_owned();
    let cursors = sing(&api).await;
    let app = api.app();
    app.compact("orders").await;
    for task in ["sweep", "sample"] {
        let schedule = serde_json::from_value(json!({ "task": task })).expect("a schedule");
        let work = keeper::keep(app.ledger.clone(), schedule);
        told.telemetry.event(&app.ledger, task, "an id", work).await.expect("the keeper works");
    }
    // A fault of ours tells its causes, and so does what compaction cannot go on with.
    app.engine().inject(Fault::on("Query", FaultKind::Throttle, 4));
    let _ = api.get("/streams/orders/events").await.problem(503, "unavailable");
    let _ = api.post("/streams/orders/events", json!({ "key": CANARY, "type": "a", "data": CANARY })).await.ok(201);
    app.engine().inject(Fault::on("Query", FaultKind::Throttle, 4));
    let waiting = app.ledger.doorbell().changed().now_or_never().flatten().expect("something changed");
    let work =
        async { compactor::compact_partitions(&app.ledger, waiting).await.into_values().next().map_or(Ok(()), Err) };
    told.telemetry.event(&app.ledger, "compact_partitions", "an id", work).await.expect_err("a store that is away");

    let spans: Vec<String> = spans.ended().iter().map(|span| format!("{span:?}\n")).collect();
    let all = logged.take() + &told.written.take() + &spans.concat();
    assert!(
        spans.len() > 20
            && ["\"operation\":\"publish\"", "\"operation\":\"sweep\"", "a request failed", "an event was not handled"]
                .iter()
                .all(|told| all.contains(told)),
        "it was listened to: {all}"
    );
    assert!(!cursors.is_empty() && cursors.iter().all(|cursor| cursor.len() > 20));
    for secret in cursors.iter().map(String::as_str).chain([CANARY, &key, "elk_test_"]) {
        let place = all.lines().find(|line| line.contains(secret));
        assert_eq!(place, None, "{secret} was told");
    }
}

#[tokio::test]
async fn one_invocation_in_many_tells_its_details() {
    let (logged, _logging) = listen(Format::Json, "info");
    let api = Api::in_process().await;
    let ledger = &api.app().ledger;
    let teller = telemetry::Telemetry::log("keeper");
    // Eight hexadecimal digits that are a multiple of the rate, and others.
    let sampled = format!("{:08x}", telemetry::SAMPLED_IN * 7);
    for id in [sampled.as_str(), "00000001"] {
        let work = async {
            tracing::debug!(target: "ledger", "a detail");
            tracing::debug!(target: "aws_smithy_runtime", "a detail of others");
            Ok(())
        };
        teller.event(ledger, "sweep", id, work).await.expect("it works");
    }
    let details: Vec<Value> = logged
        .take()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"))
        .filter(|line| line["message"].as_str().is_some_and(|message| message.starts_with("a detail")))
        .collect();
    assert_eq!(details.len(), 1, "{details:?}");
    let always = ["timestamp", "level", "target"].map(|name| details[0][name].is_string());
    assert_eq!(always, [true; 3]);
    assert_eq!((&details[0]["service"], &details[0]["request_id"]), (&json!("keeper"), &json!(sampled)));
}

#[tokio::test]
async fn one_request_in_many_tells_its_calls_of_the_store() {
    let (logged, _logging) = listen(Format::Json, "info");
    let api = Api::telling(telemetry::Telemetry::log("local")).await;
    let mut requests = BTreeSet::new();
    for _ in 0..5 * telemetry::SAMPLED_IN {
        // Each reads the stream afresh, and whoever asks so much has more quota by then.
        api.app().clock.advance(ledger::limits::CACHE_MS);
        let answer = api.get("/streams/orders").await;
        answer.problem(404, "stream_not_found");
        requests.insert(answer.header("x-request-id").to_owned());
    }
    let logged = logged.take();
    let lines = logged.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    let calls: Vec<Value> = lines.filter(|line| line["message"] == "a call of the store").collect();
    let in_detail: BTreeSet<&str> = calls.iter().filter_map(|line| line["request_id"].as_str()).collect();
    let first = |id: &str| u32::from_str_radix(&id[..8], 16).expect("hexadecimal digits");
    let sampled = requests.iter().map(String::as_str).filter(|id| first(id) % telemetry::SAMPLED_IN == 0);
    assert_eq!(in_detail, sampled.collect());
    assert!(in_detail.len() > 1, "of five hundred some are drawn");
    assert!(calls.iter().all(|line| line["operation"].is_string() && line["units"].is_number()), "{calls:?}");
}

#[tokio::test]
async fn what_is_told_of_a_request_is_overheard() {
    let app = App::start(Quotas::default()).await;
    let request = http::Request::get("/streams/orders/events").header("x-api-key", app.admin_key().await);
    let broken = async {
        app.engine().inject(Fault::on("GetItem", FaultKind::Throttle, 40));
        app.router.clone().oneshot(request.body(axum::body::Body::empty()).expect("a request")).await
    };
    let (_, told) = secrecy::overheard(broken).await;
    assert!(told.contains("\"operation\":\"read_events\"") && told.contains("a request failed"), "{told}");
}
