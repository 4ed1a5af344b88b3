//! Traces: a span for each invocation, and where finished spans go.
//!
//! An invocation continues the trace of its caller, or begins one. What the ledger does for it hangs below; producers of what
//! it read are linked. Finished spans are collected here and exported when somebody says [`Traces::flush`]: the SDK's
//! own batches are sent by a thread of its own, which stands still with a frozen Lambda and deadlocks on a runtime of one
//! thread. Names follow OpenTelemetry's conventions for HTTP, messaging and functions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Uri;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use ledger::model::TraceParent;
use ledger::{Cause, Clock, Timestamp};
use metrics::counter;
use opentelemetry::trace::{Span as _, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::{RetryPolicy, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span as SdkSpan, SpanData, SpanExporter, SpanProcessor};
use serde_json::{Map, Value};
use tokio::sync::Notify;

use super::catalogue;
use super::invocation::{OTHER_METHOD, Outcome, Route};

/// Finished spans that wait to be exported. More are lost, so that a collector that is away costs no memory.
const MOST_WAITING: usize = 4_096;
/// When so many wait, whoever exports now and then is woken: there is room for those that finish meanwhile.
const MANY_WAITING: usize = MOST_WAITING / 8;
/// How long the collector may take to answer.
const EXPORT_MS: u64 = 2_000;
/// How long nothing is exported after an export that failed: a collector that hangs would else hold up each answer of a
/// Lambda.
const PAUSE_MS: u64 = 30_000;

/// The traces of a process. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Traces(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    finished: Finished,
    exporter: tokio::sync::Mutex<Exporter>,
}

#[derive(Debug)]
struct Exporter {
    otlp: opentelemetry_otlp::SpanExporter,
    trouble: Option<Trouble>,
}

/// The last export failed: that is said once, and not each second.
#[derive(Debug)]
struct Trouble {
    again_at: Timestamp,
    /// Spans that were lost since it began.
    lost: u64,
}

impl Traces {
    /// Traces everything that this process does from now on, for a collector of OTLP at this URL, `/v1/traces` left out.
    /// `place` says what the process runs in, in the words of the conventions. Which traces are recorded, and what else
    /// is told of the process, is up to the variables that OpenTelemetry's SDK knows: `OTEL_TRACES_SAMPLER`,
    /// `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_EXPORTER_OTLP_HEADERS`. Nothing is tried again: the exporter's own attempts
    /// sleep on the thread of the runtime.
    ///
    /// # Errors
    /// When the endpoint is no URL of HTTP, or certificates are needed and none are found.
    pub fn start(
        service: &str,
        environment: &str,
        endpoint: &str,
        place: impl IntoIterator<Item = KeyValue>,
    ) -> Result<Self, Cause> {
        let (traces, provider) = Self::open(service, environment, endpoint, place)?;
        global::set_tracer_provider(provider);
        Ok(traces)
    }

    /// The same for spans of one provider.
    pub(crate) fn open(
        service: &str,
        environment: &str,
        endpoint: &str,
        place: impl IntoIterator<Item = KeyValue>,
    ) -> Result<(Self, SdkTracerProvider), Cause> {
        let builder = opentelemetry_otlp::SpanExporter::builder().with_http();
        let patience = Duration::from_millis(EXPORT_MS);
        let builder = if is_encrypted(endpoint)? {
            let connector = HttpsConnectorBuilder::new().with_native_roots()?.https_only().enable_http1().build();
            builder.with_http_client(HyperClient::new(connector, patience, None))
        } else {
            builder.with_http_client(HyperClient::new(HttpConnector::new(), patience, None))
        };
        let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let builder = builder.with_endpoint(endpoint).with_timeout(patience);
        let mut exporter = builder.with_retry_policy(RetryPolicy::disabled()).build()?;
        let resource = Resource::builder()
            .with_service_name(format!("eventledger-{service}"))
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("deployment.environment.name", environment.to_owned()),
            ])
            .with_attributes(place)
            .build();
        exporter.set_resource(&resource);
        let finished = Finished::default();
        let provider =
            SdkTracerProvider::builder().with_resource(resource).with_span_processor(finished.clone()).build();
        let exporter = tokio::sync::Mutex::new(Exporter { otlp: exporter, trouble: None });
        Ok((Self(Arc::new(Inner { finished, exporter })), provider))
    }

    /// Returns when many spans wait to be exported.
    pub async fn many_waiting(&self) {
        self.0.finished.many.notified().await;
    }

    /// Exports what is finished, within two seconds and until a time: then nothing is begun any more. What the collector does
    /// not take is lost, and so is what finishes in the time after that: traces must hold up nothing.
    pub async fn flush(&self, clock: &Clock, until: Timestamp) {
        let mut exporter = self.0.exporter.lock().await;
        let until = until.min(clock.now().plus(EXPORT_MS));
        if clock.now() >= until {
            return;
        }
        let Waiting { spans, lost } = std::mem::take(&mut *self.0.finished.lock());
        if lost > 0 {
            tracing::warn!(lost, "spans were lost, because more finished than were exported");
            counter!(catalogue::SPANS_LOST.name).increment(lost);
        }
        if !spans.is_empty() {
            exporter.export(spans, clock, until).await;
        }
    }
}

impl Exporter {
    async fn export(&mut self, spans: Vec<SpanData>, clock: &Clock, until: Timestamp) {
        let count = spans.len() as u64;
        let failure = match &self.trouble {
            Some(trouble) if clock.now() < trouble.again_at => return self.lose(count),
            _ => match clock.until(until, self.otlp.export(spans)).await {
                Some(Ok(())) => None,
                Some(Err(error)) => Some(error.to_string()),
                None => Some("it did not answer in time".to_owned()),
            },
        };
        let before = self.trouble.take();
        let Some(cause) = failure else {
            if let Some(Trouble { lost, .. }) = before {
                tracing::info!(lost, "spans are taken again");
            }
            return;
        };
        if before.is_none() {
            tracing::warn!(cause, count, "spans were lost, because nobody took them");
        }
        let lost = before.map_or(0, |trouble| trouble.lost);
        self.trouble = Some(Trouble { again_at: clock.now().plus(PAUSE_MS), lost });
        self.lose(count);
    }

    fn lose(&mut self, count: u64) {
        counter!(catalogue::SPANS_LOST.name).increment(count);
        if let Some(trouble) = &mut self.trouble {
            trouble.lost += count;
        }
    }
}

/// Whether a URL of HTTP is one of HTTPS.
fn is_encrypted(endpoint: &str) -> Result<bool, Cause> {
    let url: Uri = endpoint.parse()?;
    match url.scheme_str() {
        Some("http") => Ok(false),
        Some("https") => Ok(true),
        _ => Err("it begins neither with http:// nor with https://".into()),
    }
}

/// Finished spans, until they are exported.
#[derive(Clone, Debug, Default)]
struct Finished {
    waiting: Arc<Mutex<Waiting>>,
    many: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Waiting {
    spans: Vec<SpanData>,
    lost: u64,
}

impl Finished {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanProcessor for Finished {
    fn on_start(&self, _: &mut SdkSpan, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        let mut waiting = self.lock();
        if waiting.spans.len() < MOST_WAITING {
            waiting.spans.push(span);
            if waiting.spans.len() == MANY_WAITING {
                self.many.notify_one();
            }
        } else {
            waiting.lost += 1;
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The span of an invocation. Dropped before its end, it says that nobody waited for it.
pub(crate) struct InvocationSpan {
    context: Context,
    parent: Option<TraceParent>,
    in_lambda: bool,
}

/// The id of a Lambda's invocation, which its request carries in its extensions.
#[derive(Clone, Debug)]
pub(crate) struct InvocationId(pub(crate) String);

impl InvocationSpan {
    /// Of a request, as part of its caller's trace if there is one; in a Lambda of this invocation.
    pub(crate) fn of_request(parent: Option<TraceParent>, route: &Route, invocation: Option<&InvocationId>) -> Self {
        let name = match (route.method, &route.template) {
            (OTHER_METHOD, _) => "HTTP".to_owned(),
            (method, Some(template)) => format!("{method} {template}"),
            (method, None) => method.to_owned(),
        };
        // API Gateway takes nothing but HTTPS, and the local server nothing but HTTP.
        let scheme = if invocation.is_some() { "https" } else { "http" };
        let mut attributes =
            vec![KeyValue::new("http.request.method", route.method), KeyValue::new("url.scheme", scheme)];
        attributes.extend(route.template.clone().map(|template| KeyValue::new("http.route", template)));
        Self::begin(SpanKind::Server, parent, name, attributes, invocation)
    }

    /// Of an event, in a Lambda of this invocation. A trace of its own: many may have caused it.
    pub(crate) fn of_event(operation: &str, invocation: Option<&InvocationId>) -> Self {
        Self::begin(SpanKind::Consumer, None, operation.to_owned(), Vec::new(), invocation)
    }

    fn begin(
        kind: SpanKind,
        parent: Option<TraceParent>,
        name: String,
        mut attributes: Vec<KeyValue>,
        invocation: Option<&InvocationId>,
    ) -> Self {
        attributes.extend(invocation.map(|InvocationId(id)| KeyValue::new("faas.invocation_id", id.clone())));
        let tracer = global::tracer("platform");
        let caller = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent.into()));
        let span = tracer.span_builder(name).with_kind(kind).with_attributes(attributes);
        let span = span.start_with_context(&tracer, &caller);
        // Without a provider a span stands for its parent; then nothing below it is recorded.
        let context = if span.is_recording() { Context::new().with_span(span) } else { Context::new() };
        Self { context, parent, in_lambda: invocation.is_some() }
    }

    /// What the work of the invocation has to run in.
    pub(crate) fn context(&self) -> Context {
        self.context.clone()
    }

    /// The id of the trace, also of a caller's that is not recorded here.
    pub(crate) fn trace_id(&self) -> Option<String> {
        let recorded = self.context.span().span_context().trace_id();
        let own = (recorded != opentelemetry::trace::TraceId::INVALID).then(|| recorded.to_string());
        own.or_else(|| self.parent.map(|parent| format!("{:032x}", parent.trace_id())))
    }

    /// Tells what is known of the invocation, and whether it is the first of its process.
    pub(crate) fn describe(&self, operation: &str, properties: &Map<String, Value>, cold: bool) {
        let span = self.context.span();
        if !span.is_recording() {
            return;
        }
        span.set_attribute(KeyValue::new("eventledger.operation", operation.to_owned()));
        if self.in_lambda {
            span.set_attribute(KeyValue::new("faas.trigger", trigger(operation)));
            span.set_attribute(KeyValue::new("faas.coldstart", cold));
        }
        if let Some(kind) = messaging_kind(operation) {
            span.set_attributes([
                KeyValue::new("messaging.system", "eventledger"),
                KeyValue::new("messaging.operation.type", kind),
                KeyValue::new("messaging.operation.name", operation.to_owned()),
            ]);
        }
        for (property, attribute) in TOLD {
            if let Some(text) = properties.get(property).and_then(Value::as_str) {
                span.set_attribute(KeyValue::new(attribute, text.to_owned()));
            }
        }
    }

    /// Ends it with what the invocation came to; whether it was a request decides what its status is called.
    pub(crate) fn end(&self, of_a_request: bool, outcome: &Outcome) {
        let span = self.context.span();
        if of_a_request {
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(outcome.status)));
        }
        if outcome.status >= 500 {
            span.set_attribute(KeyValue::new("error.type", outcome.code.unwrap_or("failed")));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

impl Drop for InvocationSpan {
    fn drop(&mut self) {
        // It is not recording any more where it has ended.
        let span = self.context.span();
        if span.is_recording() {
            span.set_attribute(KeyValue::new("error.type", "cancelled"));
            span.set_status(Status::error(""));
            span.end();
        }
    }
}

/// What makes a Lambda do this, in the words of the conventions.
fn trigger(operation: &str) -> &'static str {
    match operation {
        "compact_partitions" => "datasource",
        "sweep" | "sample" | "round" => "timer",
        _ => "http",
    }
}

/// What an operation does with messages, in the words of the conventions.
fn messaging_kind(operation: &str) -> Option<&'static str> {
    match operation {
        "publish" => Some("send"),
        "poll" | "read_events" => Some("receive"),
        "compact_partitions" => Some("process"),
        "commit" => Some("settle"),
        _ => None,
    }
}

/// What of a line a span tells too, and as what.
const TOLD: [(&str, &str); 5] = [
    ("stream", "messaging.destination.name"),
    ("subscription", "messaging.consumer.group.name"),
    ("key_id", "eventledger.key_id"),
    ("code", "eventledger.code"),
    ("request_id", "eventledger.request_id"),
];

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::StatusCode;
    use axum::routing::post;
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};
    use opentelemetry::trace::TracerProvider;

    use super::*;

    #[tokio::test]
    async fn after_a_failure_nothing_is_exported_for_a_while() {
        let recorder = DebuggingRecorder::new();
        let _recording = metrics::set_default_local_recorder(&recorder);
        let exports = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&exports);
        // It refuses the first.
        let take = async move || match count.fetch_add(1, Ordering::SeqCst) {
            0 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::OK,
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().route("/v1/traces", post(take));
        let collector = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let (traces, provider) = Traces::open("test", "test", &endpoint, []).unwrap();
        let clock = Clock::manual(Timestamp(1_800_000_000_000));
        let flush = async || {
            provider.tracer("test").start("work").end();
            traces.flush(&clock, Timestamp(u64::MAX)).await;
            exports.load(Ordering::SeqCst)
        };
        assert_eq!(flush().await, 1);
        clock.advance(PAUSE_MS - 1);
        assert_eq!(flush().await, 1);
        assert_eq!(traces.0.exporter.lock().await.trouble.as_ref().map(|trouble| trouble.lost), Some(2));
        clock.advance(1);
        assert_eq!([flush().await, flush().await], [2, 3]);
        let counted = recorder.snapshotter().snapshot().into_vec();
        let [(key, _, _, DebugValue::Counter(2))] = counted.as_slice() else { panic!("{counted:?}") };
        assert_eq!(key.key().name(), catalogue::SPANS_LOST.name);
        collector.abort();
    }
}
