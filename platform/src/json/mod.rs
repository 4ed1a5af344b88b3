//! JSON bodies, read twice: strictly as JSON, then into a typed value.
//!
//! [`Body`] guarantees that its bytes came in time, are of the right media type, within the size limit and I-JSON; [`Json`]
//! gives the value, and [`NoBody`] asks for nothing or `{}`. What the members may hold is decided by the types they are read
//! into.

mod nesting;
mod shape;
mod strict;

use std::collections::BTreeSet;

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use ledger::{Clock, Ledger, limits};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use nesting::JsonData;
pub(crate) use shape::requirement;
pub use shape::{Object, present};

use crate::access::Admitted;
use crate::problem::{Code, Problem, Result};
use crate::telemetry::note;

/// A body that is too large, but not larger than this, is read to its end before it is refused.
const DISCARDED_BYTES: usize = 16 * limits::BODY_BYTES;
/// How long a body may take to arrive, in milliseconds. The largest needs 8.4 seconds on a line of one megabit a second; who
/// needs longer holds a place that others could work in.
const BODY_MS: u64 = 10_000;
const _: () = assert!(BODY_MS + limits::OPERATION_MS + limits::ANSWER_MS <= limits::REQUEST_MS);

/// A body that is JSON.
#[derive(Debug)]
pub struct Body {
    bytes: Vec<u8>,
    members: BTreeSet<String>,
}

impl Body {
    /// Checks the bytes of a body.
    ///
    /// # Errors
    /// 400 when they are not I-JSON, 422 when they are nested too deep or hold numbers too large.
    pub fn parse(bytes: Vec<u8>) -> Result<Self> {
        let members = strict::check(&bytes)?;
        Ok(Self { bytes, members })
    }

    /// Whether the body is an object with this member.
    #[must_use]
    pub fn has_member(&self, name: &str) -> bool {
        self.members.contains(name)
    }

    /// The body as an object of type `T`.
    ///
    /// # Errors
    /// 422 naming the member that is missing, unknown or not what it must be.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        shape::read(&self.bytes)
    }

    /// The bytes, as they were sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Body {
    async fn receive(request: Request, clock: &Clock) -> Result<Self> {
        check_media_type(request.headers())?;
        Self::parse(collect(request, clock).await?)
    }
}

impl FromRequest<Ledger> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, ledger: &Ledger) -> Result<Self> {
        Self::receive(request, ledger.clock()).await
    }
}

/// A body that is a JSON object of type `T`.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Ledger> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, ledger: &Ledger) -> Result<Self> {
        Body::from_request(request, ledger).await?.read().map(Self)
    }
}

/// No body, or an empty JSON object.
#[derive(Debug)]
pub struct NoBody;

impl FromRequest<Ledger> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, ledger: &Ledger) -> Result<Self> {
        Self::receive(request, ledger.clock()).await
    }
}

impl NoBody {
    async fn receive(request: Request, clock: &Clock) -> Result<Self> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Nothing {}
        let headers = request.headers().clone();
        let bytes = collect(request, clock).await?;
        if !bytes.is_empty() {
            check_media_type(&headers)?;
            let Nothing {} = Body::parse(bytes)?.read()?;
        }
        Ok(Self)
    }
}

/// An answer in JSON, with a line end for those who read it in a terminal.
#[must_use]
pub fn answer(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(mut text) => {
            text.push(b'\n');
            (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
        }
        Err(error) => Problem::internal(error).into_response(),
    }
}

/// The answer to a create: 201 when it made something, 200 when the same existed.
#[must_use]
pub fn created<T, V: Serialize>(created: ledger::Created<T>, view: impl FnOnce(T) -> V) -> Response {
    let status = if created.new { StatusCode::CREATED } else { StatusCode::OK };
    answer(status, &view(created.value))
}

fn check_media_type(headers: &HeaderMap) -> Result<()> {
    let refuse = |detail: &'static str| Err(Problem::new(Code::UnsupportedMediaType, detail));
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    if !encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return refuse("`Content-Encoding` must be absent or `identity`");
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else {
        return refuse("`Content-Type` must be `application/json`");
    };
    let essence = only.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    refuse("`Content-Type` must be `application/json`")
}

async fn collect(request: Request, clock: &Clock) -> Result<Vec<u8>> {
    let too_large = || Problem::new(Code::PayloadTooLarge, "the body must be at most 1 MiB");
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let admitted = request.extensions().get::<Admitted>().cloned();
    let mut body = request.into_body();
    if length.is_some_and(|length: u64| length > limits::BODY_BYTES as u64) {
        if length.is_some_and(|length| length <= DISCARDED_BYTES as u64) {
            // Too large it is, however much of it comes.
            in_time(clock, discard(&mut body)).await;
        }
        return Err(too_large());
    }
    let bytes = match in_time(clock, Limited::new(body, limits::BODY_BYTES).collect()).await {
        Some(Ok(collected)) => collected.to_bytes().into(),
        Some(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large()),
        Some(Err(_)) => return Err(Problem::new(Code::MalformedJson, "the body ended before it was complete")),
        None => {
            let detail = "the body did not arrive within 10 seconds; nothing was done";
            return Err(Problem::new(Code::BodyTimeout, detail));
        }
    };
    // Nothing is done for a key that was revoked while its body was on its way.
    if let Some(admitted) = admitted {
        admitted.check_again().await?;
    }
    Ok(bytes)
}

/// Waits for what a client sends, as long as it may take. How long it took is told: it is the client's time and not ours.
async fn in_time<T>(clock: &Clock, arrival: impl Future<Output = T>) -> Option<T> {
    let began = clock.now();
    let arrived = clock.until(began.plus(BODY_MS), arrival).await;
    let body_ms = clock.now().since(began);
    if body_ms > 0 {
        note("body_ms", body_ms);
    }
    arrived
}

/// Reads on without keeping anything: a client that is still sending would not see an earlier answer, only its connection
/// break.
async fn discard(body: &mut axum::body::Body) {
    while let Some(Ok(_)) = body.frame().await {}
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refusal(content_type: Option<&str>, encoding: Option<&str>, body: Vec<u8>) -> Option<Code> {
        let mut request = Request::post("/");
        for (name, value) in [(header::CONTENT_TYPE, content_type), (header::CONTENT_ENCODING, encoding)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let request = request.body(axum::body::Body::from(body)).unwrap();
        Body::receive(request, &Clock::system()).await.err().map(|problem| problem.code())
    }

    #[tokio::test]
    async fn only_plain_json_is_a_supported_media_type() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/json;x=y"] {
            assert_eq!(refusal(Some(good), None, b"{}".to_vec()).await, None);
        }
        for bad in [None, Some(""), Some("text/plain"), Some("application/xml"), Some("application/json5")] {
            assert_eq!(refusal(bad, None, b"{}".to_vec()).await, Some(Code::UnsupportedMediaType));
        }
        let gzip = refusal(Some("application/json"), Some("gzip"), b"{}".to_vec()).await;
        assert_eq!(gzip, Some(Code::UnsupportedMediaType));
        assert_eq!(refusal(Some("application/json"), Some("identity"), b"{}".to_vec()).await, None);
    }

    #[tokio::test]
    async fn a_body_is_at_most_one_mebibyte() {
        let fits = [b"\"".to_vec(), vec![b'x'; limits::BODY_BYTES - 2], b"\"".to_vec()].concat();
        assert_eq!(refusal(Some("application/json"), None, fits.clone()).await, None);
        let larger = [fits, b" ".to_vec()].concat();
        assert_eq!(refusal(Some("application/json"), None, larger).await, Some(Code::PayloadTooLarge));
    }

    #[tokio::test]
    async fn no_body_means_nothing_or_an_empty_object() {
        for (body, fine) in [("", true), ("{}", true), ("{\"a\":1}", false), ("[]", false)] {
            let request = Request::post("/").header("content-type", "application/json").body(body.into()).unwrap();
            assert_eq!(NoBody::receive(request, &Clock::system()).await.is_ok(), fine, "{body}");
        }
    }
}
