//! Serving in AWS Lambda: a router behind an HTTP API of API Gateway (payload format 2.0), or a handler of events.
//!
//! `lambda_http` converts requests and answers. It panics on a body that is flagged as base64 and is not, and on hosts and
//! paths that are no URL, and it resolves dot segments, encoded ones too. So the body is checked before it sees the event,
//! and the path goes around it: whatever an event holds, the answer is a response, to the path that was asked for. What is
//! refused here is answered by the router's edge, which tells of it.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Uri, header};
use lambda_http::Adapter;
use lambda_http::request::LambdaRequest;
use lambda_runtime::{LambdaEvent, service_fn};
use ledger::{Clock, Ledger, Timestamp};
use opentelemetry::KeyValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::ServiceExt;

use crate::access::{ClientAddress, Quotas};
use crate::config::Config;
use crate::deadline::KilledAt;
use crate::edge::Refused;
use crate::endpoint::{Routes, Settings};
use crate::problem::{Code, Problem};
use crate::telemetry::{self, EmfRecorder, Format, InvocationId, Telemetry, Traces};

/// Why a Lambda stopped.
pub type Error = lambda_runtime::Error;

/// Serves the routes of a service until the Lambda is shut down.
///
/// # Errors
/// When the configuration is incomplete or the runtime fails.
pub fn serve(service: &str, routes: Routes) -> Result<(), Error> {
    run(service, async |process: Process| {
        // The first call of a process is mostly the making of a connection; a start has the time for it.
        if let Err(error) = process.ledger.find_api_key("none").await {
            tracing::warn!(%error, "the store did not answer at the start");
        }
        let Process { config, ledger, telemetry, traces, began } = process;
        telemetry.started(ledger.clock().now().since(began));
        let settings = Settings { environment: config.environment, quotas: Quotas::default(), telemetry };
        let router = routes.router(ledger.clone(), &settings);
        let respond = |event: LambdaEvent<ApiGatewayV2httpRequest>| {
            let killed_at = killed_at(&event.context);
            let answer = answer(router.clone(), event);
            let (clock, traces) = (ledger.clock(), traces.as_ref());
            async move {
                let answer = answer.await;
                flush(traces, clock, killed_at).await;
                Ok::<_, Error>(answer)
            }
        };
        lambda_runtime::run(service_fn(respond)).await
    })
}

/// Hands each event to the one handler of a service until the Lambda is shut down; `operation` says what it does with an
/// event, in metrics and traces. A handler's error makes Lambda deliver the event again.
///
/// # Errors
/// When the configuration is incomplete or the runtime fails.
pub fn serve_events<E, F>(
    service: &str,
    operation: impl Fn(&E) -> &'static str,
    handler: impl Fn(Ledger, E) -> F,
) -> Result<(), Error>
where
    E: DeserializeOwned,
    F: Future<Output = ledger::Result<()>> + 'static,
{
    run(service, async |process: Process| {
        let Process { ledger, telemetry, traces, began, .. } = process;
        telemetry.started(ledger.clock().now().since(began));
        let respond = |event: LambdaEvent<E>| {
            let operation = operation(&event.payload);
            // Boxed, because the compiler gives up on futures that nest this deep.
            let handled: Pin<Box<dyn Future<Output = ledger::Result<()>>>> =
                Box::pin(handler(ledger.clone(), event.payload));
            let (ledger, telemetry, traces) = (&ledger, &telemetry, traces.as_ref());
            async move {
                let killed_at = killed_at(&event.context);
                let handled = in_time(ledger.clock(), killed_at, handled);
                let handled = telemetry.event(ledger, operation, &event.context.request_id, handled).await;
                flush(traces, ledger.clock(), killed_at).await;
                handled.map_err(Error::from)
            }
        };
        lambda_runtime::run(service_fn(respond)).await
    })
}

/// Cuts the handling of an event off while there is time to tell: killed in the middle it would leave no line of what
/// happened.
async fn in_time(
    clock: &Clock,
    killed_at: Option<KilledAt>,
    handled: impl Future<Output = ledger::Result<()>>,
) -> ledger::Result<()> {
    let done_by = killed_at.map_or(Timestamp(u64::MAX), KilledAt::done_by);
    let handled = clock.until(done_by, handled).await;
    handled.unwrap_or_else(|| Err(ledger::Error::OutcomeUnknown("there was no time".into())))
}

/// What a Lambda has once it has started.
struct Process {
    config: Config,
    ledger: Ledger,
    telemetry: Telemetry,
    traces: Option<Traces>,
    began: Timestamp,
}

/// How long an answer may wait for the collector of traces.
const EXPORT_MS: u64 = 500;

/// Exports what an invocation left, before its answer leaves: then the process may be frozen.
async fn flush(traces: Option<&Traces>, clock: &Clock, killed_at: Option<KilledAt>) {
    if let Some(traces) = traces {
        let latest = clock.now().plus(EXPORT_MS);
        traces.flush(clock, killed_at.map_or(latest, |killed_at| latest.min(killed_at.answered_by()))).await;
    }
}

fn run(service: &str, serve: impl AsyncFnOnce(Process) -> Result<(), Error>) -> Result<(), Error> {
    let began = Clock::system().now();
    let config = Config::from_environment()?;
    telemetry::start(Format::Json, &config.log);
    telemetry::log_panics();
    let recorder = EmfRecorder::default();
    metrics::set_global_recorder(recorder.clone())?;
    let telemetry = Telemetry::documents(service, &config.environment, recorder, std::io::stdout());
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let ledger = config.ledger().await;
        let traces = config.traces.as_ref().and_then(|endpoint| {
            let function = function(lambda_runtime::Config::from_env());
            let started = Traces::start(service, &config.environment, endpoint, function);
            // A service without traces is worth more than none.
            started.inspect_err(|error| tracing::error!(%error, "there are no traces")).ok()
        });
        serve(Process { config, ledger, telemetry, traces, began }).await
    })
}

/// What OpenTelemetry's conventions tell of a function.
fn function(function: lambda_runtime::Config) -> [KeyValue; 6] {
    [
        KeyValue::new("cloud.provider", "aws"),
        KeyValue::new("cloud.platform", "aws_lambda"),
        KeyValue::new("faas.name", function.function_name),
        KeyValue::new("faas.version", function.version),
        KeyValue::new("faas.instance", function.log_stream),
        // Lambda counts it in MB, the conventions in bytes.
        KeyValue::new("faas.max_memory", i64::from(function.memory) * 1_048_576),
    ]
}

/// Answers one event of API Gateway with a router.
pub async fn answer(router: axum::Router, event: LambdaEvent<ApiGatewayV2httpRequest>) -> impl Serialize + use<> {
    let LambdaEvent { mut payload, context } = event;
    let address = payload.request_context.http.source_ip.as_ref().and_then(|text| text.parse::<IpAddr>().ok());
    let (killed_at, invocation) = (killed_at(&context), InvocationId(context.request_id.clone()));
    let (body, target) = (check_body(&payload), uri(&payload));
    if body.is_err() {
        payload.body = None;
    }
    let refused = body.err().or_else(|| target.as_ref().err().cloned()).map(Refused);
    // What is left of the target cannot be misread; the true one is put back below.
    payload.raw_path = Some("/".to_owned());
    payload.raw_query_string = None;
    payload.request_context.stage = None;
    payload.request_context.domain_name = None;
    payload.headers.remove(header::HOST);
    // It was the length before API Gateway encoded the body.
    payload.headers.remove(header::CONTENT_LENGTH);

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
    let event = LambdaEvent::new(LambdaRequest::ApiGatewayV2(payload), context);
    Adapter::from(service).oneshot(event).await.unwrap_or_else(|never: std::convert::Infallible| match never {})
}

/// When Lambda kills the process, if it says so.
fn killed_at(context: &lambda_runtime::Context) -> Option<KilledAt> {
    (context.deadline > 0).then_some(KilledAt(ledger::Timestamp(context.deadline)))
}

fn check_body(event: &ApiGatewayV2httpRequest) -> Result<(), Problem> {
    let broken = event.is_base64_encoded && event.body.as_ref().is_some_and(|text| STANDARD.decode(text).is_err());
    if broken { Err(Problem::new(Code::MalformedJson, "the body is flagged as base64 and is not")) } else { Ok(()) }
}

/// The target of the request, as encoded as it came.
fn uri(event: &ApiGatewayV2httpRequest) -> Result<Uri, Problem> {
    let stage = event.request_context.stage.as_deref().unwrap_or("$default");
    let path = encode(without_stage(event.raw_path.as_deref().unwrap_or("/"), stage));
    let query = event.raw_query_string.as_ref().filter(|query| !query.is_empty());
    let target = query.map_or(path.clone(), |query| format!("{path}?{}", encode(query)));
    target.parse().map_err(|_| Problem::new(Code::InvalidPath, "the path is not one of a URI"))
}

/// The path without the stage that API Gateway puts before it, unless the stage is the default one.
fn without_stage<'a>(path: &'a str, stage: &str) -> &'a str {
    match path.strip_prefix('/').and_then(|rest| rest.strip_prefix(stage)) {
        Some(rest) if stage != "$default" && (rest.is_empty() || rest.starts_with('/')) => rest,
        _ => path,
    }
}

/// API Gateway decodes parts of a path. What a URI cannot hold is encoded again; what is encoded stays.
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
    use serde_json::Value;

    /// The answer as API Gateway gets it.
    async fn answered(event: ApiGatewayV2httpRequest) -> Value {
        let answer = answer(router(), LambdaEvent::new(event, Context::default())).await;
        serde_json::to_value(answer).unwrap()
    }

    fn event(fixture: &str) -> ApiGatewayV2httpRequest {
        serde_json::from_str(fixture).unwrap()
    }

    fn router() -> axum::Router {
        let show = |request: axum::extract::Request| async move {
            let address = request.extensions().get::<ClientAddress>().copied();
            let key = request.headers().get("x-api-key").and_then(|key| key.to_str().ok()).unwrap_or("-").to_owned();
            let line = format!("{} {} {key} {address:?} ", request.method(), request.uri());
            let body = request.into_body().collect().await.unwrap().to_bytes();
            line + &String::from_utf8_lossy(&body)
        };
        axum::Router::new().route("/nothing", post(|| async { StatusCode::NO_CONTENT })).fallback(any(show))
    }

    async fn shown(event: ApiGatewayV2httpRequest) -> String {
        answered(event).await["body"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_recorded_request_reaches_the_router_as_it_was_sent() {
        let text = shown(event(include_str!("../fixtures/publish.json"))).await;
        assert_eq!(
            text,
            "POST /streams/orders/events elk_dev_placeholder Some(ClientAddress(192.0.2.1)) \
             {\"key\":\"a\",\"type\":\"created\",\"data\":{\"total\":1}}"
        );
    }

    #[tokio::test]
    async fn a_base64_body_is_decoded() {
        let mut good = event(include_str!("../fixtures/publish.json"));
        good.body = Some(STANDARD.encode("{\"a\":1}"));
        good.is_base64_encoded = true;
        assert!(shown(good).await.ends_with("{\"a\":1}"));
    }

    #[tokio::test]
    async fn path_and_query_stay_encoded_and_the_stage_is_dropped() {
        let event = event(include_str!("../fixtures/poll_on_stage.json"));
        assert!(shown(event).await.starts_with("GET /streams/orders/compacted/caf%C3%A9%2Fa?limit=5&prefix=a%20b "));
    }

    #[tokio::test]
    async fn nothing_in_an_event_makes_it_panic() {
        for path in ["", "no slash", "/a b\u{e9}\u{0}\"<>\\^`{|}#", "/%zz", "//"] {
            let mut event = event(include_str!("../fixtures/publish.json"));
            event.raw_path = Some(path.to_owned());
            event.raw_query_string = Some("a= \u{0}\u{e9}".to_owned());
            event.headers.insert(header::HOST, HeaderValue::from_static("not a host"));
            let status = answered(event).await["statusCode"].as_i64().unwrap();
            assert!((200..500).contains(&status), "{path}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_collector_that_hangs_delays_one_answer_a_little() {
        use opentelemetry::trace::{Tracer, TracerProvider};

        // Connections are made and never served.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (traces, provider) = Traces::open("test", "test", &endpoint, []).unwrap();
        let clock = Clock::simulated(Timestamp(1_800_000_000_000));
        let mut delays = Vec::new();
        for _ in 0..3 {
            drop(provider.tracer("test").start("work"));
            let began = clock.now();
            flush(Some(&traces), &clock, None).await;
            delays.push(clock.now().since(began));
        }
        assert_eq!(delays, [EXPORT_MS, 0, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_handling_of_an_event_ends_before_lambda_kills_it() {
        let clock = Clock::simulated(Timestamp(1_800_000_000_000));
        let began = clock.now();
        let ended = in_time(&clock, Some(KilledAt(began.plus(3_000))), std::future::pending()).await;
        assert!(matches!(ended, Err(ledger::Error::OutcomeUnknown(_))), "{ended:?}");
        assert_eq!(clock.now().since(began), 2_500);
        let soon = async {
            clock.sleep(2_000).await;
            Ok(())
        };
        assert!(in_time(&clock, Some(KilledAt(clock.now().plus(3_000))), soon).await.is_ok());
    }

    #[tokio::test]
    async fn an_empty_answer_has_no_body() {
        let mut event = event(include_str!("../fixtures/publish.json"));
        event.raw_path = Some("/nothing".to_owned());
        let answer = answered(event).await;
        assert_eq!(answer["statusCode"], 204);
        assert!(answer["body"].as_str().unwrap_or_default().is_empty());
    }

    #[tokio::test]
    async fn dot_segments_are_not_resolved() {
        let mut event = event(include_str!("../fixtures/publish.json"));
        event.raw_path = Some("/streams/%2e%2e/events".to_owned());
        assert!(shown(event).await.starts_with("POST /streams/%2e%2e/events "));
    }
}
