//! Cursors that were not given out, or not for this.

use serde_json::{Value, json};
use tests::{Api, Stream};

use super::{CANARY, Row, furnished, hold};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[tokio::test]
async fn b12_cursors_that_nobody_gave_out() {
    let long = "A".repeat(2_049);
    let texts = [
        "",
        "x",
        CANARY,
        "AAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "%00",
        "null",
        "0-0",
        "%F0%9F%98%80",
        "a+b",
        "a/b",
        "AAAA%3D%3D",
        &long,
    ];
    let mut rows = Vec::new();
    for text in texts {
        for path in ["/subscriptions/reader/poll", "/events", "/compacted"] {
            let path = format!("/streams/{{stream}}{path}?cursor={text}");
            rows.push(Row::get(&format!("{:.80}", path), path.clone()).gets(400, "invalid_cursor"));
        }
        let body = json!({ "cursor": text }).to_string();
        let commit = "/streams/{stream}/subscriptions/reader/commit";
        rows.push(Row::post(&format!("commit {text:.40}"), commit, body).gets(400, "invalid_cursor"));
        let body = json!({ "to": { "cursor": text } }).to_string();
        let seek = "/streams/{stream}/subscriptions/reader/seek";
        rows.push(Row::post(&format!("seek {text:.40}"), seek, body).gets(400, "invalid_cursor"));
    }
    for body in ["{}", r#"{"cursor":123}"#, r#"{"cursor":null}"#, r#"{"cursor":["a"]}"#, r#"{"cursor":"a","extra":1}"#]
    {
        let commit = "/streams/{stream}/subscriptions/reader/commit";
        rows.push(Row::post(body, commit, body).gets(422, "validation_failed"));
    }
    hold(rows).await;
}

/// Whatever is done to a cursor, it is no cursor any more: every byte of it is signed, and it has one spelling.
#[tokio::test]
async fn b13_cursors_that_were_changed() {
    let api = Api::start().await;
    let stream = furnished(&api).await;
    let page = stream.poll("reader", "").await;
    let cursor = page["cursor"].as_str().expect("a cursor").to_owned();
    let mut changed: Vec<String> = (0..cursor.len()).map(|length| cursor[..length].to_owned()).collect();
    changed.extend(["A", "AA", "==", "="].map(|suffix| format!("{cursor}{suffix}")));
    changed.extend([cursor.to_lowercase(), cursor.to_uppercase(), format!(" {cursor}"), cursor.repeat(2)]);
    for index in 0..cursor.len() {
        let mut bytes = cursor.clone().into_bytes();
        let place = ALPHABET.iter().position(|letter| *letter == bytes[index]).expect("a letter of base64");
        // The neighbour in the alphabet differs in one bit, which in the last letter may be one that carries nothing.
        bytes[index] = ALPHABET[place ^ 1];
        changed.push(String::from_utf8(bytes).expect("ASCII"));
    }
    for text in changed.iter().filter(|text| **text != cursor) {
        stream.try_commit("reader", &json!({ "cursor": text })).await.problem(400, "invalid_cursor");
    }
    assert_eq!(stream.get("/subscriptions/reader").await.ok(200)["lag"]["events"], 1, "nothing was committed");
    assert!(stream.commit("reader", &page).await, "unchanged it still works");
}

/// A stream has its own signing key, also beside one of the same shape.
#[tokio::test]
async fn b14_cursors_of_another_stream() {
    let api = Api::start().await;
    let stream = furnished(&api).await;
    let other = Stream::create(&api, "bad-inputs-other").await;
    other.publish(json!([{ "key": "key", "type": "a", "data": 1 }])).await;
    other.subscribe("reader", json!("earliest")).await;
    let foreign = other.poll("reader", "").await;
    stream.try_commit("reader", &foreign).await.problem(400, "invalid_cursor");
    let text = foreign["cursor"].as_str().expect("a cursor");
    stream.get(&format!("/subscriptions/reader/poll?cursor={text}")).await.problem(400, "invalid_cursor");
    stream.seek("reader", json!({ "cursor": text })).await.problem(400, "invalid_cursor");
    assert_eq!(stream.poll("reader", "").await["events"].as_array().map(Vec::len), Some(1));
    let untouched: Value = stream.get("/subscriptions/reader").await.ok(200);
    assert_eq!(untouched["last_commit_at"], Value::Null);
}
