//! Many clients at once, at the HTTP boundary: nothing is lost, doubled or reordered, whoever meets whom.
//!
//! The threads of a real runtime decide who meets whom, so these tests find what a deterministic schedule does not; the
//! rest is for other tests. What they insist on holds for every schedule.

use std::collections::BTreeMap;

use platform::access::{Allowance, Quotas};
use serde_json::{Value, json};
use tests::oracle::{State, apply, assert_dense, assert_same_places, fold};
use tests::stream::list;
use tests::{Api, Stream};

/// Publishes as an eager client does: again with the same key until it is known what became of it.
async fn publish(stream: &Stream, events: &Value, key: &str) -> Vec<Value> {
    let body = json!({ "events": events }).to_string();
    for _ in 0..200 {
        let request = stream.api.request("POST", stream.path("/events")).header("idempotency-key", key);
        let answer = request.json(body.clone()).send().await;
        if answer.status == 201 {
            return list(&answer.json()["events"]);
        }
        assert!(matches!(answer.status.as_u16(), 409 | 503), "{}: {}", answer.what, answer.text());
        tokio::task::yield_now().await;
    }
    panic!("no outcome after 200 attempts");
}

/// The same stream through three processes of a fleet; through the one there is, when it runs elsewhere.
fn through_processes(api: &Api, stream: &Stream) -> Vec<Stream> {
    if !api.in_this_process() {
        return vec![stream.clone()];
    }
    let through = |number| stream.seen_by(&api.answered_by(api.app().another_process(Quotas::default(), number)));
    (2..5).map(through).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_publishers_share_one_partition() {
    let api = Api::start().await;
    let stream = Stream::create(&api, "publishers").await;
    let processes = through_processes(&api, &stream);
    let publishers = (0..20_u64).map(|publisher| {
        // Within a process they take turns; processes race for each slot.
        let stream = processes[publisher as usize % processes.len()].clone();
        tokio::spawn(async move {
            let mut receipts = Vec::new();
            for number in 0..10_u64 {
                let event = |part: u64| json!({ "key": format!("{publisher}"), "type": "a", "data": [number, part] });
                let events = json!([event(0), event(1), event(2)]);
                let key = format!("{publisher}-{number}");
                let places = publish(&stream, &events, &key).await;
                let offsets: Vec<u64> = places.iter().filter_map(|place| place["offset"].as_u64()).collect();
                assert!(offsets.windows(2).all(|pair| pair[1] == pair[0] + 1), "a torn request: {offsets:?}");
                receipts.extend(places);
            }
            receipts
        })
    });
    let mut receipts = Vec::new();
    for publisher in publishers.collect::<Vec<_>>() {
        receipts.extend(publisher.await.expect("a publisher ends well"));
    }
    let log = stream.log(1000).await;
    assert_eq!(log.len(), 600);
    assert_dense(&log);
    assert_same_places(&receipts, &log);
    for publisher in 0..20_u64 {
        let own = log.iter().filter(|event| event["key"] == format!("{publisher}"));
        let read: Vec<Value> = own.map(|event| event["data"].clone()).collect();
        let sent: Vec<Value> = (0..10).flat_map(|number| (0..3).map(move |part| json!([number, part]))).collect();
        assert_eq!(read, sent, "what publisher {publisher} sent, in the order it was sent");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bootstrap_is_exact_while_four_writers_change_and_delete() {
    let api = Api::start().await;
    let stream = Stream::define(&api, "bootstrap", json!({ "partition_count": 3 })).await;
    let first: Vec<Value> =
        (0..200).map(|key| json!({ "key": format!("key-{key}"), "type": "a", "data": "old" })).collect();
    stream.publish(json!(first)).await;
    stream.compact().await;

    let writers = (0..4_u64).map(|writer| {
        let stream = stream.clone();
        tokio::spawn(async move {
            for round in 0..25_u64 {
                let change = |step: u64| {
                    let key = (writer * 61 + round * 17 + step * 7) % 220;
                    let data = if (round + step).is_multiple_of(4) { Value::Null } else { json!([writer, round]) };
                    json!({ "key": format!("key-{key}"), "type": "a", "data": data })
                };
                let events = json!([change(0), change(1), change(2)]);
                publish(&stream, &events, &format!("{writer}-{round}")).await;
                if round % 8 == writer {
                    stream.compact().await;
                }
            }
        })
    });
    let writers: Vec<_> = writers.collect();

    stream.subscribe("reader", json!("compacted")).await;
    let (mut state, mut seen) = (State::new(), BTreeMap::new());
    let mut pages = 0;
    while !read_page(&stream, &mut state, &mut seen).await || !writers.iter().all(tokio::task::JoinHandle::is_finished)
    {
        pages += 1;
    }
    for writer in writers {
        writer.await.expect("a writer ends well");
    }
    while !read_page(&stream, &mut state, &mut seen).await {}
    assert!(pages > 1, "the bootstrap was meant to take several pages");
    assert_eq!(state, fold(&stream.log(1000).await), "what was built is what the log adds up to");
    assert!(state.len() > 50, "the writers were meant to leave something");
}

/// Reads and commits one small page; tells whether that was the end for now.
async fn read_page(stream: &Stream, state: &mut State, seen: &mut BTreeMap<String, u64>) -> bool {
    let page = stream.poll("reader", "?limit=10").await;
    apply(state, seen, &list(&page["events"]));
    stream.commit("reader", &page).await;
    page["caught_up"] == true && page["phase"] == "live"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_from_all_sides_gets_one_quota() {
    let quotas = Quotas::uniform(Allowance::new(160, 1_600), Allowance::new(1_000, 1_000));
    let api = Api::with_quotas(quotas).await;
    let key = api.with_scopes(&["poll:*"]).await;
    let mut asking = Vec::new();
    for number in 0..4 {
        let process = key.answered_by(api.app().another_process(quotas, number));
        asking.extend((0..16).map(|_| {
            let process = process.clone();
            tokio::spawn(async move {
                let mut granted = 0;
                for _ in 0..50 {
                    granted += u32::from(process.get("/streams").await.status == 200);
                }
                granted
            })
        }));
    }
    let mut granted = 0;
    for task in asking {
        granted += task.await.expect("a task ends well");
    }
    // The clock stands still. Each process may grant ten that it has not leased.
    assert!((1_600..=1_600 + 4 * 10).contains(&granted), "{granted} of 1600");
}
