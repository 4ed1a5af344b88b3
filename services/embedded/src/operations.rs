//! From the name in `x-amz-target` to the engine's method of that name.
//!
//! The engine's own dispatch is private, so the operations that our store and tools use are listed here. An operation
//! that is not listed is refused loudly rather than answered wrongly.

use dynoxide::actions::transact_write_items::TransactWriteItemsRequest;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answer::Answer;

/// Begins the mark of a validation error in DynamoDB's words.
const VALIDATION_MARK: &str = "VALIDATION";
/// Begins the mark of a malformed request in DynamoDB's words.
const SERIALIZATION_MARK: &str = "SERIALIZATION";

/// Whether a caller may repeat a transaction whose answer it did not hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// The engine remembers each transaction by its token, for ten minutes.
    Possible,
    /// No answer is lost and no caller gives up on one, so none has to be remembered: the engine looks through all that it
    /// remembers each time.
    Never,
}

macro_rules! dispatch {
    ($database:expr, $operation:expr, $body:expr, { $($name:literal => $method:ident,)* }) => {
        match $operation {
            $($name => answer($body, |request| $database.$method(request)),)*
            other => Err(DynoxideError::ValidationException(
                format!("the embedded table does not know the operation {other:?}"),
            )),
        }
    };
}

/// Runs one operation to its end.
pub(crate) fn run(
    database: &Database,
    operation: &str,
    body: &[u8],
    repeats: Repeats,
) -> Result<Answer, DynoxideError> {
    if operation == "TransactWriteItems" && repeats == Repeats::Never {
        return answer(body, |request| {
            database.transact_write_items(TransactWriteItemsRequest { client_request_token: None, ..request })
        });
    }
    dispatch!(database, operation, body, {
        "BatchGetItem" => batch_get_item,
        "BatchWriteItem" => batch_write_item,
        "CreateTable" => create_table,
        "DeleteItem" => delete_item,
        "DeleteTable" => delete_table,
        "DescribeTable" => describe_table,
        "DescribeTimeToLive" => describe_time_to_live,
        "GetItem" => get_item,
        "ListTables" => list_tables,
        "PutItem" => put_item,
        "Query" => query,
        "Scan" => scan,
        "TransactGetItems" => transact_get_items,
        "TransactWriteItems" => transact_write_items,
        "UpdateItem" => update_item,
        "UpdateTimeToLive" => update_time_to_live,
    })
}

/// The answer to one request, in JSON as it came.
fn answer<Request: DeserializeOwned, Response: Serialize>(
    body: &[u8],
    work: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<Answer, DynoxideError> {
    let request = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let response = work(request)?;
    serde_json::to_vec(&response).map(Answer::success).map_err(|error| unreadable(&error))
}

/// Whether the operation changes items.
pub(crate) fn writes_items(operation: &str) -> bool {
    matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" | "TransactWriteItems")
}

/// Whether the operation reads items.
pub(crate) fn reads_items(operation: &str) -> bool {
    matches!(operation, "GetItem" | "Query" | "Scan" | "BatchGetItem" | "TransactGetItems")
}

/// Whether the operation reports what it consumed.
pub(crate) fn reports_capacity(operation: &str) -> bool {
    writes_items(operation) || reads_items(operation)
}

/// The engine's deserialisers speak through serde: they mark whose error it is, and serde adds where in the text it was.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    match text.split_once(':') {
        Some((mark, message)) if mark.starts_with(VALIDATION_MARK) => {
            DynoxideError::ValidationException(message.to_owned())
        }
        Some((mark, message)) if mark.starts_with(SERIALIZATION_MARK) => {
            DynoxideError::SerializationException(message.to_owned())
        }
        _ => DynoxideError::SerializationException(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_of_the_deserialiser_never_reaches_the_caller() {
        let database = Database::memory().unwrap();
        let error = run(&database, "PutItem", b"{}", Repeats::Possible).unwrap_err();
        assert!(matches!(error, DynoxideError::ValidationException(_)), "{error:?}");
        assert!(!error.to_string().contains(VALIDATION_MARK), "{error}");
        assert!(!error.to_string().contains("at line"), "{error}");
    }

    #[test]
    fn an_operation_that_is_not_listed_is_refused() {
        let error =
            run(&Database::memory().unwrap(), "RestoreTableToPointInTime", b"{}", Repeats::Possible).unwrap_err();
        assert!(error.to_string().contains("RestoreTableToPointInTime"), "{error}");
    }

    #[test]
    fn a_transaction_is_remembered_only_where_it_may_be_repeated() {
        for (repeats, succeeds) in [(Repeats::Possible, false), (Repeats::Never, true)] {
            let database = Database::memory().unwrap();
            let table = serde_json::json!({
                "TableName": "table",
                "AttributeDefinitions": [{ "AttributeName": "PK", "AttributeType": "S" }],
                "KeySchema": [{ "AttributeName": "PK", "KeyType": "HASH" }],
                "BillingMode": "PAY_PER_REQUEST",
            });
            run(&database, "CreateTable", table.to_string().as_bytes(), repeats).unwrap();
            let put = |key: &str| {
                let put = serde_json::json!({ "Put": { "TableName": "table", "Item": { "PK": { "S": key } } } });
                let request = serde_json::json!({ "TransactItems": [put], "ClientRequestToken": "token" });
                run(&database, "TransactWriteItems", request.to_string().as_bytes(), repeats)
            };
            put("a").unwrap();
            assert_eq!(put("b").is_ok(), succeeds, "the token is taken by another transaction");
        }
    }
}
