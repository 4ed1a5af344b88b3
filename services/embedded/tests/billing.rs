//! What the engine says a call consumes, against DynamoDB's published rules: a write costs a unit for each started KB
//! of the larger of the old and the new item, a consistent read one for each started 4 KB, an eventually consistent read
//! half of it, and a transaction double.
#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod helpers;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use embedded::Call;
use helpers::{TABLE, body, engine, put, text};
use ledger::table;

fn assert_cost(calls: &[Call], operation: &str, read_units: f64, write_units: f64) {
    let [call] = calls else { panic!("not one call: {calls:?}") };
    assert_eq!((call.operation.as_str(), call.read_units, call.write_units), (operation, read_units, write_units));
}

#[tokio::test]
async fn single_writes_are_billed_by_the_started_kilobyte_of_the_larger_image() {
    let (engine, client, _) = engine().await;
    engine.record();
    put(&client, "a", "x").send().await.unwrap();
    assert_cost(&engine.take_calls(), "PutItem", 0.0, 1.0);
    put(&client, "a", &"x".repeat(2_500)).send().await.unwrap();
    assert_cost(&engine.take_calls(), "PutItem", 0.0, 3.0);
    put(&client, "a", "x").send().await.unwrap();
    assert_cost(&engine.take_calls(), "PutItem", 0.0, 3.0);

    let update = |size: usize| {
        let update = client.update_item().table_name(TABLE).key(table::PARTITION_KEY, text("a"));
        let update = update.key(table::SORT_KEY, text("1")).update_expression("SET body = :body");
        update.expression_attribute_values(":body", text(&"x".repeat(size))).send()
    };
    update(1_500).await.unwrap();
    assert_cost(&engine.take_calls(), "UpdateItem", 0.0, 2.0);
    let delete = client.delete_item().table_name(TABLE).key(table::PARTITION_KEY, text("a"));
    delete.key(table::SORT_KEY, text("1")).send().await.unwrap();
    assert_cost(&engine.take_calls(), "DeleteItem", 0.0, 2.0);
}

#[tokio::test]
async fn reads_are_billed_by_four_kilobytes_and_cost_double_when_consistent() {
    let (engine, client, _) = engine().await;
    for key in ["a", "b"] {
        put(&client, key, &"x".repeat(5_000)).send().await.unwrap();
    }
    engine.record();
    body(&client, "a").await.unwrap();
    assert_cost(&engine.take_calls(), "GetItem", 2.0, 0.0);
    assert_eq!(body(&client, "absent").await, None);
    assert_cost(&engine.take_calls(), "GetItem", 1.0, 0.0);

    let query = |key: &str, consistent: bool| {
        let query = client.query().table_name(TABLE).key_condition_expression("#key = :key");
        let query = query.expression_attribute_names("#key", "PK").expression_attribute_values(":key", text(key));
        query.consistent_read(consistent).send()
    };
    query("a", true).await.unwrap();
    let calls = engine.take_calls();
    assert_cost(&calls, "Query", 2.0, 0.0);
    assert_eq!((calls[0].partition_keys.as_slice(), calls[0].rows), (["a".to_owned()].as_slice(), 1));
    query("a", false).await.unwrap();
    assert_cost(&engine.take_calls(), "Query", 1.0, 0.0);
    // The cost of an idle poll.
    query("absent", true).await.unwrap();
    assert_cost(&engine.take_calls(), "Query", 1.0, 0.0);
}

#[tokio::test]
async fn a_transaction_costs_double_and_repeating_it_is_a_read() {
    let (engine, client, _) = engine().await;
    engine.record();
    let item = |key: &str| {
        let put = Put::builder().table_name(TABLE).item(table::PARTITION_KEY, text(key));
        let put = put.item(table::SORT_KEY, text("1")).item("body", text(&"x".repeat(1_500)));
        TransactWriteItem::builder().put(put.build().unwrap()).build()
    };
    let write = || {
        let write = client.transact_write_items().transact_items(item("a")).transact_items(item("b"));
        write.client_request_token("the same").send()
    };
    write().await.unwrap();
    let calls = engine.take_calls();
    assert_cost(&calls, "TransactWriteItems", 0.0, 8.0);
    assert_eq!(calls[0].partition_keys, ["a", "b"]);
    write().await.unwrap();
    assert_cost(&engine.take_calls(), "TransactWriteItems", 4.0, 0.0);
}

#[tokio::test]
async fn a_failed_condition_reports_nothing_although_dynamodb_bills_it() {
    let (engine, client, _) = engine().await;
    put(&client, "a", "x").send().await.unwrap();
    engine.record();
    put(&client, "a", "y").condition_expression("attribute_not_exists(PK)").send().await.unwrap_err();
    let calls = engine.take_calls();
    assert_cost(&calls, "PutItem", 0.0, 0.0);
    assert_eq!(calls[0].status, 400);
}
