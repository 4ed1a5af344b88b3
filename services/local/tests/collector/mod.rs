//! A collector of traces: it takes what OpenTelemetry's exporters send over HTTP, keeps the spans, and draws them.

use std::fmt::Write;
use std::future::Future;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tokio::sync::watch;

/// Columns of a drawn line of time.
const COLUMNS: usize = 40;

/// How long the spans that a test waits for may take to come on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// A collector that listens until it is dropped.
pub(crate) struct Collector {
    /// What exporters are told, as `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) endpoint: String,
    exports: watch::Receiver<Vec<Bytes>>,
    listening: tokio::task::JoinHandle<()>,
}

impl Collector {
    /// Starts on a free port.
    pub(crate) async fn start() -> Self {
        Self::answering(StatusCode::OK).await
    }

    /// The same, and every export gets this answer.
    pub(crate) async fn answering(status: StatusCode) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (taken, exports) = watch::channel(Vec::new());
        let take = async move |body: Bytes| {
            taken.send_modify(|taken| taken.push(body));
            status
        };
        let router = axum::Router::new().route("/v1/traces", post(take));
        let listening = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { endpoint, exports, listening }
    }

    /// Every span that came so far, in the order they began.
    pub(crate) fn spans(&self) -> Vec<Span> {
        read(&self.exports.borrow())
    }

    /// Does a client's work, whose span the client exports itself.
    pub(crate) async fn while_traced(&self, name: &str, trace: &str, span: &str, work: impl Future<Output = ()>) {
        let start_time_unix_nano = now();
        work.await;
        let span = Span {
            trace_id: u128::from_str_radix(trace, 16).unwrap().to_be_bytes().to_vec(),
            span_id: u64::from_str_radix(span, 16).unwrap().to_be_bytes().to_vec(),
            name: name.to_owned(),
            kind: SpanKind::Client as i32,
            start_time_unix_nano,
            end_time_unix_nano: now(),
            ..Span::default()
        };
        let name = KeyValue { key: "service.name".to_owned(), ..KeyValue::default() };
        let resource = Some(Resource { attributes: vec![name], ..Resource::default() });
        let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let export = reqwest::Client::new().post(format!("{}/v1/traces", self.endpoint)).body(body);
        assert!(export.send().await.unwrap().status().is_success());
    }

    /// How many exports came.
    pub(crate) fn count(&self) -> usize {
        self.exports.borrow().len()
    }

    /// Waits until the spans that came are those that are looked for.
    pub(crate) async fn until(&self, found: impl Fn(&[Span]) -> bool) {
        let mut exports = self.exports.clone();
        let come = exports.wait_for(|exports| found(&read(exports)));
        tokio::time::timeout(PATIENCE, come).await.expect("the spans come").expect("the collector listens");
    }
}

/// Nanoseconds, in which spans count.
#[expect(clippy::disallowed_methods, reason = "the clock of the ledger counts milliseconds")]
fn now() -> u64 {
    u64::try_from(std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

fn read(exports: &[Bytes]) -> Vec<Span> {
    let mut spans = Vec::new();
    for body in exports {
        let request = ExportTraceServiceRequest::decode(body.clone()).expect("an export of traces");
        for resource in request.resource_spans {
            let service = resource.resource.iter().flat_map(|resource| &resource.attributes);
            assert!(service.map(|attribute| &attribute.key).any(|key| key == "service.name"));
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    spans.sort_by_key(|span| span.start_time_unix_nano);
    spans
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// The text or number of an attribute.
pub(crate) fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::DoubleValue(number) => Some(number.to_string()),
        other => panic!("an attribute that nobody expected: {other:?}"),
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The spans of some invocations and what is below them, each with its place in time, and whom it is linked to.
pub(crate) fn waterfall(roots: &[Span], all: &[Span]) -> String {
    let mut text = String::new();
    for root in roots {
        let (from, to) = (root.start_time_unix_nano, root.end_time_unix_nano);
        draw(&mut text, root, all, 0, (from, to - from));
        for link in &root.links {
            let (trace, span) = (hexadecimal(&link.trace_id), hexadecimal(&link.span_id));
            writeln!(text, "  linked to trace {trace}, span {span}").unwrap();
        }
        text.push('\n');
    }
    text
}

fn draw(text: &mut String, span: &Span, all: &[Span], depth: usize, (from, whole): (u64, u64)) {
    let column = |time: u64| usize::try_from((time - from) * COLUMNS as u64 / whole.max(1)).unwrap().min(COLUMNS);
    let (begin, end) = (column(span.start_time_unix_nano), column(span.end_time_unix_nano));
    let bar = format!("{}{}", " ".repeat(begin), "█".repeat((end - begin).max(1)));
    let name = format!("{}{}", "  ".repeat(depth), span.name);
    let milliseconds = (span.end_time_unix_nano - span.start_time_unix_nano) as f64 / 1e6;
    let units = attribute(span, "eventledger.consumed_units").map_or(String::new(), |units| format!("  {units} units"));
    let parent = match span.parent_span_id.as_slice() {
        [] => String::new(),
        parent if depth == 0 => format!("  below {}", hexadecimal(parent)),
        _ => String::new(),
    };
    let trace = if depth == 0 { format!("  trace {}{parent}", hexadecimal(&span.trace_id)) } else { String::new() };
    writeln!(text, "{name:<44} |{bar:<COLUMNS$}| {milliseconds:7.3} ms{units}{trace}").unwrap();
    for below in all.iter().filter(|other| other.parent_span_id == span.span_id) {
        draw(text, below, all, depth + 1, (from, whole));
    }
}
