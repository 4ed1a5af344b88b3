//! The client of the suites. It sends exactly what a test says, and checks what no test should have to repeat: each
//! answer goes through [`conformance`](crate::conformance) before the test sees it.

use axum::body::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use platform::access::Quotas;
use platform::telemetry::Telemetry;
use serde_json::Value;

use crate::app::{App, Server};
use crate::conformance;
use crate::secrecy;
use crate::transport::Transport;

/// The API, as one holder of a key sees it. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Api {
    transport: Transport,
    key: Option<String>,
    /// What makes the names of this test its own.
    run: String,
    app: Option<App>,
}

impl Api {
    /// The server that the environment names, else everything new in this process.
    pub async fn start() -> Self {
        match Server::from_environment() {
            Some(Server { transport, key }) => {
                let run = ledger::Randomness::system().base62(8);
                Self { transport, key: Some(key), run, app: None }
            }
            None => Self::in_process().await,
        }
    }

    /// Everything new in this process, for tests that move time, mint keys or break the store.
    pub async fn in_process() -> Self {
        Self::with_quotas(Quotas::default()).await
    }

    /// Everything new in this process, where callers may ask so much.
    pub async fn with_quotas(quotas: Quotas) -> Self {
        Self::within(App::start(quotas).await).await
    }

    /// Everything new in this process, and where it tells what happens.
    pub async fn telling(telemetry: Telemetry) -> Self {
        Self::within(App::telling(Quotas::default(), telemetry).await).await
    }

    /// Everything new in this process, on a clock that runs with tokio's time, which such a test pauses.
    pub async fn running() -> Self {
        Self::within(App::start_running(Quotas::default()).await).await
    }

    async fn within(app: App) -> Self {
        let key = Some(app.admin_key().await);
        Self { transport: Transport::InProcess(app.router.clone()), key, run: "run".to_owned(), app: Some(app) }
    }

    /// The parts in this process.
    ///
    /// # Panics
    /// For a test that began with [`Api::start`]: it may be talking to a server.
    #[must_use]
    pub fn app(&self) -> &App {
        self.app.as_ref().expect("a test that needs the parts begins with Api::in_process")
    }

    /// Whether the services run in this process, where nobody else uses them.
    #[must_use]
    pub fn in_this_process(&self) -> bool {
        self.app.is_some()
    }

    /// The same API, answered by other routers.
    #[must_use]
    pub fn answered_by(&self, router: axum::Router) -> Self {
        Self { transport: Transport::InProcess(router), ..self.clone() }
    }

    /// The same API for the holder of another key, or of none.
    #[must_use]
    pub fn with_key(&self, key: Option<String>) -> Self {
        Self { key, ..self.clone() }
    }

    /// The same API for the holder of a new key with these scopes; in process only.
    pub async fn with_scopes(&self, scopes: &[&str]) -> Self {
        self.with_key(Some(self.app().key(scopes, |_| {}).await))
    }

    /// The key that requests are sent with.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// A name that no other test and no other run uses.
    #[must_use]
    pub fn name(&self, base: &str) -> String {
        format!("{base}-{}", self.run)
    }

    /// A request; the path is sent as it is written here.
    #[must_use]
    pub fn request(&self, method: &str, path: impl Into<String>) -> Request<'_> {
        let headers = self.key.iter().map(|key| ("x-api-key".to_owned(), key.clone().into_bytes())).collect();
        Request { api: self, method: method.to_owned(), path: path.into(), headers, body: Bytes::new() }
    }

    /// A GET.
    pub async fn get(&self, path: impl Into<String>) -> Answer {
        self.request("GET", path).send().await
    }

    /// A DELETE.
    pub async fn delete(&self, path: impl Into<String>) -> Answer {
        self.request("DELETE", path).send().await
    }

    /// A POST of a JSON value.
    pub async fn post(&self, path: impl Into<String>, body: Value) -> Answer {
        self.request("POST", path).json(body.to_string()).send().await
    }
}

/// A request that is being written.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    api: &'a Api,
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Bytes,
}

impl Request<'_> {
    /// Adds a header; a second one of the same name is sent too.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the body, any bytes.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body and says that it is JSON, whether it is or not.
    #[must_use]
    pub fn json(self, body: impl Into<Bytes>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    /// Sends it, and checks the answer against the contract.
    ///
    /// # Panics
    /// When the answer breaks a rule that every answer must follow.
    pub async fn send(self) -> Answer {
        let mut request = http::Request::builder().method(self.method.as_str()).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(name, HeaderValue::from_bytes(value).expect("a header that HTTP can carry"));
        }
        let request = request.body(self.body.clone()).expect("a request that HTTP can carry");
        let sent = request.headers().clone();
        let (answer, told) = secrecy::overheard(self.api.transport.send(request)).await;
        let (head, body) = answer.into_parts();
        secrecy::check(&told, &self.path, &sent, [&self.body, &body]);
        let what = format!("{} {:.200}", self.method, self.path);
        // Whoever is on call is woken by them. The SDK misses a connection, which the embedded table has none of.
        let is_error = |line: &&str| line.contains(r#""level":"ERROR""#) && !line.contains(r#""target":"aws_smithy_"#);
        assert_eq!(told.lines().find(|line| head.status.is_success() && is_error(line)), None, "{what} went well");
        let answer = Answer { what, status: head.status, headers: head.headers, body };
        conformance::check(&self.method, &self.path, &answer);
        answer
    }
}

/// An answer that follows the rules of every answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked, for messages.
    pub what: String,
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null when there is none.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: {error}", self.what))
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's text; empty when it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body, of an answer with this status.
    ///
    /// # Panics
    /// On any other status.
    #[track_caller]
    #[must_use = "the body is what the test is about; else say `let _ =`"]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}: {:.2000}", self.what, self.text());
        self.json()
    }

    /// The problem document, of an answer with this status and code.
    ///
    /// # Panics
    /// On any other answer.
    #[track_caller]
    #[allow(clippy::must_use_candidate, reason = "that the answer is this problem is often all a test wants")]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.json();
        assert_eq!((self.status.as_u16(), problem["code"].as_str()), (status, Some(code)), "{}: {problem}", self.what);
        problem
    }
}
