//! What goes wrong, and who decides it.
//!
//! A [`Fate`] looks at each call and decides its [`Course`]: whether it is answered, refused before its effect, or
//! answered wrongly after it; when; and how much of the truth a read gets to see. [`Fault`]s are the simplest fate: the
//! next so many matching calls fail in one way. A test may bring its own.

use std::sync::{Mutex, PoisonError};

use crate::call::CallInfo;
use crate::operations;

/// Decides what becomes of a call.
pub trait Fate: Send + Sync {
    /// Called once for each call (each attempt of the SDK is one), before anything happens.
    fn decide(&self, call: &CallInfo) -> Course;

    /// Called when the store has dealt with a call, with the status of its answer, whether or not anybody will see that.
    fn dealt_with(&self, call: &CallInfo, status: u16) {
        let _ = (call, status);
    }
}

/// The way of a call: to the store, and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// What becomes of it.
    pub decision: Decision,
    /// Milliseconds until it reaches the store. It has its effect then, whether or not anybody waits for it any more.
    pub reaches_ms: u64,
    /// Milliseconds from there until its caller hears of it.
    pub returns_ms: u64,
    /// How much of a query is answered at once.
    pub page: Page,
    /// How far a read that is not strongly consistent lags behind.
    pub staleness_ms: u64,
    /// The items of a transaction that a conflict or a throttle is about, one bit each; all of them when none is named.
    pub blamed_items: u128,
    /// The items of a transaction that queries do not see until it returns, one bit each: DynamoDB isolates queries from
    /// transactions item by item only.
    pub unseen_items: u128,
}

/// How much of a query is answered at once; the rest follows, as DynamoDB may always choose to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Page {
    /// As much as was asked for.
    #[default]
    Whole,
    /// At most so many items.
    Cut(u32),
    /// Nothing, and where to go on.
    Empty,
}

impl From<Decision> for Course {
    fn from(decision: Decision) -> Self {
        Self { decision, ..Self::default() }
    }
}

impl Course {
    /// Whether the caller has its answer without waiting.
    pub(crate) fn is_immediate(&self) -> bool {
        self.reaches_ms == 0 && self.returns_ms == 0
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decision {
    /// It is answered as DynamoDB would.
    #[default]
    Proceed,
    /// It fails and has no effect.
    Before(Failure),
    /// It has its effect, and then seems to fail.
    After(Failure),
}

/// How a call fails in the eyes of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 400 `ProvisionedThroughputExceededException`; the SDK repeats it.
    Throttled,
    /// 500 `InternalServerError`; the SDK repeats it.
    ServerError,
    /// The connection breaks; the SDK repeats it.
    ConnectionReset,
    /// The transport gives up waiting for an answer; the SDK repeats it.
    Timeout,
    /// No answer ever arrives; the SDK's own time limit ends it.
    Silence,
    /// Another transaction holds an item; the SDK gives it to its caller.
    TransactionConflict,
    /// A transaction is cancelled because there is no capacity for some of its items; the SDK gives it to its caller.
    TransactionThrottled,
    /// The same transaction, by its token, is at work already; the SDK gives it to its caller.
    TransactionInProgress,
}

/// Lets the next matching calls fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Only this operation; any when absent.
    pub operation: Option<String>,
    /// Only calls that touch a partition key with this beginning; any when absent.
    pub partition_key_prefix: Option<String>,
    /// How they fail.
    pub kind: FaultKind,
    /// How many calls.
    pub remaining: u32,
}

/// How a [`Fault`] lets calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Throttled, without effect.
    Throttle,
    /// A server error without effect.
    ServerErrorBefore,
    /// A server error although it took effect.
    ServerErrorAfter,
    /// No answer, although it took effect.
    LostReplyAfter,
    /// The connection breaks before the effect.
    ConnectionReset,
    /// A conflict with another transaction, without effect; only writes and transactions have those.
    TransactionConflict,
}

impl Fault {
    /// The next `count` calls of any kind.
    #[must_use]
    pub fn any(kind: FaultKind, count: u32) -> Self {
        Self { operation: None, partition_key_prefix: None, kind, remaining: count }
    }

    /// The next `count` calls of one operation.
    #[must_use]
    pub fn on(operation: &str, kind: FaultKind, count: u32) -> Self {
        Self { operation: Some(operation.to_owned()), ..Self::any(kind, count) }
    }

    fn matches(&self, call: &CallInfo) -> bool {
        self.remaining > 0
            && self.operation.as_ref().is_none_or(|operation| *operation == call.operation)
            && self
                .partition_key_prefix
                .as_ref()
                .is_none_or(|prefix| call.partition_keys.iter().any(|key| key.starts_with(prefix.as_str())))
            && self.kind.can_happen_to(call)
    }
}

impl FaultKind {
    fn can_happen_to(self, call: &CallInfo) -> bool {
        self != Self::TransactionConflict || call.transaction_items > 0 || operations::writes_items(&call.operation)
    }

    fn decision(self) -> Decision {
        match self {
            Self::Throttle => Decision::Before(Failure::Throttled),
            Self::ServerErrorBefore => Decision::Before(Failure::ServerError),
            Self::ServerErrorAfter => Decision::After(Failure::ServerError),
            Self::LostReplyAfter => Decision::After(Failure::Timeout),
            Self::ConnectionReset => Decision::Before(Failure::ConnectionReset),
            Self::TransactionConflict => Decision::Before(Failure::TransactionConflict),
        }
    }
}

/// The injected faults, used up in the order they came.
#[derive(Default)]
pub(crate) struct InjectedFaults(Mutex<Vec<Fault>>);

impl InjectedFaults {
    pub(crate) fn add(&self, fault: Fault) {
        self.faults().push(fault);
    }

    pub(crate) fn are_armed(&self) -> bool {
        !self.faults().is_empty()
    }

    /// What the first fault that matches does to a call.
    pub(crate) fn decide(&self, call: &CallInfo) -> Option<Decision> {
        let mut faults = self.faults();
        let fault = faults.iter_mut().find(|fault| fault.matches(call))?;
        fault.remaining -= 1;
        let decision = fault.kind.decision();
        faults.retain(|fault| fault.remaining > 0);
        Some(decision)
    }

    fn faults(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
