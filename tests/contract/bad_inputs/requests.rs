//! Paths, queries, headers and methods that are not allowed.

use super::{CANARY, Row, hold};

#[tokio::test]
async fn b8_paths() {
    let mut rows = Vec::new();
    for name in [
        "%2e%2e",
        "..%2f..%2fx",
        "%252e%252e",
        "a%00b",
        "a%0ab",
        "%2e",
        "a%20b",
        "%ff",
        "a%2",
        "%zz",
        "%c3%a9",
        "a%2Fb",
    ] {
        rows.push(Row::get(name, format!("/streams/{name}")).gets(400, "invalid_path"));
        rows.push(Row::get(name, format!("/streams/{name}/events")).gets(400, "invalid_path"));
        let path = format!("/streams/{{stream}}/subscriptions/{name}");
        rows.push(Row::get(&format!("subscription {name}"), path).gets(400, "invalid_path"));
    }
    let long = format!("/streams/{}", "a".repeat(5_000));
    rows.push(Row::get("a name of 5,000 characters", long).gets(400, "invalid_path"));
    rows.push(Row::get("a name of 65 characters", format!("/streams/{}", "a".repeat(65))).gets(400, "invalid_path"));
    for key in ["%00", "a%0ab", "%ff", "%7f", "a%2"] {
        let path = format!("/streams/{{stream}}/compacted/{key}");
        rows.push(Row::get(&format!("key {key}"), path).gets(400, "invalid_path"));
    }
    let long_key = format!("/streams/{{stream}}/compacted/{}", "k".repeat(513));
    rows.push(Row::get("a key of 513 bytes", long_key).gets(400, "invalid_path"));
    for name in ["META", "__proto__", "constructor", CANARY] {
        rows.push(Row::get(name, format!("/streams/{name}")).gets(404, "stream_not_found"));
    }
    for path in [
        "/streams//events",
        "/streams/",
        "/streams/{stream}/",
        "/streams/{stream}/events/",
        "/",
        "//",
        "/Streams",
        "/v1/streams",
        "/streams/{stream}/events/1",
        "/streams/{stream}/compacted/a/b",
        "/health/",
        "/.env",
        "/streams/{stream}/META",
    ] {
        rows.push(Row::get(path, path).gets(404, "route_not_found"));
    }
    rows.push(
        Row::get("no such subscription", "/streams/{stream}/subscriptions/no").gets(404, "subscription_not_found"),
    );
    rows.push(Row::get("no such key", "/streams/{stream}/compacted/no").gets(404, "key_not_found"));
    hold(rows).await;
}

#[tokio::test]
async fn b9_queries() {
    let mut rows = Vec::new();
    let limits = [
        "0",
        "-1",
        "1001",
        "abc",
        "1e3",
        "%D9%A3",
        "%2B5",
        "%205",
        "5%20",
        "",
        "18446744073709551616",
        "1.0",
        "0x10",
        "010",
        "1,2",
        "%00",
    ];
    for value in limits {
        for path in ["/subscriptions/reader/poll?", "/events?from=earliest&", "/compacted?", "/subscriptions?"] {
            let path = format!("/streams/{{stream}}{path}limit={value}");
            rows.push(Row::get(&path, path.clone()).gets(400, "invalid_query"));
        }
        rows.push(
            Row::get(&format!("streams, limit {value}"), format!("/streams?limit={value}")).gets(400, "invalid_query"),
        );
    }
    for value in ["-1", "21", "abc", "1.5", "", "+1", "99999999999999999999"] {
        let path = format!("/streams/{{stream}}/subscriptions/reader/poll?wait={value}");
        rows.push(Row::get(&path, path.clone()).gets(400, "invalid_query"));
    }
    for query in [
        "from=",
        "from=EARLIEST",
        "from=compacted",
        "from=1",
        "from=2026-01-01",
        "from=earliest&from=latest",
        "limit=1&limit=1",
        "unknown=1",
        "from=earliest&LIMIT=1",
        "from=%ff",
        "from=%2",
        "from=earliest&%00=1",
    ] {
        let path = format!("/streams/{{stream}}/events?{query}");
        rows.push(Row::get(&path, path.clone()).gets(400, "invalid_query"));
    }
    let canary = format!("/streams/{{stream}}/events?from={CANARY}");
    rows.push(Row::get("the value is not repeated", canary).gets(400, "invalid_query"));
    let unknown = format!("/streams?{CANARY}%20=1");
    rows.push(Row::get("the name is not repeated", unknown).gets(400, "invalid_query"));
    let long = format!("/streams?prefix={}", "a".repeat(9 * 1024));
    rows.push(Row::get("a query of 9 KB", long).gets(400, "invalid_query"));
    hold(rows).await;
}

#[tokio::test]
async fn b9_credentials_in_urls() {
    let mut rows = Vec::new();
    for name in ["api_key", "apikey", "x-api-key", "access_token", "token"] {
        let path = format!("/streams?{name}={CANARY}");
        rows.push(Row::get(name, path).gets(400, "credential_in_url"));
    }
    let disguised = format!("/streams?prefix=elk_dev_000000000000_{}", "a".repeat(49));
    rows.push(Row::get("a key under another name", disguised).gets(400, "credential_in_url"));
    for path in ["/streams/{stream}/compacted", "/streams", "/nowhere", ""] {
        let path = format!("{path}/elk_dev_000000000000_{}", "a".repeat(49));
        rows.push(Row::get("a key in the path", path).gets(400, "credential_in_url"));
    }
    for path in ["/nowhere", "/health", "/openapi.json"] {
        let path = format!("{path}?api_key={CANARY}");
        rows.push(Row::get("a key where none is asked for", path).gets(400, "credential_in_url"));
    }
    hold(rows).await;
}

#[tokio::test]
async fn b10_headers() {
    let event = r#"{"type":"a","data":1}"#;
    let mut rows = Vec::new();
    let typed = |media_type: &str| {
        let row = Row { headers: Vec::new(), ..Row::publish(&format!("content-type {media_type:?}"), event) };
        if media_type.is_empty() { row } else { row.header("content-type", media_type) }
    };
    for media_type in [
        "",
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "*/*",
        "json",
    ] {
        rows.push(typed(media_type).gets(415, "unsupported_media_type"));
    }
    for encoding in ["gzip", "br", "deflate", "zstd", "gzip, gzip"] {
        let row = Row::publish(encoding, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]).header("content-encoding", encoding);
        rows.push(row.gets(415, "unsupported_media_type"));
    }
    for accept in ["text/html", "application/xml", "application/json;q=0", "image/*"] {
        rows.push(Row::get(accept, "/streams/{stream}").header("accept", accept).gets(406, "not_acceptable"));
        rows.push(Row::publish(accept, event).header("accept", accept).gets(406, "not_acceptable"));
    }
    for key in [Vec::new(), vec![b'k'; 129], "é".as_bytes().to_vec(), b"a\tb".to_vec(), vec![0xff]] {
        let name = format!("idempotency-key {:?}", String::from_utf8_lossy(&key));
        rows.push(Row::publish(&name, event).header("idempotency-key", key).gets(400, "invalid_header"));
    }
    let twice =
        Row::publish("idempotency-key twice", event).header("idempotency-key", "a").header("idempotency-key", "b");
    rows.push(twice.gets(400, "invalid_header"));
    for tag in ["1", "\"\"", "\"-1\"", "\"x\"", "*", "W/\"1\"", "\"01\"", "\"99999999999999999999\""] {
        rows.push(Row::publish(&format!("if-match {tag}"), event).header("if-match", tag).gets(400, "invalid_header"));
    }
    let long = "a".repeat(17_000);
    rows.push(Row::publish("long headers", event).header("x-anything", long.clone()).gets(400, "invalid_header"));
    for path in ["/streams", "/health"] {
        rows.push(Row::get("long headers", path).header("x-anything", long.clone()).gets(400, "invalid_header"));
    }
    // Each answer has a request id of the server's own.
    for id in [CANARY.to_owned(), format!("{CANARY}\" <script>"), format!("{CANARY}\u{e9}"), CANARY.repeat(500)] {
        let row = Row::get("a request id of the client's", "/streams/absent").header("x-request-id", id);
        rows.push(row.gets(404, "stream_not_found"));
    }
    rows.push(Row::publish("if-match of another tail", event).header("if-match", "\"7\"").gets(412, "tail_mismatch"));
    hold(rows).await;
}

#[tokio::test]
async fn b11_methods() {
    let paths = [
        "/streams",
        "/streams/{stream}",
        "/streams/{stream}/events",
        "/streams/{stream}/subscriptions/reader/poll",
        "/streams/{stream}/subscriptions/reader/commit",
        "/streams/{stream}/compacted/key",
        "/health",
    ];
    let mut rows = Vec::new();
    for path in paths {
        for method in ["PUT", "PATCH", "TRACE", "OPTIONS", "QUERY"] {
            rows.push(Row::new(method, &format!("{method} {path}"), path).gets(405, "method_not_allowed"));
        }
    }
    let poll = "/streams/{stream}/subscriptions/reader/poll";
    rows.push(Row::new("DELETE", "delete a poll", poll).gets(405, "method_not_allowed"));
    rows.push(Row::post("post to a poll", poll, "{}").gets(405, "method_not_allowed"));
    rows.push(Row::new("DELETE", "delete events", "/streams/{stream}/events").gets(405, "method_not_allowed"));
    rows.push(Row::new("PUT", "another method nowhere", "/nowhere").gets(404, "route_not_found"));
    hold(rows).await;

    let api = tests::Api::start().await;
    let refused = api.request("PUT", "/streams").send().await;
    let allowed: std::collections::BTreeSet<&str> = refused.header("allow").split(',').map(str::trim).collect();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "Allow: {allowed:?}");
}
