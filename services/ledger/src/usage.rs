//! What a piece of work asks of the store: calls, repetitions, throttles, units and time.
//!
//! Whoever wants to know wraps the work in [`measured`], and can look at any time, also when the work was given up. An
//! interceptor of the client notes each call there, so no verb has to; work that is spawned elsewhere, and work that nobody
//! measures, is not counted. Lost races are noted by the verbs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::delete_item::{DeleteItemError, DeleteItemInput, DeleteItemOutput};
use aws_sdk_dynamodb::operation::get_item::{GetItemError, GetItemInput, GetItemOutput};
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::operation::query::{QueryError, QueryInput, QueryOutput};
use aws_sdk_dynamodb::operation::transact_write_items::{
    TransactWriteItemsError, TransactWriteItemsInput, TransactWriteItemsOutput,
};
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemInput, UpdateItemOutput};
use aws_sdk_dynamodb::types::ConsumedCapacity;
use aws_smithy_runtime_api::client::interceptors::context::{Error, Input, Output};
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
    /// Partitions whose compaction failed at a record that cannot be read.
    pub poisoned_partitions: u64,
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

impl Meter {
    fn note(&self, change: impl FnOnce(&mut Usage)) {
        change(&mut self.usage.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Notes something for whoever measures.
pub(crate) fn note(change: impl FnOnce(&mut Usage)) {
    // Nobody may be measuring.
    METER.try_with(|meter| meter.note(change)).ok();
}

/// Notes the calls of a client.
#[derive(Debug)]
pub(crate) struct NoteCalls;

/// A call that is under way. It is noted when it is dropped, because not each ends: a deadline may cut it off.
#[derive(Debug)]
struct UnderWay {
    operation: &'static str,
    began: Timestamp,
    meter: Option<Meter>,
    span: Option<CallSpan>,
    /// What the store billed for it.
    units: f64,
    /// The code of what went wrong; without an answer nobody knows that nothing did.
    failure: Option<String>,
}

impl Storable for UnderWay {
    type Storer = StoreReplace<Self>;
}

const NO_ANSWER: &str = "no_answer";

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Self { operation, began, units, .. } = *self;
        if let Some(meter) = &self.meter {
            let milliseconds = meter.clock.now().since(began);
            tracing::debug!(operation, milliseconds, units, failure = self.failure, "a call of the store");
            meter.note(|usage| {
                *usage.calls.entry(operation).or_default() += 1;
                usage.call_ms.push(milliseconds);
                match operation {
                    "GetItem" | "Query" => usage.read_units += units,
                    _ => usage.write_units += units,
                }
            });
        }
        if let Some(span) = &self.span {
            span.end(units, self.failure.take());
        }
    }
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
        context: &BeforeSerializationInterceptorContextRef<'_>,
        state: &mut ConfigBag,
    ) -> Result<(), Cause> {
        let operation = operation(context.input());
        let (meter, span) = (METER.try_with(Meter::clone).ok(), CallSpan::begin(operation));
        if meter.is_some() || span.is_some() {
            let began = meter.as_ref().map_or(Timestamp(0), |meter| meter.clock.now());
            let failure = Some(NO_ANSWER.to_owned());
            state.interceptor_state().store_put(UnderWay { operation, began, meter, span, units: 0.0, failure });
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
        let Some(call) = state.get_mut_from_interceptor_state::<UnderWay>() else { return Ok(()) };
        match context.output_or_error() {
            Some(Ok(output)) => (call.units, call.failure) = (units(output), None),
            Some(Err(error)) => {
                let code = error.as_operation_error().and_then(code);
                call.failure = Some(code.unwrap_or(NO_ANSWER).to_owned());
            }
            None => {}
        }
        Ok(())
    }
}

/// Tries types of the SDK, one after the other.
macro_rules! first_of {
    ($erased:ident, |$known:ident| $use:expr, $($type:ty),*) => {
        $(if let Some($known) = $erased.downcast_ref::<$type>() {
            return $use;
        })*
    };
}

/// The operation that is asked for.
fn operation(input: &Input) -> &'static str {
    macro_rules! named {
        ($($name:literal $type:ty),*) => {
            $(if input.downcast_ref::<$type>().is_some() {
                return $name;
            })*
        };
    }
    named!("GetItem" GetItemInput, "Query" QueryInput, "PutItem" PutItemInput, "UpdateItem" UpdateItemInput);
    named!("DeleteItem" DeleteItemInput, "TransactWriteItems" TransactWriteItemsInput);
    "Other"
}

/// The units that an answer says it consumed.
fn units(output: &Output) -> f64 {
    let of_one = |consumed: &Option<ConsumedCapacity>| consumed.as_ref().and_then(|units| units.capacity_units);
    first_of!(
        output,
        |known| of_one(&known.consumed_capacity).unwrap_or_default(),
        GetItemOutput,
        QueryOutput,
        PutItemOutput,
        UpdateItemOutput,
        DeleteItemOutput
    );
    let all = output.downcast_ref::<TransactWriteItemsOutput>().and_then(|known| known.consumed_capacity.as_ref());
    all.into_iter().flatten().filter_map(|capacity| capacity.capacity_units).sum()
}

/// The code of a failure that the store told.
fn code(error: &Error) -> Option<&str> {
    first_of!(
        error,
        |known| known.code(),
        GetItemError,
        QueryError,
        PutItemError,
        UpdateItemError,
        DeleteItemError,
        TransactWriteItemsError
    );
    None
}

/// The codes with which DynamoDB says that it was asked too much.
fn is_throttle(code: &str) -> bool {
    matches!(code, "ProvisionedThroughputExceededException" | "ThrottlingException" | "RequestLimitExceeded")
}
