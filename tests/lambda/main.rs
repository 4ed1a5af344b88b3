//! The Lambdas' handlers on recorded events: requests of API Gateway (HTTP API, payload format 2.0) to the three HTTP
//! services, a batch of the table's change stream to the compactor, a schedule's event to the keeper, a request that wants to be
//! let through to the authorizer.
//!
//! The events are written from AWS's documented shapes, with the key, path and body that a test needs put in. What the
//! runtime does around a handler is not run here.

mod authorizer;
mod deadline;
mod traces;

use lambda_runtime::{Context, LambdaEvent};
use platform::access::Quotas;
use platform::endpoint::{Routes, Settings};
use platform::lambda::GatewayEvent;
use platform::telemetry::Telemetry;
use serde_json::{Value, json};
use tests::app::App;

const REQUEST: &str = include_str!("../../platform/fixtures/publish.json");
const CHANGES: &str = include_str!("../../services/compactor/fixtures/changes.json");
const SAMPLE: &str = include_str!("../../services/keeper/fixtures/sample.json");
const SCHEDULE: &str = include_str!("../../services/keeper/fixtures/schedule.json");

/// The services, each as its own Lambda.
struct Fleet {
    app: App,
    key: String,
}

impl Fleet {
    async fn start() -> Self {
        Self::of(App::start(Quotas::default()).await).await
    }

    async fn of(app: App) -> Self {
        Self { key: app.admin_key().await, app }
    }

    /// Sends one recorded request to a service and answers the status and the body that API Gateway would get.
    async fn send(&self, routes: Routes, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.invoke(routes, method, path, body, Context::default()).await
    }

    /// The same in an invocation of its own kind.
    async fn invoke(
        &self,
        routes: Routes,
        method: &str,
        path: &str,
        body: Option<Value>,
        context: Context,
    ) -> (u16, Value) {
        let mut event: Value = serde_json::from_str(REQUEST).expect("the fixture is JSON");
        event["requestContext"]["http"]["method"] = method.into();
        event["rawPath"] = path.split('?').next().into();
        event["rawQueryString"] = path.split_once('?').map_or("", |(_, query)| query).into();
        event["headers"]["x-api-key"] = self.key.clone().into();
        event["body"] = body.map_or(Value::Null, |body| body.to_string().into());
        let event: GatewayEvent = serde_json::from_str(&event.to_string()).expect("the fixture is an event");
        let settings =
            Settings { environment: "test".to_owned(), quotas: Quotas::default(), telemetry: Telemetry::log("test") };
        let router = routes.router(self.app.ledger.clone(), &settings);
        let answer = platform::lambda::answer(router, LambdaEvent::new(event, context)).await;
        let answer = serde_json::to_value(answer).expect("an answer is JSON");
        let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
        let text = answer["body"].as_str().unwrap_or_default();
        (status, serde_json::from_str(text).unwrap_or(Value::Null))
    }
}

#[tokio::test]
async fn the_services_answer_recorded_requests_together() {
    let fleet = Fleet::start().await;
    let definition = json!({"stream_id": "orders", "partition_count": 2});
    let (status, stream) = fleet.send(admin::routes(), "POST", "/streams", Some(definition)).await;
    assert_eq!(status, 201, "{stream}");
    let event = json!({"key": "a", "type": "order.placed", "data": {"total": 1}});
    let (status, receipt) = fleet.send(publish::routes(), "POST", "/streams/orders/events", Some(event)).await;
    assert_eq!((status, &receipt["events"][0]["offset"]), (201, &json!(0)));
    let (status, page) = fleet.send(poll::routes(), "GET", "/streams/orders/events?from=earliest&limit=5", None).await;
    assert_eq!((status, &page["events"][0]["data"]), (200, &json!({"total": 1})));

    // The change stream names the partition, the compactor reads the log.
    let partition = &receipt["events"][0]["partition"];
    let mut changes: Value = serde_json::from_str(CHANGES).expect("the fixture is JSON");
    let incarnation = stream["incarnation"].as_str().expect("an incarnation");
    changes["Records"][0]["dynamodb"]["Keys"]["PK"]["S"] = format!("LOG#{incarnation}#{partition}").into();
    let changes = serde_json::from_value(changes).expect("the fixture is an event");
    compactor::compact(fleet.app.ledger.clone(), changes).await.expect("compaction");
    let (status, record) = fleet.send(poll::routes(), "GET", "/streams/orders/compacted/a", None).await;
    assert_eq!((status, &record["data"]), (200, &json!({"total": 1})));

    let (status, _) = fleet.send(admin::routes(), "DELETE", "/streams/orders", None).await;
    assert_eq!(status, 204);
    let (status, problem) = fleet.send(poll::routes(), "GET", "/streams/orders/events", None).await;
    assert_eq!((status, &problem["code"]), (404, &json!("stream_not_found")));
}

#[tokio::test]
async fn the_keeper_compacts_what_no_doorbell_rang_for() {
    let fleet = Fleet::start().await;
    fleet.send(admin::routes(), "POST", "/streams", Some(json!({"stream_id": "orders"}))).await;
    let event = json!({"key": "a", "type": "order.placed", "data": 1});
    fleet.send(publish::routes(), "POST", "/streams/orders/events", Some(event)).await;
    let path = "/streams/orders/compacted/a";
    assert_eq!(fleet.send(poll::routes(), "GET", path, None).await.0, 404);
    let schedule = serde_json::from_str(SCHEDULE).expect("the fixture is an event");
    keeper::keep(fleet.app.ledger.clone(), schedule).await.expect("a sweep");
    assert_eq!(fleet.send(poll::routes(), "GET", path, None).await.0, 200);
}

#[tokio::test]
async fn the_keeper_looks_at_every_subscription_when_its_schedule_says_so() {
    let fleet = Fleet::start().await;
    fleet.send(admin::routes(), "POST", "/streams", Some(json!({"stream_id": "orders"}))).await;
    let reader = json!({"subscription_id": "reader", "start_from": "earliest"});
    fleet.send(admin::routes(), "POST", "/streams/orders/subscriptions", Some(reader)).await;
    let engine = fleet.app.engine();
    engine.record();
    let schedule = serde_json::from_str(SAMPLE).expect("the fixture is an event");
    keeper::keep(fleet.app.ledger.clone(), schedule).await.expect("a sample");
    let calls: Vec<_> = engine.take_calls().into_iter().map(|call| call.operation).collect();
    // Nothing is written: the streams, the subscriptions, the one head, and whether the partition was ever used.
    assert_eq!(calls, ["Query", "Query", "Query", "GetItem"]);
}

#[tokio::test]
async fn a_path_is_read_as_it_was_sent() {
    let fleet = Fleet::start().await;
    for path in ["/streams/%2e%2e/events", "/streams/..%2f..%2fx/events", "/streams/a%00b/events"] {
        let (status, problem) = fleet.send(poll::routes(), "GET", path, None).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_path")), "{path}");
    }
}
