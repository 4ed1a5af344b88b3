//! An engine in memory with the ledger's table on it, and the calls that the tests make.
#![allow(dead_code, reason = "each test file uses some of it")]

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use embedded::Engine;
use ledger::{Clock, Timestamp, table};

/// The table's name.
pub(crate) const TABLE: &str = "table";

/// A new engine with the table, its client and its clock.
pub(crate) async fn engine() -> (Engine, Client, Clock) {
    let clock = Clock::manual(Timestamp(1_700_000_000_000));
    let engine = Engine::memory(&clock);
    let client = engine.client();
    table::create_if_absent(&client, TABLE).await.unwrap();
    (engine, client, clock)
}

/// A text attribute.
pub(crate) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// A number attribute.
pub(crate) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A put of an item with a key and a body.
pub(crate) fn put(client: &Client, partition_key: &str, body: &str) -> PutItemFluentBuilder {
    client
        .put_item()
        .table_name(TABLE)
        .item(table::PARTITION_KEY, text(partition_key))
        .item(table::SORT_KEY, text("1"))
        .item("body", text(body))
}

/// The body of an item, when it exists.
pub(crate) async fn body(client: &Client, partition_key: &str) -> Option<String> {
    let answer = client
        .get_item()
        .table_name(TABLE)
        .key(table::PARTITION_KEY, text(partition_key))
        .key(table::SORT_KEY, text("1"))
        .consistent_read(true)
        .send()
        .await
        .unwrap();
    answer.item.and_then(|item| item["body"].as_s().ok().cloned())
}
