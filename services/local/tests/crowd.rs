//! More requests than the server takes at once of one key: what is too much is refused at once, and nobody else suffers.
#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod server;

use std::path::Path;

use ledger::{Clock, Ledger, Randomness, Settings};
use platform::api_key::Token;
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

/// Stores another key in the table of a server that is not running.
async fn another_key(data: &Path) -> String {
    let client = embedded::Engine::open(&data.join("table.sqlite3")).unwrap().client();
    let ledger = Ledger::new(client, "eventledger", Clock::system(), Randomness::system(), Settings::EMBEDDED);
    let token = Token::mint(ledger.randomness(), "local");
    ledger.create_api_key(&token.record("others", &["publish:*"], ledger.clock().now())).await.unwrap();
    token.reveal()
}

#[tokio::test]
async fn a_crowd_is_refused_and_holds_up_neither_health_nor_waiting_polls_nor_others() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    Server::start(&data).await.stop().await;
    let other = another_key(&data).await;
    let server = Server::start(&data).await;
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
    assert_eq!((refused.0, &refused.1["code"], &refused.1["effect"]), (429, &json!("rate_limited"), &json!("none")));
    let others = server.client().with_key(other).post("/streams/orders/events", &event, None).await.unwrap();
    assert_eq!(others.0, 201, "{}", others.1);
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
