//! More requests than the server takes at once: what is too much is refused at once, and nothing else suffers.
#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod server;

use serde_json::json;
use server::Server;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// More than the server takes at once.
const CROWD: usize = 300;

/// A publish whose body never comes.
async fn stuck(server: &Server) -> TcpStream {
    let mut connection = TcpStream::connect(server.address.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST /streams/orders/events HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n",
        server.key
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection
}

#[tokio::test]
async fn a_crowd_is_refused_and_holds_up_neither_health_nor_waiting_polls() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(&place.path().join("data")).await;
    let client = server.client();
    client.post("/streams", &json!({"stream_id": "orders"}), None).await.unwrap();
    let event = json!({"type": "created", "data": 1});
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.push(stuck(&server).await);
    }
    // All are on their way; where this client held the last place for a moment it is free again, so more come.
    let refused = loop {
        match client.post("/streams/orders/events", &event, None).await.unwrap() {
            (201, _) => crowd.push(stuck(&server).await),
            refused => break refused,
        }
        assert!(crowd.len() < 2 * CROWD, "the server takes everything: {}", server.log());
    };
    assert_eq!((refused.0, &refused.1["code"], &refused.1["effect"]), (503, &json!("unavailable"), &json!("none")));
    assert_eq!(client.get("/health").await.unwrap().0, 200);
    let waiting = client.get("/streams/orders/events?from=latest&wait=1").await.unwrap();
    assert_eq!((waiting.0, &waiting.1["events"]), (200, &json!([])), "{}", waiting.1);

    // Once they are gone there are places again.
    drop(crowd);
    let mut attempts = 0;
    while client.post("/streams/orders/events", &event, None).await.unwrap().0 != 201 {
        attempts += 1;
        assert!(attempts < 10_000, "places stay taken: {}", server.log());
    }
    server.stop().await;
}
