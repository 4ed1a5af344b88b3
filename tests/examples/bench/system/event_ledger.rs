//! EventLedger: the local server as anybody starts it, with API keys, limits, telemetry and the log of each request.
//!
//! Its quotas, a million requests and a million events a second for each key, are met by nobody here. What is met is the bound of
//! requests at once: 256 in all, and half of them for one key. So connections share keys as clients would, 64 to each;
//! with more than 256 connections it answers 429 and 503, and the run ends.

use std::net::SocketAddr;
use std::path::Path;

use embedded::{DataDirectory, ENVIRONMENT, TABLE};
use ledger::{Clock, Ledger, Randomness, Settings};
use platform::api_key::Token;
use tokio::process::Command;

use super::{Api, Page, Server, built, last_number, last_text, post};
use crate::client::{Answer, Request, Result};
use crate::process::{Process, free_address};

/// How it is called in tables.
pub(super) const NAME: &str = "EventLedger";

/// Clients, with a key each.
const CLIENTS: usize = 4;
/// Connections of each.
const CONNECTIONS: usize = 64;
/// Whoever reads a stream to its end.
const READER: &str = "reader";
/// Events of a page.
const PAGE: usize = 1_000;

/// Starts it, on its first start with a key for each client.
pub(super) async fn start(program: &Path, folder: &Path, compaction: bool) -> Result<Server> {
    let (data, keys_file) = (folder.join("data"), folder.join("keys"));
    if !keys_file.exists() {
        std::fs::write(&keys_file, make_keys(&data).await?.join("\n"))?;
    }
    let keys = std::fs::read_to_string(&keys_file)?.lines().map(str::to_owned).collect();
    let address = free_address()?;
    let mut command = Command::new(program);
    command.args(["--port", &address.port().to_string()]).arg("--data").arg(&data);
    let process = Process::start(command, address, "/health", &folder.join("server.log")).await?;
    Ok(Server { process, api: Box::new(EventLedger { host: address, keys, compaction }) })
}

/// Makes the keys in the table, as `ledger-keys` does while the server is stopped.
async fn make_keys(data: &Path) -> Result<Vec<String>> {
    let directory = DataDirectory::open(data)?;
    let engine = directory.engine()?;
    ledger::table::create_if_absent(&engine.client(), TABLE).await?;
    let (clock, randomness) = (Clock::system(), Randomness::system());
    let ledger = Ledger::new(engine.client(), TABLE, clock, randomness, Settings::EMBEDDED);
    let mut keys = Vec::new();
    for number in 1..=CLIENTS {
        let token = Token::mint(ledger.randomness(), ENVIRONMENT);
        let scopes = ["publish:*", "poll:*", "commit:*", "stream.admin:*", "sub.admin:*"];
        let key = token.record(&format!("bench-{number}"), &scopes, ledger.clock().now());
        ledger.create_api_key(&key).await?;
        keys.push(token.reveal());
    }
    Ok(keys)
}

/// What can be asked of EventLedger, also what the others do not have.
#[derive(Clone)]
pub(crate) struct EventLedger {
    host: SocketAddr,
    keys: Vec<String>,
    compaction: bool,
}

impl std::fmt::Debug for EventLedger {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "EventLedger({})", self.host)
    }
}

impl EventLedger {
    fn get(&self, path: &str) -> Request {
        let request = http::Request::get(path).header("host", self.host.to_string());
        built(request.header("x-api-key", &self.keys[0]), String::new())
    }

    fn send(&self, connection: usize, path: &str, body: String) -> Request {
        let key = &self.keys[connection / CONNECTIONS % self.keys.len()];
        built(post(self.host, path).header("x-api-key", key), body)
    }
}

impl EventLedger {
    /// Creates a subscription.
    pub(crate) fn subscribe(&self, stream: &str, subscription: &str, from: &str) -> Request {
        let body = format!(r#"{{"subscription_id":"{subscription}","start_from":"{from}"}}"#);
        self.send(0, &format!("/streams/{stream}/subscriptions"), body)
    }

    /// Polls, with `limit` or `wait` as a query.
    pub(crate) fn poll(&self, stream: &str, subscription: &str, cursor: Option<&str>, query: &str) -> Request {
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        self.get(&format!("/streams/{stream}/subscriptions/{subscription}/poll?{query}{cursor}"))
    }

    /// Reads a page of compacted state.
    pub(crate) fn compacted(&self, stream: &str, cursor: Option<&str>) -> Request {
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        self.get(&format!("/streams/{stream}/compacted?limit={PAGE}{cursor}"))
    }

    /// The cursor of a page; none after the last page of compacted state.
    pub(crate) fn cursor(answer: &Answer) -> Option<String> {
        last_text(&answer.body, r#""cursor":""#)
    }
}

impl Api for EventLedger {
    fn create(&self, stream: &str) -> Vec<Request> {
        let compaction = self.compaction;
        vec![
            self.send(0, "/streams", format!(r#"{{"stream_id":"{stream}","compaction":{compaction}}}"#)),
            self.subscribe(stream, READER, "earliest"),
        ]
    }

    fn append(&self, connection: usize, stream: &str, events: &[String]) -> Request {
        let path = format!("/streams/{stream}/events");
        let body = match events {
            [event] => event.clone(),
            _ => format!(r#"{{"events":[{}]}}"#, events.join(",")),
        };
        self.send(connection, &path, body)
    }

    fn read(&self, stream: &str, place: Option<&str>) -> Request {
        self.poll(stream, READER, place, &format!("limit={PAGE}"))
    }

    fn page(&self, answer: &Answer, _before: u64) -> Result<Page> {
        let next = Self::cursor(answer).ok_or("a page without a cursor")?;
        let offset = last_number(&answer.body, r#""offset":"#).ok_or("a page without events")?;
        Ok(Page { events: offset + 1, next })
    }

    fn progress(&self, stream: &str) -> Option<Request> {
        self.compaction.then(|| self.get(&format!("/streams/{stream}")))
    }

    fn ours(&self) -> Option<&EventLedger> {
        Some(self)
    }
}
