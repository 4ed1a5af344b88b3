//! S: compacted state and the bootstrap from it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::oracle::{State, apply, assert_dense, essence, fold};
use tests::stream::list;
use tests::{Api, Stream};

/// Changes and deletes over a few keys, and events without a key between them.
async fn with_history(api: &Api, base: &str, partition_count: u32) -> Stream {
    let stream = Stream::define(api, base, json!({ "partition_count": partition_count })).await;
    for round in 0..6_u64 {
        let changes = (0..20).map(|key| {
            let data = if (key + round) % 5 == 0 { Value::Null } else { json!({ "round": round }) };
            json!({ "key": format!("{}-{key}", ["user", "order"][key as usize % 2]), "type": "a", "data": data })
        });
        let events: Vec<Value> = changes.chain([json!({ "type": "keyless", "data": round })]).collect();
        stream.publish(json!(events)).await;
    }
    stream
}

fn by_key(records: &[Value]) -> State {
    let state: State =
        records.iter().map(|one| (one["key"].as_str().expect("a key").to_owned(), essence(one))).collect();
    assert_eq!(state.len(), records.len(), "a key was listed twice");
    state
}

#[tokio::test]
async fn s1_compacted_state_is_the_fold_of_the_log() {
    let api = Api::start().await;
    for partition_count in [1, 4] {
        let stream = with_history(&api, &format!("s1-{partition_count}"), partition_count).await;
        let watermarks = stream.compact().await["partitions"].take();
        let tails = stream.partitions().await;
        for (watermark, described) in list(&watermarks).iter().zip(list(&tails)) {
            assert_eq!(watermark["watermark"], described["tail"], "compacting reaches the tail");
            assert_eq!(watermark["watermark"], described["watermark"]);
        }
        let expected = fold(&stream.log(1000).await);
        assert!(expected.len() > 10);
        for limit in [1, 7, 1000] {
            assert_eq!(by_key(&stream.compacted("", limit).await), expected, "in pages of {limit}");
        }
        let users: State = expected.into_iter().filter(|(key, _)| key.starts_with("user-1")).collect();
        assert_eq!(by_key(&stream.compacted("&prefix=user-1", 2).await), users);
        assert_eq!(stream.compacted("&prefix=nobody", 2).await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn s2_a_key_has_its_latest_record_or_none() {
    let api = Api::start().await;
    let stream = Stream::create(&api, "s2").await;
    stream.publish(json!([{ "key": "a", "type": "t", "data": 1 }, { "key": "b", "type": "t", "data": 1 }])).await;
    stream.publish(json!([{ "key": "a", "type": "t", "data": 2 }])).await;
    stream.publish(json!([{ "key": "b", "type": "t", "data": null }])).await;
    stream.compact().await;
    let found = stream.get("/compacted/a").await;
    assert_eq!(essence(&found.ok(200)), stream.log(10).await[2]);
    let tag = found.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "an entity tag, not {tag:?}");
    let again = api.request("GET", stream.path("/compacted/a")).header("if-none-match", tag.clone());
    let again = again.send().await;
    assert_eq!((again.status.as_u16(), again.header("etag"), again.body.len()), (304, tag.as_str(), 0));
    stream.get("/compacted/b").await.problem(404, "key_not_found");
    stream.get("/compacted/c").await.problem(404, "key_not_found");
    stream.publish(json!([{ "key": "a", "type": "t", "data": 3 }])).await;
    stream.compact().await;
    let changed = api.request("GET", stream.path("/compacted/a")).header("if-none-match", tag.clone()).send().await;
    assert_eq!(changed.ok(200)["data"], 3);
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn s3_compaction_leaves_the_log_alone() {
    let api = Api::start().await;
    let stream = with_history(&api, "s3", 2).await;
    let before = stream.log(1000).await;
    stream.compact().await;
    stream.compact().await;
    assert_eq!(stream.log(7).await.len(), before.len());
    assert_eq!(stream.log(1000).await, before);
    assert_dense(&before);
}

#[tokio::test]
async fn s4_a_bootstrap_is_the_state_and_then_the_log() {
    let api = Api::start().await;
    for (partition_count, limit) in [(1, 1000), (1, 1), (4, 3)] {
        let stream = with_history(&api, &format!("s4-{partition_count}-{limit}"), partition_count).await;
        stream.compact().await;
        // Not compacted any more: these come from the log.
        stream.publish(json!([{ "key": "user-0", "type": "t", "data": "late" }])).await;
        stream.publish(json!([{ "key": "order-1", "type": "t", "data": null }])).await;
        stream.subscribe("reader", json!("compacted")).await;
        let (mut state, mut seen) = (State::new(), BTreeMap::new());
        let mut snapshot_ended = false;
        loop {
            let page = stream.poll("reader", &format!("?limit={limit}")).await;
            let events = list(&page["events"]);
            for event in &events {
                let snapshot = event["snapshot"] == true;
                assert!(!(snapshot && snapshot_ended), "a snapshot after the log began: {event}");
                assert!(!(snapshot && event["data"].is_null()), "a snapshot tells of what is there: {event}");
                snapshot_ended |= !snapshot;
            }
            apply(&mut state, &mut seen, &events);
            stream.commit("reader", &page).await;
            if page["phase"] == "snapshot" {
                assert_eq!(page["caught_up"], false, "a snapshot is not the end");
            } else if page["caught_up"] == true {
                break;
            }
        }
        // A server's own compactor may have been faster.
        assert!(snapshot_ended || !api.in_this_process(), "what was not compacted comes from the log");
        assert_eq!(state, fold(&stream.log(1000).await), "{partition_count} partitions, pages of {limit}");
        // And then it follows, in the same cursor.
        stream.publish(json!([{ "key": "user-2", "type": "t", "data": "after" }])).await;
        apply(&mut state, &mut seen, &stream.drain("reader", 10).await);
        assert_eq!(state, fold(&stream.log(1000).await));
    }
}

#[tokio::test]
async fn s5_a_bootstrap_that_is_not_committed_begins_again() {
    let api = Api::start().await;
    let stream = with_history(&api, "s5", 1).await;
    stream.compact().await;
    stream.subscribe("reader", json!("compacted")).await;
    let first = stream.poll("reader", "?limit=5").await;
    assert_eq!((&first["phase"], list(&first["events"]).len()), (&json!("snapshot"), 5));
    assert_eq!(stream.poll("reader", "?limit=5").await["events"], first["events"]);
    assert!(stream.commit("reader", &first).await);
    assert_eq!(stream.get("/subscriptions/reader").await.ok(200)["phase"], "snapshot");
    let mut state = list(&first["events"]);
    state.extend(stream.drain("reader", 5).await);
    assert_eq!(fold(&state), fold(&stream.log(1000).await));
    assert_eq!(stream.get("/subscriptions/reader").await.ok(200)["phase"], "live");
    // And a seek begins a new one.
    let _ = stream.seek("reader", json!("compacted")).await.ok(200);
    assert_eq!(fold(&stream.drain("reader", 1000).await), fold(&stream.log(1000).await));
}

#[tokio::test]
async fn s6_a_stream_without_compaction_has_no_state() {
    let api = Api::start().await;
    let stream = Stream::define(&api, "s6", json!({ "compaction": false })).await;
    stream.publish_numbered(0..2).await;
    let bootstrap = json!({ "subscription_id": "reader", "start_from": "compacted" });
    stream.post("/subscriptions", bootstrap).await.problem(422, "validation_failed");
    stream.post("/compact", json!({})).await.problem(422, "validation_failed");
    stream.get("/compacted").await.problem(422, "validation_failed");
    stream.get("/compacted/key-0").await.problem(422, "validation_failed");
    stream.subscribe("reader", json!("earliest")).await;
    stream.seek("reader", json!("compacted")).await.problem(422, "validation_failed");
    assert_eq!(stream.drain("reader", 10).await.len(), 2);
}
