//! What an error of the SDK means for us: whether a write was applied, and what the caller should hear.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;

use super::item::Attributes;
use crate::error::{Cause, Error};

/// Why one write of a request was not applied.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// This one was not at fault.
    None,
    /// Its condition failed; with the item that stood in its way, if one did.
    Condition(Option<Attributes>),
    /// Another transaction touches the item at this moment.
    Conflict,
}

/// What became of one attempt to write.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// Applied, and durable.
    Applied,
    /// Not applied: a condition failed. One refusal for each write of the request.
    Refused(Vec<Refusal>),
    /// Not applied, for a passing reason.
    NotApplied(Cause),
    /// Only conflicts with other transactions; not applied. One refusal for each write of the request.
    Conflicted(Vec<Refusal>, Cause),
    /// Applied or not: nobody said.
    Unknown(Cause),
    /// Not applied, and never will be: the request is wrong, or the table is.
    Misbuilt(Cause),
}

/// The error of a read, after the SDK's retries.
pub(super) fn read<E>(error: SdkError<E>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match &error {
        SdkError::ConstructionFailure(_) => Error::Internal(Box::new(error)),
        SdkError::ServiceError(service) if is_misbuilt(service.err().code()) => Error::Internal(Box::new(error)),
        _ => Error::Unavailable(Box::new(error)),
    }
}

/// What an attempt at a single write came to.
pub(super) fn single<E>(error: SdkError<E>, condition_failed: impl FnOnce(&E) -> Option<Option<Attributes>>) -> Attempt
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    if let SdkError::ServiceError(service) = &error {
        if let Some(item) = condition_failed(service.err()) {
            return Attempt::Refused(vec![Refusal::Condition(item)]);
        }
        if service.err().code() == Some("TransactionConflictException") {
            return Attempt::Conflicted(vec![Refusal::Conflict], Box::new(error));
        }
    }
    other(error)
}

/// What an attempt at a transaction came to.
pub(super) fn transaction(error: SdkError<TransactWriteItemsError>) -> Attempt {
    let reasons = match &error {
        SdkError::ServiceError(service) => match service.err() {
            TransactWriteItemsError::TransactionCanceledException(canceled) => canceled.cancellation_reasons(),
            // The same request, by its token, is at work: its outcome is still to come.
            TransactWriteItemsError::TransactionInProgressException(_) => return Attempt::Unknown(Box::new(error)),
            _ => return other(error),
        },
        _ => return other(error),
    };
    let refusals: Vec<Refusal> = reasons.iter().map(refusal).collect();
    if refusals.iter().any(|refusal| matches!(refusal, Refusal::Condition(_))) {
        Attempt::Refused(refusals)
    } else if refusals.iter().any(|refusal| matches!(refusal, Refusal::Conflict)) {
        Attempt::Conflicted(refusals, Box::new(error))
    } else if reasons.iter().any(|reason| reason.code() == Some("ValidationError")) {
        Attempt::Misbuilt(Box::new(error))
    } else {
        Attempt::NotApplied(Box::new(error))
    }
}

fn refusal(reason: &CancellationReason) -> Refusal {
    match reason.code() {
        Some("ConditionalCheckFailed") => Refusal::Condition(reason.item().cloned()),
        Some("TransactionConflict") => Refusal::Conflict,
        _ => Refusal::None,
    }
}

fn other<E>(error: SdkError<E>) -> Attempt
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match &error {
        SdkError::ConstructionFailure(_) => Attempt::Misbuilt(Box::new(error)),
        SdkError::ServiceError(service) => {
            let code = service.err().code();
            if is_misbuilt(code) {
                Attempt::Misbuilt(Box::new(error))
            } else if is_throttle(code) {
                Attempt::NotApplied(Box::new(error))
            } else {
                Attempt::Unknown(Box::new(error))
            }
        }
        _ => Attempt::Unknown(Box::new(error)),
    }
}

fn is_throttle(code: Option<&str>) -> bool {
    matches!(
        code,
        Some(
            "ProvisionedThroughputExceededException"
                | "ThrottlingException"
                | "RequestLimitExceeded"
                | "LimitExceededException"
        )
    )
}

fn is_misbuilt(code: Option<&str>) -> bool {
    matches!(
        code,
        Some(
            "ValidationException"
                | "SerializationException"
                | "ResourceNotFoundException"
                | "AccessDeniedException"
                | "IdempotentParameterMismatchException"
                | "ItemCollectionSizeLimitExceededException"
        )
    )
}
