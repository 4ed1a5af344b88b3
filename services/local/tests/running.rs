//! The services of the program, across its ends and starts.
#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod server;

use ledger::Clock;
use reqwest::Method;
use serde_json::{Value, json};
use server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_restart_keeps_streams_events_and_positions() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let server = Server::start(&data).await;
    let client = server.client();
    let stream = json!({"stream_id": "orders"});
    assert_eq!(client.post("/streams", &stream, None).await.unwrap().0, 201);
    let events = json!({"events": [
        {"key": "a", "type": "created", "data": {"number": 1}},
        {"key": "b", "type": "created", "data": {"number": 2}},
    ]});
    assert_eq!(client.post("/streams/orders/events", &events, None).await.unwrap().0, 201);
    let subscription = json!({"subscription_id": "billing", "start_from": "earliest"});
    assert_eq!(client.post("/streams/orders/subscriptions", &subscription, None).await.unwrap().0, 201);
    let poll = "/streams/orders/subscriptions/billing/poll?limit=1";
    let (_, page) = client.get(poll).await.unwrap();
    let cursor = json!({"cursor": page["cursor"]});
    let commit = "/streams/orders/subscriptions/billing/commit";
    assert_eq!(client.post(commit, &cursor, None).await.unwrap().1["advanced"], true);
    server.stop().await;

    let server = Server::start(&data).await;
    let client = server.client();
    assert_eq!(client.read_all("orders").await.len(), 2);
    let (_, page) = client.get(poll).await.unwrap();
    assert_eq!(page["events"][0]["data"]["number"], 2, "{page}");
    assert_eq!(client.post("/streams", &stream, None).await.unwrap().0, 200, "the stream is still there");
    server.stop().await;
}

/// A crash between the two looks like this: the key is in its file, and the table does not know it.
#[tokio::test]
async fn a_key_that_the_table_does_not_know_is_stored_again() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let server = Server::start(&data).await;
    let key = server.key.clone();
    server.stop().await;
    for name in ["table.sqlite3", "table.sqlite3-wal", "table.sqlite3-shm"] {
        // The last two are gone after a good end.
        std::fs::remove_file(data.join(name)).ok();
    }
    let server = Server::start(&data).await;
    assert_eq!(server.key, key);
    let (status, answer) = server.client().post("/streams", &json!({"stream_id": "orders"}), None).await.unwrap();
    assert_eq!(status, 201, "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn the_log_holds_nothing_of_a_client() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let mut command = server::program(&["--port", "0", "--data", server::argument(&data)]);
    command.env("EVENTLEDGER_LOG", "trace");
    let log = place.path().join("log");
    let mut server = Server::spawn(command, &data, &log).await;
    let client = server.client();
    assert_eq!(
        client.post("/streams", &json!({"stream_id": "orders", "compaction": true}), None).await.unwrap().0,
        201
    );
    let event = json!({"key": "customer-17", "type": "created", "headers": {"from": "agent-007"}, "data": {"iban": "DE021203"}});
    assert_eq!(client.post("/streams/orders/events", &event, None).await.unwrap().0, 201);
    let subscription = json!({"subscription_id": "billing", "start_from": "compacted"});
    assert_eq!(client.post("/streams/orders/subscriptions", &subscription, None).await.unwrap().0, 201);
    let (_, page) = client.get("/streams/orders/subscriptions/billing/poll?wait=20").await.unwrap();
    let cursor = page["cursor"].as_str().unwrap();
    let commit = json!({"cursor": cursor});
    assert_eq!(client.post("/streams/orders/subscriptions/billing/commit", &commit, None).await.unwrap().0, 200);
    client.compacted("orders", "customer-17", |_| true).await;
    assert_eq!(client.get(&format!("/streams/orders/events?cursor={cursor}")).await.unwrap().0, 400);
    server.terminate();
    assert!(server.ended().await.success());
    let log = server.log();
    assert!(log.contains("a call of the store") && log.contains("compact_partitions"), "it tells everything: {log}");
    for secret in [cursor, &server.key, "customer-17", "agent-007", "DE021203"] {
        assert!(!log.contains(secret), "{secret} was told: {log}");
    }
}

#[tokio::test]
async fn a_waiting_poll_is_answered_before_the_end() {
    let place = tempfile::tempdir().unwrap();
    let mut server = Server::start(&place.path().join("data")).await;
    let client = server.client();
    client.post("/streams", &json!({"stream_id": "orders"}), None).await.unwrap();
    let subscription = json!({"subscription_id": "billing", "start_from": "latest"});
    client.post("/streams/orders/subscriptions", &subscription, None).await.unwrap();

    let poll = tokio::spawn(async move { client.get("/streams/orders/subscriptions/billing/poll?wait=20").await });
    let clock = Clock::system();
    clock.sleep(1_000).await;
    assert!(!poll.is_finished(), "the poll waits");
    let began = clock.now();
    server.terminate();
    let (status, page) = poll.await.unwrap().unwrap();
    assert_eq!((status, page["events"].as_array().map(Vec::len)), (200, Some(0)), "{page}");
    assert!(server.ended().await.success(), "{}", server.log());
    assert!(clock.now().since(began) < 10_000, "nothing waited for the end of the poll's own time");
}

#[tokio::test]
async fn what_was_begun_when_the_server_stops_is_finished_and_kept() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let mut server = Server::start(&data).await;
    server.client().post("/streams", &json!({"stream_id": "orders"}), None).await.unwrap();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let publishers: Vec<_> = (0..8)
        .map(|_| {
            let (client, tell) = (server.client(), tell.clone());
            tokio::spawn(async move {
                let mut acknowledged = 0;
                // Until nobody accepts any more; whatever is answered is answered well.
                while let Ok((status, answer)) =
                    client.post("/streams/orders/events", &json!({"type": "created", "data": 1}), None).await
                {
                    assert_eq!(status, 201, "{answer}");
                    acknowledged += 1;
                    tell.send(()).unwrap();
                }
                acknowledged
            })
        })
        .collect();
    for _ in 0..100 {
        told.recv().await.unwrap();
    }
    let clock = Clock::system();
    let began = clock.now();
    server.terminate();
    assert!(server.ended().await.success(), "{}", server.log());
    assert!(clock.now().since(began) < 10_000, "busy clients do not hold up the end");
    let mut acknowledged = 0;
    for publisher in publishers {
        acknowledged += publisher.await.unwrap();
    }
    let server = Server::start(&data).await;
    assert!(acknowledged >= 100);
    let kept = server.client().read_all("orders").await.len();
    // A request whose connection was closed before its answer may have been stored.
    assert!((acknowledged..=acknowledged + 8).contains(&kept), "{kept} of {acknowledged}");
    server.stop().await;
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let place = tempfile::tempdir().unwrap();
    let mut server = Server::start(&place.path().join("data")).await;
    let address = server.address.trim_start_matches("http://").to_owned();
    let mut connection = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /streams HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\nexpect: 100-continue\r\n\r\n",
        server.key
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100", "the server awaits the body");
    server.terminate();
    // It has heard the signal when nobody is let in any more.
    while TcpStream::connect(&address).await.is_ok() {}
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(1), "{}", server.log());
    let log = server.log();
    // What was cut off may be told of after it.
    let told = |line: &str| line.starts_with("eventledger: ") && line.contains("second signal");
    assert!(log.lines().any(told), "{log}");
}

#[tokio::test]
async fn the_metrics_are_behind_the_same_edge_as_everything() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(&place.path().join("data")).await;
    let client = server.client();
    let shown = client.ask(Method::GET, "/metrics").await;
    assert_eq!(shown.status(), 200);
    assert!(shown.headers().contains_key("x-request-id"), "{:?}", shown.headers());
    assert!(shown.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let refused = client.ask(Method::POST, "/metrics").await;
    assert_eq!((refused.status().as_u16(), refused.headers()["allow"].to_str().unwrap()), (405, "GET,HEAD"));
    let problem: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!(problem["code"], "method_not_allowed");
    // They tell of themselves too.
    let text = client.text("/metrics").await;
    assert!(text.contains("operation=\"metrics\""), "{text}");
    server.stop().await;
}

#[tokio::test]
async fn a_waiting_poll_wakes_for_an_event() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(&place.path().join("data")).await;
    let client = server.client();
    client.post("/streams", &json!({"stream_id": "orders"}), None).await.unwrap();
    let subscription = json!({"subscription_id": "billing", "start_from": "latest"});
    client.post("/streams/orders/subscriptions", &subscription, None).await.unwrap();
    let waiting = client.clone();
    let poll = tokio::spawn(async move { waiting.get("/streams/orders/subscriptions/billing/poll?wait=20").await });
    let clock = Clock::system();
    clock.sleep(1_000).await;
    let began = clock.now();
    client.post("/streams/orders/events", &json!({"type": "created", "data": 1}), None).await.unwrap();
    let (_, page) = poll.await.unwrap().unwrap();
    assert_eq!(page["events"][0]["data"], 1, "{page}");
    assert!(clock.now().since(began) < 5_000);
    server.stop().await;
}

#[tokio::test]
async fn what_was_never_counted_is_shown_as_nothing() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(&place.path().join("data")).await;
    let metrics = server.client().text("/metrics").await;
    for line in [
        r#"eventledger_panics_total{service="local"} 0"#,
        r#"eventledger_requests_total{service="local",operation="publish"} 0"#,
    ] {
        assert!(metrics.lines().any(|known| known == line), "{line} is not in {metrics}");
    }
    server.stop().await;
}

#[tokio::test]
async fn compacted_state_follows_without_being_asked() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(&place.path().join("data")).await;
    let client = server.client();
    client.post("/streams", &json!({"stream_id": "orders"}), None).await.unwrap();
    for number in 1..=3 {
        let event = json!({"key": "a", "type": "changed", "data": number});
        client.post("/streams/orders/events", &event, None).await.unwrap();
    }
    client.compacted("orders", "a", |record| record["data"] == 3).await;
    server.stop().await;
}
