//! Well-formed values that are not allowed.

use serde_json::{Value, json};

use super::{CANARY, Row, hold};

#[tokio::test]
async fn b5_values_of_events() {
    let event = |member: &str, value: Value| {
        let mut event = json!({ "key": "k", "type": "a", "data": 1 });
        event[member] = value;
        event
    };
    let pairs = |count: usize| (0..count).map(|n| (format!("h{n}"), json!("v"))).collect::<serde_json::Map<_, _>>();
    let values: Vec<(&str, Value)> = vec![
        ("key", json!("")),
        ("key", json!("k".repeat(513))),
        ("key", json!("ü".repeat(257))),
        ("key", json!(1)),
        ("key", json!(true)),
        ("key", json!([CANARY])),
        ("key", json!({ CANARY: 1 })),
        ("key", json!("a\nb")),
        ("key", json!("a\u{0}b")),
        ("key", json!("a\u{7f}b")),
        ("key", json!("a\u{85}b")),
        ("type", json!("")),
        ("type", json!("t".repeat(129))),
        ("type", json!("with space")),
        ("type", json!(format!("../{CANARY}"))),
        ("type", json!("-a")),
        ("type", json!("é")),
        ("type", Value::Null),
        ("type", json!(7)),
        ("id", json!("")),
        ("id", json!("i".repeat(129))),
        ("id", json!("a\tb")),
        ("id", json!(1)),
        ("time", json!("yesterday")),
        ("time", json!("2026-01-31 12:00")),
        ("time", json!("2026-01-31T12:00:00")),
        ("time", json!("2026-02-30T12:00:00Z")),
        ("time", json!(1_700_000_000)),
        ("headers", json!([])),
        ("headers", json!({ "a": 1 })),
        ("headers", json!({ "": "v" })),
        ("headers", json!({ "a b": "v" })),
        ("headers", json!({ "a": "x\ny" })),
        ("headers", json!({ "a": null })),
        ("headers", json!({ "a": "x".repeat(4 * 1024) })),
        ("headers", Value::Object(pairs(17))),
    ];
    let rows = values.into_iter().map(|(member, value)| {
        let name = format!("{member} = {:.60}", value.to_string());
        Row::publish(&name, event(member, value).to_string()).gets(422, "validation_failed")
    });
    hold(rows.collect()).await;
}

#[tokio::test]
async fn b6_values_of_streams() {
    let names: Vec<String> = [
        "",
        "-a",
        ".",
        "..",
        ".hidden",
        "_a",
        "orders/../admin",
        "orders%2F..",
        "a#b",
        "a b",
        "a\nb",
        "a\u{0}",
        "ord\u{435}rs",
        "ｏｒｄｅｒｓ",
        "a:b",
        "a*",
        "a/",
        "é",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain(["a".repeat(65), format!("{CANARY} x")])
    .collect();
    let mut rows: Vec<Row> = names
        .into_iter()
        .map(|name| Row::create(&format!("stream_id {name:?}"), json!({ "stream_id": name }).to_string()))
        .collect();
    for value in ["1", "null", r#"["a"]"#, "true"] {
        rows.push(Row::create(&format!("stream_id {value}"), format!(r#"{{"stream_id":{value}}}"#)));
    }
    let integers = ["-1", "1.5", r#""3""#, "1e3", "9223372036854775808", "null", "true", "[]", "1e400", "-0.5"];
    for value in integers.into_iter().chain(["0", "33"]) {
        let body = format!(r#"{{"stream_id":"values","partition_count":{value}}}"#);
        rows.push(Row::create(&format!("partition_count {value}"), body));
    }
    for value in integers.into_iter().chain(["0", "87601", "1000000000000000000", r#""P1D""#]) {
        if value != "1e3" {
            let body = format!(r#"{{"stream_id":"values","retention_hours":{value}}}"#);
            rows.push(Row::create(&format!("retention_hours {value}"), body));
        }
    }
    hold(rows.into_iter().map(|row| row.gets(422, "validation_failed")).collect()).await;
}

#[tokio::test]
async fn b7_values_of_subscriptions() {
    let starts = [
        r#""EARLIEST""#,
        r#""""#,
        "7",
        "null",
        "{}",
        "[]",
        r#""earliest ""#,
        r#"{"timestamp":"now"}"#,
        r#"{"timestamp":1}"#,
        r#"{"timestamp":"2026-01-01T00:00:00"}"#,
        r#"{"earliest":null}"#,
        r#"{"cursor":"x"}"#,
        r#"{"timestamp":"2026-01-01T00:00:00Z","cursor":"x"}"#,
    ];
    let mut rows: Vec<Row> = starts
        .into_iter()
        .map(|start| {
            let body = format!(r#"{{"subscription_id":"values","start_from":{start}}}"#);
            Row::subscribe(&format!("start_from {start}"), body)
        })
        .collect();
    for name in ["", "-a", "..", "a/b", "a b", "é", "a*", CANARY.repeat(10).as_str()] {
        let body = json!({ "subscription_id": name, "start_from": "earliest" });
        rows.push(Row::subscribe(&format!("subscription_id {name:?}"), body.to_string()));
    }
    rows.push(Row::subscribe("no start_from", r#"{"subscription_id":"values"}"#));
    rows.push(Row::subscribe("no name", r#"{"start_from":"earliest"}"#));
    let unknown = format!(r#"{{"subscription_id":"values","start_from":"earliest","an {CANARY}":1}}"#);
    rows.push(Row::subscribe("unknown member", unknown));
    for to in [r#""EARLIEST""#, "7", "null", "{}", r#"{"timestamp":"x"}"#, r#"{"cursor":1}"#, r#""cursor""#] {
        let path = "/streams/{stream}/subscriptions/reader/seek";
        rows.push(Row::post(&format!("seek to {to}"), path, format!(r#"{{"to":{to}}}"#)));
    }
    hold(rows.into_iter().map(|row| row.gets(422, "validation_failed")).collect()).await;
}
