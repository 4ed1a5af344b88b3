//! Lag, to the event and to the millisecond, wherever it is told; and the sample of all subscriptions: what it sees, what it
//! does without, and what it costs.

use std::collections::{BTreeMap, BTreeSet};

use embedded::{CallInfo, Course, Decision, Failure, Fate};
use ledger::model::{StreamName, SubscriptionName};
use ledger::{Clock, ConsumerSample, ConsumersSample, Lag, PageRequest, SeekTo, StartFrom, Status, Timestamp, limits};

use crate::world::{HOUR_MS, START, Torn, World, definition, event, page, publish, request, subscription, two_batches};

const MINUTE_MS: u64 = 60_000;

/// Every event that was published, by partition and offset, and when it was accepted.
#[derive(Default)]
struct Published(BTreeMap<(u16, u64), Timestamp>);

impl Published {
    /// What lies beyond positions.
    fn beyond(&self, read: &BTreeMap<u16, u64>, now: Timestamp) -> Lag {
        let left = |(partition, offset): &(u16, u64)| *offset >= read.get(partition).copied().unwrap_or_default();
        let left: Vec<_> = self.0.iter().filter(|(place, _)| left(place)).map(|(_, accepted_at)| accepted_at).collect();
        Lag { events: left.len() as u64, ms: left.iter().min().map_or(0, |first| now.since(**first)) }
    }
}

fn of<'a>(sample: &'a ConsumersSample, stream: &str, name: &str) -> &'a ConsumerSample {
    let is_it = |one: &&ConsumerSample| one.stream.as_str() == stream && one.subscription.as_str() == name;
    sample.consumers.iter().find(is_it).expect("it was sampled")
}

#[tokio::test]
async fn lag_is_exact_in_polls_commits_descriptions_and_samples() {
    for seed in 0..8 {
        let world = World::new().await;
        let other = world.another(seed);
        let dice = other.randomness();
        let stream = world.stream(3, 24).await;
        let name = subscription("reader");
        world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await.expect("a subscription");
        let (mut published, mut read, mut cursor) = (Published::default(), BTreeMap::new(), None);
        for _ in 0..30 {
            world.clock.advance(dice.below(90_000));
            let events =
                (0..dice.below(12)).map(|_| event(&format!("key-{}", dice.below(50)), "1")).collect::<Vec<_>>();
            if !events.is_empty() {
                let places = world.ledger.publish(request(&stream, events)).await.expect("places").places;
                published.0.extend(places.into_iter().map(|place| (place, world.clock.now())));
            }
            world.clock.advance(dice.below(90_000));
            let limit = u32::try_from(1 + dice.below(15)).expect("small");
            let request = PageRequest { limit, wait_ms: 0 };
            let page = world.ledger.poll(&stream, &name, cursor.take(), request).await.expect("a page");
            for record in &page.records {
                read.insert(record.partition, record.offset + 1);
            }
            let now = world.clock.now();
            assert_eq!(page.lag, published.beyond(&read, now), "beyond the page's cursor, seed {seed}");
            let committed = world.ledger.commit(&stream, &name, page.cursor.clone()).await.expect("a commit");
            assert_eq!(committed.lag, page.lag, "seed {seed}");
            world.clock.advance(dice.below(90_000));
            let (now, expected) = (world.clock.now(), published.beyond(&read, world.clock.now()));
            let described = world.ledger.describe_subscription(&stream, &name).await.expect("a subscription");
            assert_eq!(described.lag, expected, "seed {seed}");
            let sample = world.ledger.sample_consumers().await.expect("a sample");
            let sampled = of(&sample, "orders", "reader");
            assert_eq!((sampled.lag, sampled.status), (described.lag, described.status), "seed {seed}");
            let headroom = (expected.events > 0).then(|| 24 * HOUR_MS - expected.ms);
            assert_eq!(
                (now, sampled.headroom_ms, sampled.retention_ms),
                (world.clock.now(), headroom, 24 * HOUR_MS),
                "seed {seed}"
            );
            cursor = Some(page.cursor);
        }
    }
}

#[tokio::test]
async fn a_status_follows_what_the_reader_does() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    let name = subscription("reader");
    let status = async || world.ledger.describe_subscription(&stream, &name).await.expect("a subscription").status;
    world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await.expect("a subscription");
    assert_eq!(status().await, Status::Ok, "it is new");
    world.clock.advance(HOUR_MS);
    assert_eq!(status().await, Status::Idle);
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    assert_eq!(status().await, Status::Stop);
    let read = world.ledger.poll(&stream, &name, None, page()).await.expect("a page");
    assert_eq!(status().await, Status::Ok, "what there is came just now");
    world.clock.advance(10 * MINUTE_MS);
    world.ledger.poll(&stream, &name, None, page()).await.expect("a page");
    assert_eq!(status().await, Status::Stall);
    world.ledger.commit(&stream, &name, read.cursor).await.expect("a commit");
    assert_eq!(status().await, Status::Ok);
    let back = ledger::SeekTo::Start(StartFrom::Earliest);
    let moved = world.ledger.seek(&stream, &name, back).await.expect("a seek");
    assert_eq!(moved.status, Status::Rewind);
    world.clock.advance(24 * HOUR_MS);
    assert_eq!(status().await, Status::Lost);
    let sample = world.ledger.sample_consumers().await.expect("a sample");
    assert_eq!(of(&sample, "orders", "reader").headroom_ms, Some(0));
}

#[tokio::test]
async fn a_seek_out_of_a_bootstrap_is_a_rewind_only_when_it_moves_back() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    let name = subscription("reader");
    for key in ["a", "b", "a"] {
        publish(&world.ledger, &stream, key, "1").await.expect("a place");
    }
    world.ledger.compact_stream(&stream).await.expect("compaction");
    publish(&world.ledger, &stream, "b", "1").await.expect("a place");
    let one = PageRequest { limit: 1, wait_ms: 0 };
    world.ledger.create_subscription(&stream, &name, StartFrom::Compacted).await.expect("a subscription");
    let state = world.ledger.poll(&stream, &name, None, page()).await.expect("a page");
    let log = world.ledger.poll(&stream, &name, Some(state.cursor), page()).await.expect("a page");
    world.ledger.commit(&stream, &name, log.cursor.clone()).await.expect("a commit");
    // Behind the watermark, at the end, and to the state again.
    let seeks = [(StartFrom::Earliest, true), (StartFrom::Latest, false), (StartFrom::Compacted, true)];
    for (to, back) in seeks {
        let moved = world.ledger.seek(&stream, &name, ledger::SeekTo::Start(to)).await.expect("a seek");
        assert_eq!(moved.status == Status::Rewind, back, "{to:?}: {:?}", moved.status);
        let there = world.ledger.poll(&stream, &name, None, one).await.expect("a page");
        world.ledger.commit(&stream, &name, there.cursor).await.expect("a commit");
    }
    // Out of the snapshot that was begun just now, and not read to its end.
    let moved = world.ledger.seek(&stream, &name, ledger::SeekTo::Start(StartFrom::Latest)).await.expect("a seek");
    assert_ne!(moved.status, Status::Rewind);
}

#[tokio::test]
async fn what_cannot_be_looked_at_hides_nothing_else() {
    let world = World::new().await;
    for name in ["billing", "orders", "returns"] {
        let stream = definition(name, 2, 1);
        world.ledger.create_stream(stream.clone()).await.expect("a stream");
        world
            .ledger
            .create_subscription(&stream.name, &subscription("reader"), StartFrom::Earliest)
            .await
            .expect("one");
        publish(&world.ledger, &stream.name, "a", "1").await.expect("a place");
    }
    let sample = world.ledger.sample_consumers().await.expect("a sample");
    assert!(sample.complete && sample.consumers.len() == 3);

    let orders = world.ledger.describe_stream(&definition("orders", 2, 1).name).await.expect("a stream");
    for (prefix, seen) in [(format!("LOG#{}", orders.stream.incarnation), 2), ("STREAM#".to_owned(), 0)] {
        world.engine.set_fate(Throttled(prefix));
        let sample = world.ledger.sample_consumers().await.expect("a sample");
        assert_eq!((sample.complete, sample.consumers.len()), (false, seen));
    }
    world.engine.set_fate(Throttled("NOTHING".to_owned()));
    // Nobody swept, so time to live takes the heads: nobody knows any more how far the logs go.
    world.clock.advance(9 * 24 * HOUR_MS);
    world.engine.sweep_expired().expect("time to live");
    let empty = definition("empty", 1, 1);
    world.ledger.create_stream(empty.clone()).await.expect("a stream");
    world.ledger.create_subscription(&empty.name, &subscription("reader"), StartFrom::Earliest).await.expect("one");
    let sample = world.ledger.sample_consumers().await.expect("a sample");
    assert_eq!((sample.complete, sample.consumers.len()), (false, 1));
    assert_eq!(of(&sample, "empty", "reader").status, Status::Ok);
}

#[tokio::test]
async fn a_sample_that_takes_too_long_ends_and_says_so() {
    let world = World::new().await;
    for name in ["a", "b"] {
        let stream = definition(name, 1, 24);
        world.ledger.create_stream(stream.clone()).await.expect("a stream");
        world.ledger.create_subscription(&stream.name, &subscription("reader"), StartFrom::Latest).await.expect("one");
    }
    // On this clock the SDK's own pauses take no time, so the time passes in the store.
    let clock = world.clock.clone();
    world.engine.set_fate(Slow(clock));
    let sample = world.ledger.sample_consumers().await.expect("a sample");
    assert!(!sample.complete && sample.consumers.len() < 2, "{}", sample.consumers.len());
}

#[tokio::test]
async fn samples_that_end_early_overlook_nobody_for_long() {
    let world = World::new().await;
    let names = ["a", "b", "c"];
    for name in names {
        let stream = definition(name, 1, 24);
        world.ledger.create_stream(stream.clone()).await.expect("a stream");
        world.ledger.create_subscription(&stream.name, &subscription("reader"), StartFrom::Latest).await.expect("one");
    }
    world.engine.set_fate(Slow(world.clock.clone()));
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        let sample = world.ledger.sample_consumers().await.expect("a sample");
        assert!(!sample.complete && sample.consumers.len() == 1, "{}", sample.consumers.len());
        seen.extend(sample.consumers.into_iter().map(|consumer| consumer.stream.as_str().to_owned()));
    }
    assert_eq!(seen, names.map(str::to_owned).into());
}

/// Each call takes most of the time that a sample has.
struct Slow(ledger::Clock);

impl Fate for Slow {
    fn decide(&self, _: &CallInfo) -> Course {
        self.0.advance(ledger::limits::SAMPLE_MS * 2 / 5);
        Course::default()
    }
}

/// Calls to partition keys that begin so are throttled.
struct Throttled(String);

impl Fate for Throttled {
    fn decide(&self, call: &CallInfo) -> Course {
        let is_meant = call.partition_keys.iter().any(|key| key.starts_with(&self.0));
        if is_meant { Decision::Before(Failure::Throttled).into() } else { Course::default() }
    }
}

#[tokio::test(start_paused = true)]
async fn a_torn_look_calls_nobody_lost() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 24).await;
    let name = subscription("reader");
    world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await.expect("a subscription");
    world.engine.set_fate(Torn(1));
    let publishing = world.ledger.publish(request(&stream, two_batches(&world.ledger)));
    let looking = async {
        world.clock.sleep(100).await;
        let described = world.ledger.describe_subscription(&stream, &name).await.expect("a subscription");
        (described.status, described.lag.events, world.ledger.sample_consumers().await.expect("a sample"))
    };
    let (published, (status, events, sample)) = tokio::join!(publishing, looking);
    assert_eq!(published.expect("places").places, [(0, 0), (0, 1)]);
    assert_eq!((status, events, of(&sample, "orders", "reader").status), (Status::Ok, 2, Status::Ok));
}

#[tokio::test]
async fn a_sample_costs_a_read_for_each_place_and_none_for_each_reader() {
    let world = World::new().await;
    let stream = world.stream(2, 24).await;
    // A stream that nobody subscribes to costs one look for subscriptions, and its partitions nothing.
    world.ledger.create_stream(definition("unread", 32, 24)).await.expect("a stream");
    for number in 0..20 {
        publish(&world.ledger, &stream, &format!("key-{number}"), "1").await.expect("a place");
    }
    for number in 0..10 {
        let start = if number < 5 { StartFrom::Earliest } else { StartFrom::Latest };
        let name = subscription(&format!("reader-{number}"));
        world.ledger.create_subscription(&stream, &name, start).await.expect("a subscription");
    }
    world.engine.record();
    let sample = world.ledger.sample_consumers().await.expect("a sample");
    assert_eq!(sample.consumers.len(), 10);
    let calls = world.engine.take_calls();
    let (read, write) = calls.iter().fold((0.0, 0.0), |sum, call| (sum.0 + call.read_units, sum.1 + call.write_units));
    // The streams, two looks for subscriptions, two heads, and the two places where five of them stand.
    assert_eq!((calls.len(), write), (7, 0.0));
    assert_eq!(read, 7.0, "ten subscriptions are within one unit of 4 KB");
}

/// Events of so many keys that each partition has some, published together.
async fn publish_everywhere(world: &World, stream: &StreamName) {
    let events = (0..500).map(|number| event(&format!("key-{number}"), "1")).collect();
    world.ledger.publish(request(stream, events)).await.expect("places");
}

#[tokio::test]
async fn a_page_of_subscriptions_reads_each_place_once_and_a_bounded_number_of_them() {
    const PARTITIONS: usize = 32;
    const SUBSCRIPTIONS: usize = 20;
    let world = World::new().await;
    let stream = world.stream(32, 24).await;
    // Each stands elsewhere than the others, in every partition.
    for number in 0..SUBSCRIPTIONS {
        publish_everywhere(&world, &stream).await;
        let name = subscription(&format!("reader-{number:02}"));
        world.ledger.create_subscription(&stream, &name, StartFrom::Latest).await.expect("a subscription");
    }
    publish_everywhere(&world, &stream).await;
    world.clock.advance(1_000);
    publish_everywhere(&world, &stream).await;
    let (mut lags, mut after, mut pages) = (Vec::new(), None, Vec::new());
    loop {
        world.engine.record();
        let page = world.ledger.list_subscriptions(&stream, after.as_deref(), 100, |_| true).await.expect("a list");
        let calls = world.engine.take_calls().len();
        assert_eq!(calls, 1 + PARTITIONS + page.items.len() * PARTITIONS, "a query, the ends, and the places");
        lags.extend(page.items.iter().map(|item| (item.lag.events, item.lag.ms)));
        pages.push(page.items.len());
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let fitting = limits::LISTING_READS / PARTITIONS;
    assert_eq!(pages, [fitting, SUBSCRIPTIONS - fitting]);
    let expected = (0..SUBSCRIPTIONS).map(|number| (500 * (SUBSCRIPTIONS + 1 - number) as u64, 1_000));
    assert_eq!(lags, expected.collect::<Vec<_>>());
    // Those that stand together are measured together.
    let many: Vec<_> = (0..30).map(|number| subscription(&format!("same-{number:02}"))).collect();
    for name in &many {
        world.ledger.create_subscription(&stream, name, StartFrom::Earliest).await.expect("a subscription");
    }
    world.engine.record();
    let page = world.ledger.list_subscriptions(&stream, Some("s"), 100, |_| true).await.expect("a list");
    assert_eq!((page.items.len(), world.engine.take_calls().len()), (30, 1 + 2 * PARTITIONS));
}

/// Reads on by an event a minute while five more are published: what it does last has a minute of its own.
async fn fall_behind(world: &World, stream: &StreamName, name: &SubscriptionName, rounds: u32) -> Status {
    let one = PageRequest { limit: 1, wait_ms: 0 };
    for _ in 0..rounds {
        world.clock.advance(61_000);
        let page = world.ledger.poll(stream, name, None, one).await.expect("a page");
        world.ledger.commit(stream, name, page.cursor).await.expect("a commit");
        let events = (0..5).map(|number| event(&format!("new-{number}"), "1")).collect();
        world.ledger.publish(request(stream, events)).await.expect("places");
    }
    world.ledger.describe_subscription(stream, name).await.expect("a subscription").status
}

#[tokio::test]
async fn what_was_before_a_seek_or_in_a_snapshot_says_nothing_of_how_the_log_is_followed() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    let events = (0..12).map(|number| event(&format!("key-{number}"), "1")).collect();
    world.ledger.publish(request(&stream, events)).await.expect("places");
    world.ledger.compact_stream(&stream).await.expect("compaction");
    let (reader, builder) = (subscription("reader"), subscription("builder"));
    world.ledger.create_subscription(&stream, &reader, StartFrom::Earliest).await.expect("a subscription");
    assert_eq!(fall_behind(&world, &stream, &reader, 11).await, Status::Warn, "in the log it counts");
    let ahead = world.ledger.poll(&stream, &reader, None, PageRequest { limit: 3, wait_ms: 0 }).await.expect("a page");
    let moved = world.ledger.seek(&stream, &reader, SeekTo::Cursor(ahead.cursor)).await.expect("it is its own");
    assert_eq!(moved.status, Status::Ok);
    world.ledger.create_subscription(&stream, &builder, StartFrom::Compacted).await.expect("a subscription");
    // After its last record a page tells that there is no more.
    fall_behind(&world, &stream, &builder, 13).await;
    let progress = world.ledger.poll(&stream, &builder, None, page()).await.expect("a page");
    assert!(!progress.snapshot, "the state was read to its end");
    assert_eq!(fall_behind(&world, &stream, &builder, 1).await, Status::Ok);
}
