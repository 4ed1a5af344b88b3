//! Injected faults, as the SDK and its caller see them.
#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod helpers;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use embedded::{CallInfo, Course, Decision, Failure, Fate, Fault, FaultKind};
use helpers::{TABLE, body, engine, put, text};
use ledger::table;

#[tokio::test(start_paused = true)]
async fn the_sdk_repeats_what_was_throttled() {
    let (engine, client, _) = engine().await;
    engine.record();
    engine.inject(Fault::on("PutItem", FaultKind::Throttle, 2));
    put(&client, "a", "x").send().await.unwrap();
    let statuses: Vec<_> = engine.take_calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [400, 400, 200]);
    assert_eq!(engine.fired(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_sdk_gives_up_after_four_attempts() {
    let (engine, client, _) = engine().await;
    engine.inject(Fault::on("PutItem", FaultKind::ServerErrorBefore, 9));
    let error = put(&client, "a", "x").send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 500);
    assert_eq!(engine.fired(), 4);
    assert_eq!(body(&client, "a").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_fault_after_the_effect_leaves_the_effect() {
    for kind in [FaultKind::ServerErrorAfter, FaultKind::LostReplyAfter] {
        let (engine, client, _) = engine().await;
        engine.inject(Fault::on("PutItem", kind, 1));
        // The SDK's own second attempt meets the first one.
        let error = put(&client, "a", "x").condition_expression("attribute_not_exists(PK)").send().await.unwrap_err();
        assert!(error.as_service_error().unwrap().is_conditional_check_failed_exception(), "{kind:?}: {error:?}");
        assert_eq!(body(&client, "a").await.as_deref(), Some("x"), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_no_answer() {
    let (engine, client, _) = engine().await;
    engine.record();
    engine.inject(Fault::on("PutItem", FaultKind::LostReplyAfter, 4));
    let error = put(&client, "a", "x").send().await.unwrap_err();
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_timeout()), "{error:?}");
    assert!(engine.take_calls().iter().all(|call| call.status == 0));
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_has_no_effect() {
    let (engine, client, _) = engine().await;
    engine.inject(Fault::on("PutItem", FaultKind::ConnectionReset, 4));
    let error = put(&client, "a", "x").send().await.unwrap_err();
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_io()), "{error:?}");
    assert_eq!(body(&client, "a").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_fault_for_some_partition_keys_spares_the_others() {
    let (engine, client, _) = engine().await;
    let prefix = Some("LOG#".to_owned());
    engine.inject(Fault { partition_key_prefix: prefix, ..Fault::any(FaultKind::ServerErrorBefore, 4) });
    put(&client, "STREAMS", "x").send().await.unwrap();
    assert_eq!(engine.fired(), 0);
    put(&client, "LOG#1", "x").send().await.unwrap_err();
    assert_eq!(engine.fired(), 4);
}

#[tokio::test]
async fn a_conflict_with_a_transaction_is_not_repeated_by_the_sdk() {
    let (engine, client, _) = engine().await;
    engine.inject(Fault::any(FaultKind::TransactionConflict, 2));
    assert_eq!(body(&client, "a").await, None, "a read has no such conflict");

    let error = put(&client, "a", "x").send().await.unwrap_err();
    assert!(error.as_service_error().unwrap().is_transaction_conflict_exception(), "{error:?}");

    let item = |key: &str| {
        let put =
            Put::builder().table_name(TABLE).item(table::PARTITION_KEY, text(key)).item(table::SORT_KEY, text("1"));
        TransactWriteItem::builder().put(put.build().unwrap()).build()
    };
    let error = client.transact_write_items().transact_items(item("a")).transact_items(item("b")).send().await;
    let error = error.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(error) =
        error
    else {
        panic!("another error: {error:?}");
    };
    let codes: Vec<_> = error.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or_default()).collect();
    assert_eq!(codes, ["TransactionConflict", "TransactionConflict"]);
    assert_eq!(engine.fired(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_fate_decides_about_what_no_fault_takes() {
    struct ThrottleQueries;
    impl Fate for ThrottleQueries {
        fn decide(&self, call: &CallInfo) -> Course {
            match call.operation.as_str() {
                "Query" if call.consistent_read => Decision::Before(Failure::Throttled).into(),
                _ => Course::default(),
            }
        }
    }
    let (engine, client, _) = engine().await;
    engine.set_fate(ThrottleQueries);
    put(&client, "a", "x").send().await.unwrap();
    let query = client.query().table_name(TABLE).key_condition_expression("PK = :key");
    let query = query.expression_attribute_values(":key", text("a"));
    assert_eq!(query.clone().send().await.unwrap().count, 1);
    query.consistent_read(true).send().await.unwrap_err();
}
