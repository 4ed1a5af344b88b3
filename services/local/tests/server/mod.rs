//! The real program as a child process, and an HTTP client with its admin key.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use ledger::Clock;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long a start or a stop may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// A server that is killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    /// What it said on standard output until it was ready.
    pub(crate) greeting: String,
    /// Its address, as `http://host:port`.
    pub(crate) address: String,
    /// Its admin key, read from the file.
    pub(crate) key: String,
    log: PathBuf,
}

/// The program with these arguments.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eventledger"));
    command.args(arguments).kill_on_drop(true);
    command
}

/// Runs the program to its end, which must come soon.
pub(crate) async fn run(arguments: &[&str]) -> Output {
    tokio::time::timeout(PATIENCE, program(arguments).output()).await.expect("the program ends").unwrap()
}

/// A path as an argument.
pub(crate) fn argument(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Server {
    /// Starts on a free port and waits until it is ready. Its log goes beside the data directory.
    pub(crate) async fn start(data: &Path) -> Self {
        Self::start_logging_to(data, &data.with_extension("log")).await
    }

    /// The same with a log elsewhere.
    pub(crate) async fn start_logging_to(data: &Path, log: &Path) -> Self {
        Self::spawn(program(&["--port", "0", "--data", argument(data)]), data, log).await
    }

    /// Runs a command that starts a server on this data directory, and waits until it is ready.
    pub(crate) async fn spawn(mut command: Command, data: &Path, log: &Path) -> Self {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut greeting = String::new();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                greeting.push_str(&line);
                greeting.push('\n');
                if line.contains("content-type") {
                    return;
                }
            }
            panic!("the server did not start: {}", std::fs::read_to_string(log).unwrap());
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("the server is ready in time");
        let address = greeting.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        let key = std::fs::read_to_string(data.join("admin.key")).unwrap().trim().to_owned();
        Self { child, greeting, address, key, log: log.to_owned() }
    }

    /// What it logged so far, in all its lives.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        let process = self.child.id().expect("the server runs").to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
    }

    /// Ends it at once, in the middle of whatever it does.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("the server ends").unwrap()
    }

    /// Stops it in good order.
    pub(crate) async fn stop(mut self) {
        self.terminate();
        let status = self.ended().await;
        let log = self.log();
        assert!(status.success(), "{status}: {log}");
        assert!(!log.contains(&self.key), "its log holds its key: {log}");
    }

    /// A client of its own connection.
    pub(crate) fn client(&self) -> Client {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Client { http, address: self.address.clone(), key: self.key.clone() }
    }
}

/// Speaks HTTP with a server, over a connection that it keeps.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    address: String,
    key: String,
}

/// A status and a JSON body; an empty body is null.
pub(crate) type Answer = (u16, Value);

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the log of the server:\n{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

impl Client {
    /// The same for the holder of another key.
    pub(crate) fn with_key(self, key: String) -> Self {
        Self { key, ..self }
    }

    /// Reads.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, reqwest::Error> {
        self.send(self.http.get(format!("{}{path}", self.address))).await
    }

    /// Asks without a key, for all of the answer.
    pub(crate) async fn ask(&self, method: reqwest::Method, path: &str) -> reqwest::Response {
        self.http.request(method, format!("{}{path}", self.address)).send().await.unwrap()
    }

    /// Reads what is no JSON.
    pub(crate) async fn text(&self, path: &str) -> String {
        self.http.get(format!("{}{path}", self.address)).send().await.unwrap().text().await.unwrap()
    }

    /// Writes, with an Idempotency-Key or without.
    pub(crate) async fn post(&self, path: &str, body: &Value, key: Option<&str>) -> Result<Answer, reqwest::Error> {
        let request = self.http.post(format!("{}{path}", self.address)).body(body.to_string());
        let request = request.header("content-type", "application/json");
        self.send(match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        })
        .await
    }

    /// Writes as a part of a trace.
    pub(crate) async fn post_traced(&self, path: &str, body: &Value, parent: &str) -> Result<Answer, reqwest::Error> {
        let request = self.http.post(format!("{}{path}", self.address)).body(body.to_string());
        self.send(request.header("content-type", "application/json").header("traceparent", parent)).await
    }

    /// Waits until the compactor has followed, and answers the record of a key.
    pub(crate) async fn compacted(&self, stream: &str, key: &str, is_meant: impl Fn(&Value) -> bool) -> Value {
        let (clock, path) = (Clock::system(), format!("/streams/{stream}/compacted/{key}"));
        for _ in 0..100 {
            match self.get(&path).await.unwrap() {
                (200, record) if is_meant(&record) => return record,
                _ => clock.sleep(100).await,
            }
        }
        panic!("the compactor did not follow: {path}");
    }

    /// Every event of a stream, in the order they are given out.
    pub(crate) async fn read_all(&self, stream: &str) -> Vec<Value> {
        let mut events = Vec::new();
        let mut from = "from=earliest".to_owned();
        loop {
            let (status, page) = self.get(&format!("/streams/{stream}/events?{from}&limit=1000")).await.unwrap();
            assert_eq!(status, 200, "{page}");
            events.extend(page["events"].as_array().unwrap().iter().cloned());
            if page["caught_up"].as_bool().unwrap() {
                return events;
            }
            from = format!("cursor={}", page["cursor"].as_str().unwrap());
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
        let response = request.header("x-api-key", &self.key).send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or_default()))
    }
}
