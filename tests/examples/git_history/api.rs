//! A small client for EventLedger: what the three programs need of HTTP, and nothing else.
//!
//! Repeats a request that met a busy or unreachable server, as long as the server says that repeating is worth it, and
//! never before its `Retry-After`. What it sends is idempotent by nature or by its key, so repeating is harmless.
#![expect(
    clippy::disallowed_methods,
    reason = "an HTTP client of its own: it shares no clock or settings with the server"
)]

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::RETRY_AFTER;
use serde_json::Value;

/// What can go wrong: a sentence for the person at the terminal.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// How often a request is sent before giving up.
const ATTEMPTS: u32 = 8;

/// Which repository and which stream, on which server.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// The server; when absent EVENTLEDGER_API_URL, else http://127.0.0.1:8080.
    #[arg(long)]
    url: Option<String>,
    /// File with an API key; EVENTLEDGER_API_KEY goes first.
    #[arg(long, default_value = "data/admin.key")]
    key_file: PathBuf,
    /// The stream that holds the history.
    #[arg(long, default_value = "git-history")]
    pub(crate) stream: String,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Call {
    /// GET, POST or DELETE.
    pub(crate) method: Method,
    /// What follows `/streams/{stream}`.
    pub(crate) path: String,
    /// A JSON text.
    pub(crate) body: Option<String>,
    /// Makes repeating a publish harmless.
    pub(crate) idempotency_key: Option<String>,
}

impl Call {
    /// A request without a body.
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), body: None, idempotency_key: None }
    }

    /// A POST of this JSON value.
    pub(crate) fn post(path: impl Into<String>, body: &Value) -> Self {
        Self { body: Some(body.to_string()), ..Self::new(Method::POST, path) }
    }
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body; null when there is none.
    pub(crate) body: Value,
}

impl Answer {
    /// The body, if the status is one of these; else the problem as a sentence.
    pub(crate) fn expect(self, statuses: &[u16]) -> Result<Value, Failure> {
        if statuses.contains(&self.status) {
            return Ok(self.body);
        }
        let member = |name: &str| self.body[name].as_str().unwrap_or("-").to_owned();
        Err(format!("the server answers {} {}: {}", self.status, member("code"), member("detail")).into())
    }
}

/// A stream on a server, and the key to it.
#[derive(Debug)]
pub(crate) struct Api {
    client: reqwest::Client,
    server: String,
    stream: String,
    key: String,
}

impl Api {
    /// Reads the key; sends nothing.
    pub(crate) fn new(place: &Place) -> Result<Self, Failure> {
        let given = std::env::var("EVENTLEDGER_API_KEY").ok();
        let file = place.key_file.display();
        let key = given.map_or_else(|| std::fs::read_to_string(&place.key_file), Ok);
        let key =
            key.map_err(|error| format!("no API key: start the server first, or name its file with --key-file, or set EVENTLEDGER_API_KEY; {file}: {error}"))?;
        let url = place.url.clone().or_else(|| std::env::var("EVENTLEDGER_API_URL").ok());
        let server = url.unwrap_or_else(|| "http://127.0.0.1:8080".to_owned()).trim_end_matches('/').to_owned();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { client, server, stream: place.stream.clone(), key: key.trim().to_owned() })
    }

    /// Finds the stream, or makes it when there is none and it may. Answers its incarnation.
    pub(crate) async fn stream(&self, make: bool) -> Result<String, Failure> {
        let found = self.call(&Call::new(Method::GET, "")).await?;
        if found.status == 404 && !make {
            return Err(format!("there is no stream {}: run git-publish first", self.stream).into());
        }
        let stream = if found.status == 404 {
            let body = serde_json::json!({ "stream_id": self.stream }).to_string();
            self.send(Method::POST, format!("{}/streams", self.server), Some(body), None).await?.expect(&[200, 201])?
        } else {
            found.expect(&[200])?
        };
        Ok(stream["incarnation"].as_str().ok_or("the stream has no incarnation")?.to_owned())
    }

    /// Sends a request about the stream, again and again while the server is busy or cannot be reached.
    pub(crate) async fn call(&self, call: &Call) -> Result<Answer, Failure> {
        let url = format!("{}/streams/{}{}", self.server, self.stream, call.path);
        self.send(call.method.clone(), url, call.body.clone(), call.idempotency_key.as_deref()).await
    }

    async fn send(
        &self,
        method: Method,
        url: String,
        body: Option<String>,
        idempotency_key: Option<&str>,
    ) -> Result<Answer, Failure> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut request = self.client.request(method.clone(), &url).header("x-api-key", &self.key);
            if let Some(body) = &body {
                request = request.header("content-type", "application/json").body(body.clone());
            }
            if let Some(key) = idempotency_key {
                request = request.header("idempotency-key", key);
            }
            let pause = match request.send().await {
                Ok(response) if attempt < ATTEMPTS && worth_repeating(response.status().as_u16()) => {
                    asked_pause(&response).unwrap_or_else(|| grown_pause(attempt))
                }
                Ok(response) => return read(response).await,
                Err(error) if attempt == ATTEMPTS => {
                    let server = &self.server;
                    return Err(format!("no answer from {server}: is the server running there? ({error})").into());
                }
                Err(_) => grown_pause(attempt),
            };
            tokio::time::sleep(pause).await;
        }
    }
}

async fn read(response: reqwest::Response) -> Result<Answer, Failure> {
    let status = response.status().as_u16();
    let bytes = response.bytes().await?;
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
    Ok(Answer { status, body })
}

fn worth_repeating(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

fn asked_pause(response: &reqwest::Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn grown_pause(attempt: u32) -> Duration {
    Duration::from_millis(100 << attempt.min(6))
}

/// Ends a program: 0 or what it says when it worked, and one line on stderr when it did not.
pub(crate) fn finish(result: Result<std::process::ExitCode, Failure>) -> std::process::ExitCode {
    result.unwrap_or_else(|failure| {
        eprintln!("{failure}");
        std::process::ExitCode::FAILURE
    })
}
