//! What the ledger needs from DynamoDB, asked of the embedded one through the real client.
#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod helpers;

use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use helpers::{TABLE, body, engine, number, put, text};
use ledger::table;

#[tokio::test]
async fn creating_the_table_again_changes_nothing() {
    let (_, client, _) = engine().await;
    put(&client, "a", "kept").send().await.unwrap();
    table::create_if_absent(&client, TABLE).await.unwrap();
    assert_eq!(body(&client, "a").await.as_deref(), Some("kept"));
    let answer = client.describe_time_to_live().table_name(TABLE).send().await.unwrap();
    assert_eq!(answer.time_to_live_description.unwrap().attribute_name.as_deref(), Some(table::TIME_TO_LIVE));
}

#[tokio::test]
async fn a_failed_condition_returns_the_item_that_was_there() {
    let (_, client, _) = engine().await;
    put(&client, "a", "first").send().await.unwrap();
    let error = put(&client, "a", "second")
        .condition_expression("attribute_not_exists(PK)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(error) = error else {
        panic!("another error: {error:?}");
    };
    assert_eq!(error.item().unwrap()["body"], text("first"));
    assert_eq!(body(&client, "a").await.as_deref(), Some("first"));
}

fn guarded(partition_key: &str, value: &str) -> TransactWriteItem {
    let put = Put::builder()
        .table_name(TABLE)
        .item(table::PARTITION_KEY, text(partition_key))
        .item(table::SORT_KEY, text("1"))
        .item("body", text(value))
        .condition_expression("attribute_not_exists(PK)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .unwrap();
    TransactWriteItem::builder().put(put).build()
}

#[tokio::test]
async fn a_cancelled_transaction_gives_a_reason_with_the_item_for_each_of_its_items() {
    let (_, client, _) = engine().await;
    put(&client, "a", "first").send().await.unwrap();
    put(&client, "c", "third").send().await.unwrap();
    let error = client
        .transact_write_items()
        .set_transact_items(Some(vec![guarded("a", "x"), guarded("b", "x"), guarded("c", "x")]))
        .client_request_token("token")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(error) =
        error
    else {
        panic!("another error: {error:?}");
    };
    let reasons = error.cancellation_reasons();
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code().unwrap_or_default()).collect();
    assert_eq!(codes, ["ConditionalCheckFailed", "None", "ConditionalCheckFailed"]);
    assert_eq!(reasons[0].item().unwrap()["body"], text("first"));
    assert_eq!(reasons[2].item().unwrap()["body"], text("third"));
    assert_eq!(body(&client, "b").await, None);
}

#[tokio::test]
async fn a_sweep_deletes_what_expired_and_nothing_else() {
    let (engine, client, clock) = engine().await;
    let now = clock.now().seconds();
    put(&client, "soon", "x").item(table::TIME_TO_LIVE, number(now + 10)).send().await.unwrap();
    put(&client, "later", "x").item(table::TIME_TO_LIVE, number(now + 1_000)).send().await.unwrap();
    put(&client, "never", "x").send().await.unwrap();
    assert_eq!(engine.sweep_expired().unwrap(), 0);
    clock.advance(60_000);
    assert_eq!(engine.sweep_expired().unwrap(), 1);
    assert_eq!(body(&client, "soon").await, None);
    assert_eq!(body(&client, "later").await.as_deref(), Some("x"));
    assert_eq!(body(&client, "never").await.as_deref(), Some("x"));
}

#[tokio::test(start_paused = true)]
async fn paused_time_neither_stops_the_client_nor_passes() {
    let before = ledger::Clock::simulated(ledger::Timestamp(0));
    let (_, client, _) = engine().await;
    put(&client, "a", "x").send().await.unwrap();
    assert_eq!(body(&client, "a").await.as_deref(), Some("x"));
    assert_eq!(before.now().0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_serves_several_threads() {
    let (_, client, _) = engine().await;
    let puts = (0..50).map(|index| {
        let client = client.clone();
        tokio::spawn(async move { put(&client, &index.to_string(), "x").send().await.map(drop) })
    });
    for put in puts.collect::<Vec<_>>() {
        put.await.unwrap().unwrap();
    }
    assert_eq!(client.scan().table_name(TABLE).send().await.unwrap().count, 50);
}
