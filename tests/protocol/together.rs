//! Requests of one process that share a write: each keeps its own places, receipt and trace, whatever becomes of the others.

use std::pin::pin;

use embedded::{Call, CallInfo, Course, Decision, Failure, Fate};
use futures::future::{join_all, poll_immediate};
use ledger::model::{StreamName, TraceParent};
use ledger::{Clock, Error, Ledger, PublishRequest, Published, Result, limits};

use crate::world::{START, World, event, once, page, publish, request};

/// Every answer takes a while.
struct Slow;

impl Fate for Slow {
    fn decide(&self, _: &CallInfo) -> Course {
        Course { returns_ms: 5, ..Course::default() }
    }
}

/// What becomes of writes of the log, while it is set.
struct Writes(Failure);

impl Fate for Writes {
    fn decide(&self, call: &CallInfo) -> Course {
        let is_write = ["PutItem", "TransactWriteItems"].contains(&call.operation.as_str());
        let decision = if is_write { Decision::After(self.0) } else { Decision::Proceed };
        Course { returns_ms: 5, decision, ..Course::default() }
    }
}

/// A world whose store takes its time, and a stream of one partition that was written to.
async fn world() -> (World, StreamName) {
    let world = World::on(Clock::simulated(START)).await;
    let stream = world.stream(1, 24).await;
    publish(&world.ledger, &stream, "first", "0").await.expect("a place");
    world.engine.set_fate(Slow);
    world.engine.record();
    (world, stream)
}

fn numbered(stream: &StreamName, numbers: impl IntoIterator<Item = u32>) -> PublishRequest {
    request(stream, numbers.into_iter().map(|number| event("key", &number.to_string())).collect())
}

/// All of them at once.
async fn together(ledger: &Ledger, requests: impl IntoIterator<Item = PublishRequest>) -> Vec<Result<Published>> {
    join_all(requests.into_iter().map(|request| ledger.publish(request))).await
}

fn offsets(published: &Result<Published>) -> Vec<u64> {
    published.as_ref().expect("places").places.iter().map(|(_, offset)| *offset).collect()
}

fn writes(calls: &[Call]) -> usize {
    calls.iter().filter(|call| call.operation == "PutItem" || call.operation == "TransactWriteItems").count()
}

async fn data(world: &World, stream: &StreamName) -> Vec<String> {
    world.log(stream).await.into_iter().map(|(_, _, data)| data).collect()
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_a_write_is_under_way_shares_the_next_one() {
    let (world, stream) = world().await;
    let requests = (0..20).map(|number| numbered(&stream, [2 * number, 2 * number + 1]));
    let began = world.clock.now();
    let published = together(&world.ledger, requests).await;
    for (number, published) in (0..).zip(&published) {
        assert_eq!(offsets(published), [2 * number + 1, 2 * number + 2]);
    }
    // The first found nobody, and the others waited for it. Nobody waits for anything else.
    assert_eq!((writes(&world.engine.take_calls()), world.clock.now().since(began)), (2, 10));
    let wanted: Vec<_> = [0].into_iter().chain(0..40).map(|number: u32| number.to_string()).collect();
    assert_eq!(data(&world, &stream).await, wanted);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_is_in_the_way_concerns_its_request_alone() {
    let (world, stream) = world().await;
    let keyed = |number: u32, key| once(&stream, vec![event("key", &number.to_string())], key);
    let (ledger, another) = (world.another(2), world.another(3));
    for process in [&ledger, &another] {
        publish(process, &stream, "key", "0").await.expect("a place");
    }
    // When the first of them is written, the other process has written one of those that wait; when they looked, it had not.
    let requests = async {
        world.clock.sleep(6).await;
        world.engine.record();
        let published = together(&ledger, [keyed(1, 1), keyed(2, 2), keyed(3, 3), keyed(3, 3), keyed(4, 4)]).await;
        (published, writes(&world.engine.take_calls()))
    };
    let ((published, writes), elsewhere) = tokio::join!(requests, another.publish(keyed(2, 2)));
    // Of the other process, of the first, and of two pairs of which each has a receipt in the way and goes on as one.
    assert_eq!(writes, 6);
    let (log, places) = (world.log(&stream).await, |published| offsets(published)[0]);
    let of =
        |data: &str| log.iter().filter(|(_, _, found)| found == data).map(|(_, offset, _)| *offset).collect::<Vec<_>>();
    for (number, published) in [(1, &published[0]), (2, &elsewhere), (3, &published[2]), (4, &published[4])] {
        assert_eq!(of(&number.to_string()), [places(published)], "{number} is there once, and where it was said to be");
    }
    for (repeated, place) in [(&published[1], &elsewhere), (&published[3], &published[2])] {
        assert_eq!(offsets(repeated), [places(place)]);
        assert!(repeated.as_ref().is_ok_and(|published| published.replayed));
    }
    assert_eq!(log.len(), 3 + 4);
}

#[tokio::test(start_paused = true)]
async fn whose_client_is_gone_leaves_the_others_what_they_wait_for() {
    let (world, stream) = world().await;
    let mut first = Box::pin(world.ledger.publish(numbered(&stream, [1])));
    assert!(poll_immediate(&mut first).await.is_none());
    let mut seer = Box::pin(world.ledger.publish(numbered(&stream, [2])));
    let mut other = pin!(world.ledger.publish(numbered(&stream, [3])));
    assert!(poll_immediate(&mut seer).await.is_none() && poll_immediate(&mut other).await.is_none());
    first.await.expect("a place");
    // It has the turn now and sees the write through, as far as it comes.
    for _ in 0..3 {
        assert!(poll_immediate(&mut seer).await.is_none());
        tokio::task::yield_now().await;
    }
    drop(seer);
    assert_eq!(offsets(&other.await), [3], "behind what the other had asked for");
    assert_eq!(data(&world, &stream).await, ["0", "1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_found_out_for_all_and_one_that_stays_lost_is_told_to_all() {
    let (world, stream) = world().await;
    let three = |first: u32| (first..first + 3).map(|number| numbered(&stream, [number])).collect::<Vec<_>>();
    world.engine.set_fate(Writes(Failure::Timeout));
    let asked = together(&world.ledger, three(1));
    let heal = async {
        world.clock.sleep(2_000).await;
        world.engine.set_fate(Slow);
    };
    let (published, ()) = tokio::join!(asked, heal);
    assert_eq!(published.iter().map(offsets).collect::<Vec<_>>(), [[1], [2], [3]]);

    world.engine.set_fate(Writes(Failure::Timeout));
    let published = together(&world.ledger, three(4)).await;
    assert!(published.iter().all(|answer| matches!(answer, Err(Error::OutcomeUnknown(_)))), "{published:?}");
    world.engine.set_fate(Slow);
    let found = data(&world, &stream).await;
    assert!(found.starts_with(&["0", "1", "2", "3", "4"].map(str::to_owned)), "{found:?}");
    // What comes next lies behind it, and nothing twice.
    let next = publish(&world.ledger, &stream, "key", "9").await;
    assert_eq!(offsets(&next), [found.len() as u64]);
}

#[tokio::test(start_paused = true)]
async fn a_write_takes_no_more_than_one_request_may_have() {
    let (world, stream) = world().await;
    let half = u32::try_from(limits::EVENTS_PER_REQUEST / 2).expect("few");
    let published = together(&world.ledger, (0..5).map(|_| numbered(&stream, 0..half))).await;
    assert!(published.iter().all(Result::is_ok));
    assert_eq!(writes(&world.engine.take_calls()), 3, "the first alone, and twice two of them");
}

#[tokio::test(start_paused = true)]
async fn every_record_keeps_the_trace_that_it_was_published_in() {
    let (world, stream) = world().await;
    let trace = |number: u32| TraceParent::parse(&format!("00-{number:032x}-{number:016x}-01"));
    let traced = |number| PublishRequest { traceparent: trace(number), ..numbered(&stream, [number]) };
    let requests = [1, 2, 0, 0, 3].map(traced);
    together(&world.ledger, requests).await.into_iter().for_each(|published| drop(published.expect("a place")));
    let from = ledger::ReadFrom::Start(ledger::StartFrom::Earliest);
    let read = world.ledger.read_events(&stream, from, page()).await.expect("a page");
    let traces: Vec<_> = read.records.iter().skip(1).map(|record| record.traceparent).collect();
    assert_eq!(traces, [trace(1), trace(2), None, None, trace(3)]);
    assert_eq!(writes(&world.engine.take_calls()), 2);
}
