//! What a call asks for, read from its JSON, and the record of what it touched and cost.

use ledger::table::PARTITION_KEY;
use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::operations;

/// What AWS asks permission for before it answers a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The action of AWS's access management, without its service. A transaction has none of its own: those of its items count.
    pub action: String,
    /// The partition key that it is done to, `dynamodb:LeadingKeys` in a policy.
    pub partition_key: String,
}

/// A call that is about to be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallInfo {
    /// DynamoDB's name of the operation.
    pub operation: String,
    /// The partition keys it touches or queries, each once, in the order of the request; none for a scan.
    pub partition_keys: Vec<String>,
    /// What it needs permission for.
    pub accesses: Vec<Access>,
    /// How many items a transaction names; 0 for any other operation.
    pub transaction_items: usize,
    /// The token of a transaction, which is the same whenever it is tried again; empty for any other operation.
    pub transaction_token: String,
    /// Whether it asks for a strongly consistent read.
    pub consistent_read: bool,
    /// What an update of one item does to it; empty for any other operation.
    pub update: String,
}

/// A call that was answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// DynamoDB's name of the operation.
    pub operation: String,
    /// The partition keys it touched or queried.
    pub partition_keys: Vec<String>,
    /// Read units in DynamoDB's report; an error reports none.
    pub read_units: f64,
    /// Write units in DynamoDB's report; an error reports none.
    pub write_units: f64,
    /// Items in the answer.
    pub rows: usize,
    /// What the caller saw; 0 when it saw no answer.
    pub status: u16,
}

impl CallInfo {
    /// Reads the request.
    pub(crate) fn read(operation: &str, request: &Value) -> Self {
        let mut partition_keys: Vec<String> = queried_key(request).into_iter().collect();
        collect_keys(request, &mut partition_keys);
        Self {
            operation: operation.to_owned(),
            accesses: accesses(operation, request, &partition_keys),
            partition_keys,
            transaction_items: request["TransactItems"].as_array().map_or(0, Vec::len),
            transaction_token: request["ClientRequestToken"].as_str().unwrap_or_default().to_owned(),
            consistent_read: request["ConsistentRead"].as_bool().unwrap_or_default(),
            update: request["UpdateExpression"].as_str().unwrap_or_default().to_owned(),
        }
    }

    /// The record of this call. `answer` is `None` when its caller saw none.
    pub(crate) fn answered(self, answer: Option<&Answer>) -> Call {
        let status = answer.map_or(0, |answer| answer.status);
        let body = answer.and_then(|answer| serde_json::from_slice(&answer.body).ok()).unwrap_or(Value::Null);
        let (read_units, write_units) = units(&self.operation, &body["ConsumedCapacity"]);
        Call {
            operation: self.operation,
            partition_keys: self.partition_keys,
            read_units,
            write_units,
            rows: rows(&body),
            status,
        }
    }
}

/// Asks for the report of consumed capacity, so that a call which forgot to ask is counted too.
pub(crate) fn ask_for_capacity(operation: &str, request: &mut Value) {
    if operations::reports_capacity(operation) {
        request["ReturnConsumedCapacity"] = Value::from("TOTAL");
    }
}

/// The partition key that the key condition of a query names.
fn queried_key(request: &Value) -> Option<String> {
    let condition = request["KeyConditionExpression"].as_str()?;
    condition.split(" AND ").find_map(|term| {
        let (name, value) = term.split_once('=')?;
        let name = name.trim();
        let name = request["ExpressionAttributeNames"][name].as_str().unwrap_or(name);
        let text = request["ExpressionAttributeValues"][value.trim()]["S"].as_str()?;
        (name == PARTITION_KEY).then(|| text.to_owned())
    })
}

/// What a call needs permission for, by <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>.
fn accesses(operation: &str, request: &Value, partition_keys: &[String]) -> Vec<Access> {
    let to = |action: &str, keys: &[String]| -> Vec<Access> {
        keys.iter().map(|key| Access { action: action.to_owned(), partition_key: key.clone() }).collect()
    };
    let Some(items) = request["TransactItems"].as_array() else { return to(operation, partition_keys) };
    let members = items.iter().filter_map(Value::as_object).flatten();
    members
        .flat_map(|(kind, item)| {
            let mut keys = Vec::new();
            collect_keys(item, &mut keys);
            to(&format!("{kind}Item"), &keys)
        })
        .collect()
}

/// Every item and key in a request, however deep an operation nests it, is an object with a partition key.
fn collect_keys(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(key) = partition_key(members)
                && !found.iter().any(|known| known == key)
            {
                found.push(key.to_owned());
            }
            members.values().for_each(|member| collect_keys(member, found));
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect_keys(element, found)),
        _ => {}
    }
}

fn partition_key(members: &Map<String, Value>) -> Option<&str> {
    members.get(PARTITION_KEY)?.get("S")?.as_str()
}

/// Read and write units of a report: one object, or one for each table.
fn units(operation: &str, report: &Value) -> (f64, f64) {
    let single = std::slice::from_ref(report);
    let mut read = 0.0;
    let mut write = 0.0;
    for table in report.as_array().map_or(single, Vec::as_slice) {
        let number = |name: &str| table[name].as_f64();
        // Transactions name the axis, because a repeated one is billed as a read; the others leave it to the operation.
        match (number("ReadCapacityUnits"), number("WriteCapacityUnits")) {
            (None, None) if operations::writes_items(operation) => write += number("CapacityUnits").unwrap_or(0.0),
            (None, None) => read += number("CapacityUnits").unwrap_or(0.0),
            (read_units, write_units) => {
                read += read_units.unwrap_or(0.0);
                write += write_units.unwrap_or(0.0);
            }
        }
    }
    (read, write)
}

fn rows(body: &Value) -> usize {
    let tables = body["Responses"].as_object().into_iter().flat_map(Map::values);
    body["Items"].as_array().map_or(0, Vec::len)
        + usize::from(body["Item"].is_object())
        + body["Responses"].as_array().map_or(0, Vec::len)
        + tables.filter_map(Value::as_array).map(Vec::len).sum::<usize>()
}
