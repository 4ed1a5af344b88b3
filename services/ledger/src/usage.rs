//! What a piece of work asks of the store: calls, repetitions, throttles, units and time.
//!
//! Whoever wants to know wraps the work in [`measured`], and can look at any time, also when the work was given up. An interceptor of the client notes each call there, so no verb has
//! to; work that is spawned elsewhere, and work that nobody measures, is not counted. Lost races are noted by the verbs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::delete_item::{DeleteItemError, DeleteItemOutput};
use aws_sdk_dynamodb::operation::get_item::{GetItemError, GetItemOutput};
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::operation::query::{QueryError, QueryOutput};
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsError, TransactWriteItemsOutput};
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_smithy_runtime_api::client::interceptors::context::{Error as AnyError, Output as AnyOutput};
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use crate::Cause;
use crate::clock::{Clock, Timestamp};
use crate::trace::CallSpan;

/// What some work asked of the store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Calls by their operation, repetitions by the SDK not counted; the store's own repetitions of writes are calls.
    pub calls: BTreeMap<&'static str, u64>,
    /// How long each call took with its repetitions, in milliseconds.
    pub call_ms: Vec<u64>,
    /// Attempts of the SDK after the first of a call.
    pub retries: u64,
    /// Attempts that the store throttled.
    pub throttles: u64,
    /// Read units that the store billed, as far as it told: it does not tell of what failed.
    pub read_units: f64,
    /// Write units that the store billed, as far as it told.
    pub write_units: f64,
    /// Lost races for the next slot of a partition.
    pub slot_conflicts: u64,
    /// Commits that met another one.
    pub commit_conflicts: u64,
    /// Ages of the youngest records that compaction caught up to, in milliseconds, one for each round.
    pub compaction_delay_ms: Vec<u64>,
    /// Milliseconds that a poll waited for events, as its reader asked it to.
    pub waited_ms: u64,
}

impl Usage {
    /// How many calls there were.
    #[must_use]
    pub fn call_count(&self) -> u64 {
        self.calls.values().sum()
    }
}

#[derive(Clone, Debug)]
struct Meter {
    clock: Clock,
    usage: Arc<Mutex<Usage>>,
}

tokio::task_local! {
    static METER: Meter;
}

/// Does some work, and notes meanwhile what it asks of the store.
pub async fn measured<T>(clock: &Clock, usage: &Arc<Mutex<Usage>>, work: impl Future<Output = T>) -> T {
    let meter = Meter { clock: clock.clone(), usage: Arc::clone(usage) };
    METER.scope(meter, work).await
}

/// Notes something for whoever measures.
pub(crate) fn note(change: impl FnOnce(&mut Usage)) {
    // Nobody may be measuring.
    METER.try_with(|meter| change(&mut meter.usage.lock().unwrap_or_else(PoisonError::into_inner))).ok();
}

/// Notes the calls of a client.
#[derive(Debug)]
pub(crate) struct NoteCalls;

/// When a call began, and how many attempts it has had.
#[derive(Debug)]
struct Began(Timestamp);

impl Storable for Began {
    type Storer = StoreReplace<Self>;
}

#[derive(Debug)]
struct Attempted;

impl Storable for Attempted {
    type Storer = StoreReplace<Self>;
}

impl Intercept for NoteCalls {
    fn name(&self) -> &'static str {
        "NoteCalls"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        state: &mut ConfigBag,
    ) -> Result<(), Cause> {
        if let Ok(now) = METER.try_with(|meter| meter.clock.now()) {
            state.interceptor_state().store_put(Began(now));
        }
        if let Some(span) = CallSpan::begin() {
            state.interceptor_state().store_put(span);
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), Cause> {
        let again = state.load::<Attempted>().is_some();
        state.interceptor_state().store_put(Attempted);
        let failure = context.output_or_error().and_then(Result::err).and_then(|error| error.as_operation_error());
        let throttled = failure.and_then(code).is_some_and(is_throttle);
        note(|usage| {
            usage.retries += u64::from(again);
            usage.throttles += u64::from(throttled);
        });
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), Cause> {
        let done = match context.output_or_error() {
            Some(Ok(output)) => done(output),
            Some(Err(error)) => error.as_operation_error().and_then(failed).map(|operation| (operation, 0.0)),
            None => None,
        };
        let (operation, units) = done.unwrap_or(("Other", 0.0));
        if let Some(span) = state.load::<CallSpan>() {
            let failure = context.output_or_error().and_then(Result::err);
            let code =
                |error: &OrchestratorError<AnyError>| error.as_operation_error().and_then(code).map(str::to_owned);
            span.end(operation, units, failure.map(|error| code(error).unwrap_or_else(|| "no_answer".to_owned())));
        }
        let Some(Began(began)) = state.load::<Began>() else { return Ok(()) };
        let ended = METER.try_with(|meter| meter.clock.now()).unwrap_or(*began);
        note(|usage| {
            *usage.calls.entry(operation).or_default() += 1;
            usage.call_ms.push(ended.since(*began));
            match operation {
                "GetItem" | "Query" => usage.read_units += units,
                _ => usage.write_units += units,
            }
        });
        Ok(())
    }
}

/// The operation of an answer, and the units that it says it consumed.
fn done(output: &AnyOutput) -> Option<(&'static str, f64)> {
    macro_rules! one {
        ($($operation:literal $output:ty),*) => {
            $(if let Some(output) = output.downcast_ref::<$output>() {
                let units = output.consumed_capacity.as_ref().and_then(|capacity| capacity.capacity_units);
                return Some(($operation, units.unwrap_or_default()));
            })*
        };
    }
    one!("GetItem" GetItemOutput, "Query" QueryOutput, "PutItem" PutItemOutput);
    one!("UpdateItem" UpdateItemOutput, "DeleteItem" DeleteItemOutput);
    let output = output.downcast_ref::<TransactWriteItemsOutput>()?;
    let units = output.consumed_capacity.iter().flatten().filter_map(|capacity| capacity.capacity_units).sum();
    Some(("TransactWriteItems", units))
}

/// Calls something on the error of each operation of ours.
macro_rules! of_each_error {
    ($error:ident, |$operation:ident, $known:ident| $use:expr) => {
        of_each_error!(@ $error, $operation, $known, $use,
            "GetItem" GetItemError, "Query" QueryError, "PutItem" PutItemError, "UpdateItem" UpdateItemError,
            "DeleteItem" DeleteItemError, "TransactWriteItems" TransactWriteItemsError)
    };
    (@ $error:ident, $operation:ident, $known:ident, $use:expr, $($name:literal $type:ty),*) => {{
        $(if let Some($known) = $error.downcast_ref::<$type>() {
            let $operation = $name;
            return $use;
        })*
        None
    }};
}

/// The operation that failed with this.
fn failed(error: &AnyError) -> Option<&'static str> {
    of_each_error!(error, |operation, _known| Some(operation))
}

fn code(error: &AnyError) -> Option<&str> {
    of_each_error!(error, |_operation, known| known.code())
}

/// The codes with which DynamoDB says that it was asked too much.
fn is_throttle(code: &str) -> bool {
    matches!(code, "ProvisionedThroughputExceededException" | "ThrottlingException" | "RequestLimitExceeded")
}
