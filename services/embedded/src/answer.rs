//! What goes back over the connector: a status and a body, in DynamoDB's JSON.

use dynoxide::DynoxideError;
use serde_json::{Value, json};

/// An answer as DynamoDB would send it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A successful answer.
    pub(crate) fn success(body: Vec<u8>) -> Self {
        Self { status: 200, body }
    }

    /// The engine's own error, as DynamoDB words it.
    pub(crate) fn error(error: &DynoxideError) -> Self {
        Self { status: error.status_code(), body: error.to_json().into_bytes() }
    }

    /// DynamoDB's own failure, which the SDK repeats.
    pub(crate) fn server_error(message: &str) -> Self {
        Self::exception(500, "InternalServerError", json!({ "message": message }))
    }

    /// There is no capacity for this request now, and it had no effect; the SDK repeats it.
    pub(crate) fn throttled(message: &str) -> Self {
        Self::exception(400, "ProvisionedThroughputExceededException", json!({ "message": message }))
    }

    /// Another transaction on the same items is at work, which the SDK does not repeat. A single write has no reasons.
    pub(crate) fn transaction_conflict(transaction_items: usize, blamed_items: u128) -> Self {
        let message = "Transaction is ongoing for the item";
        if transaction_items == 0 {
            return Self::exception(400, "TransactionConflictException", json!({ "message": message }));
        }
        Self::transaction_cancelled("TransactionConflict", message, transaction_items, blamed_items)
    }

    /// There is no capacity for some items of a transaction, which had no effect.
    pub(crate) fn transaction_throttled(transaction_items: usize, blamed_items: u128) -> Self {
        Self::transaction_cancelled(
            "ThrottlingError",
            "Throughput exceeds the current capacity",
            transaction_items,
            blamed_items,
        )
    }

    /// The same request, by its token, is being processed.
    pub(crate) fn transaction_in_progress() -> Self {
        let message = "The transaction with the given request token is already in progress.";
        Self::exception(400, "TransactionInProgressException", json!({ "Message": message }))
    }

    /// One reason for each item: this one for those that are blamed, for all when none of them is, and none for the others.
    fn transaction_cancelled(code: &str, message: &str, transaction_items: usize, blamed_items: u128) -> Self {
        let is_blamed =
            |item: usize| blamed_items.checked_shr(u32::try_from(item).unwrap_or(u32::MAX)).unwrap_or(0) & 1 == 1;
        let all = !(0..transaction_items).any(is_blamed);
        let reason = |item: usize| match all || is_blamed(item) {
            true => json!({ "Code": code, "Message": message }),
            false => json!({ "Code": "None" }),
        };
        let reasons: Vec<Value> = (0..transaction_items).map(reason).collect();
        let codes: Vec<&str> = reasons.iter().filter_map(|reason| reason["Code"].as_str()).collect();
        let summary = format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        );
        let members = json!({ "Message": summary, "CancellationReasons": reasons });
        Self::exception(400, "TransactionCanceledException", members)
    }

    fn exception(status: u16, name: &str, mut members: Value) -> Self {
        members["__type"] = Value::from(format!("com.amazonaws.dynamodb.v20120810#{name}"));
        Self { status, body: members.to_string().into_bytes() }
    }
}
