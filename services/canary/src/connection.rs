//! How a round reaches the API: HTTP with an API key, each request within the time of the whole round. Redirects are not
//! followed, so the key goes nowhere else.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use http_body_util::BodyExt;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ledger::{Cause, Clock, Timestamp};
use serde_json::Value;

use crate::answer::Answer;
use crate::failure::Finding;

/// The connection of one round, which it keeps from one request to the next.
pub(crate) struct Connection<'a> {
    origin: &'a str,
    key: &'a HeaderValue,
    client: Client<HttpsConnector<HttpConnector>, String>,
    clock: &'a Clock,
    done_by: Timestamp,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(
        origin: &'a str,
        key: &'a HeaderValue,
        connector: HttpsConnector<HttpConnector>,
        clock: &'a Clock,
        done_by: Timestamp,
    ) -> Self {
        Self { origin, key, client: Client::builder(TokioExecutor::new()).build(connector), clock, done_by }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Finding> {
        self.send(self.request(Method::GET, path), String::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Answer, Finding> {
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, "application/json");
        self.send(request, body.to_string()).await
    }

    /// The same under an Idempotency-Key.
    pub(crate) async fn post_once(&self, path: &str, body: &Value, id: &str) -> Result<Answer, Finding> {
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, "application/json");
        self.send(request.header("idempotency-key", id), body.to_string()).await
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(format!("{}{path}", self.origin)).header("x-api-key", self.key)
    }

    async fn send(&self, request: http::request::Builder, body: String) -> Result<Answer, Finding> {
        let sent = async {
            let answer = self.client.request(request.body(body)?).await?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await?.to_bytes().into();
            Ok::<_, Cause>(Answer { status, body })
        };
        let answer = self.clock.until(self.done_by, sent).await.ok_or(Finding::Late)?;
        answer.map_err(|error| Finding::NoAnswer(ledger::sentence(&*error)))
    }
}
