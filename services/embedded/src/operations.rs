//! From the name in `x-amz-target` to the engine's method of that name.
//!
//! The engine's own dispatch is private, so the operations that our store and tools use are listed here. An operation
//! that is not listed is refused loudly rather than answered wrongly.

use dynoxide::{Database, DynoxideError};

use crate::answer::Answer;

/// Begins the mark of a validation error in DynamoDB's words.
const VALIDATION_MARK: &str = "VALIDATION";
/// Begins the mark of a malformed request in DynamoDB's words.
const SERIALIZATION_MARK: &str = "SERIALIZATION";

macro_rules! dispatch {
    ($database:expr, $operation:expr, $body:expr, { $($name:literal => $method:ident,)* }) => {
        match $operation {
            $($name => serde_json::from_slice($body)
                .map_err(|error| unreadable(&error))
                .and_then(|request| $database.$method(request))
                .and_then(|response| serde_json::to_vec(&response).map_err(|error| unreadable(&error))),)*
            other => Err(DynoxideError::ValidationException(
                format!("the embedded table does not know the operation {other:?}"),
            )),
        }
    };
}

/// Runs one operation to its end.
pub(crate) fn run(database: &Database, operation: &str, body: &[u8]) -> Result<Answer, DynoxideError> {
    let answer = dispatch!(database, operation, body, {
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
    });
    answer.map(Answer::success)
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
        let error = run(&database, "PutItem", b"{}").unwrap_err();
        assert!(matches!(error, DynoxideError::ValidationException(_)), "{error:?}");
        assert!(!error.to_string().contains(VALIDATION_MARK), "{error}");
        assert!(!error.to_string().contains("at line"), "{error}");
    }

    #[test]
    fn an_operation_that_is_not_listed_is_refused() {
        let error = run(&Database::memory().unwrap(), "RestoreTableToPointInTime", b"{}").unwrap_err();
        assert!(error.to_string().contains("RestoreTableToPointInTime"), "{error}");
    }
}
