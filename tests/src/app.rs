//! How the services are put together for a test: the only file that knows the constructors of all parts.
//!
//! In process: the production routers on an embedded table in memory, with a manual clock and seeded randomness, so that
//! every run is the same. With `EVENTLEDGER_TABLE` the same routers run on a DynamoDB over the network, each test on a
//! table of its own; the server under test, if there is one, is named too. Only this file reads the environment.

use embedded::{CallInfo, Course, Fate};
use ledger::model::StreamName;
use ledger::{ApiKey, Clock, Ledger, Randomness, Settings, Timestamp};
use platform::access::Quotas;
use platform::api_key::Token;
use platform::telemetry::Telemetry;

use crate::secrecy;
use crate::transport::Transport;

/// The environment whose keys the routers under test take.
const ENVIRONMENT: &str = "test";
/// Noon of a day in 2026: what the clock shows when a test begins.
const START: Timestamp = Timestamp(1_790_000_000_000);
const TEN_MINUTES_MS: u64 = 600_000;
/// Every action on everything.
const EVERYTHING: [&str; 7] =
    ["publish:*", "poll:*", "commit:*", "bootstrap:*", "stream.admin:*", "sub.admin:*", "keys.admin:*"];

/// The parts of EventLedger in this process.
#[derive(Clone, Debug)]
pub struct App {
    /// The embedded table; none on a DynamoDB over the network.
    engine: Option<embedded::Engine>,
    client: aws_sdk_dynamodb::Client,
    table: String,
    /// What the routers call.
    pub ledger: Ledger,
    /// Moves only by hand.
    pub clock: Clock,
    /// All routes, with all middleware.
    pub router: axum::Router,
}

/// A server that the environment names.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it is.
    pub transport: Transport,
    /// A key that may do everything.
    pub key: String,
}

/// The OpenAPI document of all routes, rendered from the code.
#[must_use]
pub fn description() -> serde_json::Value {
    platform::openapi::render(local::app::routes().endpoints(), env!("CARGO_PKG_VERSION"))
}

impl App {
    /// Everything new, on an empty table.
    ///
    /// # Panics
    /// When the table cannot be made.
    pub async fn start(quotas: Quotas) -> Self {
        Self::telling(quotas, secrecy::telemetry()).await
    }

    /// The same, and where it tells what happens.
    ///
    /// # Panics
    /// When the table cannot be made.
    pub async fn telling(quotas: Quotas, telemetry: Telemetry) -> Self {
        let (table, network) = table();
        // A DynamoDB over the network deletes by its own clock, and remembers the tokens of transactions over all tables.
        let (start, randomness) = if network {
            // Not long ago, and as far into the windows of quotas as tests find themselves elsewhere.
            let now = Clock::system().now();
            (Timestamp(now.0 - now.since(START) % TEN_MINUTES_MS), Randomness::system())
        } else {
            (START, Randomness::seeded(1))
        };
        let clock = Clock::manual(start);
        let engine = (!network).then(|| embedded::Engine::memory(&clock));
        let client = match &engine {
            Some(engine) => engine.client(),
            None => platform::config::client(None).await,
        };
        Self::assemble(engine, client, &table, clock, randomness, quotas, telemetry).await
    }

    /// The same on a clock that runs with tokio's time, which such a test pauses; always on the embedded table.
    ///
    /// # Panics
    /// When the table cannot be made.
    pub async fn start_running(quotas: Quotas) -> Self {
        let clock = Clock::simulated(START);
        let engine = embedded::Engine::memory(&clock);
        let client = engine.client();
        Self::assemble(Some(engine), client, "eventledger", clock, Randomness::seeded(1), quotas, secrecy::telemetry())
            .await
    }

    async fn assemble(
        engine: Option<embedded::Engine>,
        client: aws_sdk_dynamodb::Client,
        table: &str,
        clock: Clock,
        randomness: Randomness,
        quotas: Quotas,
        telemetry: Telemetry,
    ) -> Self {
        ledger::table::create_if_absent(&client, table).await.expect("the table can be created");
        let ledger = Ledger::new(client.clone(), table, clock.clone(), randomness, Settings::EMBEDDED);
        let router = local::app::router(
            &ledger,
            &platform::endpoint::Settings { environment: ENVIRONMENT.to_owned(), quotas, telemetry },
        );
        Self { engine, client, table: table.to_owned(), ledger, clock, router }
    }

    /// The routers of another process on the same table, with its own caches and the same clock.
    pub fn another_process(&self, quotas: Quotas, number: u64) -> axum::Router {
        let randomness = if self.engine.is_some() { Randomness::seeded(1_000 + number) } else { Randomness::system() };
        let ledger = Ledger::new(self.client.clone(), &self.table, self.clock.clone(), randomness, Settings::FLEET);
        let (environment, telemetry) = (ENVIRONMENT.to_owned(), secrecy::telemetry());
        local::app::router(&ledger, &platform::endpoint::Settings { environment, quotas, telemetry })
    }

    /// The embedded table, for tests that break it, watch it, or let it delete.
    ///
    /// # Panics
    /// On a DynamoDB over the network.
    #[must_use]
    pub fn engine(&self) -> &embedded::Engine {
        self.engine.as_ref().expect("this test needs the embedded table")
    }

    /// A new key that may do everything.
    pub async fn admin_key(&self) -> String {
        self.key(&EVERYTHING, |_| {}).await
    }

    /// A new key with these scopes; what else is special about it, the second argument sets.
    ///
    /// # Panics
    /// When the key cannot be stored.
    pub async fn key(&self, scopes: &[&str], special: impl FnOnce(&mut ApiKey)) -> String {
        let token = Token::mint(self.ledger.randomness(), ENVIRONMENT);
        let mut key = token.record("tests", scopes, self.clock.now());
        special(&mut key);
        self.ledger.create_api_key(&key).await.expect("a key can be stored");
        token.reveal()
    }

    /// Compacts a stream now, as its compactor would.
    ///
    /// # Panics
    /// When it cannot.
    pub async fn compact(&self, stream: &str) {
        let name = StreamName::parse(stream).expect("the name of a stream");
        self.ledger.compact_stream(&name).await.expect("a stream can be compacted");
    }
}

/// The name of a new table, and whether it is on a DynamoDB over the network: then `EVENTLEDGER_TABLE` is set, and names
/// begin so. Which DynamoDB that is, AWS's own variables say.
#[expect(clippy::disallowed_methods, reason = "this is how a person points the suite at a DynamoDB")]
fn table() -> (String, bool) {
    match std::env::var("EVENTLEDGER_TABLE") {
        Ok(prefix) => (format!("{prefix}-{}", Randomness::system().base62(12)), true),
        Err(_) => ("eventledger".to_owned(), false),
    }
}

impl Server {
    /// The server that `EVENTLEDGER_API_URL` and `EVENTLEDGER_API_KEY` name; none when the former is not set.
    ///
    /// # Panics
    /// When only the URL is set.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is how a person points the suite at a server")]
    pub fn from_environment() -> Option<Self> {
        let url = std::env::var("EVENTLEDGER_API_URL").ok()?;
        let key = std::env::var("EVENTLEDGER_API_KEY").expect("EVENTLEDGER_API_KEY is set beside EVENTLEDGER_API_URL");
        Some(Self { transport: Transport::remote(&url), key: key.trim().to_owned() })
    }
}

/// Answers to one operation on items of such partition keys come so late.
#[derive(Clone, Copy, Debug)]
pub struct Late {
    /// The operation.
    pub operation: &'static str,
    /// How the partition keys begin.
    pub keys: &'static str,
    /// How late they come.
    pub milliseconds: u64,
}

impl Late {
    /// Each call of an operation lasts longer than any client waits.
    #[must_use]
    pub fn endless(operation: &'static str) -> Self {
        Self { operation, keys: "", milliseconds: ledger::limits::REQUEST_MS }
    }
}

impl Fate for Late {
    fn decide(&self, call: &CallInfo) -> Course {
        let meant =
            call.operation == self.operation && call.partition_keys.iter().any(|key| key.starts_with(self.keys));
        Course { returns_ms: if meant { self.milliseconds } else { 0 }, ..Course::default() }
    }
}
