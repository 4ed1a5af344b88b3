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

    /// Another transaction on the same items is at work, which the SDK does not repeat. A transaction gets one reason for
    /// each of its `transaction_items`, a single write has none.
    pub(crate) fn transaction_conflict(transaction_items: usize) -> Self {
        let message = "Transaction is ongoing for the item";
        if transaction_items == 0 {
            return Self::exception(400, "TransactionConflictException", json!({ "message": message }));
        }
        let reasons = vec![json!({ "Code": "TransactionConflict", "Message": message }); transaction_items];
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
