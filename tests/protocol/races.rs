//! What happens when the log changes while a request looks at it: answers of the store that are late on purpose, and
//! somebody else in between. Most were found by the simulation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use embedded::{CallInfo, Course, Engine, Fate};
use ledger::model::{Event, StreamName};
use ledger::{Clock, Error, Ledger, PageRequest, PublishRequest, Randomness, ReadFrom, SeekTo, Settings, StartFrom};
use tests::app::Late;

use crate::world::{
    HOUR_MS, START, Torn, World, definition, delete_newest, event, keys, once, page, publish, request, subscription,
    two_batches,
};

/// The answer to the next query of a log is late.
#[derive(Default)]
struct LateQuery(AtomicBool);

const LATE_MS: u64 = 100;

impl Fate for LateQuery {
    fn decide(&self, call: &CallInfo) -> Course {
        let log = call.operation == "Query" && call.partition_keys.iter().any(|key| key.starts_with("LOG#"));
        let late = log && self.0.swap(false, Ordering::SeqCst);
        Course { returns_ms: if late { LATE_MS } else { 0 }, ..Course::default() }
    }
}

#[tokio::test(start_paused = true)]
async fn polls_take_cursors_of_a_generation_for_thirty_seconds_however_late_it_was_heard_of() {
    let world = World::on(Clock::simulated(START)).await;
    let (stream, name, fleet) = (world.stream(1, 24).await, subscription("reader"), world.another(2));
    world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await.expect("a subscription");
    let old = world.ledger.poll(&stream, &name, None, page()).await.expect("a page").cursor;
    // Whoever looks at a subscription hears of it late.
    world.engine.set_fate(Late { operation: "GetItem", keys: "STREAM#", milliseconds: 700 });
    let seek = async {
        world.clock.sleep(100).await;
        world.ledger.seek(&stream, &name, SeekTo::Start(StartFrom::Latest)).await
    };
    let began = world.clock.now();
    let (described, sought) = tokio::join!(fleet.describe_subscription(&stream, &name), seek);
    assert_ne!(described.expect("a subscription").generation, sought.expect("moved").generation);
    world.engine.clear_fate();
    world.clock.sleep(30_400 - world.clock.now().since(began)).await;
    let error = fleet.poll(&stream, &name, Some(old), page()).await;
    assert!(matches!(error, Err(Error::GenerationMismatch)), "{error:?}");
}

/// Two processes of a fleet on one table, in simulated time; the first meets late answers.
struct Fleet {
    engine: Engine,
    clock: Clock,
    late: Arc<LateQuery>,
    reader: Ledger,
    other: Ledger,
    stream: StreamName,
}

impl Fleet {
    async fn new() -> Self {
        let clock = Clock::simulated(START);
        let engine = Engine::memory(&clock);
        ledger::table::create_if_absent(&engine.client(), "eventledger").await.expect("a table");
        let late = Arc::new(LateQuery::default());
        let ledger = |engine: &Engine, seed| {
            Ledger::new(engine.client(), "eventledger", clock.clone(), Randomness::seeded(seed), Settings::FLEET)
        };
        let (reader, other) = (ledger(&engine.under(late.clone()), 1), ledger(&engine, 2));
        let stream = other.create_stream(definition("orders", 1, 1)).await.expect("a stream").value.definition.name;
        Self { engine, clock, late, reader, other, stream }
    }

    fn next_query_is_late(&self) {
        self.late.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_appended_while_an_idle_reader_looks_is_not_lost_to_it() {
    let fleet = Fleet::new().await;
    let name = subscription("reader");
    fleet.other.create_subscription(&fleet.stream, &name, StartFrom::Latest).await.expect("a subscription");
    // Idle for longer than a position is trusted.
    fleet.clock.advance(2 * HOUR_MS);
    fleet.next_query_is_late();
    let append = async {
        fleet.clock.sleep(LATE_MS / 2).await;
        publish(&fleet.other, &fleet.stream, "a", "1").await.expect("a place");
    };
    let (read, ()) = tokio::join!(fleet.reader.poll(&fleet.stream, &name, None, page()), append);
    let read = read.expect("nothing expired");
    assert!(read.records.is_empty() && !read.caught_up, "the event came after the query, and is not passed over");
    let next = fleet.reader.poll(&fleet.stream, &name, Some(read.cursor), page()).await.expect("a page");
    assert_eq!(next.records.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_from_the_earliest_event_never_misses_the_first_publish() {
    let fleet = Fleet::new().await;
    let name = subscription("reader");
    fleet.next_query_is_late();
    let append = async {
        fleet.clock.sleep(LATE_MS / 2).await;
        publish(&fleet.other, &fleet.stream, "a", "1").await.expect("a place");
    };
    let create = fleet.reader.create_subscription(&fleet.stream, &name, StartFrom::Earliest);
    let (created, ()) = tokio::join!(create, append);
    created.expect("a subscription");
    assert_eq!(fleet.reader.poll(&fleet.stream, &name, None, page()).await.expect("a page").records.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_starts_while_queries_see_the_first_write_in_part_misses_none_of_it() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 24).await;
    world.engine.set_fate(Torn(1));
    let publishing = world.ledger.publish(request(&stream, two_batches(&world.ledger)));
    let starting = async {
        world.clock.sleep(100).await;
        let mut started = Vec::new();
        for start in [StartFrom::Earliest, StartFrom::Timestamp(START)] {
            started.push(world.ledger.read_events(&stream, ReadFrom::Start(start), page()).await.expect("a page"));
        }
        started
    };
    let (published, started) = tokio::join!(publishing, starting);
    assert_eq!(published.expect("places").places, [(0, 0), (0, 1)]);
    for first in started {
        let from = ReadFrom::Cursor(first.cursor.clone());
        let second = world.ledger.read_events(&stream, from, page()).await.expect("a page");
        assert_eq!(keys(&first).into_iter().chain(keys(&second)).collect::<Vec<_>>(), ["a", "b"]);
    }
}

/// Queries do not see the second item of a transaction before it returns, which takes a while.
struct EndUnseen;

impl Fate for EndUnseen {
    fn decide(&self, call: &CallInfo) -> Course {
        let (unseen_items, returns_ms) = if call.transaction_items > 0 { (2, 500) } else { (0, 0) };
        Course { unseen_items, returns_ms, ..Course::default() }
    }
}

#[tokio::test(start_paused = true)]
async fn who_starts_at_the_end_does_not_begin_in_the_middle_of_a_request() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 24).await;
    world.engine.set_fate(EndUnseen);
    let publishing = world.ledger.publish(request(&stream, two_batches(&world.ledger)));
    let starting = async {
        world.clock.sleep(100).await;
        let mut started = Vec::new();
        for start in [StartFrom::Latest, StartFrom::Timestamp(START.plus(HOUR_MS))] {
            started.push(world.ledger.read_events(&stream, ReadFrom::Start(start), page()).await.expect("a page"));
        }
        // It lies beyond the tail that queries see, and is no mistake of anybody's.
        let name = subscription("reader");
        world.ledger.create_subscription(&stream, &name, StartFrom::Latest).await.expect("a subscription");
        world.ledger.seek(&stream, &name, SeekTo::Start(StartFrom::Latest)).await.expect("a seek");
        started
    };
    let (published, started) = tokio::join!(publishing, starting);
    assert_eq!(published.expect("places").places.len(), 2);
    for first in started {
        let second = world.ledger.read_events(&stream, ReadFrom::Cursor(first.cursor), page()).await.expect("a page");
        assert_eq!(first.records.len() + second.records.len(), 0, "all of the request lies before");
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_again_is_told_that_it_is_done_when_it_can_be_read() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 24).await;
    let other = world.another(2);
    world.engine.set_fate(Torn(0b11));
    let events = two_batches(&world.ledger);
    let publishing = world.ledger.publish(once(&stream, events.clone(), 1));
    let again = async || other.publish(once(&stream, events.clone(), 1)).await;
    let asking = async {
        world.clock.sleep(100).await;
        (again().await, world.log(&stream).await.len())
    };
    let (published, (asked, read)) = tokio::join!(publishing, asking);
    assert!(matches!(asked, Err(Error::IdempotencyInProgress)), "{asked:?}");
    assert_eq!(read, 0);
    let replayed = again().await.expect("the receipt");
    assert_eq!((replayed.replayed, replayed.places), (true, published.expect("places").places));
    // What came after it changes nothing, nor does time.
    for number in 0..20 {
        publish(&other, &stream, "c", &number.to_string()).await.expect("a place");
    }
    assert!(again().await.expect("the receipt").replayed);
    world.clock.advance(2 * HOUR_MS);
    assert!(again().await.expect("the receipt").replayed);
}

#[tokio::test(start_paused = true)]
async fn what_a_receipt_says_can_be_read_although_queries_see_only_its_end() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 24).await;
    let other = world.another(2);
    world.engine.set_fate(Torn(0b01));
    let events = two_batches(&world.ledger);
    let asking = async {
        world.clock.sleep(100).await;
        (other.publish(once(&stream, events.clone(), 1)).await, world.log(&stream).await.len())
    };
    let (_, (asked, read)) = tokio::join!(world.ledger.publish(once(&stream, events.clone(), 1)), asking);
    assert!(asked.expect("the receipt").replayed);
    assert_eq!(read, 2);
}

/// Transactions take a while to reach the store.
struct SlowTransactions;

impl Fate for SlowTransactions {
    fn decide(&self, call: &CallInfo) -> Course {
        Course { reaches_ms: if call.transaction_items > 0 { LATE_MS } else { 0 }, ..Course::default() }
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_again_for_what_moved_the_tail_itself_is_not_refused() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 24).await;
    world.engine.set_fate(SlowTransactions);
    let request = PublishRequest { expected_tail: Some(0), ..once(&stream, vec![event("a", "1")], 1) };
    // Both look for a receipt before either has its turn.
    let (one, other) = tokio::join!(world.ledger.publish(request.clone()), world.ledger.publish(request.clone()));
    let [one, other] = [one, other].map(|published| published.expect("a place"));
    assert_eq!((one.places, other.places), (vec![(0, 0)], vec![(0, 0)]));
    assert_eq!([one.replayed, other.replayed], [false, true]);
    // Another request of that condition is another matter.
    let stale = PublishRequest { expected_tail: Some(0), ..once(&stream, vec![event("a", "2")], 2) };
    let error = world.ledger.publish(stale).await.expect_err("the tail moved");
    assert!(matches!(error, Error::TailMismatch { expected: 0, tail: 1 }), "{error:?}");
}

/// Else a repetition could be refused for the tail of another partition than the one where it is under way.
#[tokio::test]
async fn who_asks_again_asks_about_the_same_partition_also_without_a_key_of_events() {
    let mut partitions = Vec::new();
    for seed in 2..8 {
        let world = World::new().await;
        let stream = world.stream(16, 24).await;
        let keyless = Event { key: None, ..event("a", "1") };
        let published = world.another(seed).publish(once(&stream, vec![keyless], 7)).await.expect("a place");
        partitions.push(published.places[0].0);
    }
    assert_eq!(partitions, [partitions[0]; 6]);
}

#[tokio::test(start_paused = true)]
async fn what_is_acknowledged_behind_an_unfinished_write_is_readable_and_no_alarm() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 24).await;
    let (other, name) = (world.another(2), subscription("builder"));
    world.engine.set_fate(Torn(1));
    let publishing = world.ledger.publish(request(&stream, two_batches(&world.ledger)));
    let meanwhile = async {
        world.clock.sleep(100).await;
        publish(&other, &stream, "c", "1").await.expect("a place behind the other two");
        let page = other.read_events(&stream, ReadFrom::Start(StartFrom::Earliest), page()).await.expect("a page");
        other.compact_stream(&stream).await.expect("nothing is missing");
        other.create_subscription(&stream, &name, StartFrom::Compacted).await.expect("a subscription");
        other
            .poll(&stream, &name, None, crate::world::page())
            .await
            .expect("the log can be read from the watermark on");
        page
    };
    let (published, read) = tokio::join!(publishing, meanwhile);
    assert_eq!(published.expect("places").places, [(0, 0), (0, 1)]);
    assert_eq!((keys(&read), read.caught_up), (vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], true));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_was_frozen_while_everything_it_saw_expired_goes_on_behind_it() {
    let fleet = Fleet::new().await;
    for number in 0..3 {
        publish(&fleet.other, &fleet.stream, "a", &number.to_string()).await.expect("a place");
    }
    fleet.next_query_is_late();
    let meanwhile = async {
        fleet.clock.sleep(LATE_MS / 2).await;
        publish(&fleet.other, &fleet.stream, "a", "3").await.expect("a place");
        fleet.clock.advance(2 * HOUR_MS);
        fleet.other.sweep().await.expect("a sweep");
        fleet.clock.advance(9 * 24 * HOUR_MS);
        assert_eq!(fleet.engine.sweep_expired().expect("time to live"), 3, "all but the stub of the head");
    };
    let from = ReadFrom::Start(StartFrom::Earliest);
    let (read, ()) = tokio::join!(fleet.reader.read_events(&fleet.stream, from, page()), meanwhile);
    let read = read.expect("a page");
    assert!(read.records.is_empty() && read.caught_up);
}

#[tokio::test(start_paused = true)]
async fn a_head_whose_successors_may_be_deleted_takes_nothing() {
    let fleet = Fleet::new().await;
    for number in 0..3 {
        publish(&fleet.other, &fleet.stream, "a", &number.to_string()).await.expect("a place");
    }
    // Nobody swept for longer than the grace, and time to live began with the newest.
    fleet.clock.advance(9 * 24 * HOUR_MS);
    delete_newest(&fleet.engine).await;
    let error = publish(&fleet.other, &fleet.stream, "a", "3").await.expect_err("an offset would be used twice");
    assert!(matches!(error, Error::HeadLost), "{error:?}");
    // Nor is the wrong head made to last.
    assert!(matches!(fleet.other.sweep().await, Err(Error::HeadLost)));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_was_overtaken_takes_nothing_back() {
    let fleet = Fleet::new().await;
    let name = subscription("reader");
    fleet.other.create_subscription(&fleet.stream, &name, StartFrom::Earliest).await.expect("a subscription");
    for number in 0..2 {
        publish(&fleet.other, &fleet.stream, "a", &number.to_string()).await.expect("a place");
    }
    let one = PageRequest { limit: 1, wait_ms: 0 };
    let first = fleet.other.poll(&fleet.stream, &name, None, one).await.expect("a page").cursor;
    let second = fleet.other.poll(&fleet.stream, &name, Some(first.clone()), one).await.expect("a page").cursor;
    // It has read what is committed, and looks at the head for the lag.
    fleet.next_query_is_late();
    let overtake = async {
        fleet.clock.sleep(LATE_MS / 2).await;
        fleet.other.commit(&fleet.stream, &name, second).await.expect("a commit")
    };
    let (overtaken, further) = tokio::join!(fleet.reader.commit(&fleet.stream, &name, first), overtake);
    assert!(further.advanced && !overtaken.expect("nothing to do").advanced);
    let committed = fleet.other.describe_subscription(&fleet.stream, &name).await.expect("a subscription");
    assert_eq!(committed.lag.events, 0);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_a_seek_overtook_moves_nothing() {
    let fleet = Fleet::new().await;
    let name = subscription("reader");
    fleet.other.create_subscription(&fleet.stream, &name, StartFrom::Earliest).await.expect("a subscription");
    publish(&fleet.other, &fleet.stream, "a", "1").await.expect("a place");
    let read = fleet.other.poll(&fleet.stream, &name, None, page()).await.expect("a page").cursor;
    // It has read what is committed, and looks at the head for the lag.
    fleet.next_query_is_late();
    let overtake = async {
        fleet.clock.sleep(LATE_MS / 2).await;
        fleet.other.seek(&fleet.stream, &name, SeekTo::Start(StartFrom::Earliest)).await.expect("moved")
    };
    let (overtaken, sought) = tokio::join!(fleet.reader.commit(&fleet.stream, &name, read), overtake);
    assert!(matches!(overtaken, Err(Error::GenerationMismatch)), "{overtaken:?}");
    let described = fleet.other.describe_subscription(&fleet.stream, &name).await.expect("a subscription");
    assert_eq!((described.generation, described.lag.events), (sought.generation, 1));
}

#[tokio::test(start_paused = true)]
async fn a_publish_wakes_who_waits_for_it() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 24).await;
    let began = world.clock.now();
    let append = async {
        world.clock.sleep(1_000).await;
        publish(&world.ledger, &stream, "a", "1").await.expect("a place")
    };
    let waiting = PageRequest { limit: 1, wait_ms: 20_000 };
    let read = world.ledger.read_events(&stream, ReadFrom::Start(StartFrom::Latest), waiting);
    let (page, _) = tokio::join!(read, append);
    assert_eq!((keys(&page.expect("a page")), world.clock.now().since(began)), (vec!["a".to_owned()], 1_000));
}
