//! Requests as API Gateway hands them to a Lambda, from either kind of edge: an HTTP API or a REST API.
//!
//! `lambda_http` converts requests and answers. It panics on a body that is flagged as base64 and is not, and on hosts and
//! paths that are no URL, and it resolves dot segments, encoded ones too. So the body is checked before it sees the event,
//! and the path goes around it: whatever an event holds, the answer is a response, to the path that was asked for. What is
//! refused here is answered by the router's edge, which tells of it.

use std::borrow::Cow;
use std::net::IpAddr;

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Request, Uri, header};
use lambda_http::Adapter;
use lambda_http::request::LambdaRequest;
use lambda_runtime::LambdaEvent;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use tower::ServiceExt;

use super::killed_at;
use crate::access::ClientAddress;
use crate::edge::Refused;
use crate::problem::{Code, Problem};
use crate::telemetry::InvocationId;

/// A request.
#[derive(Debug)]
pub enum GatewayEvent {
    /// Of an HTTP API: payload format 2.0. Paths come decoded but for `%25`, queries as they were sent, and of a header that
    /// came twice both values in one.
    Http(Box<ApiGatewayV2httpRequest>),
    /// Of a REST API: payload format 1.0. Paths come as they were sent, queries decoded, and headers one by one.
    Rest(Box<ApiGatewayProxyRequest>),
}

impl<'de> Deserialize<'de> for GatewayEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Format<'a> {
            #[serde(borrow)]
            version: Option<Cow<'a, str>>,
        }
        let event = <&RawValue>::deserialize(deserializer)?.get();
        // Tried one after the other, most events would be read twice.
        let format: Format<'_> = serde_json::from_str(event).map_err(Error::custom)?;
        let read = if format.version.as_deref() == Some("2.0") {
            serde_json::from_str(event).map(Self::Http)
        } else {
            serde_json::from_str(event).map(Self::Rest)
        };
        read.map_err(Error::custom)
    }
}

impl From<GatewayEvent> for LambdaRequest {
    fn from(event: GatewayEvent) -> Self {
        match event {
            GatewayEvent::Http(event) => Self::ApiGatewayV2(*event),
            GatewayEvent::Rest(event) => Self::ApiGatewayV1(*event),
        }
    }
}

/// What is read here.
struct Head {
    address: Option<IpAddr>,
    target: Result<Uri, Problem>,
    body: Result<(), Problem>,
}

impl GatewayEvent {
    /// Takes what is read here, and leaves an event that cannot be misread.
    fn take_head(&mut self) -> Head {
        match self {
            Self::Http(event) => {
                let stage = event.request_context.stage.take();
                let path = without_stage(event.raw_path.as_deref().unwrap_or("/"), stage.as_deref());
                let target = target(path, event.raw_query_string.take().as_deref());
                event.raw_path = Some("/".to_owned());
                event.request_context.domain_name = None;
                strip(&mut event.headers);
                Head {
                    address: address(event.request_context.http.source_ip.as_deref()),
                    target,
                    body: check_body(&mut event.body, event.is_base64_encoded),
                }
            }
            Self::Rest(event) => {
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.extend_pairs(event.multi_value_query_string_parameters.iter());
                let target = target(event.path.as_deref().unwrap_or("/"), Some(&query.finish()));
                event.path = Some("/".to_owned());
                event.request_context.stage = None;
                event.request_context.domain_name = None;
                event.query_string_parameters = Default::default();
                event.multi_value_query_string_parameters = Default::default();
                // Each of these would take the place of all that are called so.
                event.headers.clear();
                strip(&mut event.multi_value_headers);
                Head {
                    address: address(event.request_context.identity.source_ip.as_deref()),
                    target,
                    body: check_body(&mut event.body, event.is_base64_encoded),
                }
            }
        }
    }
}

/// Answers a request with a router.
pub async fn answer(router: axum::Router, event: LambdaEvent<GatewayEvent>) -> impl Serialize + use<> {
    let LambdaEvent { mut payload, context } = event;
    let Head { address, target, body } = payload.take_head();
    let (killed_at, invocation) = (killed_at(&context), InvocationId(context.request_id.clone()));
    let refused = body.err().or_else(|| target.as_ref().err().cloned()).map(Refused);
    let service = tower::service_fn(move |request: lambda_http::Request| {
        let (router, target, refused, invocation) =
            (router.clone(), target.clone(), refused.clone(), invocation.clone());
        async move {
            let (mut head, body) = request.into_parts();
            if let Ok(uri) = target {
                head.uri = uri;
            }
            if let Some(refused) = refused {
                head.extensions.insert(refused);
            }
            if let Some(address) = address {
                head.extensions.insert(ClientAddress(address));
            }
            if let Some(killed_at) = killed_at {
                head.extensions.insert(killed_at);
            }
            head.extensions.insert(invocation);
            router.oneshot(Request::from_parts(head, Body::new(body))).await
        }
    });
    let event = LambdaEvent::new(LambdaRequest::from(payload), context);
    Adapter::from(service).oneshot(event).await.unwrap_or_else(|never: std::convert::Infallible| match never {})
}

fn address(text: Option<&str>) -> Option<IpAddr> {
    text.and_then(|text| text.parse().ok())
}

/// Removes what is not the client's any more: the length is the one before API Gateway encoded the body.
fn strip(headers: &mut HeaderMap) {
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
}

fn check_body(body: &mut Option<String>, is_base64: bool) -> Result<(), Problem> {
    if is_base64 && body.as_ref().is_some_and(|text| STANDARD.decode(text).is_err()) {
        *body = None;
        return Err(Problem::new(Code::MalformedJson, "the body is flagged as base64 and is not"));
    }
    Ok(())
}

/// The target of the request, as encoded as it came.
fn target(path: &str, query: Option<&str>) -> Result<Uri, Problem> {
    let path = encode(path);
    let query = query.filter(|query| !query.is_empty());
    let target = query.map_or(path.clone(), |query| format!("{path}?{}", encode(query)));
    target.parse().map_err(|_| Problem::new(Code::InvalidPath, "the path is not one of a URI"))
}

/// The path without the stage that an HTTP API puts before it, unless the stage is the default one.
fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let Some(stage) = stage.filter(|stage| *stage != "$default") else { return path };
    match path.strip_prefix('/').and_then(|rest| rest.strip_prefix(stage)) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    }
}

/// What a URI cannot hold is encoded again; what is encoded stays.
fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len().max(1));
    for byte in path.bytes() {
        if byte.is_ascii_graphic()
            && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#')
        {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(percent_encoding::percent_encode_byte(byte));
        }
    }
    if encoded.is_empty() { "/".to_owned() } else { encoded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::{any, post};
    use http::{HeaderValue, StatusCode};
    use http_body_util::BodyExt;
    use lambda_runtime::Context;
    use serde_json::{Value, json};

    const PUBLISH: &str = include_str!("../../fixtures/publish.json");
    const REST: &str = include_str!("../../fixtures/publish_rest.json");

    /// The answer as API Gateway gets it.
    async fn answered(event: &Value) -> Value {
        let event: GatewayEvent = serde_json::from_str(&event.to_string()).unwrap();
        let answer = answer(router(), LambdaEvent::new(event, Context::default())).await;
        serde_json::to_value(answer).unwrap()
    }

    fn event(fixture: &str, changes: &[(&str, Value)]) -> Value {
        let mut event: Value = serde_json::from_str(fixture).unwrap();
        for (pointer, value) in changes {
            *event.pointer_mut(pointer).unwrap() = value.clone();
        }
        event
    }

    fn router() -> axum::Router {
        let show = |request: axum::extract::Request| async move {
            let address = request.extensions().get::<ClientAddress>().copied();
            let keys: Vec<_> = request.headers().get_all("x-api-key").iter().map(HeaderValue::to_str).collect();
            let line = format!("{} {} {keys:?} {address:?} ", request.method(), request.uri());
            let body = request.into_body().collect().await.unwrap().to_bytes();
            line + &String::from_utf8_lossy(&body)
        };
        axum::Router::new().route("/nothing", post(|| async { StatusCode::NO_CONTENT })).fallback(any(show))
    }

    async fn shown(event: &Value) -> String {
        answered(event).await["body"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_recorded_request_reaches_the_router_as_it_was_sent() {
        for fixture in [PUBLISH, REST] {
            let text = shown(&event(fixture, &[])).await;
            assert_eq!(
                text,
                "POST /streams/orders/events [Ok(\"elk_dev_placeholder\")] Some(ClientAddress(192.0.2.1)) \
                 {\"key\":\"a\",\"type\":\"created\",\"data\":{\"total\":1}}"
            );
        }
    }

    #[tokio::test]
    async fn a_base64_body_is_decoded() {
        for fixture in [PUBLISH, REST] {
            let good = [("/body", json!(STANDARD.encode("{\"a\":1}"))), ("/isBase64Encoded", json!(true))];
            assert!(shown(&event(fixture, &good)).await.ends_with(" {\"a\":1}"));
        }
    }

    #[tokio::test]
    async fn path_and_query_stay_encoded_and_the_stage_is_dropped() {
        let polled = event(include_str!("../../fixtures/poll_on_stage.json"), &[]);
        assert!(shown(&polled).await.starts_with("GET /streams/orders/compacted/caf%C3%A9%2Fa?limit=5&prefix=a%20b "));
        let asked = json!({"prefix": ["a b&c"]});
        let changes = [("/path", json!("/live/caf%C3%A9%2Fa")), ("/multiValueQueryStringParameters", asked)];
        // A stream may be called as the stage is: a REST API leaves it out.
        assert!(shown(&event(REST, &changes)).await.starts_with("POST /live/caf%C3%A9%2Fa?prefix=a+b%26c "));
    }

    #[tokio::test]
    async fn a_header_that_came_twice_comes_twice() {
        let doubled = [("/multiValueHeaders/x-api-key", json!(["one", "two"]))];
        assert!(shown(&event(REST, &doubled)).await.contains("[Ok(\"one\"), Ok(\"two\")]"));
    }

    #[tokio::test]
    async fn nothing_in_an_event_makes_it_panic() {
        for path in ["", "no slash", "/a b\u{e9}\u{0}\"<>\\^`{|}#", "/%zz", "//"] {
            let query = json!("a= \u{0}\u{e9}");
            let http = [("/rawPath", json!(path)), ("/rawQueryString", query), ("/headers/host", json!("not a host"))];
            let rest = [
                ("/path", json!(path)),
                ("/multiValueQueryStringParameters", json!({"a": [" \u{0}\u{e9}"]})),
                ("/multiValueHeaders/host", json!(["not a host"])),
            ];
            for event in [event(PUBLISH, &http), event(REST, &rest)] {
                let status = answered(&event).await["statusCode"].as_i64().unwrap();
                assert!((200..500).contains(&status), "{path}");
            }
        }
    }

    #[tokio::test]
    async fn an_empty_answer_has_no_body() {
        for event in [event(PUBLISH, &[("/rawPath", json!("/nothing"))]), event(REST, &[("/path", json!("/nothing"))])]
        {
            let answer = answered(&event).await;
            assert_eq!(answer["statusCode"], 204);
            assert!(answer["body"].as_str().unwrap_or_default().is_empty());
        }
    }

    #[tokio::test]
    async fn dot_segments_are_not_resolved() {
        let path = json!("/streams/%2e%2e/events");
        for event in [event(PUBLISH, &[("/rawPath", path.clone())]), event(REST, &[("/path", path.clone())])] {
            assert!(shown(&event).await.starts_with("POST /streams/%2e%2e/events "));
        }
    }
}
