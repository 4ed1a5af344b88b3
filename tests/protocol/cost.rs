//! What each operation costs in DynamoDB units, as the store reports it: the bill is part of the protocol.

use embedded::{Call, CallInfo, Course, Fate, Page};
use ledger::{Clock, Lease, LeaseRequest, PageRequest, StartFrom, limits};
use platform::api_key::Token;

use crate::world::{START, World, event, once, page, publish, request, subscription};

fn units(calls: &[Call]) -> (f64, f64) {
    calls.iter().fold((0.0, 0.0), |(read, write), call| (read + call.read_units, write + call.write_units))
}

fn kilobytes(bytes: usize, unit: usize) -> f64 {
    f64::from(u32::try_from(bytes.div_ceil(unit)).expect("small"))
}

#[tokio::test]
async fn publishing_costs_its_item_and_the_head() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    publish(&world.ledger, &stream, "a", "0").await.expect("a place");
    // Text that does not compress, so that sizes are what they seem.
    let text = |length| format!("\"{}\"", world.ledger.randomness().base62(length));
    // One process of many does not know what others have written since.
    let ledger = world.another(2);
    publish(&ledger, &stream, "a", "0").await.expect("a place");
    let mut head = 300;
    for length in [100, 1_500, 5_000, 20_000] {
        world.engine.record();
        publish(&ledger, &stream, "a", &text(length)).await.expect("a place");
        let calls = world.engine.take_calls();
        let names: Vec<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
        assert_eq!(names, ["Query", "PutItem"], "{length}");
        let (read, write) = units(&calls);
        // base62 has six bits in eight, which zstd finds; attributes and key add about 250 bytes.
        let item = length * 3 / 4 + 300;
        assert!((kilobytes(item, 1024) - write).abs() <= 1.0, "{length}: {write} write units for about {item} bytes");
        assert!((kilobytes(head, 4096) - read).abs() <= 1.0, "{length}: {read} read units for about {head} bytes");
        head = item;
    }
}

#[tokio::test]
async fn a_process_that_is_alone_reads_a_head_once() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    world.engine.record();
    for number in 0..3 {
        publish(&world.ledger, &stream, "a", &number.to_string()).await.expect("a place");
    }
    let calls = world.engine.take_calls();
    let names: Vec<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(names, ["GetItem", "Query", "TransactWriteItems", "PutItem", "PutItem"]);
}

#[tokio::test]
async fn twenty_five_events_cost_a_few_units_and_not_twenty_five() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    publish(&world.ledger, &stream, "a", "0").await.expect("a place");
    let events = (0..25).map(|number| {
        let line =
            format!("\"order {number} of customer {}: {}\"", number % 7, "two books, paid, shipped. ".repeat(20));
        event(&format!("order-{number}"), &line)
    });
    world.engine.record();
    world.ledger.publish(request(&stream, events.collect())).await.expect("places");
    let (_, write) = units(&world.engine.take_calls());
    assert!(write <= 4.0, "{write} write units");
}

#[tokio::test]
async fn an_idle_poll_costs_one_read_unit_for_each_partition() {
    for partitions in [1, 3] {
        let world = World::new().await;
        let stream = world.stream(partitions, 24).await;
        let name = subscription("reader");
        world.ledger.create_subscription(&stream, &name, StartFrom::Latest).await.expect("a subscription");
        let idle = world.ledger.poll(&stream, &name, None, page()).await.expect("a page");
        world.engine.record();
        let idle = world.ledger.poll(&stream, &name, Some(idle.cursor), page()).await.expect("a page");
        assert_eq!(units(&world.engine.take_calls()), (partitions as f64, 0.0));
        // Without a cursor the committed positions are read as well.
        world.engine.record();
        world.ledger.poll(&stream, &name, None, page()).await.expect("a page");
        assert_eq!(units(&world.engine.take_calls()), (partitions as f64 + 1.0, 0.0));
        drop(idle);
    }
}

#[tokio::test]
async fn the_lag_of_a_page_costs_a_head_only_where_the_page_was_cut() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    let name = subscription("reader");
    world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await.expect("a subscription");
    for number in 0..3 {
        publish(&world.ledger, &stream, "a", &number.to_string()).await.expect("a place");
    }
    let first = world.ledger.poll(&stream, &name, None, PageRequest { limit: 1, wait_ms: 0 }).await.expect("a page");
    assert_eq!(first.lag.events, 2);
    world.engine.record();
    let cut = PageRequest { limit: 1, wait_ms: 0 };
    let second = world.ledger.poll(&stream, &name, Some(first.cursor), cut).await.expect("a page");
    assert_eq!((second.lag.events, units(&world.engine.take_calls())), (1, (2.0, 0.0)));
    world.engine.record();
    let last = world.ledger.poll(&stream, &name, Some(second.cursor), page()).await.expect("a page");
    assert_eq!((last.lag.events, units(&world.engine.take_calls())), (0, (1.0, 0.0)));
}

#[tokio::test]
async fn a_commit_costs_one_write_unit() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    let name = subscription("reader");
    world.ledger.create_subscription(&stream, &name, StartFrom::Earliest).await.expect("a subscription");
    publish(&world.ledger, &stream, "a", "1").await.expect("a place");
    let read = world.ledger.poll(&stream, &name, None, page()).await.expect("a page");
    world.engine.record();
    assert!(world.ledger.commit(&stream, &name, read.cursor).await.expect("a commit").advanced);
    let (read, write) = units(&world.engine.take_calls());
    // The subscription and the head of the one partition, for the ratchet and the lag.
    assert_eq!((read, write), (2.0, 1.0));
}

#[tokio::test]
async fn compaction_costs_a_unit_for_each_small_key_and_one_for_the_watermark() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    let events = (0..40).map(|number| event(&format!("key-{}", number % 20), &number.to_string()));
    world.ledger.publish(request(&stream, events.collect())).await.expect("places");
    world.engine.record();
    world.ledger.compact_stream(&stream).await.expect("compaction");
    let (_, write) = units(&world.engine.take_calls());
    assert_eq!(write, 21.0, "twenty keys and the watermark");
}

#[tokio::test]
async fn compaction_moves_the_watermark_before_it_holds_too_much_and_goes_on() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    let compact = async || {
        world.engine.record();
        let reached = world.ledger.compact_stream(&stream).await.expect("compaction")[0].watermark;
        let calls = world.engine.take_calls();
        (reached, calls.iter().filter(|call| call.operation == "UpdateItem").count())
    };
    // Many bytes of one key; compressed they are small.
    let large = format!("\"{}\"", "x".repeat(limits::DATA_BYTES - 2));
    let large_events = limits::COMPACTION_ROUND_BYTES / limits::DATA_BYTES + 3;
    for _ in 0..large_events {
        publish(&world.ledger, &stream, "a", &large).await.expect("a place");
    }
    assert_eq!(compact().await, (large_events as u64, 2));
    // Few bytes of many keys.
    let keys: Vec<_> =
        (0..limits::COMPACTION_ROUND_KEYS + 200).map(|number| event(&format!("key-{number}"), "1")).collect();
    for some in keys.chunks(200) {
        world.ledger.publish(request(&stream, some.to_vec())).await.expect("places");
    }
    assert_eq!(compact().await, ((large_events + keys.len()) as u64, 2));
}

/// Whatever the store is asked takes a while.
struct Slow;

impl Fate for Slow {
    fn decide(&self, _: &CallInfo) -> Course {
        Course { returns_ms: 5, ..Course::default() }
    }
}

/// The store answers no more than an item at a time.
struct Cut;

impl Fate for Cut {
    fn decide(&self, _: &CallInfo) -> Course {
        Course { page: Page::Cut(1), ..Course::default() }
    }
}

#[tokio::test]
async fn keys_that_nobody_asked_for_cost_a_bounded_number_of_reads() {
    let world = World::new().await;
    let stream = world.stream(2, 24).await;
    let events = (0..30).map(|number| event(&format!("order-{number}"), "1")).collect();
    world.ledger.publish(request(&stream, events)).await.expect("places");
    world.ledger.compact_stream(&stream).await.expect("compaction");
    world.engine.set_fate(Cut);
    let (mut cursor, mut found, mut pages) = (None, 0, 0);
    loop {
        world.engine.record();
        let page = world.ledger.list_compacted(&stream, cursor, "order-29", 100).await.expect("a page");
        let queries = world.engine.take_calls().iter().filter(|call| call.operation == "Query").count();
        assert!(queries <= limits::STATE_PAGES, "{queries} queries for one page");
        (found, pages, cursor) = (found + page.records.len(), pages + 1, page.cursor);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((found, pages), (1, 4), "thirty items, eight at a time");
}

#[tokio::test(start_paused = true)]
async fn publishers_of_one_process_share_writes_instead_of_racing() {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(4, 24).await;
    world.engine.set_fate(Slow);
    world.engine.record();
    let keys: Vec<String> = (0..24).map(|number| format!("key-{number}")).collect();
    let published = futures::future::join_all(keys.iter().map(|key| publish(&world.ledger, &stream, key, "1"))).await;
    assert!(published.iter().all(Result::is_ok), "{published:?}");
    let calls = world.engine.take_calls();
    let writes = calls.iter().filter(|call| call.operation == "PutItem" || call.operation == "TransactWriteItems");
    // For each partition that of who came first, and one that all others share.
    assert_eq!(writes.count(), 8, "no slot was fought for");
}

#[tokio::test]
async fn an_idempotent_publish_costs_a_transaction() {
    let world = World::new().await;
    let stream = world.stream(1, 24).await;
    publish(&world.ledger, &stream, "a", "0").await.expect("a place");
    world.engine.record();
    world.ledger.publish(once(&stream, vec![event("a", "1")], 1)).await.expect("a place");
    let (_, write) = units(&world.engine.take_calls());
    // DynamoDB bills each item of a transaction twice: the record batch and the receipt.
    assert_eq!(write, 4.0);
    // Whoever asks again looks at the receipt and the head, whatever came after it.
    for number in 0..50 {
        publish(&world.ledger, &stream, "a", &number.to_string()).await.expect("a place");
    }
    world.engine.record();
    assert!(world.ledger.publish(once(&stream, vec![event("a", "1")], 1)).await.expect("a place").replayed);
    let calls = world.engine.take_calls();
    assert_eq!((calls.len(), units(&calls)), (2, (2.0, 0.0)), "{calls:?}");
}

#[tokio::test]
async fn a_bootstrap_that_begins_costs_one_write_unit() {
    let world = World::new().await;
    let (stream, name) = world.state_of_a().await;
    let first = world.ledger.poll(&stream, &name, None, page()).await.expect("a page");
    world.engine.record();
    world.ledger.poll(&stream, &name, None, page()).await.expect("another bootstrap");
    assert_eq!(units(&world.engine.take_calls()).1, 1.0);
    world.ledger.poll(&stream, &name, Some(first.cursor), page()).await.expect("the first goes on");
    assert_eq!(units(&world.engine.take_calls()).1, 0.0);
}

#[tokio::test]
async fn a_lease_costs_one_write_unit_and_expires() {
    let world = World::new().await;
    let forgotten_at = world.clock.now().plus(crate::world::HOUR_MS);
    let request = LeaseRequest { key_id: "key", quota: "events", window: 7, tokens: 60, capacity: 100, forgotten_at };
    world.engine.record();
    let lease = world.ledger.lease(&request).await.expect("an answer");
    assert_eq!((lease, units(&world.engine.take_calls())), (Lease { granted: true, leased: 60 }, (0.0, 1.0)));
    let refused = Lease { granted: false, leased: 60 };
    assert_eq!(world.ledger.lease(&request).await.expect("an answer"), refused);
    let rest = LeaseRequest { tokens: 40, ..request };
    assert_eq!(world.ledger.lease(&rest).await.expect("an answer"), Lease { granted: true, leased: 100 });
    let whole = LeaseRequest { window: 8, tokens: 101, ..request };
    assert_eq!(world.ledger.lease(&whole).await.expect("an answer"), Lease { granted: false, leased: 0 });
    world.clock.advance(2 * crate::world::HOUR_MS);
    assert_eq!(world.engine.sweep_expired().expect("time to live"), 1);
}

#[tokio::test]
async fn noting_the_use_of_a_key_costs_one_write_unit() {
    let world = World::new().await;
    let key = Token::mint(world.ledger.randomness(), "test").record("a team", &["poll:*"], world.clock.now());
    world.ledger.create_api_key(&key).await.expect("a key");
    world.engine.record();
    world.ledger.note_api_key_use(&key.id).await;
    assert_eq!(units(&world.engine.take_calls()), (0.0, 1.0));
    world.ledger.api_keys_epoch().await.expect("a read");
    world.ledger.find_api_key(&key.id).await.expect("a read");
    let calls = world.engine.take_calls();
    // DynamoDB bills the look at an absent item too; the embedded engine may not.
    assert!(units(&calls).0 <= 2.0 && calls.len() == 2, "{calls:?}");
}

#[tokio::test]
async fn listing_keys_costs_a_read_unit_for_each_and_one_for_their_lists() {
    let world = World::new().await;
    for client in ["audit", "billing", "billing"] {
        let key = Token::mint(world.ledger.randomness(), "test").record(client, &["poll:*"], world.clock.now());
        world.ledger.create_api_key(&key).await.expect("a key");
    }
    world.engine.record();
    assert_eq!(world.ledger.list_api_keys().await.expect("a list").len(), 3);
    assert_eq!(units(&world.engine.take_calls()), (4.0, 0.0));
}

#[tokio::test]
async fn deleting_what_expired_is_free() {
    let world = World::new().await;
    let stream = world.stream(1, 1).await;
    for number in 0..3 {
        publish(&world.ledger, &stream, "a", &number.to_string()).await.expect("a place");
    }
    world.clock.advance(30 * 24 * crate::world::HOUR_MS);
    world.engine.record();
    assert_eq!(world.engine.sweep_expired().expect("time to live"), 3);
    assert_eq!(units(&world.engine.take_calls()), (0.0, 0.0));
}

#[tokio::test]
async fn a_table_that_is_there_costs_one_call_whatever_it_holds() {
    let world = World::new().await;
    world.engine.record();
    ledger::table::create_if_absent(&world.engine.client(), "eventledger").await.expect("a table");
    let calls = world.engine.take_calls();
    assert_eq!(calls.iter().map(|call| call.operation.as_str()).collect::<Vec<_>>(), ["DescribeTimeToLive"]);
}
