//! C: what a commit does, and what a seek does to commits.

use serde_json::{Value, json};
use tests::oracle::offsets;
use tests::stream::{list, numbered};
use tests::{Api, Stream};

async fn with_events(api: &Api, base: &str, count: u64) -> Stream {
    let stream = Stream::create(api, base).await;
    stream.subscribe("reader", json!("earliest")).await;
    stream.publish_numbered(0..count).await;
    stream
}

#[tokio::test]
async fn c1_what_is_not_committed_comes_again() {
    let api = Api::start().await;
    let stream = with_events(&api, "c1", 6).await;
    let first = stream.poll("reader", "?limit=2").await;
    assert_eq!(stream.poll("reader", "?limit=2").await["events"], first["events"]);
    let answer = stream.try_commit("reader", &first).await.ok(200);
    assert_eq!((&answer["advanced"], &answer["lag"]["events"]), (&json!(true), &json!(4)));
    let described = stream.get("/subscriptions/reader").await.ok(200);
    assert_eq!(described["lag"]["events"], 4);
    assert!(described["last_commit_at"].is_string(), "{described}");
    assert_eq!(offsets(&list(&stream.poll("reader", "").await["events"]))[&0], [2, 3, 4, 5]);
}

#[tokio::test]
async fn c2_a_commit_never_goes_back() {
    let api = Api::start().await;
    let stream = with_events(&api, "c2", 6).await;
    let (early, late) = (stream.poll("reader", "?limit=2").await, stream.poll("reader", "?limit=5").await);
    assert!(stream.commit("reader", &late).await);
    assert!(!stream.commit("reader", &late).await, "the same again moves nothing");
    assert!(!stream.commit("reader", &early).await, "an older one moves nothing");
    assert_eq!(offsets(&list(&stream.poll("reader", "").await["events"]))[&0], [5]);
}

#[tokio::test]
async fn c3_crossing_commits_are_joined() {
    // In process: time stands still, so a page of one event cannot depend on when which was published.
    let api = Api::in_process().await;
    let mut crossed = false;
    for (attempt, order) in [[0, 1], [1, 0]].into_iter().enumerate() {
        let stream = Stream::define(&api, &format!("c3-{attempt}"), json!({ "partition_count": 2 })).await;
        let keys = keys_of_both_partitions(&stream).await;
        stream.subscribe("reader", json!("latest")).await;
        // Two readers of one subscription: the first saw only the first event, the second perhaps only the other one.
        let mut pages = Vec::new();
        for partition in order {
            stream.publish(json!([{ "key": keys[partition], "type": "mine", "data": 1 }])).await;
            pages.push(stream.poll("reader", "?limit=1").await);
        }
        if pages[0]["events"] == pages[1]["events"] {
            continue;
        }
        crossed = true;
        assert!(stream.commit("reader", &pages[1]).await);
        assert!(stream.commit("reader", &pages[0]).await, "each was ahead of the other in one partition");
        assert!(!stream.commit("reader", &pages[1]).await);
        assert_eq!(stream.poll("reader", "").await["events"], json!([]), "both partitions are passed");
    }
    assert!(crossed, "no order of publishing made the positions cross");
}

/// A key in each of the two partitions of a stream.
async fn keys_of_both_partitions(stream: &Stream) -> [String; 2] {
    let events: Vec<Value> = (0..64).map(numbered).collect();
    let receipts = stream.publish(json!(events)).await;
    [0, 1].map(|partition| {
        let number = receipts.iter().position(|receipt| receipt["partition"] == partition);
        format!("key-{}", number.expect("64 keys fall into both partitions"))
    })
}

#[tokio::test]
async fn c4_a_seek_moves_anywhere_and_ends_older_cursors() {
    let api = Api::start().await;
    let stream = with_events(&api, "c4", 6).await;
    let old = stream.poll("reader", "?limit=3").await;
    assert!(stream.commit("reader", &old).await);
    let before = stream.get("/subscriptions/reader").await.ok(200)["generation"].clone();
    let moved = stream.seek("reader", json!("earliest")).await.ok(200);
    assert_ne!(moved["generation"], before);
    stream.try_commit("reader", &old).await.problem(409, "generation_mismatch");
    let again = stream.poll("reader", "?limit=3").await;
    assert_eq!(again["events"], old["events"]);
    assert!(stream.commit("reader", &again).await);
    // Back to a cursor of an older generation, which is what an operator has in a log of their own.
    let _ = stream.seek("reader", json!("latest")).await.ok(200);
    assert_eq!(stream.poll("reader", "").await["events"], json!([]));
    let _ = stream.seek("reader", json!({ "cursor": old["cursor"] })).await.ok(200);
    assert_eq!(offsets(&list(&stream.poll("reader", "").await["events"]))[&0], [3, 4, 5]);
}

#[tokio::test]
async fn c5_lag_counts_what_is_not_committed() {
    let api = Api::in_process().await;
    let stream = with_events(&api, "c5", 4).await;
    api.app().clock.advance(5_000);
    let listed = stream.get("/subscriptions").await.ok(200);
    let one = &list(&listed["subscriptions"])[0];
    assert_eq!(one["subscription_id"], "reader");
    assert_eq!(one["lag"]["events"], 4);
    assert!(one["lag"]["ms"].as_u64().is_some_and(|ms| ms >= 5_000), "{one}");
    let events: Vec<Value> = stream.drain("reader", 100).await;
    assert_eq!(events.len(), 4);
    let described = stream.get("/subscriptions/reader").await.ok(200);
    assert_eq!(described["lag"], json!({ "events": 0, "ms": 0 }));
}

#[tokio::test]
async fn c6_a_status_says_how_the_reader_does() {
    let api = Api::in_process().await;
    let stream = with_events(&api, "c6", 4).await;
    let status = async || stream.get("/subscriptions/reader").await.ok(200)["status"].clone();
    let minutes = |minutes: u64| api.app().clock.advance(minutes * 60_000);
    assert_eq!(status().await, "OK");
    minutes(10);
    assert_eq!(status().await, "STOP");
    let page = stream.poll("reader", "").await;
    assert_eq!(status().await, "STALL");
    assert!(stream.commit("reader", &page).await);
    assert_eq!(status().await, "OK");
    minutes(60);
    assert_eq!(status().await, "IDLE");
    stream.poll("reader", "").await;
    assert_eq!(status().await, "OK");
    // However long it had nothing to commit, it is not accused the moment that something comes.
    stream.publish(json!([numbered(4)])).await;
    assert_eq!(status().await, "OK");
    let _ = stream.seek("reader", json!("earliest")).await.ok(200);
    assert_eq!(status().await, "REWIND");
    minutes(360 * 60);
    assert_eq!(status().await, "LOST");
}
