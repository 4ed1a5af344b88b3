//! wrapper-cost: what API keys, limits, deadlines and telemetry around a verb cost, as a share of the whole request. Requests
//! go through the production router, as in a Lambda. In between, in random order so that the machine's moods meet both alike,
//! others go through the same wrapper to the verb alone, which tells how long it took: the rest of their time is the wrapper's,
//! with routing. One thread and a table in memory: time is CPU time. It measures and judges nothing.
#![expect(clippy::disallowed_methods, reason = "it measures time, which no test does")]

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use clap::Parser;
use ledger::model::{Data, Event, EventKey, EventType, StreamName, SubscriptionName};
use ledger::{Clock, Ledger, PageRequest, PublishRequest, Randomness, Settings};
use platform::access::{Action, Allowance, Quotas};
use platform::api_key::Token;
use platform::endpoint::{Endpoint, Routes};
use platform::telemetry::{self, EmfRecorder, Format, Prometheus, Telemetry};
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
    /// Whose telemetry.
    #[arg(long, value_enum, default_value = "lambda")]
    shell: Shell,
}

/// Where the wrapper runs, which decides where it tells what happened.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Shell {
    /// A document for each request, with its metrics, and a log in JSON.
    Lambda,
    /// A line for people for each request, and metrics for Prometheus.
    Local,
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

/// Nanoseconds that the last bare verb took.
static VERB: AtomicU64 = AtomicU64::new(0);

struct Service {
    /// As in production.
    router: axum::Router,
    /// The same wrapper around the verbs alone.
    bare: axum::Router,
    ledger: Ledger,
    key: String,
    lines: Sink,
}

fn main() {
    let arguments = Arguments::parse();
    let lines = Sink::default();
    let telemetry = tell(arguments.shell, &lines);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let service = Service::start(telemetry, lines).await;
        println!("{:<8} {:>12} {:>12} {:>12} {:>12} {:>14}", "", "request", "verb", "wrapper", "share", "line");
        service.compare("publish", arguments.samples).await;
        service.compare("poll", arguments.samples).await;
    });
}

/// Begins to tell what happens, as a process of this kind does.
fn tell(shell: Shell, lines: &Sink) -> Telemetry {
    let log = lines.clone();
    let format = match shell {
        Shell::Lambda => Format::Json,
        Shell::Local => Format::Human,
    };
    let subscriber = telemetry::subscriber(format, "info", move || log.clone());
    tracing::subscriber::set_global_default(subscriber).expect("the first subscriber");
    match shell {
        Shell::Lambda => {
            let recorder = EmfRecorder::default();
            metrics::set_global_recorder(recorder.clone()).expect("the first recorder");
            Telemetry::documents("local", ENVIRONMENT, recorder, lines.clone())
        }
        Shell::Local => {
            Prometheus::install("local", &local::app::routes()).expect("the first recorder");
            Telemetry::log("local")
        }
    }
}

impl Service {
    async fn start(telemetry: Telemetry, lines: Sink) -> Self {
        let clock = Clock::system();
        let engine = embedded::Engine::memory(&clock);
        ledger::table::create_if_absent(&engine.client(), "eventledger").await.expect("a table in memory");
        let ledger = Ledger::new(engine.client(), "eventledger", clock, Randomness::seeded(1), Settings::EMBEDDED);
        // Small enough that leases of it are asked for as in production.
        let plenty = Allowance::new(20_000, 200_000);
        let settings = platform::endpoint::Settings {
            environment: ENVIRONMENT.to_owned(),
            quotas: Quotas::uniform(plenty, plenty),
            telemetry,
        };
        let token = Token::mint(ledger.randomness(), ENVIRONMENT);
        let key =
            token.record("somebody", &["publish:*", "poll:*", "stream.admin:*", "sub.admin:*"], ledger.clock().now());
        ledger.create_api_key(&key).await.expect("a key can be stored");
        let bare = Routes::new([
            Endpoint::post(PUBLISH, "publish", "").needs(Action::Publish).handled_by(publish),
            Endpoint::get(POLL, "poll", "").needs(Action::Poll).handled_by(poll),
        ]);
        let bare = bare.router(ledger.clone(), &settings);
        let service = Self { router: local::app::router(&ledger, &settings), bare, ledger, key: token.reveal(), lines };
        service.post("/streams", r#"{"stream_id":"orders"}"#).await;
        let subscription = r#"{"subscription_id":"billing","start_from":"earliest"}"#;
        service.post("/streams/orders/subscriptions", subscription).await;
        service
    }

    async fn post(&self, path: &str, body: &'static str) {
        let request = http::Request::post(path).header("content-type", "application/json");
        self.send(&self.router, request, Body::from(body)).await;
    }

    async fn send(&self, router: &axum::Router, request: http::request::Builder, body: Body) {
        let request = request.header("x-api-key", &self.key).body(body).expect("a request");
        let answer = router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// Microseconds of one request.
    async fn request(&self, router: &axum::Router, operation: &str) -> f64 {
        let (request, body) = match operation {
            "publish" => {
                let path = "/streams/orders/events";
                (http::Request::post(path).header("content-type", "application/json"), Body::from(BODY))
            }
            _ => (http::Request::get("/streams/orders/subscriptions/billing/poll?limit=10"), Body::empty()),
        };
        let began = Instant::now();
        self.send(router, request, body).await;
        began.elapsed().as_secs_f64() * 1e6
    }

    /// Microseconds of a verb and of what is around it.
    async fn taken_apart(&self, operation: &str) -> (f64, f64) {
        let whole = self.request(&self.bare, operation).await;
        let verb = VERB.load(Ordering::Relaxed) as f64 / 1e3;
        (verb, whole - verb)
    }

    async fn compare(&self, operation: &str, samples: usize) {
        let (mut requests, mut verbs, mut wrappers, mut written) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for _ in 0..samples {
            let bare_first = self.ledger.randomness().below(2) == 0;
            let mut parts = if bare_first { Some(self.taken_apart(operation).await) } else { None };
            let before = self.lines.0.load(Ordering::Relaxed);
            requests.push(self.request(&self.router, operation).await);
            written += self.lines.0.load(Ordering::Relaxed) - before;
            if parts.is_none() {
                parts = Some(self.taken_apart(operation).await);
            }
            if let Some((verb, wrapper)) = parts {
                verbs.push(verb);
                wrappers.push(wrapper);
            }
        }
        let (request, verb, wrapper) = (median(requests), median(verbs), median(wrappers));
        let (share, bytes) = (100.0 * wrapper / request, written / samples);
        println!("{operation:<8} {request:>9.1} us {verb:>9.1} us {wrapper:>9.1} us {share:>10.1} % {bytes:>8} bytes");
    }
}

const PUBLISH: &str = "/streams/{stream}/events";
const POLL: &str = "/streams/{stream}/subscriptions/{subscription}/poll";

async fn publish(State(ledger): State<Ledger>) {
    let began = Instant::now();
    let (stream, events) = (stream(), vec![event()]);
    let request = PublishRequest { stream, events, idempotency: None, expected_tail: None, traceparent: None };
    ledger.publish(request).await.expect("it publishes");
    VERB.store(nanoseconds(began), Ordering::Relaxed);
}

async fn poll(State(ledger): State<Ledger>) {
    let began = Instant::now();
    let page = PageRequest { limit: 10, wait_ms: 0 };
    ledger.poll(&stream(), &subscription(), None, page).await.expect("it polls");
    VERB.store(nanoseconds(began), Ordering::Relaxed);
}

fn nanoseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
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
