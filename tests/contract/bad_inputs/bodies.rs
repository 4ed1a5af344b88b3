//! Bodies that are no JSON, or not the JSON that was asked for.

use super::{CANARY, Row, hold};

#[tokio::test]
async fn b1_what_is_not_json() {
    let mut rows = Vec::new();
    let (valid, canary) = (r#"{"type":"a","data":1}"#, CANARY);
    let texts: Vec<(&str, Vec<u8>)> = vec![
        ("empty", b"".to_vec()),
        ("only space", b"  \n".to_vec()),
        ("truncated", format!(r#"{{"type":"{canary}","data":1"#).into()),
        ("truncated in a string", format!(r#"{{"type":"{canary}"#).into()),
        ("trailing text", format!("{valid} {canary}").into()),
        ("two documents", format!("{valid}{valid}").into()),
        ("UTF-16", valid.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("byte order mark", [b"\xef\xbb\xbf", valid.as_bytes()].concat()),
        ("invalid UTF-8", b"{\"type\":\"a\",\"data\":\"\xff\"}".to_vec()),
        ("overlong UTF-8", b"{\"type\":\"a\",\"data\":\"\xc0\xaf\"}".to_vec()),
        ("UTF-8 surrogate", b"{\"type\":\"a\",\"data\":\"\xed\xa0\x80\"}".to_vec()),
        ("NaN", br#"{"type":"a","data":NaN}"#.to_vec()),
        ("Infinity", br#"{"type":"a","data":Infinity}"#.to_vec()),
        ("negative infinity", br#"{"type":"a","data":-Infinity}"#.to_vec()),
        ("comment", br#"{"type":"a",/* c */"data":1}"#.to_vec()),
        ("trailing comma", br#"{"type":"a","data":1,}"#.to_vec()),
        ("trailing comma in data", br#"{"type":"a","data":[1,]}"#.to_vec()),
        ("single quotes", br"{'type':'a','data':1}".to_vec()),
        ("unquoted member", br#"{type:"a","data":1}"#.to_vec()),
        ("raw newline", b"{\"type\":\"a\",\"data\":\"x\ny\"}".to_vec()),
        ("raw NUL", b"{\"type\":\"a\",\"data\":\"x\0y\"}".to_vec()),
        ("leading zero", br#"{"type":"a","data":01}"#.to_vec()),
        ("plus sign", br#"{"type":"a","data":+1}"#.to_vec()),
        ("bare fraction", br#"{"type":"a","data":.5}"#.to_vec()),
        ("hexadecimal", br#"{"type":"a","data":0x10}"#.to_vec()),
        ("bad escape", br#"{"type":"a","data":"\x41"}"#.to_vec()),
        ("lone surrogate in key", br#"{"key":"\ud800","type":"a","data":1}"#.to_vec()),
        ("lone surrogate in data", br#"{"type":"a","data":"\udc00"}"#.to_vec()),
        ("duplicate member", format!(r#"{{"key":"a","key":"{canary}","type":"a","data":1}}"#).into()),
        ("duplicate member, escaped", br#"{"type":"a","data":1,"\u0074ype":"b"}"#.to_vec()),
        ("duplicate events", format!(r#"{{"events":[{valid}],"events":[{valid}]}}"#).into()),
    ];
    for (name, text) in texts {
        rows.push(Row::publish(&format!("publish: {name}"), text.clone()).gets(400, "malformed_json"));
    }
    rows.push(Row::create("create: empty", "").gets(400, "malformed_json"));
    rows.push(Row::create("create: truncated", r#"{"stream_id":"a""#).gets(400, "malformed_json"));
    let commit = "/streams/{stream}/subscriptions/reader/commit";
    rows.push(Row::post("commit: empty", commit, "").gets(400, "malformed_json"));
    rows.push(Row::subscribe("subscribe: truncated", r#"{"subscription_id":"#).gets(400, "malformed_json"));
    hold(rows).await;
}

#[tokio::test]
async fn b2_json_of_another_shape() {
    let canary = CANARY;
    let event = r#"{"type":"a","data":1}"#;
    let mut rows = Vec::new();
    let publish: Vec<(&str, String)> = vec![
        ("null", "null".into()),
        ("number", "1".into()),
        ("text", format!(r#""{canary}""#)),
        ("array", format!("[{event}]")),
        ("array in place of an event", r#"{"events":[["key","a",1]]}"#.into()),
        ("empty object", "{}".into()),
        ("unknown member", r#"{"type":"a","data":1,"owner":1}"#.into()),
        ("unknown member that is no name", format!(r#"{{"type":"a","data":1,"an {canary}":1}}"#)),
        ("unknown member of an event", format!(r#"{{"events":[{{"type":"a","data":1,"owner":"{canary}"}}]}}"#)),
        ("sequence number", r#"{"type":"a","data":1,"seq":1}"#.into()),
        ("published_at", r#"{"type":"a","data":1,"published_at":"2026-01-01T00:00:00Z"}"#.into()),
        ("partition", r#"{"type":"a","data":1,"partition":0}"#.into()),
        ("offset", r#"{"type":"a","data":1,"offset":0}"#.into()),
        ("incarnation", r#"{"type":"a","data":1,"incarnation":"x"}"#.into()),
        ("batch_id", r#"{"type":"a","data":1,"batch_id":"x"}"#.into()),
        ("snapshot", r#"{"type":"a","data":1,"snapshot":true}"#.into()),
        ("no data", r#"{"key":"a","type":"a"}"#.into()),
        ("no type", r#"{"key":"a","data":1}"#.into()),
        ("tombstone without a key", r#"{"type":"a","data":null}"#.into()),
        ("list and single event", format!(r#"{{"events":[{event}],"type":"a","data":1}}"#)),
        ("no events", r#"{"events":[]}"#.into()),
        ("events is an object", r#"{"events":{}}"#.into()),
        ("events is a text", r#"{"events":"x"}"#.into()),
        ("events is null", r#"{"events":null}"#.into()),
        ("one of two is bad", format!(r#"{{"events":[{event},{{"type":"","data":1}}]}}"#)),
        ("one of two is null", format!(r#"{{"events":[{event},null]}}"#)),
        ("nested 65 deep", format!(r#"{{"type":"a","data":{}{}}}"#, "[".repeat(65), "]".repeat(65))),
        ("nested 65 deep in objects", format!(r#"{{"type":"a","data":{}1{}}}"#, r#"{"a":"#.repeat(65), "}".repeat(65))),
        ("brackets that never close", "[".repeat(100_000)),
        ("a number beyond every double", r#"{"type":"a","data":1e400}"#.into()),
        ("nested 50,000 deep", format!(r#"{{"type":"a","data":{}{}}}"#, "[".repeat(50_000), "]".repeat(50_000))),
        ("data over 256 KiB", format!(r#"{{"type":"a","data":"{}"}}"#, "x".repeat(256 * 1024 - 1))),
    ];
    for (name, text) in publish {
        rows.push(Row::publish(&format!("publish: {name}"), text).gets(422, "validation_failed"));
    }
    for (name, text) in [
        ("null", "null".to_owned()),
        ("array", r#"["a"]"#.to_owned()),
        ("no name", "{}".to_owned()),
        ("mass assignment", format!(r#"{{"stream_id":"a","owner":"{canary}"}}"#)),
        ("incarnation", r#"{"stream_id":"a","incarnation":"00000000000000000000000000000000"}"#.to_owned()),
        ("compaction is a text", r#"{"stream_id":"a","compaction":"yes"}"#.to_owned()),
        ("compaction is null", r#"{"stream_id":"a","compaction":null}"#.to_owned()),
    ] {
        rows.push(Row::create(&format!("create: {name}"), text).gets(422, "validation_failed"));
    }
    hold(rows).await;
}

#[tokio::test]
async fn b3_too_much() {
    let event = r#"{"type":"a","data":1}"#;
    let many = |count: usize, one: &str| format!(r#"{{"events":[{}]}}"#, vec![one; count].join(","));
    let padded = |bytes: usize| format!("{event}{}", " ".repeat(bytes - event.len()));
    let large = format!(r#"{{"type":"a","data":"{}"}}"#, "x".repeat(2_000));
    hold(vec![
        Row::publish("1,001 events", many(1_001, event)).gets(413, "payload_too_large"),
        Row::publish("1 MiB and a byte", padded(1024 * 1024 + 1)).gets(413, "payload_too_large"),
        Row::publish("1,000 legal events over 1 MiB together", many(1_000, &large)).gets(413, "payload_too_large"),
        Row::publish("5 MB", padded(5_000_000)).gets(413, "payload_too_large"),
        Row::create("create: 2 MB", padded(2_000_000)).gets(413, "payload_too_large"),
    ])
    .await;
}

#[tokio::test]
async fn b4_what_only_looks_bad() {
    let api = tests::Api::start().await;
    let stream = super::furnished(&api).await;
    let nested = format!(r#"{{"type":"a","data":{}{}}}"#, "[".repeat(64), "]".repeat(64));
    let largest = format!(r#"{{"type":"a","data":"{}"}}"#, "x".repeat(256 * 1024 - 2));
    let padded = format!(r#"{{"type":"a","data":1}}{}"#, " ".repeat(1024 * 1024 - 21));
    let longest = format!(r#"{{"key":"{}","type":"{}","data":1}}"#, "k".repeat(512), "t".repeat(128));
    let odd = [nested, largest, padded, longest, r#" {"type":"a","data":18446744073709551617} "#.to_owned()];
    for body in odd {
        let _ = api.request("POST", stream.path("/events")).json(body).send().await.ok(201);
    }
    assert_eq!(stream.log(1000).await.len(), 6);
}
