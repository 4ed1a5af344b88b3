//! One line for each invocation: access log, numbers, and what the store was asked.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use futures::StreamExt;
use lambda_runtime::{Context, LambdaEvent};
use platform::access::{Allowance, Quotas};
use platform::api_key::Token;
use platform::endpoint::Settings;
use platform::in_flight::InFlight;
use platform::lambda::GatewayEvent;
use platform::telemetry::{EmfRecorder, Format, Telemetry};
use serde_json::{Value, json};
use tests::api::Api;
use tests::app::{App, Late};
use tower::ServiceExt;

use crate::told::{Told, listen};

/// A line of a request costs money at every request.
const MOST_BYTES: usize = 1_024;

#[tokio::test]
async fn each_request_is_told_in_one_line() {
    let recorder = EmfRecorder::default();
    let told = Told::by("publish", &recorder);
    let api = Api::telling(told.telemetry.clone()).await;
    let _ = api.post("/streams", json!({ "stream_id": "orders", "compaction": true })).await.ok(201);
    let [created] = told.written.documents().try_into().expect("one line");
    assert_eq!((&created["operation"], &created["cold_start"]), (&json!("create_stream"), &json!(true)));

    let body = json!({ "key": "a", "type": "order.created", "data": { "total": 12 } });
    let answer = api.post("/streams/orders/events", body.clone()).await;
    let _ = answer.ok(201);
    let [line] = told.written.documents().try_into().expect("one line");
    assert!(line.to_string().len() < MOST_BYTES, "{} bytes: {line}", line.to_string().len());
    let told_of = |line: &Value| ["service", "operation", "stream"].map(|name| line[name].clone());
    assert_eq!(told_of(&line), ["publish", "publish", "orders"].map(Value::from));
    assert_eq!(line["status"], 201);
    assert_eq!(line["request_id"], answer.header("x-request-id"));
    assert_eq!(line["cold_start"], Value::Null);
    let counted = ["Requests", "EventsPublished", "ConsumedWriteUnits", "SlotConflicts", "Faults"];
    // A number that nobody told is absent; a record batch and the mark of a used partition are written in a transaction.
    assert_eq!(counted.map(|name| line[name].clone()), [json!(1), json!(1), json!(4), Value::Null, Value::Null]);
    assert!(line["BytesPublished"].as_u64().is_some_and(|bytes| (400..500).contains(&bytes)));
    assert_eq!(line["dynamo"]["TransactWriteItems"], 1);
    assert_eq!(
        line["DynamoCalls"].as_u64(),
        line["dynamo"].as_object().map(|calls| calls.values().filter_map(Value::as_u64).sum())
    );

    let _ = api.post("/streams/orders/events", body).await.ok(201);
    let again = &told.written.documents()[0];
    assert_eq!((&again["dynamo"]["PutItem"], &again["ConsumedWriteUnits"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn refusals_are_told_with_their_code() {
    let recorder = EmfRecorder::default();
    let told = Told::by("poll", &recorder);
    let api = Api::telling(told.telemetry.clone()).await;
    let _ = api.get("/streams/orders/events").await.problem(404, "stream_not_found");
    let _ = api.get("/no/such/route").await.problem(404, "route_not_found");
    let _ = api.with_key(None).get("/streams").await.problem(401, "unauthenticated");
    let lines = told.written.documents();
    let codes: Vec<_> = lines
        .iter()
        .map(|line| {
            (line["operation"].as_str().unwrap(), line["code"].as_str().unwrap(), line["ClientErrors"].as_u64())
        })
        .collect();
    assert_eq!(
        codes,
        [
            ("read_events", "stream_not_found", Some(1)),
            ("unknown", "route_not_found", Some(1)),
            ("list_streams", "unauthenticated", Some(1)),
        ]
    );
}

#[tokio::test]
async fn who_is_refused_at_the_door_is_told_with_what_was_asked_for() {
    let recorder = EmfRecorder::default();
    let told = Told::by("local", &recorder);
    let api = Api::telling(told.telemetry.clone()).await;
    let full = local::app::routes().bounded(InFlight { working: 0, waiting: 0, answering: 0 });
    let settings =
        Settings { environment: "test".to_owned(), quotas: Quotas::default(), telemetry: told.telemetry.clone() };
    let api = api.answered_by(full.router(api.app().ledger.clone(), &settings));
    let _ = api.get("/streams").await.problem(503, "unavailable");
    let _ = api.get("/streams/orders/events?wait=20").await.problem(503, "unavailable");
    // It is of no kind that is bounded.
    let _ = api.get("/health").await.ok(200);
    let operations = told.written.documents().into_iter().map(|mut line| line["operation"].take());
    assert_eq!(operations.collect::<Vec<_>>(), ["list_streams", "read_events", "health"]);
}

#[tokio::test]
async fn what_a_lambda_cannot_read_is_told_like_every_other_request() {
    let recorder = EmfRecorder::default();
    let told = Told::by("publish", &recorder);
    let api = Api::telling(told.telemetry.clone()).await;
    let no_uri = format!("/{}", "a".repeat(70_000));
    let broken = [
        ("body", json!("%%%"), "malformed_json"),
        ("rawPath", json!("a:b:c"), "invalid_path"),
        ("rawPath", json!(no_uri), "invalid_path"),
    ];
    for (member, value, code) in broken {
        let mut event: Value =
            serde_json::from_str(include_str!("../../platform/fixtures/publish.json")).expect("JSON");
        event[member] = value;
        event["isBase64Encoded"] = (member == "body").into();
        let event: GatewayEvent = serde_json::from_str(&event.to_string()).expect("an event");
        let event = LambdaEvent::new(event, Context::default());
        let answer = platform::lambda::answer(api.app().router.clone(), event).await;
        let answer = serde_json::to_value(answer).expect("an answer is JSON");
        assert_eq!(answer["statusCode"], 400, "{answer}");
        assert_eq!(answer["headers"]["content-type"], "application/problem+json");
        let problem: Value = serde_json::from_str(answer["body"].as_str().expect("a body")).expect("a problem");
        let [line] = told.written.documents().try_into().expect("one line");
        assert_eq!((&problem["code"], &line["code"]), (&json!(code), &json!(code)));
        assert_eq!(
            [&line["status"], &line["Requests"], &line["ClientErrors"]].map(Value::as_u64),
            [400, 1, 1].map(Some)
        );
        assert_eq!(line["request_id"], answer["headers"]["x-request-id"]);
        assert_eq!(line["request_id"], problem["request_id"]);
    }
}

#[tokio::test]
async fn a_sample_is_told_with_its_own_status_and_with_those_of_the_consumers() {
    let recorder = EmfRecorder::default();
    let told = Told::by("keeper", &recorder);
    let api = Api::telling(told.telemetry.clone()).await;
    let ledger = &api.app().ledger;
    let schedule = serde_json::from_value(json!({ "task": "sample" })).expect("a schedule");
    told.telemetry.event(ledger, "sample", "an id", keeper::keep(ledger.clone(), schedule)).await.expect("a sample");
    let lines = told.written.documents();
    let with_properties: Vec<_> = lines.iter().filter(|line| line["request_id"] == "an id").collect();
    assert_eq!(with_properties.iter().map(|line| &line["status"]).collect::<Vec<_>>(), [&json!(200)]);
    let mut statuses: Vec<_> = lines.iter().filter_map(|line| line["consumer_status"].as_str()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, ["IDLE", "LOST", "OK", "REWIND", "STALL", "STOP", "WARN"]);
}

#[tokio::test]
async fn waiting_for_events_is_not_slowness() {
    let recorder = EmfRecorder::default();
    let told = Told::by("poll", &recorder);
    let api = Api::telling(told.telemetry.clone()).await;
    let _ = api.post("/streams", json!({ "stream_id": "orders" })).await.ok(201);
    told.written.take();
    // Whoever sleeps moves the clock.
    let page = api.get("/streams/orders/events?wait=20").await;
    let _ = page.ok(200);
    let [line] = told.written.documents().try_into().expect("one line");
    let numbers = ["duration_ms", "waited_ms", "Latency", "SlowRequests", "EmptyPolls"].map(|name| line[name].as_u64());
    assert_eq!(numbers, [Some(20_000), Some(20_000), Some(0), None, Some(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_client_leaves_is_told_with_what_it_cost() {
    let recorder = EmfRecorder::default();
    let told = Told::by("poll", &recorder);
    let app = App::start_running(Quotas::default()).await;
    let (environment, quotas, telemetry) = ("test".to_owned(), Quotas::default(), told.telemetry.clone());
    let router = local::app::router(&app.ledger, &Settings { environment, quotas, telemetry });
    let key = app.admin_key().await;
    let request = |method: &str, target: &str, body: &'static str| {
        let request = http::Request::builder().method(method).uri(target).header("x-api-key", &key);
        request.header("content-type", "application/json").body(Body::from(body)).expect("a request")
    };
    let create = request("POST", "/streams", r#"{"stream_id": "orders"}"#);
    assert_eq!(router.clone().oneshot(create).await.expect("an answer").status(), 201);
    told.written.take();

    let polling = router.oneshot(request("GET", "/streams/orders/events?wait=20", ""));
    let answer = app.clock.until(app.clock.now().plus(3_000), polling).await;
    assert!(answer.is_none(), "its client leaves while it waits");
    let [line] = told.written.documents().try_into().expect("one line");
    let names = ["operation", "status", "stream", "duration_ms", "Requests", "ClientErrors", "Faults", "Latency"];
    let expected =
        [json!("read_events"), json!(499), json!("orders"), json!(3_000), json!(1), json!(1), Value::Null, Value::Null];
    assert_eq!(names.map(|name| line[name].clone()), expected);
    let cost = ["DynamoCalls", "ConsumedReadUnits"].map(|name| line[name].as_u64());
    assert!(cost.iter().all(|number| number.is_some_and(|number| number > 0)), "{line}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_no_fault_and_no_slowness_of_ours() {
    let recorder = EmfRecorder::default();
    let told = Told::by("publish", &recorder);
    let api = Api::telling(told.telemetry.clone()).await;
    let _ = api.post("/streams", json!({ "stream_id": "orders" })).await.ok(201);
    told.written.take();
    let clock = api.app().clock.clone();
    // Whoever sleeps moves the clock.
    let comes_late =
        futures::stream::once(async move { clock.sleep(10_000).await }).map(|()| Ok::<_, Infallible>(Bytes::new()));
    let request = http::Request::post("/streams/orders/events").header("x-api-key", api.key().expect("a key"));
    let request = request.header("content-type", "application/json").body(Body::from_stream(comes_late));
    let answer = api.app().router.clone().oneshot(request.expect("a request")).await;
    assert_eq!(answer.expect("an answer").status(), 408);
    let [line] = told.written.documents().try_into().expect("one line");
    assert_eq!((&line["operation"], &line["code"]), (&json!("publish"), &json!("body_timeout")));
    let numbers = ["body_ms", "Latency", "ClientErrors", "Faults", "SlowRequests"].map(|name| line[name].as_u64());
    assert_eq!(numbers, [Some(10_000), Some(0), Some(1), None, None]);
}

#[tokio::test]
async fn a_handler_that_panics_is_answered_and_told_and_harms_nobody_else() {
    let recorder = EmfRecorder::default();
    let told = Told::by("local", &recorder);
    let api = Api::telling(told.telemetry.clone()).await;
    let panics = async || -> &'static str { panic!("the secret of the handler") };
    let routes = local::app::routes().beside("/panics", "health", axum::routing::get(panics));
    let settings =
        Settings { environment: "test".to_owned(), quotas: Quotas::default(), telemetry: told.telemetry.clone() };
    let router = routes.router(api.app().ledger.clone(), &settings);
    let request = http::Request::get("/panics").body(Body::empty()).expect("a request");
    let answer = router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let [line] = told.written.documents().try_into().expect("one line");
    assert_eq!((&line["code"], &line["Panics"], &line["Faults"]), (&json!("internal"), &json!(1), &json!(1)));
    let _ = api.answered_by(router).get("/streams").await.ok(200);
}

#[tokio::test]
async fn who_is_refused_or_limited_is_told_from_where_and_by_what() {
    let recorder = EmfRecorder::default();
    let told = Told::by("publish", &recorder);
    refuse_and_limit(&told.telemetry).await;
    let in_documents = told.written.documents();
    let (logged, _logging) = listen(Format::Json, "info");
    refuse_and_limit(&Telemetry::log("local")).await;
    let logged = logged.take();
    let in_the_log = logged.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    let in_the_log: Vec<Value> = in_the_log.filter(|line| line["message"] == "request").collect();
    for lines in [in_documents, in_the_log] {
        let told: Vec<_> = lines.iter().map(|line| (line["client"].as_str(), line["limited_by"].as_str())).collect();
        let nowhere = Some("0.0.0.0");
        assert_eq!(told, [(nowhere, None), (nowhere, Some("failures")), (None, None), (None, Some("requests"))]);
        assert!(lines.iter().all(|line| line["operation"] == "list_streams" && line["request_id"].is_string()));
    }
}

/// A guess, one too many, and requests of which one is too many.
async fn refuse_and_limit(telemetry: &Telemetry) {
    let api = Api::telling(telemetry.clone()).await;
    let one = Allowance::new(1, 1);
    let quotas = Quotas { failures_per_minute: 1, ..Quotas::uniform(one, one) };
    let settings = Settings { environment: "test".to_owned(), quotas, telemetry: telemetry.clone() };
    let api = api.answered_by(local::app::router(&api.app().ledger, &settings));
    let guesser = api.with_key(Some("elk_test_guess".to_owned()));
    let _ = guesser.get("/streams").await.problem(401, "unauthenticated");
    let _ = guesser.get("/streams").await.problem(429, "rate_limited");
    api.app().clock.advance(60_000);
    let _ = api.get("/streams").await.ok(200);
    let _ = api.get("/streams").await.problem(429, "rate_limited");
}

#[tokio::test]
async fn a_line_on_no_terminal_is_plain_text() {
    let (logged, _logging) = listen(Format::Human, "info");
    let api = Api::telling(Telemetry::log("local")).await;
    let _ = api.post("/streams", json!({ "stream_id": "orders" })).await.ok(201);
    api.post("/streams", json!({ "stream_id": 7 })).await.problem(422, "validation_failed");
    let logged = logged.take();
    assert!(!logged.contains('\u{1b}'), "{logged}");
    let lines: Vec<&str> = logged.lines().filter(|line| line.contains(" request ")).collect();
    for (line, words) in lines.iter().zip([
        ["method=\"POST\"", "route=\"/streams\"", "operation=\"create_stream\"", "status=201", "stream=\"orders\""],
        [
            "method=\"POST\"",
            "route=\"/streams\"",
            "operation=\"create_stream\"",
            "status=422",
            "code=\"validation_failed\"",
        ],
    ]) {
        words.iter().for_each(|word| assert!(line.contains(word), "{word} is not in {line}"));
    }
    assert_eq!(lines.len(), 2, "{logged}");
}

#[tokio::test]
async fn the_longest_names_make_a_line_little_longer() {
    let recorder = EmfRecorder::default();
    let told = Told::by("compactor", &recorder);
    let api = Api::telling(told.telemetry.clone()).await;
    let (stream, subscription) = ("s".repeat(64), "b".repeat(64));
    let _ = api.post("/streams", json!({ "stream_id": stream })).await.ok(201);
    let all = format!("/streams/{stream}/subscriptions");
    let body = json!({ "subscription_id": subscription, "start_from": "earliest" });
    let _ = api.post(&all, body).await.ok(201);
    let event = json!({ "type": "order.created", "data": 1 });
    let _ = api.post(format!("/streams/{stream}/events"), event).await.ok(201);
    let traced = |method, path: String| {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        api.request(method, path).header("traceparent", parent)
    };
    told.written.take();
    let page = traced("GET", format!("{all}/{subscription}/poll")).send().await.ok(200);
    let commit = traced("POST", format!("{all}/{subscription}/commit"));
    let _ = commit.json(json!({ "cursor": page["cursor"] }).to_string()).send().await.ok(200);
    let lines = told.written.documents();
    assert_eq!(lines.len(), 2);
    let key = Token::parse(api.key().expect("a key")).expect("a well-formed key");
    for line in lines {
        let length = line.to_string().len();
        assert!(length < MOST_BYTES + 128, "{length} bytes: {line}");
        let whose = ["key_id", "stream", "subscription", "trace_id"].map(|name| line[name].as_str());
        let trace_id = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(whose, [key.id(), &stream, &subscription, trace_id].map(Some), "{line}");
    }
}

#[tokio::test]
async fn a_call_of_the_store_that_was_cut_off_is_told_too() {
    let recorder = EmfRecorder::default();
    let told = Told::by("poll", &recorder);
    let api = Api::telling(told.telemetry.clone()).await;
    let _ = api.post("/streams", json!({ "stream_id": "orders" })).await.ok(201);
    told.written.take();
    api.app().engine().set_fate(Late::endless("Query"));
    api.get("/streams/orders/events?from=earliest").await.problem(503, "unavailable");
    let [line] = told.written.documents().try_into().expect("one line");
    assert_eq!(line["dynamo"]["Query"], 1, "{line}");
    let longest = line["DynamoLatency"].as_array().and_then(|all| all.iter().filter_map(Value::as_u64).max());
    assert!(longest.is_some_and(|milliseconds| milliseconds > 10_000), "{line}");
}

#[tokio::test]
async fn a_line_for_people_says_what_a_request_cost() {
    let (logged, _logging) = listen(Format::Json, "info");
    let api = Api::telling(Telemetry::log("local")).await;
    let _ = api.post("/streams", json!({ "stream_id": "orders" })).await.ok(201);
    logged.take();
    let engine = api.app().engine();
    engine.record();
    let _ = api.post("/streams/orders/events", json!({ "type": "order.created", "data": 1 })).await.ok(201);
    let _ = api.get("/streams/orders/events?from=earliest").await.ok(200);
    let calls = engine.take_calls();
    let billed: [f64; 2] =
        [calls.iter().map(|call| call.read_units).sum(), calls.iter().map(|call| call.write_units).sum()];
    let lines = logged.take();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let told = |name: &str| lines.iter().filter_map(|line| line[name].as_f64()).sum::<f64>();
    assert_eq!(lines.iter().filter(|line| line["message"] == "request").count(), 2);
    assert_eq!(["read_units", "write_units"].map(told), billed);
    assert!(billed.iter().all(|units| *units > 0.0), "{billed:?}");
}

#[tokio::test]
async fn an_event_is_told_like_a_request() {
    let recorder = EmfRecorder::default();
    let told = Told::by("keeper", &recorder);
    let api = Api::telling(told.telemetry.clone()).await;
    let ledger = &api.app().ledger;
    told.telemetry.event(ledger, "sweep", "an id", ledger.sweep()).await.expect("it sweeps");
    let failing = async { Err::<(), _>(ledger::Error::Contention) };
    told.telemetry.event(ledger, "sweep", "another id", failing).await.expect_err("it fails");
    let panicking = async { panic!("on purpose") };
    told.telemetry.event::<()>(ledger, "sweep", "a third", panicking).await.expect_err("it panics");
    let lines = told.written.documents();
    assert_eq!(lines[2]["Panics"], 1);
    let faults: Vec<_> =
        lines.iter().map(|line| (line["request_id"].as_str().unwrap(), line["Faults"].as_u64())).collect();
    assert_eq!(faults, [("an id", None), ("another id", Some(1)), ("a third", Some(1))]);
}
