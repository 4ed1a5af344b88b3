//! One invocation, and the one line that tells of it: access log, numbers for CloudWatch and what the store was asked.
//!
//! Whatever happens in an invocation can add to its line with [`note`]. Numbers go through the `metrics` facade besides, so
//! that they can be added up; what cannot be enumerated is a property of the line and nothing else. Nothing of a client's
//! is ever noted: no credential, key of an event, payload, cursor or query.

use std::future::Future;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use http::Method;
use ledger::{Clock, Ledger, Timestamp, Usage};
use metrics::{Label, SharedString, counter, histogram};
use opentelemetry::trace::FutureExt as _;
use serde_json::{Map, Value, json};
use tracing::Instrument;

use super::catalogue as c;
use super::emf::{self, EmfRecorder};
use super::logs::is_sampled;
use super::panics::count_panic;
use super::traces::{InvocationId, InvocationSpan};

/// Where the lines of a process go, and what they have in common.
#[derive(Clone, Debug)]
pub struct Telemetry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    service: Arc<str>,
    sink: Sink,
    /// How long the process needed to start, until its first invocation told it.
    starting: Mutex<Option<u64>>,
    has_run: AtomicBool,
}

enum Sink {
    /// Lines in the embedded metric format, which take the numbers with them.
    Documents { namespace: String, recorder: EmfRecorder, writer: Mutex<Box<dyn Write + Send>> },
    /// Lines of the log; somebody else keeps the numbers.
    Log,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Documents { .. } => "Documents",
            Self::Log => "Log",
        })
    }
}

impl Telemetry {
    /// Documents of CloudWatch's Embedded Metric Format in the namespace of an environment. The recorder must be the one
    /// that the `metrics` facade tells, and one invocation runs at a time, as in Lambda: what was told since the last one
    /// is told by its line.
    #[must_use]
    pub fn documents(
        service: &str,
        environment: &str,
        recorder: EmfRecorder,
        writer: impl Write + Send + 'static,
    ) -> Self {
        let writer: Mutex<Box<dyn Write + Send>> = Mutex::new(Box::new(writer));
        Self::new(service, Sink::Documents { namespace: c::namespace(environment), recorder, writer })
    }

    /// Lines of the log.
    #[must_use]
    pub fn log(service: &str) -> Self {
        Self::new(service, Sink::Log)
    }

    fn new(service: &str, sink: Sink) -> Self {
        let (starting, has_run) = (Mutex::default(), AtomicBool::default());
        Self(Arc::new(Inner { service: service.into(), sink, starting, has_run }))
    }

    /// Tells with the first invocation how long the process needed to start.
    pub fn started(&self, milliseconds: u64) {
        *self.0.starting.lock().unwrap_or_else(PoisonError::into_inner) = Some(milliseconds);
    }

    /// The name of the service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.0.service
    }

    /// Runs one invocation. What it comes to is judged and told once it is there, or when nobody waits for it any more.
    pub(crate) async fn invocation<T>(
        &self,
        clock: &Clock,
        begun: Begun<'_>,
        work: impl Future<Output = T>,
        judge: impl FnOnce(T) -> (T, Outcome),
    ) -> T {
        let (notes, usage) = (Notes::default(), Arc::default());
        let work = NOTES.scope(notes.clone(), work).with_context(begun.span.context());
        let work = ledger::measured(clock, &usage, work);
        let mut untold =
            Untold { teller: self, clock, at: clock.now(), notes, usage: Arc::clone(&usage), begun: Some(begun) };
        let (result, outcome) = judge(work.await);
        untold.tell(Some(&outcome));
        result
    }

    /// Runs the handling of one event, whose failure is logged; a panic is one.
    ///
    /// # Errors
    /// What the work ends with.
    pub fn event<'a, T: 'a>(
        &'a self,
        ledger: &'a Ledger,
        operation: &'a str,
        request_id: &'a str,
        work: impl Future<Output = ledger::Result<T>> + 'a,
    ) -> Pin<Box<impl Future<Output = ledger::Result<T>> + 'a>> {
        let judge = move |outcome: ledger::Result<T>| {
            let status = if outcome.is_ok() { 200 } else { 500 };
            if let Err(error) = &outcome {
                let source = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(%error, source, "an event was not handled");
            }
            (outcome, Outcome { status, code: None })
        };
        // Boxed, because sweeps and compaction are large, and what waits for them would be as large.
        Box::pin(async move {
            let work = async {
                let ended = AssertUnwindSafe(work).catch_unwind().await;
                ended.unwrap_or_else(|payload| Err(ledger::Error::Internal(count_panic(&*payload).into())))
            };
            let is_lambda = matches!(self.0.sink, Sink::Documents { .. });
            let invocation = is_lambda.then(|| InvocationId(request_id.to_owned()));
            let traced = InvocationSpan::of_event(operation, invocation.as_ref());
            let span = tracing::info_span!(
                "event",
                service = self.service(),
                request_id,
                trace_id = traced.trace_id(),
                sampled = is_sampled(request_id).then_some(true)
            );
            let properties = std::iter::once(("request_id".to_owned(), request_id.into())).collect();
            let begun = Begun { operation, span: traced, route: None, properties };
            self.invocation(ledger.clock(), begun, work, judge).instrument(span).await
        })
    }

    fn tell(&self, told: Told<'_>, mut properties: Map<String, Value>) {
        let service = SharedString::from(Arc::clone(&self.0.service));
        if told.cold {
            counter!(c::COLD_STARTS.name, "service" => service.clone()).increment(1);
            if let Some(ms) = self.0.starting.lock().unwrap_or_else(PoisonError::into_inner).take() {
                histogram!(c::INIT_MS.name, "service" => service.clone()).record(ms as f64);
            }
        }
        told.count(&service);
        match &self.0.sink {
            Sink::Log => told.log(&properties),
            Sink::Documents { namespace, recorder, writer } => {
                told.describe(&mut properties);
                let common = [("service", &*self.0.service), ("operation", told.operation)];
                let (samples, mut lines) = (recorder.drain(), Vec::new());
                for document in emf::documents(namespace, told.at, &common, properties, &samples) {
                    serde_json::to_writer(&mut lines, &document).expect("a line has names for its members");
                    lines.push(b'\n');
                }
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                // A log that cannot be written must not break the request that it tells of.
                writer.write_all(&lines).and_then(|()| writer.flush()).ok();
            }
        }
    }
}

/// What is known of an invocation when it begins.
pub(crate) struct Begun<'a> {
    /// Its name until something notes a better one.
    pub(crate) operation: &'a str,
    /// Its span.
    pub(crate) span: InvocationSpan,
    /// Of a request: the operation has a name of its own, but people know this better.
    pub(crate) route: Option<Route>,
    /// What the line tells besides.
    pub(crate) properties: Map<String, Value>,
}

/// What an invocation came to.
pub(crate) struct Outcome {
    /// The status of the answer; of an event 200 or 500.
    pub(crate) status: u16,
    /// The code of the problem that was answered.
    pub(crate) code: Option<&'static str>,
}

/// The status of a request whose client left before its answer. No answer has it; other servers log the same.
const CLIENT_LEFT: u16 = 499;

/// An invocation that nobody was told of yet. Whoever runs it drops it when its client leaves: that is told too.
struct Untold<'a> {
    teller: &'a Telemetry,
    clock: &'a Clock,
    at: Timestamp,
    notes: Notes,
    usage: Arc<Mutex<Usage>>,
    /// None once it was told.
    begun: Option<Begun<'a>>,
}

impl Untold<'_> {
    /// Tells of it, once; without an outcome nobody waited for it.
    fn tell(&mut self, outcome: Option<&Outcome>) {
        let Some(begun) = self.begun.take() else { return };
        let mut properties = std::mem::take(&mut *self.notes.0.lock().unwrap_or_else(PoisonError::into_inner));
        properties.extend(begun.properties);
        if let Some(code) = outcome.and_then(|outcome| outcome.code) {
            properties.insert("code".to_owned(), code.into());
        }
        let noted = properties.remove("operation");
        let operation = noted.as_ref().and_then(Value::as_str).unwrap_or(begun.operation);
        let cold = !self.teller.0.has_run.swap(true, Ordering::Relaxed);
        begun.span.describe(operation, &properties, cold);
        if let Some(outcome) = outcome {
            begun.span.end(begun.route.is_some(), outcome);
        }
        let usage = std::mem::take(&mut *self.usage.lock().unwrap_or_else(PoisonError::into_inner));
        let (at, duration_ms) = (self.at, self.clock.now().since(self.at));
        let body_ms = properties.get("body_ms").and_then(Value::as_u64).unwrap_or_default();
        let status = outcome.map_or(CLIENT_LEFT, |outcome| outcome.status);
        let route = begun.route;
        self.teller.tell(Told { operation, cold, at, duration_ms, body_ms, status, route, usage }, properties);
    }
}

impl Drop for Untold<'_> {
    fn drop(&mut self) {
        self.tell(None);
    }
}

/// What a request asked for, in words that are not its own.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// One of those that HTTP knows, or [`OTHER_METHOD`].
    pub(crate) method: &'static str,
    /// The path with names for its parts; none when no route is like it.
    pub(crate) template: Option<String>,
}

/// What OpenTelemetry's conventions call a method that is none of HTTP's.
pub(crate) const OTHER_METHOD: &str = "_OTHER";

impl Route {
    /// A method is any word in HTTP, as long as a head may be.
    pub(crate) fn new(method: &Method, template: Option<&str>) -> Self {
        let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
        let method = known.into_iter().find(|known| *known == method.as_str()).unwrap_or(OTHER_METHOD);
        Self { method, template: template.map(str::to_owned) }
    }
}

struct Told<'a> {
    operation: &'a str,
    /// Whether nothing ran in the process before.
    cold: bool,
    at: Timestamp,
    duration_ms: u64,
    /// Of that the client needed so much to send its body.
    body_ms: u64,
    status: u16,
    route: Option<Route>,
    usage: Usage,
}

impl Told<'_> {
    /// Tells the numbers to the `metrics` facade.
    fn count(&self, service: &SharedString) {
        let operation = SharedString::from(Arc::<str>::from(self.operation));
        let labels = [Label::new("service", service.clone()), Label::new("operation", operation)];
        let of_operation = |metric: c::Metric| counter!(metric.name, labels.iter()).increment(1);
        of_operation(c::REQUESTS);
        match self.status {
            429 => counter!(c::THROTTLED.name, "service" => service.clone()).increment(1),
            400..=499 => of_operation(c::CLIENT_ERRORS),
            500.. => of_operation(c::FAULTS),
            _ => {}
        }
        // An answer that nobody waited for is neither fast nor slow.
        if self.status != CLIENT_LEFT {
            let latency_ms = self.duration_ms.saturating_sub(self.usage.waited_ms + self.body_ms);
            histogram!(c::LATENCY.name, labels.iter()).record(latency_ms as f64);
            if latency_ms > objective_ms(self.operation) {
                of_operation(c::SLOW_REQUESTS);
            }
        }
        let usage = &self.usage;
        let of_service = |metric: c::Metric, by: u64| {
            if by > 0 {
                counter!(metric.name, "service" => service.clone()).increment(by);
            }
        };
        of_service(c::DYNAMO_CALLS, usage.call_count());
        of_service(c::DYNAMO_RETRIES, usage.retries);
        of_service(c::DYNAMO_THROTTLES, usage.throttles);
        of_service(c::CONSUMED_READ_UNITS, whole(usage.read_units));
        of_service(c::CONSUMED_WRITE_UNITS, whole(usage.write_units));
        of_service(c::SLOT_CONFLICTS, usage.slot_conflicts);
        of_service(c::COMMIT_CONFLICTS, usage.commit_conflicts);
        of_service(c::COMPACTOR_POISON, usage.poisoned_partitions);
        for ms in &usage.compaction_delay_ms {
            histogram!(c::COMPACTOR_DELAY.name, "service" => service.clone()).record(*ms as f64);
        }
        for ms in &usage.call_ms {
            histogram!(c::DYNAMO_LATENCY.name, labels.iter()).record(*ms as f64);
        }
    }

    /// A line for people. Events of the background come often and say little.
    fn log(&self, properties: &Map<String, Value>) {
        let text = |name: &str| properties.get(name).and_then(Value::as_str);
        let unless_zero = |number: u64| (number > 0).then_some(number);
        let (status, duration_ms, calls) = (self.status, self.duration_ms, self.usage.call_count());
        let Usage { read_units, write_units, retries, throttles, waited_ms, .. } = self.usage;
        let Some(Route { method, template }) = &self.route else {
            tracing::debug!(operation = self.operation, status, duration_ms, calls, read_units, write_units, "event");
            return;
        };
        tracing::info!(
            operation = self.operation,
            method,
            route = template.as_deref().unwrap_or("-"),
            status,
            code = text("code"),
            limited_by = text("limited_by"),
            duration_ms,
            body_ms = unless_zero(self.body_ms),
            waited_ms = unless_zero(waited_ms),
            calls,
            retries = unless_zero(retries),
            throttles = unless_zero(throttles),
            read_units,
            write_units,
            stream = text("stream"),
            subscription = text("subscription"),
            key_id = text("key_id"),
            client = text("client"),
            "request"
        );
    }

    /// Adds to the line what every line tells.
    fn describe(&self, line: &mut Map<String, Value>) {
        let usage = &self.usage;
        line.insert("status".to_owned(), Value::from(self.status));
        line.insert("duration_ms".to_owned(), Value::from(self.duration_ms));
        if self.cold {
            line.insert("cold_start".to_owned(), Value::from(true));
            // Of the process, and so of all that follow in its stream of the log.
            line.insert("version".to_owned(), Value::from(env!("CARGO_PKG_VERSION")));
        }
        if usage.waited_ms > 0 {
            line.insert("waited_ms".to_owned(), Value::from(usage.waited_ms));
        }
        if usage.call_count() > 0 {
            // Units and retries are among the numbers.
            line.insert("dynamo".to_owned(), json!(usage.calls));
        }
    }
}

/// Billing counts halves of read units; a sum of them is rounded up.
fn whole(units: f64) -> u64 {
    units.ceil() as u64
}

/// Answers of an operation that take longer are slow: the objectives of PROTOCOL.md, in milliseconds.
fn objective_ms(operation: &str) -> u64 {
    match operation {
        "publish" => 250,
        "commit" => 150,
        "poll" | "read_events" => 300,
        // Work that nobody waits for has its own alarms.
        "compact_partitions" | "sweep" | "sample" | "round" => u64::MAX,
        _ => 500,
    }
}

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Map<String, Value>>>);

tokio::task_local! {
    static NOTES: Notes;
}

/// Adds a property to the line of the invocation that this is a part of. Never a client's secret or data.
pub fn note(name: &str, value: impl Into<Value>) {
    // Outside of an invocation there is no line.
    NOTES
        .try_with(|notes| notes.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value.into()))
        .ok();
}
