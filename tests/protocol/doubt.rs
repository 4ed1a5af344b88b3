//! What a verb says of its effect when the store failed before, between and after its attempts to write.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use embedded::{CallInfo, Course, Decision, Failure, Fate, Fault, FaultKind};
use ledger::{ApiKey, ApiKeyState, Clock, Error, Ledger, SeekTo, StartFrom};
use platform::api_key::Token;

use crate::world::{HOUR_MS, START, World, delete_newest, page, publish, subscription};

const LOST_REPLY: Decision = Decision::After(Failure::Timeout);

/// Decides about the calls of one operation in their order, and lets those after them fail without effect.
struct InOrder(&'static str, Mutex<VecDeque<Decision>>);

impl InOrder {
    fn of(operation: &'static str, decisions: impl IntoIterator<Item = Decision>) -> Self {
        Self(operation, Mutex::new(decisions.into_iter().collect()))
    }
}

impl Fate for InOrder {
    fn decide(&self, call: &CallInfo) -> Course {
        if call.operation != self.0 {
            return Course::default();
        }
        let next = self.1.lock().expect("nobody panics here").pop_front();
        next.unwrap_or(Decision::Before(Failure::Throttled)).into()
    }
}

fn api_key(world: &World) -> ApiKey {
    Token::mint(world.ledger.randomness(), "test").record("a team", &["poll:*"], world.clock.now())
}

#[tokio::test]
async fn a_key_that_may_have_been_stored_is_not_denied() {
    let world = World::new().await;
    let key = api_key(&world);
    world.engine.set_fate(InOrder::of("TransactWriteItems", [LOST_REPLY]));
    let error = world.ledger.create_api_key(&key).await;
    assert!(matches!(error, Err(Error::OutcomeUnknown(_))), "{error:?}");
    world.engine.set_fate(InOrder::of("none", []));
    assert_eq!(world.ledger.find_api_key(&key.id).await.expect("a read"), Some(key.clone()));
    world.ledger.create_api_key(&key).await.expect("the very same key again is harmless");
    world.engine.set_fate(InOrder::of("GetItem", [Decision::Proceed]));
    let error = world.ledger.create_api_key(&key).await;
    assert!(matches!(error, Err(Error::Unavailable(_))), "the refusal was sure: {error:?}");
}

#[tokio::test]
async fn a_revocation_knows_its_own_success_and_is_final() {
    let world = World::new().await;
    let key = api_key(&world);
    world.ledger.create_api_key(&key).await.expect("a key");
    let revoke = async |ledger: &Ledger| ledger.change_api_key_state(&key.id, ApiKeyState::Revoked).await;
    // Its reply is lost, and then it cannot look.
    world.engine.inject(Fault::on("UpdateItem", FaultKind::LostReplyAfter, 1));
    world.engine.set_fate(InOrder::of("GetItem", [Decision::Proceed]));
    let error = revoke(&world.ledger).await;
    assert!(matches!(error, Err(Error::OutcomeUnknown(_))), "{error:?}");
    world.engine.set_fate(InOrder::of("none", []));
    let revoked = ApiKey { state: ApiKeyState::Revoked, ..key.clone() };
    assert_eq!(revoke(&world.another(2)).await.expect("the same again"), revoked);
    assert_eq!(world.ledger.find_api_key(&key.id).await.expect("a read"), Some(revoked));
    let error = world.ledger.change_api_key_state(&key.id, ApiKeyState::Active).await;
    assert!(matches!(error, Err(Error::Refused { pointer: "/state", .. })), "{error:?}");
    let error = world.ledger.change_api_key_state("nobody", ApiKeyState::Revoked).await;
    assert!(matches!(error, Err(Error::Refused { pointer: "/id", .. })), "{error:?}");
}

#[tokio::test]
async fn an_urgent_revocation_that_told_nobody_says_that_it_may_have_happened() {
    let world = World::new().await;
    let key = api_key(&world);
    world.ledger.create_api_key(&key).await.expect("a key");
    assert_eq!(world.ledger.api_keys_epoch().await.expect("a read"), 0);
    world.engine.set_fate(InOrder::of("UpdateItem", [Decision::Proceed]));
    let error = world.ledger.revoke_api_key_urgently(&key.id).await;
    assert!(matches!(error, Err(Error::OutcomeUnknown(_))), "{error:?}");
    world.engine.set_fate(InOrder::of("none", []));
    let revoked = world.ledger.revoke_api_key_urgently(&key.id).await.expect("the same again");
    assert_eq!((revoked.state, world.ledger.api_keys_epoch().await.expect("a read")), (ApiKeyState::Revoked, 1));
}

#[tokio::test]
async fn a_use_is_noted_beside_whatever_else_changes() {
    let world = World::new().await;
    let key = api_key(&world);
    // Nobody makes a key by using it.
    world.ledger.note_api_key_use(&key.id).await;
    assert_eq!(world.ledger.find_api_key(&key.id).await.expect("a read"), None);
    world.ledger.create_api_key(&key).await.expect("a key");
    world.ledger.note_api_key_use(&key.id).await;
    world.ledger.create_api_key(&key).await.expect("the very same key again is harmless");
    world.ledger.change_api_key_state(&key.id, ApiKeyState::Revoked).await.expect("a revoked key");
    let found = world.ledger.find_api_key(&key.id).await.expect("a read").expect("a key");
    let used = Some(ledger::Timestamp(world.clock.now().0 / 3_600_000 * 3_600_000));
    assert_eq!(found, ApiKey { state: ApiKeyState::Revoked, last_used_at: used, ..key });
}

#[tokio::test]
async fn a_key_revoked_while_its_grace_begins_stays_revoked() {
    let world = World::new().await;
    let key = api_key(&world);
    world.ledger.create_api_key(&key).await.expect("a key");
    let other = world.another(2);
    let change = |ledger: &Ledger, state| {
        let (ledger, id) = (ledger.clone(), key.id.clone());
        async move { ledger.change_api_key_state(&id, state).await }
    };
    // The grace was decided on before the key was revoked; its first attempt to write fails without effect.
    world.engine.inject(Fault::on("UpdateItem", FaultKind::ConnectionReset, 1));
    let grace = change(&world.ledger, ApiKeyState::Grace { until: world.clock.now().plus(60_000) });
    let (_, revoked) = tokio::join!(grace, change(&other, ApiKeyState::Revoked));
    assert_eq!(revoked.expect("a revoked key").state, ApiKeyState::Revoked);
    let found = world.ledger.find_api_key(&key.id).await.expect("a read").expect("a key");
    assert_eq!(found.state, ApiKeyState::Revoked);
}

#[tokio::test]
async fn a_seek_that_may_have_happened_is_not_denied() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    let name = subscription("reader");
    world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await.expect("a subscription");
    // Its reply is lost, and then it cannot look.
    world.engine.inject(Fault::on("UpdateItem", FaultKind::LostReplyAfter, 1));
    world.engine.set_fate(InOrder::of("GetItem", (0..5).map(|_| Decision::Proceed)));
    let error = world.ledger.seek(&stream, &name, SeekTo::Start(StartFrom::Latest)).await;
    assert!(matches!(error, Err(Error::OutcomeUnknown(_))), "{error:?}");
}

#[tokio::test]
async fn a_seek_whose_reply_was_lost_knows_that_it_happened() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    let name = subscription("reader");
    world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await.expect("a subscription");
    world.engine.set_fate(InOrder::of("UpdateItem", [LOST_REPLY, Decision::Proceed]));
    let sought = world.ledger.seek(&stream, &name, SeekTo::Start(StartFrom::Latest)).await.expect("it was done");
    let now = world.ledger.describe_subscription(&stream, &name).await.expect("a subscription");
    assert_eq!(now.generation, sought.generation, "it was done once");
}

#[tokio::test(start_paused = true)]
async fn a_seek_that_happened_is_not_done_again_over_what_came_after_it() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 24).await;
    let (name, other) = (subscription("reader"), world.another(2));
    world.ledger.create_subscription(&stream, &name, StartFrom::Latest).await.expect("a subscription");
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    world.engine.inject(Fault::on("UpdateItem", FaultKind::LostReplyAfter, 1));
    let going_on = async {
        world.clock.sleep(1).await;
        let page = other.poll(&stream, &name, None, page()).await.expect("a page of the new generation");
        (page.records.len(), other.commit(&stream, &name, page.cursor).await.expect("a commit"))
    };
    let (sought, (read, committed)) =
        tokio::join!(world.ledger.seek(&stream, &name, SeekTo::Start(StartFrom::Earliest)), going_on);
    assert!(read == 1 && committed.advanced);
    assert_eq!(sought.expect("it was done").lag.events, 0, "the commit holds");
    let now = other.describe_subscription(&stream, &name).await.expect("a subscription");
    assert_eq!(now.lag.events, 0);
}

#[tokio::test]
async fn a_cursor_from_before_a_seek_is_refused_at_once_although_the_seek_could_not_tell() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    let name = subscription("reader");
    world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await.expect("a subscription");
    let old = world.ledger.poll(&stream, &name, None, page()).await.expect("a page").cursor;
    world.engine.set_fate(InOrder::of("UpdateItem", [LOST_REPLY]));
    let error = world.ledger.seek(&stream, &name, SeekTo::Start(StartFrom::Latest)).await;
    assert!(matches!(error, Err(Error::OutcomeUnknown(_))), "{error:?}");
    let error = world.ledger.poll(&stream, &name, Some(old), page()).await;
    assert!(matches!(error, Err(Error::GenerationMismatch)), "{error:?}");
}

#[tokio::test]
async fn a_commit_whose_reply_was_lost_says_that_it_advanced() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    let name = subscription("reader");
    world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await.expect("a subscription");
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    let cursor = world.ledger.poll(&stream, &name, None, page()).await.expect("a page").cursor;
    world.engine.set_fate(InOrder::of("UpdateItem", [LOST_REPLY, Decision::Proceed]));
    let committed = world.ledger.commit(&stream, &name, cursor.clone()).await.expect("it was written");
    assert!(committed.advanced, "nobody else did");
    let again = world.ledger.commit(&stream, &name, cursor).await.expect("the same again is harmless");
    assert!(!again.advanced);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_knows_its_own_success_and_that_of_another() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 24).await;
    world.engine.set_fate(InOrder::of("TransactWriteItems", [LOST_REPLY, Decision::Proceed]));
    world.ledger.delete_stream(&stream).await.expect("it was deleted, and by nobody else");

    world.clock.advance(HOUR_MS);
    world.engine.set_fate(InOrder::of("none", []));
    world.stream(1, 24).await;
    world.engine.set_fate(InOrder::of(
        "TransactWriteItems",
        [Decision::Before(Failure::ConnectionReset), Decision::Proceed, Decision::Proceed],
    ));
    let others = async {
        // While the first attempt of the other one fails.
        world.clock.sleep(1).await;
        world.another(2).delete_stream(&stream).await
    };
    let (refused, deleted) = tokio::join!(world.ledger.delete_stream(&stream), others);
    deleted.expect("the other was faster");
    assert!(matches!(refused, Err(Error::StreamNotFound)), "{refused:?}");
}

/// The first call of each of these operations takes effect long after its caller gave up.
struct Late(Mutex<Vec<&'static str>>);

impl Fate for Late {
    fn decide(&self, call: &CallInfo) -> Course {
        let mut operations = self.0.lock().expect("nobody panics here");
        let Some(place) = operations.iter().position(|operation| *operation == call.operation) else {
            return Course::default();
        };
        operations.remove(place);
        Course { reaches_ms: 10_000, ..Course::default() }
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_late_for_a_subscription_touches_no_other_life_of_its_name() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 24).await;
    let name = subscription("reader");
    let create = async || world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await;
    let exists = async || world.ledger.describe_subscription(&stream, &name).await.is_ok();
    // A late create does not bring back what was deleted.
    world.engine.set_fate(Late(Mutex::new(vec!["PutItem"])));
    create().await.expect("the second attempt");
    world.ledger.delete_subscription(&stream, &name).await.expect("deleted");
    world.clock.sleep(20_000).await;
    assert!(!exists().await, "the first attempt came after the end");
    // A late deletion does not end what was created since.
    create().await.expect("a subscription");
    world.engine.set_fate(Late(Mutex::new(vec!["UpdateItem"])));
    world.ledger.delete_subscription(&stream, &name).await.expect("the second attempt");
    create().await.expect("another life");
    world.clock.sleep(20_000).await;
    assert!(exists().await, "the first attempt was meant for an earlier life");
    assert!(world.ledger.list_subscriptions(&stream, None, 10, |_| true).await.expect("a list").items.len() == 1);
    // Clocks that lag behind the end of a life begin the next after it.
    world.ledger.delete_subscription(&stream, &name).await.expect("deleted");
    world.elsewhere(-5_000).create_subscription(&stream, &name, StartFrom::Earliest).await.expect("a subscription");
    assert!(exists().await);
}

#[tokio::test(start_paused = true)]
async fn what_comes_late_of_a_sweep_pauses_no_publishing_that_a_later_one_resumed() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 1).await;
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    world.clock.advance(4 * 24 * HOUR_MS);
    let mut fault = Fault::on("PutItem", FaultKind::Throttle, 500);
    fault.partition_key_prefix = Some("COMPACT#".to_owned());
    world.engine.inject(fault);
    world.engine.set_fate(LateMark(AtomicBool::new(false)));
    world.ledger.sweep().await.expect_err("compaction fails");
    let error = publish(&world.ledger, &stream, "a", "2").await.expect_err("publishing is paused");
    assert!(matches!(error, Error::CompactorStalled), "{error:?}");
    while world.ledger.sweep().await.is_err() {}
    publish(&world.ledger, &stream, "a", "2").await.expect("publishing goes on");
    world.clock.sleep(10 * 60_000).await;
    publish(&world.another(2), &stream, "a", "3").await.expect("the first mark came after the last");
}

/// The first mark of a stream takes effect long after its caller gave up.
struct LateMark(AtomicBool);

impl Fate for LateMark {
    fn decide(&self, call: &CallInfo) -> Course {
        let marks = call.operation == "UpdateItem" && call.partition_keys.iter().any(|key| key == "STREAMS");
        let late = marks && !self.0.swap(true, Ordering::SeqCst);
        Course { reaches_ms: if late { 9 * 60_000 } else { 0 }, ..Course::default() }
    }
}

#[tokio::test]
async fn a_compaction_that_came_half_the_way_does_not_say_that_nothing_was_written() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    world.engine.set_fate(InOrder::of("UpdateItem", []));
    let error = world.ledger.compact_stream(&stream).await.expect_err("the watermark did not move");
    assert!(matches!(error, Error::OutcomeUnknown(_)), "{error:?}");
    world.engine.set_fate(InOrder::of("Query", []));
    let error = world.ledger.compact_stream(&stream).await.expect_err("the log was not read");
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    world.engine.set_fate(InOrder::of("none", []));
    assert_eq!(world.ledger.compact_stream(&stream).await.expect("watermarks")[0].watermark, 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_creation_brings_back_nothing_that_was_deleted_since_whatever_the_clocks_say() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 24).await;
    let name = subscription("reader");
    world.engine.set_fate(Late(Mutex::new(vec!["PutItem"])));
    let ahead = world.elsewhere(5_000);
    let first = ahead.create_subscription(&stream, &name, StartFrom::Latest);
    let other = async {
        world.clock.sleep(100).await;
        world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await
    };
    let (refused, created) = tokio::join!(first, other);
    created.expect("a subscription");
    // It may have been there, and been deleted, before the other was created: nobody can tell.
    assert!(matches!(refused, Err(Error::OutcomeUnknown(_))), "{refused:?}");
    world.ledger.delete_subscription(&stream, &name).await.expect("deleted");
    world.clock.sleep(20_000).await;
    let gone = world.ledger.describe_subscription(&stream, &name).await;
    assert!(matches!(gone, Err(Error::SubscriptionNotFound)), "{gone:?}");
}

#[tokio::test]
async fn a_subscription_that_exists_is_not_denied_because_nobody_knows_the_tail() {
    let world = World::new().await;
    let stream = world.stream(1, 1).await;
    let fleet = world.another(2);
    for number in 0..2 {
        publish(&fleet, &stream, "a", &number.to_string()).await.expect("a place");
    }
    world.clock.advance(9 * 24 * HOUR_MS);
    delete_newest(&world.engine).await;
    let name = subscription("builder");
    let error = fleet.create_subscription(&stream, &name, StartFrom::Compacted).await.expect_err("its lag is unknown");
    assert!(matches!(error, Error::OutcomeUnknown(_)), "{error:?}");
}

#[tokio::test]
async fn a_conflict_that_does_not_end_is_not_an_absence() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    let name = subscription("reader");
    world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await.expect("a subscription");
    let conflicts = |operation| world.engine.inject(Fault::on(operation, FaultKind::TransactionConflict, 200));
    conflicts("UpdateItem");
    world.ledger.poll(&stream, &name, None, page()).await.expect("a poll that cannot note its minute goes on");
    let error = world.ledger.delete_subscription(&stream, &name).await;
    assert!(matches!(error, Err(Error::Unavailable(_))), "{error:?}");
    conflicts("TransactWriteItems");
    let error = world.ledger.delete_stream(&stream).await;
    assert!(matches!(error, Err(Error::Unavailable(_))), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_may_have_happened_is_not_denied_because_the_name_lives_again() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 24).await;
    // Nobody knows whether the first attempt had its effect.
    world.engine.inject(Fault::on("TransactWriteItems", FaultKind::ServerErrorBefore, 1));
    let again = async {
        world.clock.sleep(1).await;
        world.ledger.delete_stream(&stream).await.expect("deleted");
        world.stream(1, 24).await;
    };
    let (deleted, ()) = tokio::join!(world.ledger.delete_stream(&stream), again);
    assert!(matches!(deleted, Err(Error::OutcomeUnknown(_))), "{deleted:?}");
}
