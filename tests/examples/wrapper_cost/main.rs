//! wrapper-cost: what stands around a verb costs, as a share of the whole request. Requests go through the production router
//! with API keys, limits, deadlines and telemetry, as in a Lambda; the same verbs are called directly in between, in random
//! order so that the machine's moods meet both alike. One thread and a table in memory: time is CPU time.
//!
//! The difference holds more than the wrapper: routing, the reading of JSON and the writing of the answer are in it too. So
//! what it shows is an upper bound. It measures and judges nothing.
#![expect(clippy::disallowed_methods, reason = "it measures time, which no test does")]

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use axum::body::Body;
use clap::Parser;
use ledger::model::{Data, Event, EventKey, EventType, StreamName, SubscriptionName};
use ledger::{Clock, Ledger, PageRequest, PublishRequest, Randomness, Settings};
use platform::access::{Allowance, Quotas};
use platform::api_key::Token;
use platform::telemetry::{EmfRecorder, Telemetry};
use tower::ServiceExt;

const ENVIRONMENT: &str = "cost";
const BODY: &str = r#"{"key":"order-1","type":"order.changed","data":{"order":1,"state":"paid","total":1250}}"#;

/// Compares requests with their verbs.
#[derive(Debug, Parser)]
#[command(name = "wrapper-cost")]
struct Arguments {
    /// How many of each kind.
    #[arg(long, default_value_t = 5_000)]
    samples: usize,
}

/// Counts what is written and keeps none of it.
#[derive(Clone, Default)]
struct Sink(Arc<AtomicUsize>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.fetch_add(bytes.len(), Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Service {
    router: axum::Router,
    ledger: Ledger,
    key: String,
    lines: Sink,
}

fn main() {
    let arguments = Arguments::parse();
    let recorder = EmfRecorder::default();
    metrics::set_global_recorder(recorder.clone()).expect("the first recorder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let service = Service::start(recorder).await;
        println!("{:<8} {:>12} {:>12} {:>14} {:>14}", "", "request", "verb alone", "around it", "line");
        service.compare("publish", arguments.samples).await;
        service.compare("poll", arguments.samples).await;
    });
}

impl Service {
    async fn start(recorder: EmfRecorder) -> Self {
        let clock = Clock::system();
        let engine = embedded::Engine::memory(&clock);
        ledger::table::create_if_absent(&engine.client(), "eventledger").await.expect("a table in memory");
        let alone = Settings { alone: true };
        let ledger = Ledger::new(engine.client(), "eventledger", clock, Randomness::seeded(1), alone);
        let (plenty, lines) = (Allowance::new(1_000_000, 1_000_000), Sink::default());
        let settings = platform::endpoint::Settings {
            environment: ENVIRONMENT.to_owned(),
            quotas: Quotas::uniform(plenty, plenty),
            telemetry: Telemetry::documents("local", ENVIRONMENT, recorder, lines.clone()),
        };
        let token = Token::mint(ledger.randomness(), ENVIRONMENT);
        let key =
            token.record("somebody", &["publish:*", "poll:*", "stream.admin:*", "sub.admin:*"], ledger.clock().now());
        ledger.create_api_key(&key).await.expect("a key can be stored");
        let service = Self { router: local::app::router(&ledger, &settings), ledger, key: token.reveal(), lines };
        service.post("/streams", r#"{"stream_id":"orders"}"#).await;
        let subscription = r#"{"subscription_id":"billing","start_from":"earliest"}"#;
        service.post("/streams/orders/subscriptions", subscription).await;
        service
    }

    async fn post(&self, path: &str, body: &'static str) {
        let request = http::Request::post(path).header("content-type", "application/json");
        self.send(request.header("x-api-key", &self.key).body(Body::from(body)).expect("a request")).await;
    }

    async fn send(&self, request: http::Request<Body>) {
        let answer = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// Microseconds of one request.
    async fn request(&self, operation: &str) -> f64 {
        let request = match operation {
            "publish" => http::Request::post("/streams/orders/events").header("content-type", "application/json"),
            _ => http::Request::get("/streams/orders/subscriptions/billing/poll?limit=10"),
        };
        let body = if operation == "publish" { Body::from(BODY) } else { Body::empty() };
        let request = request.header("x-api-key", &self.key).body(body).expect("a request");
        let began = Instant::now();
        self.send(request).await;
        began.elapsed().as_secs_f64() * 1e6
    }

    /// Microseconds of the verb alone.
    async fn verb(&self, operation: &str) -> f64 {
        let began = Instant::now();
        if operation == "publish" {
            let request =
                PublishRequest { stream: stream(), events: vec![event()], idempotency: None, expected_tail: None };
            self.ledger.publish(request).await.expect("it publishes");
        } else {
            let page = PageRequest { limit: 10, wait_ms: 0 };
            self.ledger.poll(&stream(), &subscription(), None, page).await.expect("it polls");
        }
        began.elapsed().as_secs_f64() * 1e6
    }

    async fn compare(&self, operation: &str, samples: usize) {
        let (mut requests, mut verbs) = (Vec::new(), Vec::new());
        let written = self.lines.0.load(Ordering::Relaxed);
        for _ in 0..samples {
            if self.ledger.randomness().below(2) == 0 {
                requests.push(self.request(operation).await);
                verbs.push(self.verb(operation).await);
            } else {
                verbs.push(self.verb(operation).await);
                requests.push(self.request(operation).await);
            }
        }
        let bytes = (self.lines.0.load(Ordering::Relaxed) - written) / samples;
        let (request, verb) = (median(requests), median(verbs));
        let share = 100.0 * (request - verb) / request;
        println!("{operation:<8} {request:>9.1} us {verb:>9.1} us {share:>12.1} % {bytes:>8} bytes");
    }
}

fn stream() -> StreamName {
    StreamName::parse("orders").expect("a name")
}

fn subscription() -> SubscriptionName {
    SubscriptionName::parse("billing").expect("a name")
}

fn event() -> Event {
    let data = r#"{"order":1,"state":"paid","total":1250}"#;
    Event {
        key: EventKey::parse("order-1"),
        event_type: EventType::parse("order.changed").expect("a type"),
        data: Data::from_json(data),
        headers: Vec::new(),
        id: None,
        time: None,
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
