//! The handlers whose instructions are counted: a Lambda's, from an event of API Gateway as text to the answer as text, with
//! everything that is around a verb in production, and the store on [tape](Tape).

use std::io::sink;

use aws_sdk_dynamodb::config::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use embedded::Engine;
use lambda_runtime::{Context, LambdaEvent};
use ledger::{Clock, Ledger, Randomness, Settings, Timestamp};
use platform::access::{Allowance, Quotas};
use platform::api_key::Token;
use platform::lambda::GatewayEvent;
use platform::telemetry::{self, EmfRecorder, Format, Telemetry};
use serde_json::{Value, json};

use crate::tape::Tape;

const ENVIRONMENT: &str = "count";
const TABLE: &str = "eventledger";
/// As API Gateway sends it, to have another method, path, key and body put in.
const EVENT: &str = include_str!("../../../platform/fixtures/publish.json");
const EVENTS: &str = "/streams/orders/events";
const SUBSCRIPTIONS: &str = "/streams/orders/subscriptions";
const POLL: &str = "/streams/orders/subscriptions/billing/poll?limit=100";

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Operation {
    /// One event is published.
    PublishOne,
    /// 25 events in one request are.
    PublishBatch,
    /// A poll that finds nothing.
    PollEmpty,
    /// A poll of 100 events, from four record batches.
    PollPage,
}

impl Operation {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::PublishOne, Self::PublishBatch, Self::PollEmpty, Self::PollPage];

    /// Its name on the command line and in the table.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::PublishOne => "publish-one",
            Self::PublishBatch => "publish-batch",
            Self::PollEmpty => "poll-empty",
            Self::PollPage => "poll-page",
        }
    }

    /// In words.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::PublishOne => "publish of one event",
            Self::PublishBatch => "publish of 25 events",
            Self::PollEmpty => "poll that finds nothing",
            Self::PollPage => "poll of 100 events",
        }
    }
}

/// A Lambda that has all routes.
struct Lambda {
    router: axum::Router,
    key: String,
    tape: Tape,
}

/// Handles one request of an operation so many times, after it was handled once to be taped and to warm up; answers which
/// operations of the store each asks for.
pub(crate) async fn handle(operation: Operation, times: u32) -> Vec<String> {
    let lambda = Lambda::start().await;
    let publishes = if operation == Operation::PollPage { 4 } else { 0 };
    for _ in 0..publishes {
        lambda.send(&lambda.event("POST", EVENTS, Some(&batch()))).await;
    }
    let event = match operation {
        Operation::PublishOne => lambda.event("POST", EVENTS, Some(&one(0))),
        Operation::PublishBatch => lambda.event("POST", EVENTS, Some(&batch())),
        Operation::PollEmpty | Operation::PollPage => lambda.event("GET", POLL, None),
    };
    // What is asked for only once is asked for now: the key, its use, the stream.
    lambda.send(&event).await;
    lambda.tape.rewrite();
    lambda.send(&event).await;
    lambda.tape.play();
    for _ in 0..times {
        lambda.send(&event).await;
    }
    lambda.tape.operations()
}

impl Lambda {
    async fn start() -> Self {
        let recorder = EmfRecorder::default();
        metrics::set_global_recorder(recorder.clone()).expect("the first recorder");
        let subscriber = telemetry::subscriber(Format::Json, "info", sink);
        tracing::subscriber::set_global_default(subscriber).expect("the first subscriber");
        // Nothing of what a process remembers grows old.
        let clock = Clock::manual(Timestamp(1_790_000_000_000));
        let engine = Engine::memory(&clock);
        ledger::table::create_if_absent(&engine.client(), TABLE).await.expect("a table in memory");
        let tape = Tape::of(SharedHttpConnector::new(engine.clone()));
        let client = engine.client().config().to_builder().http_client(tape.clone());
        // Calls are signed, which the engine's own client does not do.
        let client = client.credentials_provider(Credentials::new("count", "count", None, None, "count")).build();
        let client = aws_sdk_dynamodb::Client::from_conf(client);
        // As in a Lambda, where others write too.
        let ledger = Ledger::new(client, TABLE, clock, Randomness::seeded(1), Settings::FLEET);
        let token = Token::mint(ledger.randomness(), ENVIRONMENT);
        let scopes = ["publish:*", "poll:*", "stream.admin:*", "sub.admin:*"];
        let record = token.record("the count", &scopes, ledger.clock().now());
        ledger.create_api_key(&record).await.expect("a key can be stored");
        // So many that one lease of them lasts.
        let plenty = Allowance::new(1_000_000, 1_000_000);
        let settings = platform::endpoint::Settings {
            environment: ENVIRONMENT.to_owned(),
            quotas: Quotas::uniform(plenty, plenty),
            telemetry: Telemetry::documents("local", ENVIRONMENT, recorder, sink()),
        };
        let lambda = Self { router: local::app::router(&ledger, &settings), key: token.reveal(), tape };
        lambda.send(&lambda.event("POST", "/streams", Some(&json!({"stream_id": "orders"})))).await;
        let subscription = json!({"subscription_id": "billing", "start_from": "earliest"});
        lambda.send(&lambda.event("POST", SUBSCRIPTIONS, Some(&subscription))).await;
        lambda
    }

    /// The text of an event.
    fn event(&self, method: &str, target: &str, body: Option<&Value>) -> String {
        let mut event: Value = serde_json::from_str(EVENT).expect("the fixture is JSON");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        event["requestContext"]["http"]["method"] = method.into();
        event["rawPath"] = path.into();
        event["rawQueryString"] = query.into();
        event["headers"]["x-api-key"] = self.key.clone().into();
        event["body"] = body.map_or(Value::Null, |body| body.to_string().into());
        event.to_string()
    }

    async fn send(&self, event: &str) {
        let event: GatewayEvent = serde_json::from_str(event).expect("the text is an event");
        let event = LambdaEvent::new(event, Context::default());
        let answer = platform::lambda::answer(self.router.clone(), event).await;
        let answer = serde_json::to_string(&answer).expect("an answer is JSON");
        assert!(answer.starts_with(r#"{"statusCode":20"#), "{answer}");
    }
}

/// An event of some 240 bytes.
fn one(number: u32) -> Value {
    let note = "Delivered to the neighbour on the second floor, who signed for it at the door. ".repeat(2);
    json!({"key": format!("order-{number}"), "type": "order.changed", "data": {"order": number, "note": note}})
}

fn batch() -> Value {
    json!({"events": (0..25).map(one).collect::<Vec<_>>()})
}
