//! P: what a publisher is promised.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::oracle::{assert_dense, assert_same_places};
use tests::stream::{list, numbered};
use tests::{Api, Stream};

#[tokio::test]
async fn p1_an_acknowledged_event_can_be_read_at_once() {
    let api = Api::start().await;
    let stream = Stream::create(&api, "p1").await;
    stream.subscribe("reader", json!("earliest")).await;
    for number in 0..5 {
        let receipt = stream.publish(json!([numbered(number)])).await.remove(0);
        assert_eq!(receipt, json!({ "id": format!("0-{number}"), "partition": 0, "offset": number }));
        let read = list(&stream.poll("reader", "?limit=1000").await["events"]);
        assert_eq!(read.len() as u64, number + 1);
        assert_eq!(read.last().expect("the newest event")["data"], json!({ "number": number }));
        assert_eq!(stream.log(1000).await, read);
    }
}

#[tokio::test]
async fn p2_receipts_come_in_the_order_of_the_request() {
    let api = Api::start().await;
    let stream = Stream::define(&api, "p2", json!({ "partition_count": 8 })).await;
    let mut receipts = Vec::new();
    for request in 0..4 {
        let events: Vec<Value> = (0..50).map(|number| numbered(request * 50 + number)).collect();
        receipts.extend(stream.publish(json!(events)).await);
    }
    let log = stream.log(1000).await;
    assert_dense(&log);
    assert_same_places(&receipts, &log);
    for (number, receipt) in receipts.iter().enumerate() {
        let event = log.iter().find(|event| event["id"] == receipt["id"]).expect("the event of a receipt");
        assert_eq!(event["data"]["number"], json!(number), "receipt {number} names another event");
    }
}

#[tokio::test]
async fn p2_a_single_event_needs_no_list() {
    let api = Api::start().await;
    let stream = Stream::create(&api, "p2-single").await;
    let answer = stream.post("/events", json!({ "type": "a", "data": 1 })).await.ok(201);
    assert_eq!(answer, json!({ "events": [{ "id": "0-0", "partition": 0, "offset": 0 }], "replayed": false }));
    let given = json!({ "id": "my-id", "type": "a", "data": 2, "time": "2026-01-31T12:00:00.5+01:00",
        "headers": { "b": "1", "a": "ü" } });
    assert_eq!(stream.post("/events", given).await.ok(201)["events"][0]["id"], "my-id");
    let event = stream.log(10).await.remove(1);
    assert_eq!((&event["id"], &event["time"]), (&json!("my-id"), &json!("2026-01-31T12:00:00.5+01:00")));
    assert_eq!(event["headers"], json!({ "a": "ü", "b": "1" }));
    assert!(event.get("key").is_none_or(Value::is_null), "no key was given");
}

#[tokio::test]
async fn p3_a_request_is_stored_whole_or_not_at_all() {
    let api = Api::start().await;
    let stream = Stream::define(&api, "p3", json!({ "partition_count": 8 })).await;
    let mut events: Vec<Value> = (0..100).map(numbered).collect();
    events[99]["type"] = json!("not a type");
    let problem = stream.post("/events", json!({ "events": events })).await.problem(422, "validation_failed");
    assert!(problem["errors"][0]["pointer"].as_str().is_some_and(|pointer| pointer.starts_with("/events/99/")));
    assert_eq!(stream.log(1000).await, Vec::<Value>::new());

    events[99]["type"] = json!("a.type");
    let receipts = stream.publish(json!(events)).await;
    let partitions: std::collections::BTreeSet<_> = receipts.iter().map(|one| one["partition"].as_u64()).collect();
    assert!(partitions.len() > 1, "the events were meant to go to several partitions");
    assert_same_places(&receipts, &stream.log(1000).await);
}

#[tokio::test]
async fn p4_a_position_names_one_event_forever() {
    let api = Api::start().await;
    let stream = Stream::create(&api, "p4").await;
    stream.publish_numbered(0..20).await;
    let before = stream.log(7).await;
    assert_dense(&before);
    stream.compact().await;
    stream.publish_numbered(20..40).await;
    let after = stream.log(1000).await;
    assert_eq!(after[..20], before[..]);
    assert_dense(&after);
}

#[tokio::test]
async fn p5_a_key_stays_in_its_partition_and_in_order() {
    let api = Api::start().await;
    let stream = Stream::define(&api, "p5", json!({ "partition_count": 32 })).await;
    for round in 0..5 {
        let events: Vec<Value> =
            (0..40).map(|key| json!({ "key": format!("key-{key}"), "type": "a", "data": round })).collect();
        stream.publish(json!(events)).await;
    }
    let log = stream.log(1000).await;
    for key in 0..40 {
        let of_key: Vec<&Value> = log.iter().filter(|event| event["key"] == format!("key-{key}")).collect();
        let rounds: Vec<&Value> = of_key.iter().map(|event| &event["data"]).collect();
        assert_eq!(rounds, [0, 1, 2, 3, 4], "the order of key-{key}");
        assert!(of_key.iter().all(|event| event["partition"] == of_key[0]["partition"]), "key-{key} moved");
    }
    let keyless = stream.publish(json!(vec![json!({ "type": "a", "data": 0 }); 50])).await;
    assert!(keyless.iter().all(|one| one["partition"] == keyless[0]["partition"]), "one request, one partition");
    // Another one for another request, also of those that may be repeated.
    for repeatable in [false, true] {
        let mut partitions = BTreeSet::new();
        for number in 0..8 {
            let request = api.request("POST", stream.path("/events")).json(r#"{ "type": "a", "data": 0 }"#);
            let request = if repeatable { request.header("idempotency-key", format!("key-{number}")) } else { request };
            partitions.insert(request.send().await.ok(201)["events"][0]["partition"].as_u64());
        }
        assert!(partitions.len() > 1, "of 32 all eight requests drew {partitions:?}");
    }
}

#[tokio::test]
async fn p6_a_repeated_request_is_answered_with_its_first_receipts() {
    let api = Api::start().await;
    let stream = Stream::define(&api, "p6", json!({ "partition_count": 4 })).await;
    let body = json!({ "events": (0..10).map(numbered).collect::<Vec<_>>() }).to_string();
    let publish = async || {
        let request =
            api.request("POST", stream.path("/events")).header("idempotency-key", "order 1").json(body.clone());
        request.send().await
    };
    let first = publish().await;
    assert_eq!(first.ok(201)["replayed"], false);
    stream.publish_numbered(10..12).await;
    for _ in 0..2 {
        let again = publish().await;
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.ok(201)["events"], first.ok(201)["events"]);
        assert_eq!(again.ok(201)["replayed"], true);
    }
    assert_eq!(stream.log(1000).await.len(), 12);
}

#[tokio::test]
async fn p7_an_idempotency_key_is_for_one_body() {
    let api = Api::start().await;
    let (stream, other) = (Stream::create(&api, "p7").await, Stream::create(&api, "p7-other").await);
    let publish = async |stream: &Stream, key: &str, number: u64| {
        let request = api.request("POST", stream.path("/events")).header("idempotency-key", key);
        request.json(numbered(number).to_string()).send().await
    };
    let _ = publish(&stream, "a", 1).await.ok(201);
    publish(&stream, "a", 2).await.problem(422, "idempotency_key_reused");
    assert_eq!(stream.log(10).await.len(), 1);
    // Another key, and the same key on another stream, are other requests.
    assert_eq!(publish(&stream, "b", 1).await.ok(201)["replayed"], false);
    assert_eq!(publish(&other, "a", 2).await.ok(201)["replayed"], false);
    assert_eq!((stream.log(10).await.len(), other.log(10).await.len()), (2, 1));
}

#[tokio::test]
async fn p8_if_match_holds_the_tail() {
    let api = Api::start().await;
    let stream = Stream::create(&api, "p8").await;
    let publish = async |tail: &str| {
        let request = api.request("POST", stream.path("/events")).header("if-match", tail);
        request.json(numbered(0).to_string()).send().await
    };
    let _ = publish("\"0\"").await.ok(201);
    publish("\"0\"").await.problem(412, "tail_mismatch");
    publish("\"2\"").await.problem(412, "tail_mismatch");
    assert_eq!(stream.log(10).await.len(), 1);
    let _ = publish("\"1\"").await.ok(201);
    assert_eq!(stream.log(10).await.len(), 2);
}

#[tokio::test]
async fn p9_what_was_written_is_what_is_read() {
    let api = Api::start().await;
    let stream = Stream::create(&api, "p9").await;
    let texts = [
        r#"{"z":1,"a":18446744073709551617,"m":0.1000000000000000055511151231257827}"#,
        r#"[1.0,1e300,-0,1E+2,123456789012345678901234567890]"#,
        r#"{"nested":{"b":[{"z":null,"a":true}]},"empty":{},"":""}"#,
        r#""\u00e9 é \ud83d\ude00 \/ \u202e""#,
        "false",
    ];
    for data in texts {
        let body = format!(r#"{{"key":"k","type":"a","data":{data}}}"#);
        let _ = api.request("POST", stream.path("/events")).json(body).send().await.ok(201);
        let newest = stream.get("/events?from=earliest&limit=1000").await.text();
        assert!(newest.contains(&format!(r#""data":{data}"#)), "{data} came back as {newest}");
    }
    stream.compact().await;
    let kept = stream.get("/compacted/k").await.text();
    assert!(kept.contains(r#""data":false"#), "{kept}");
}

#[tokio::test]
async fn p9_keys_are_compared_byte_for_byte() {
    let api = Api::start().await;
    let stream = Stream::define(&api, "p9-keys", json!({ "partition_count": 4 })).await;
    let long = "ü".repeat(256);
    let keys = [
        "caf\u{e9}",
        "cafe\u{301}",
        "a\u{202e}b",
        "\u{200d}",
        "👩\u{200d}👩\u{200d}👧",
        " ",
        "a/b?c#d%20",
        "..",
        &long,
    ];
    let events: Vec<Value> = keys.iter().map(|key| json!({ "key": key, "type": "a", "data": key })).collect();
    stream.publish(json!(events)).await;
    stream.compact().await;
    let compacted = stream.compacted("", 100).await;
    assert_eq!(compacted.len(), keys.len(), "each key is a key of its own");
    for key in keys {
        assert!(compacted.iter().any(|record| record["key"] == *key && record["data"] == *key), "{key:?}");
        let encoded = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
        let found = stream.get(&format!("/compacted/{encoded}")).await.ok(200);
        assert_eq!(found["data"], *key);
    }
}

#[tokio::test]
async fn p10_the_largest_request_is_stored() {
    let api = Api::start().await;
    let stream = Stream::create(&api, "p10").await;
    let thousand: Vec<Value> = (0..1000).map(numbered).collect();
    stream.publish(json!(thousand)).await;
    // Random enough that compression does not make it small.
    let text = |bytes: usize, mut seed: u64| {
        let draw = std::iter::repeat_with(move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + u8::try_from((seed >> 40) % 64).expect("below 64"))
        });
        draw.map(|letter| if matches!(letter, '"' | '\\') { 'x' } else { letter }).take(bytes).collect::<String>()
    };
    let large: Vec<Value> =
        (0..3).map(|number| json!({ "key": "large", "type": "a", "data": text(256 * 1024 - 2, number) })).collect();
    stream.publish(json!(large)).await;
    let log = stream.log(1000).await;
    assert_dense(&log);
    assert_eq!(log.len(), 1003);
    assert_eq!(log[1002]["data"], large[2]["data"]);
}

#[tokio::test]
async fn p11_the_trace_of_a_publish_comes_back_with_its_events() {
    let api = Api::start().await;
    let stream = Stream::create(&api, "p11").await;
    stream.subscribe("reader", json!("earliest")).await;
    stream.subscribe("builder", json!("compacted")).await;
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
    let hostile = "00-<script>alert(1)</script>-00f067aa0ba902b7-01";
    let upper = "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01";
    for (key, given) in
        [("a", &[good][..]), ("b", &[]), ("c", &[hostile]), ("d", &[later]), ("e", &[good, good]), ("f", &[upper])]
    {
        let mut request = api.request("POST", stream.path("/events"));
        for traceparent in given {
            request = request.header("traceparent", *traceparent);
        }
        let events =
            json!({ "events": [{ "key": key, "type": "a", "data": 1 }, { "key": key, "type": "a", "data": 2 }] });
        let answer = request.json(events.to_string()).send().await;
        let _ = answer.ok(201);
        assert!(!answer.text().contains("script"));
    }
    stream.compact().await;
    let mut read = list(&stream.poll("reader", "?limit=100").await["events"]);
    read.extend(list(&stream.get("/events?from=earliest&limit=100").await.ok(200)["events"]));
    read.extend(list(&stream.poll("builder", "?limit=100").await["events"]));
    read.extend(stream.compacted("", 100).await);
    assert_eq!(read.len(), 12 + 12 + 6 + 6);
    for event in read {
        let expected = if event["key"] == "a" || event["key"] == "d" { json!(good) } else { Value::Null };
        assert_eq!(event["traceparent"], expected, "{event}");
    }
}
