//! How the services are put together for a test: the only file that knows the constructors of all parts.
//!
//! In process: the production routers on an embedded table in memory, with a manual clock and seeded randomness, so that
//! every run is the same. The server under test, if there is one, is named by the environment, which only this file reads.

use ledger::model::StreamName;
use ledger::{ApiKey, ApiKeyState, Clock, Ledger, Randomness, Settings, Timestamp};
use platform::access::Quotas;
use platform::api_key::Token;

use crate::transport::Transport;

/// The environment whose keys the routers under test take.
const ENVIRONMENT: &str = "test";
/// Noon of a day in 2026: what the clock shows when a test begins.
const START: Timestamp = Timestamp(1_790_000_000_000);
/// Every action on everything.
const EVERYTHING: [&str; 7] =
    ["publish:*", "poll:*", "commit:*", "bootstrap:*", "stream.admin:*", "sub.admin:*", "keys.admin:*"];

/// The parts of EventLedger in this process.
#[derive(Clone, Debug)]
pub struct App {
    /// The embedded table.
    pub engine: embedded::Engine,
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
    /// When the embedded table cannot be made.
    pub async fn start(quotas: Quotas) -> Self {
        let clock = Clock::manual(START);
        let engine = embedded::Engine::memory(&clock);
        let client = engine.client();
        ledger::table::create_if_absent(&client, "eventledger").await.expect("the table can be created");
        let settings = Settings { alone: true };
        let ledger = Ledger::new(client, "eventledger", clock.clone(), Randomness::seeded(1), settings);
        let router =
            local::app::router(&ledger, &platform::endpoint::Settings { environment: ENVIRONMENT.to_owned(), quotas });
        Self { engine, ledger, clock, router }
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
        let mut key = ApiKey {
            id: token.id().to_owned(),
            secret_hash: token.secret_hash(),
            client: "tests".to_owned(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            state: ApiKeyState::Active,
            created_at: self.clock.now(),
            not_before: None,
            expires_at: None,
        };
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
