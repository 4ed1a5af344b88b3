//! `ledger-lag serve` as Prometheus meets it: the real program, scraped over a socket, and ended by a signal.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use embedded::Engine;
use ledger::{Clock, Ledger, Randomness, Settings};

use crate::program::Table;
use crate::program::orders::{begin, go_on, publish, stream, subscription};
use crate::{HOUR_MS, MINUTE_MS};

/// For how long something is waited for that takes a second.
const PATIENCE_MS: u64 = 30_000;

/// The program while it serves.
struct Server {
    child: Child,
    address: String,
    /// What else it says.
    errors: BufReader<ChildStderr>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Of a test that failed.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Server {
    fn start(backend: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger-lag"));
        command.args(["--backend", backend, "serve", "--listen", "127.0.0.1:0"]).args(arguments);
        let mut child = command.env_clear().stderr(Stdio::piped()).spawn().expect("the program runs");
        let errors = BufReader::new(child.stderr.take().expect("its errors"));
        let mut server = Self { child, address: String::new(), errors };
        while server.address.is_empty() {
            let mut line = String::new();
            assert_ne!(server.errors.read_line(&mut line).expect("its errors"), 0, "it ended before it served");
            if let Some((_, address)) = line.split_once("http://") {
                address.split('/').next().expect("an address").clone_into(&mut server.address);
            }
        }
        server
    }

    /// Status line, head and body of an answer.
    fn get(&self, path: &str) -> (String, String, String) {
        let mut connection = TcpStream::connect(&self.address).expect("a connection");
        connection.set_read_timeout(Some(Duration::from_millis(PATIENCE_MS))).expect("a timeout");
        write!(connection, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address).expect("sent");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.lines().next().unwrap_or_default().to_owned(), head.to_ascii_lowercase(), body.to_owned())
    }

    fn scrape(&self) -> Scrape {
        let (status, head, body) = self.get("/metrics");
        assert!(
            status.ends_with("200 OK") && head.contains("content-type: text/plain; version=0.0.4"),
            "{head}\n{body}"
        );
        Scrape::read(&body)
    }

    /// Scrapes until it shows something.
    fn scrape_until(&self, shows: impl Fn(&Scrape) -> bool) -> Scrape {
        let (clock, begun) = (Clock::system(), Clock::system().now());
        loop {
            let scrape = self.scrape();
            if shows(&scrape) {
                return scrape;
            }
            assert!(begun.is_within(PATIENCE_MS, clock.now()), "it never showed: {scrape:?}");
        }
    }

    /// Sends a signal, and tells the exit code and what it has said since.
    fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        let code = self.child.wait().expect("it ends").code();
        let mut said = String::new();
        self.errors.read_to_string(&mut said).expect("its errors");
        (code, said)
    }
}

/// What a scrape showed.
#[derive(Debug)]
struct Scrape {
    values: BTreeMap<String, f64>,
    helped: Vec<String>,
    gauges: Vec<String>,
}

impl Scrape {
    fn read(text: &str) -> Self {
        let after = |mark: &str| {
            let name = |line: &str| line.strip_prefix(mark).and_then(|line| line.split(' ').next()).map(str::to_owned);
            let mut names: Vec<String> = text.lines().filter_map(name).collect();
            names.sort();
            names
        };
        let value =
            |line: &str| line.rsplit_once(' ').map(|(key, value)| (key.to_owned(), value.parse().expect("a number")));
        let values = text.lines().filter(|line| !line.starts_with('#')).filter_map(value).collect();
        Self { values, helped: after("# HELP "), gauges: after("# TYPE ") }
    }

    /// The value of a metric for a subscription in the only partition.
    fn of(&self, metric: &str, subscription: &str) -> Option<f64> {
        let labels = format!(r#"{{stream="orders",subscription="{subscription}",partition="0"}}"#);
        self.values.get(&format!("eventledger_{metric}{labels}")).copied()
    }

    /// The statuses that a subscription has, and how many it might have.
    fn statuses(&self, subscription: &str) -> (Vec<String>, usize) {
        let begin = format!(r#"eventledger_consumer_status{{stream="orders",subscription="{subscription}",status=""#);
        let all: Vec<_> = self.values.iter().filter(|(key, _)| key.starts_with(&begin)).collect();
        let has = all.iter().filter(|(_, value)| **value == 1.0).map(|(key, _)| key[begin.len()..].replace("\"}", ""));
        (has.collect(), all.len())
    }

    fn knows(&self, subscription: &str) -> bool {
        self.values.keys().any(|key| key.contains(subscription))
    }
}

#[test]
fn a_scrape_shows_every_subscription_and_forgets_who_is_gone() {
    let table = Table::of("ledger-lag");
    table.ago(2 * MINUTE_MS, async |ledger| {
        begin(ledger, &["billing", "shipping"]).await;
        publish(ledger, 5).await;
        go_on(ledger, "billing").await;
    });
    let (folder, file) = {
        let directory = table.take();
        (directory.path().display().to_string(), directory.table_file())
    };
    let server = Server::start(&format!("embedded:{folder}"), &["--at-most-every", "1s"]);
    let (status, _, pointer) = server.get("/");
    assert!(status.ends_with("200 OK") && pointer.contains("/metrics"), "{status}: {pointer}");

    let first = server.scrape();
    let told = |name: &str| ["committed_offset", "tail_offset", "lag_events"].map(|metric| first.of(metric, name));
    assert_eq!(told("billing"), [Some(2.0), Some(5.0), Some(3.0)], "{first:?}");
    assert_eq!(told("shipping"), [Some(0.0), Some(5.0), Some(5.0)], "{first:?}");
    let (minute, hour) = (MINUTE_MS as f64 / 1_000.0, HOUR_MS as f64 / 1_000.0);
    let (lag, headroom) = (first.of("lag_seconds", "billing"), first.of("retention_headroom_seconds", "billing"));
    assert!(lag.is_some_and(|lag| (2.0 * minute..3.0 * minute).contains(&lag)), "{first:?}");
    assert!(headroom.is_some_and(|left| (23.0 * hour..24.0 * hour).contains(&left)), "{first:?}");
    assert_eq!(first.statuses("billing"), (vec!["OK".to_owned()], 7), "{first:?}");
    assert_eq!(first.values.get("eventledger_lag_complete"), Some(&1.0), "{first:?}");
    assert!(first.helped.len() == 7 && first.helped == first.gauges, "{first:?}");
    // Nobody else has the data meanwhile.
    let refused = table.run(&["check"]).exits(4);
    assert!(refused.errors.contains("another process"), "{refused:?}");

    // What a server of the same table would do.
    let client = Engine::open(&file).expect("the table").client();
    let ledger = Ledger::new(client, embedded::TABLE, Clock::system(), Randomness::system(), Settings::FLEET);
    table.block_on(async {
        ledger.delete_subscription(&stream(), &subscription("shipping")).await.expect("it goes");
        go_on(&ledger, "billing").await;
        go_on(&ledger, "billing").await;
    });
    let last = server.scrape_until(|scrape| !scrape.knows("shipping"));
    assert_eq!(last.of("lag_events", "billing"), Some(0.0), "{last:?}");
    assert_eq!(last.of("retention_headroom_seconds", "billing"), None, "{last:?}");
    assert_eq!(server.end("TERM").0, Some(0));
}

#[test]
fn a_scrape_of_what_cannot_be_known_fails_and_says_why() {
    let table = Table::of("ledger-lag");
    let backend = format!("embedded:{}", table.take().path().display());
    let server = Server::start(&backend, &["--stream", "orders"]);
    let (status, _, body) = server.get("/metrics");
    assert!(status.contains(" 503 ") && body.starts_with("lag is not known: "), "{status}: {body}");
    assert!(!body.contains("eventledger_"), "{body}");
    let (code, said) = server.end("INT");
    assert_eq!(code, Some(0), "{said}");
}
