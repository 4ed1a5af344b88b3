//! Micro-benchmarks of the check of an API key: reading and hashing one, and a request to a route that does nothing, with a key
//! that the process knows, beside the same route open to all; what lies between them is the check and the limits.

use std::hint::black_box;

use axum::body::Body;
use criterion::Criterion;
use ledger::{Clock, Ledger, Randomness, Settings};
use platform::access::{Action, Allowance, Quotas};
use platform::api_key::Token;
use platform::endpoint::{Endpoint, Routes};
use platform::telemetry::Telemetry;
use tokio::runtime::Runtime;
use tower::ServiceExt;

const ENVIRONMENT: &str = "bench";

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (router, key) = runtime.block_on(service());
    let mut group = criterion.benchmark_group("API key");
    group.bench_function("read and hash", |bencher| {
        bencher.iter(|| Token::parse(black_box(&key)).expect("a key").secret_hash());
    });
    group.bench_function("request without a check", |bencher| bencher.iter(|| ask(&runtime, &router, "/open", &key)));
    group.bench_function("request with a check", |bencher| bencher.iter(|| ask(&runtime, &router, "/closed", &key)));
    group.finish();
    criterion.final_summary();
}

async fn service() -> (axum::Router, String) {
    let clock = Clock::system();
    let engine = embedded::Engine::memory(&clock);
    ledger::table::create_if_absent(&engine.client(), "eventledger").await.expect("a table in memory");
    let ledger = Ledger::new(engine.client(), "eventledger", clock, Randomness::seeded(1), Settings::EMBEDDED);
    let plenty = Allowance::new(1_000_000, 1_000_000);
    let settings = platform::endpoint::Settings {
        environment: ENVIRONMENT.to_owned(),
        quotas: Quotas::uniform(plenty, plenty),
        telemetry: Telemetry::log("bench"),
    };
    let token = Token::mint(ledger.randomness(), ENVIRONMENT);
    let record = token.record("somebody", &["poll:*"], ledger.clock().now());
    ledger.create_api_key(&record).await.expect("a key can be stored");
    let routes = Routes::new([
        Endpoint::get("/open", "open", "").open().handled_by(async || ()),
        Endpoint::get("/closed", "closed", "").needs(Action::Poll).handled_by(async || ()),
    ]);
    (routes.router(ledger, &settings), token.reveal())
}

fn ask(runtime: &Runtime, router: &axum::Router, path: &str, key: &str) {
    let request = http::Request::get(path).header("x-api-key", key).body(Body::empty()).expect("a request");
    let answer = runtime.block_on(router.clone().oneshot(request)).unwrap_or_else(|never| match never {});
    assert!(answer.status().is_success(), "{}", answer.status());
}
