//! What goes wrong, and who decides it.
//!
//! A [`Fate`] looks at each call and decides whether it is answered, refused before its effect, or answered wrongly
//! after it. [`Fault`]s are the simplest fate: the next so many matching calls fail in one way. A test
//! may bring its own.

use std::sync::{Mutex, PoisonError};

use crate::call::CallInfo;
use crate::operations;

/// Decides what becomes of a call.
pub trait Fate: Send + Sync {
    /// Called once for each call (each attempt of the SDK is one), before anything happens.
    fn decide(&self, call: &CallInfo) -> Decision;
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is answered as DynamoDB would.
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
    /// No answer arrives in time; the SDK repeats it.
    Timeout,
    /// Another transaction holds an item; the SDK gives it to its caller.
    TransactionConflict,
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

    fn faults(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fate for InjectedFaults {
    fn decide(&self, call: &CallInfo) -> Decision {
        let mut faults = self.faults();
        let Some(fault) = faults.iter_mut().find(|fault| fault.matches(call)) else { return Decision::Proceed };
        fault.remaining -= 1;
        let decision = fault.kind.decision();
        faults.retain(|fault| fault.remaining > 0);
        decision
    }
}
