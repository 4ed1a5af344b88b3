//! key-timing: whether the time of a refusal tells an unknown API key from a wrong secret. Both are sent to the production
//! routers on an embedded table, in random order so that the machine's moods meet both alike, and the two distributions
//! are compared: the ratio of their medians, and Welch's t, whose size is small when they are one and the same.
//!
//! It measures and judges nothing: a machine that does something else at the time has the last word about figures.
#![expect(clippy::disallowed_methods, reason = "it measures time, which no test does")]

use std::time::Instant;

use axum::body::Body;
use clap::Parser;
use ledger::{Clock, Ledger, Randomness, Settings};
use platform::access::{Allowance, Quotas};
use platform::api_key::Token;
use platform::telemetry::Telemetry;
use tower::ServiceExt;

const ENVIRONMENT: &str = "timing";

/// Compares how long an unknown id and a wrong secret take to be refused.
#[derive(Debug, Parser)]
#[command(name = "key-timing")]
struct Arguments {
    /// How many refusals of each kind.
    #[arg(long, default_value_t = 20_000)]
    samples: usize,
    /// The seed of ids, secrets and their order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What is sent, and how long each of the two took, in nanoseconds.
#[derive(Default)]
struct Times {
    unknown: Vec<f64>,
    wrong: Vec<f64>,
}

struct Server {
    router: axum::Router,
    ledger: Ledger,
}

fn main() {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        println!("{:<28} {:>12} {:>12} {:>8} {:>8}", "", "unknown id", "wrong secret", "ratio", "t");
        report("the process knows already", remembered(&arguments).await);
        report("the store is asked", asked(&arguments, false).await);
        report("and the owner uses the key", asked(&arguments, true).await);
        report("the same twice, to compare", control(&arguments).await);
    });
}

impl Server {
    async fn start(seed: u64) -> Self {
        let clock = Clock::system();
        let engine = embedded::Engine::memory(&clock);
        ledger::table::create_if_absent(&engine.client(), "eventledger").await.expect("a table in memory");
        let (randomness, alone) = (Randomness::seeded(seed), Settings::EMBEDDED);
        let ledger = Ledger::new(engine.client(), "eventledger", clock, randomness, alone);
        let plenty = Allowance::new(1_000_000, 1_000_000);
        let quotas = Quotas { failures_per_minute: u32::MAX, ..Quotas::uniform(plenty, plenty) };
        let settings = platform::endpoint::Settings {
            environment: ENVIRONMENT.to_owned(),
            quotas,
            telemetry: Telemetry::log("timing"),
        };
        Self { router: local::app::router(&ledger, &settings), ledger }
    }

    fn mint(&self) -> Token {
        Token::mint(self.ledger.randomness(), ENVIRONMENT)
    }

    /// A key that exists, and a token with its id and another secret.
    async fn wrong(&self) -> (String, String) {
        let key = self.mint();
        let record = key.record("somebody", &["poll:*"], self.ledger.clock().now());
        self.ledger.create_api_key(&record).await.expect("a key can be stored");
        let wrong = Token::assemble(ENVIRONMENT, key.id(), &self.ledger.randomness().base62(43));
        (key.reveal(), wrong.reveal())
    }

    /// Nanoseconds until a credential is refused.
    async fn refuse(&self, token: &str) -> f64 {
        let (status, nanoseconds) = self.ask(token).await;
        assert_eq!(status, 401);
        nanoseconds
    }

    /// The status of an answer, and the nanoseconds until it came.
    async fn ask(&self, token: &str) -> (u16, f64) {
        let request = http::Request::get("/streams").header("x-api-key", token).body(Body::empty());
        let (request, router) = (request.expect("a request"), self.router.clone());
        let began = Instant::now();
        let answer = router.oneshot(request).await.unwrap_or_else(|never| match never {});
        let took = began.elapsed();
        (answer.status().as_u16(), took.as_secs_f64() * 1e9)
    }

    /// Sends both, in random order.
    async fn race(&self, times: &mut Times, unknown: &str, wrong: &str) {
        if self.ledger.randomness().below(2) == 0 {
            times.unknown.push(self.refuse(unknown).await);
            times.wrong.push(self.refuse(wrong).await);
        } else {
            times.wrong.push(self.refuse(wrong).await);
            times.unknown.push(self.refuse(unknown).await);
        }
    }
}

/// Both were refused a moment ago.
async fn remembered(arguments: &Arguments) -> Times {
    let server = Server::start(arguments.seed).await;
    let (unknown, (_, wrong)) = (server.mint().reveal(), server.wrong().await);
    let mut times = Times::default();
    for number in 0..arguments.samples {
        if number % 100 == 0 {
            // What is remembered of either is young.
            server.refuse(&unknown).await;
            server.refuse(&wrong).await;
        }
        server.race(&mut times, &unknown, &wrong).await;
    }
    times
}

/// Neither credential was ever sent; the owner of the key may have used it a moment ago.
async fn asked(arguments: &Arguments, owner_uses_it: bool) -> Times {
    let server = Server::start(arguments.seed).await;
    let mut times = Times::default();
    // Fewer, because each makes a key, and than a process remembers.
    for _ in 0..(arguments.samples / 10).min(4_000) {
        let (unknown, (right, wrong)) = (server.mint().reveal(), server.wrong().await);
        if owner_uses_it {
            assert_eq!(server.ask(&right).await.0, 200);
        }
        server.race(&mut times, &unknown, &wrong).await;
    }
    times
}

/// An unknown id against itself: what the machine's moods alone come to.
async fn control(arguments: &Arguments) -> Times {
    let server = Server::start(arguments.seed).await;
    let unknown = server.mint().reveal();
    server.refuse(&unknown).await;
    let mut times = Times::default();
    for _ in 0..arguments.samples {
        server.race(&mut times, &unknown, &unknown).await;
    }
    times
}

fn report(what: &str, times: Times) {
    let (unknown, wrong) = (trimmed(times.unknown), trimmed(times.wrong));
    let (left, right) = (unknown[unknown.len() / 2], wrong[wrong.len() / 2]);
    let t = welch(&unknown, &wrong);
    println!("{what:<28} {:>9.2} us {:>9.2} us {:>8.4} {t:>8.2}", left / 1e3, right / 1e3, left / right);
}

/// In order, without the slowest twentieth: what the machine did in between.
fn trimmed(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    times.truncate((times.len() * 19 / 20).max(1));
    times
}

/// Welch's t of two samples.
fn welch(left: &[f64], right: &[f64]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "samples are few")]
    let count = |sample: &[f64]| sample.len() as f64;
    let mean = |sample: &[f64]| sample.iter().sum::<f64>() / count(sample);
    let spread = |sample: &[f64]| {
        let mean = mean(sample);
        sample.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (count(sample) - 1.0).max(1.0) / count(sample)
    };
    (mean(left) - mean(right)) / (spread(left) + spread(right)).sqrt().max(f64::MIN_POSITIVE)
}
