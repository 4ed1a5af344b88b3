//! Publishing and reading while the store fails: nothing lost, nothing doubled, and every error honest about its effect.

use embedded::{Fault, FaultKind};
use ledger::{Error, Published};

use crate::world::{World, event, once, publish, request};

#[tokio::test]
async fn a_lost_reply_is_recognised_as_ones_own_success() {
    for kind in [FaultKind::ServerErrorAfter, FaultKind::LostReplyAfter] {
        let world = World::new().await;
        let stream = world.stream(1, 24).await;
        publish(&world.ledger, &stream, "a", "0").await.expect("the first slot");
        world.engine.inject(Fault::on("PutItem", kind, 1));
        let published = publish(&world.ledger, &stream, "a", "1").await.expect("it was written");
        assert_eq!(published.places, [(0, 1)]);
        assert_eq!(world.engine.fired(), 1);
        assert_eq!(world.log(&stream).await, [(0, 0, "0".to_owned()), (0, 1, "1".to_owned())]);
    }
}

#[tokio::test]
async fn a_transaction_whose_reply_was_lost_is_recognised_as_well() {
    let world = World::new().await;
    let stream = world.stream(4, 24).await;
    let events = || (0..8).map(|number| event(&format!("key-{number}"), &number.to_string())).collect::<Vec<_>>();
    world.engine.inject(Fault::on("TransactWriteItems", FaultKind::ServerErrorAfter, 2));
    let published = world.ledger.publish(once(&stream, events(), 1)).await.expect("it was written");
    assert!(!published.replayed);
    assert_eq!(world.log(&stream).await.len(), 8);
    let again = world.ledger.publish(once(&stream, events(), 1)).await.expect("the receipt");
    assert_eq!(again, Published { replayed: true, ..published });
    assert_eq!(world.log(&stream).await.len(), 8);
}

#[tokio::test]
async fn a_slot_taken_by_another_while_the_outcome_was_unknown_is_a_lost_race() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    publish(&world.ledger, &stream, "a", "0").await.expect("the first slot");
    let other = world.another(2);
    // The first attempt breaks before its effect; before it is repeated, another writer takes the slot.
    world.engine.inject(Fault::on("PutItem", FaultKind::ConnectionReset, 1));
    let (own, others) = tokio::join!(publish(&world.ledger, &stream, "a", "1"), publish(&other, &stream, "b", "2"));
    let mut places = [own.expect("own").places[0].1, others.expect("the other's").places[0].1];
    places.sort_unstable();
    assert_eq!(places, [1, 2]);
    assert_eq!(world.log(&stream).await.len(), 3);
}

#[tokio::test]
async fn a_throttled_store_is_unavailable_and_nothing_was_written() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    publish(&world.ledger, &stream, "a", "0").await.expect("the first slot");
    world.engine.inject(Fault::on("PutItem", FaultKind::Throttle, 10_000));
    let error = publish(&world.ledger, &stream, "a", "1").await.expect_err("it was throttled throughout");
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(world.log(&stream).await.len(), 1);
}

#[tokio::test]
async fn lost_replies_throughout_leave_the_outcome_open_and_the_same_key_finds_it() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    publish(&world.ledger, &stream, "a", "0").await.expect("the first slot");
    // One reply lost after the effect, and then the store is down until the deadline.
    world.engine.inject(Fault::on("TransactWriteItems", FaultKind::LostReplyAfter, 1));
    world.engine.inject(Fault::on("TransactWriteItems", FaultKind::Throttle, 60));
    let error = world.ledger.publish(once(&stream, vec![event("a", "1")], 1)).await.expect_err("nobody said");
    assert!(matches!(error, Error::OutcomeUnknown(_)), "{error:?}");
    while world.engine.fired() < 61 {
        let _ = world.ledger.publish(once(&stream, vec![event("b", "x")], 2)).await;
    }
    let found = world.ledger.publish(once(&stream, vec![event("a", "1")], 1)).await.expect("the receipt");
    assert_eq!(found, Published { places: vec![(0, 1)], replayed: true });
}

#[tokio::test]
async fn a_conflict_on_the_receipt_throughout_is_a_request_in_progress() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    world.engine.inject(Fault::on("TransactWriteItems", FaultKind::TransactionConflict, 10_000));
    let error = world.ledger.publish(once(&stream, vec![event("a", "1")], 1)).await.expect_err("a conflict");
    assert!(matches!(error, Error::IdempotencyInProgress), "{error:?}");
    assert_eq!(world.log(&stream).await.len(), 0);
}

#[tokio::test]
async fn the_same_idempotency_key_at_the_same_time_publishes_once() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    let ledgers: Vec<_> = (2..8).map(|seed| world.another(seed)).collect();
    let same = |ledger: &ledger::Ledger| {
        let (ledger, stream) = (ledger.clone(), stream.clone());
        async move { ledger.publish(once(&stream, vec![event("a", "1")], 1)).await.expect("a receipt") }
    };
    let answers = futures::future::join_all(ledgers.iter().map(same)).await;
    assert!(answers.iter().all(|answer| answer.places == [(0, 0)]), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    assert_eq!(world.log(&stream).await.len(), 1);
}

#[tokio::test]
async fn writers_of_many_processes_keep_offsets_dense() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    let mut expected = 0;
    for round in 0..10u64 {
        let ledgers: Vec<_> = (0..3).map(|seed| world.another(100 + round * 10 + seed)).collect();
        let write = |ledger: &ledger::Ledger| {
            let (ledger, stream) = (ledger.clone(), stream.clone());
            async move { ledger.publish(request(&stream, vec![event("a", "1"), event("b", "2")])).await }
        };
        for outcome in futures::future::join_all(ledgers.iter().map(write)).await {
            outcome.expect("a place");
            expected += 2;
        }
    }
    let offsets: Vec<u64> = world.log(&stream).await.into_iter().map(|(_, offset, _)| offset).collect();
    assert_eq!(offsets, (0..expected).collect::<Vec<_>>());
}

#[tokio::test]
async fn reads_survive_passing_faults_and_say_when_they_cannot() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    publish(&world.ledger, &stream, "a", "0").await.expect("a place");
    world.engine.inject(Fault::on("Query", FaultKind::Throttle, 2));
    assert_eq!(world.log(&stream).await.len(), 1);
    world.engine.inject(Fault::on("Query", FaultKind::ServerErrorBefore, 10_000));
    let from = ledger::ReadFrom::Start(ledger::StartFrom::Earliest);
    let error = world.ledger.read_events(&stream, from, crate::world::page()).await.expect_err("the store is down");
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn what_was_done_before_a_failure_is_not_denied() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    let name = crate::world::subscription("reader");
    // The subscription is written, and then its lag cannot be read.
    world.engine.inject(Fault::on("Query", FaultKind::Throttle, 4));
    let error = world.ledger.create_subscription(&stream, &name, ledger::StartFrom::Compacted).await;
    assert!(matches!(error, Err(Error::OutcomeUnknown(_))), "{error:?}");
    world.ledger.describe_subscription(&stream, &name).await.expect("it exists");
    // A delete whose reply is lost finds nothing when it asks again: that is what it wanted.
    world.engine.inject(Fault::on("DeleteItem", FaultKind::LostReplyAfter, 1));
    world.ledger.delete_subscription(&stream, &name).await.expect("deleted");
    let error = world.ledger.delete_subscription(&stream, &name).await;
    assert!(matches!(error, Err(Error::SubscriptionNotFound)), "{error:?}");
}

#[tokio::test]
async fn another_process_learns_of_a_seek_from_the_cursor() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    let name = crate::world::subscription("reader");
    let admin = world.another(2);
    world.ledger.create_subscription(&stream, &name, ledger::StartFrom::Earliest).await.expect("a subscription");
    let old = world.ledger.poll(&stream, &name, None, crate::world::page()).await.expect("a page").cursor;
    let sought = admin.seek(&stream, &name, ledger::SeekTo::Start(ledger::StartFrom::Latest)).await.expect("a seek");
    world.ledger.poll(&stream, &name, Some(sought.cursor), crate::world::page()).await.expect("the new cursor is good");
    let error = world.ledger.poll(&stream, &name, Some(old), crate::world::page()).await;
    assert!(matches!(error, Err(Error::GenerationMismatch)), "{error:?}");
}

#[tokio::test]
async fn a_request_of_many_sizes_fits_one_transaction() {
    let world = World::new().await;
    let stream = world.stream(32, 24).await;
    let key = |partition: u16, number: usize| {
        let fits = |text: &String| {
            let key = ledger::model::EventKey::parse(text.clone()).expect("a key");
            ledger::model::KeyHash::of(&key).partition(32) == partition
        };
        (0..).map(|salt| format!("{partition}-{number}-{salt}")).find(fits).expect("some key fits")
    };
    // Eight partitions with a large event amid tiny ones, and one event in each of the others.
    let mut events = Vec::new();
    for partition in 0..32u16 {
        let tiny = if partition < 8 { 115 } else { 1 };
        for number in 0..tiny {
            if number == 57 {
                let text = format!("\"{}\"", world.ledger.randomness().base62(120_000));
                events.push(event(&key(partition, 1_000), &text));
            }
            events.push(event(&key(partition, number), "1"));
        }
    }
    let count = events.len();
    let published = world.ledger.publish(once(&stream, events, 1)).await.expect("it fits");
    assert_eq!(published.places.len(), count);
    assert_eq!(world.log(&stream).await.len(), count);
}
