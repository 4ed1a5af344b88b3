//! Serving in AWS Lambda: a router behind API Gateway, or a handler of events. How a request comes out of an event is in
//! [`gateway`].

mod gateway;

use std::future::Future;
use std::pin::Pin;

use lambda_runtime::{LambdaEvent, service_fn};
use ledger::{Clock, Ledger, Timestamp};
use opentelemetry::KeyValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use gateway::{GatewayEvent, answer};

use crate::access::Quotas;
use crate::config::Config;
use crate::deadline::KilledAt;
use crate::endpoint::{Routes, Settings};
use crate::functions::FUNCTIONS;
use crate::telemetry::{self, EmfRecorder, Format, Telemetry, Traces};

/// Why a Lambda stopped.
pub type Error = lambda_runtime::Error;

/// Serves the routes of a service until the Lambda is shut down.
///
/// # Errors
/// When the configuration is incomplete or the runtime fails.
pub fn serve(service: &str, routes: Routes) -> Result<(), Error> {
    run(service, async |process: Process| {
        let Process { config, ledger, telemetry, traces, began } = process;
        telemetry.started(ledger.clock().now().since(began));
        let settings = Settings { environment: config.environment, quotas: Quotas::default(), telemetry };
        let router = routes.router(ledger.clone(), &settings);
        let respond = |event: LambdaEvent<GatewayEvent>| {
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

/// Hands each event to the one handler of a service until the Lambda is shut down, and its answer to whoever waits for one;
/// `operation` says what it does with an event, in metrics and traces. A handler's error makes Lambda deliver an event again
/// that nobody waits for.
///
/// # Errors
/// When the configuration is incomplete or the runtime fails.
pub fn serve_events<E, T, F>(
    service: &str,
    operation: impl Fn(&E) -> &'static str,
    handler: impl Fn(Ledger, E) -> F,
) -> Result<(), Error>
where
    E: DeserializeOwned,
    T: Serialize + 'static,
    F: Future<Output = ledger::Result<T>> + 'static,
{
    run(service, async |process: Process| {
        let Process { ledger, telemetry, traces, began, .. } = process;
        telemetry.started(ledger.clock().now().since(began));
        let respond = |event: LambdaEvent<E>| {
            let operation = operation(&event.payload);
            // Boxed, because the compiler gives up on futures that nest this deep.
            let handled: Pin<Box<dyn Future<Output = ledger::Result<T>>>> =
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
async fn in_time<T>(
    clock: &Clock,
    killed_at: Option<KilledAt>,
    handled: impl Future<Output = ledger::Result<T>>,
) -> ledger::Result<T> {
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
        // The first call of a process is mostly the making of a connection. Where somebody waits, a start has the time for it.
        let may_ask = FUNCTIONS.iter().find(|function| function.service == service);
        if may_ask.is_some_and(|function| function.permission("GetItem", "KEY#none").is_some())
            && let Err(error) = ledger.find_api_key("none").await
        {
            tracing::warn!(%error, "the store did not answer at the start");
        }
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

/// When Lambda kills the process, if it says so.
fn killed_at(context: &lambda_runtime::Context) -> Option<KilledAt> {
    (context.deadline > 0).then_some(KilledAt(ledger::Timestamp(context.deadline)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let ended = in_time::<()>(&clock, Some(KilledAt(began.plus(3_000))), std::future::pending()).await;
        assert!(matches!(ended, Err(ledger::Error::OutcomeUnknown(_))), "{ended:?}");
        assert_eq!(clock.now().since(began), 2_500);
        let soon = async {
            clock.sleep(2_000).await;
            Ok(())
        };
        assert!(in_time(&clock, Some(KilledAt(clock.now().plus(3_000))), soon).await.is_ok());
    }
}
