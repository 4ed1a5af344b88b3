//! What the real server tells Prometheus, judged by Prometheus's own tool. It is in Debian's package `prometheus`; where that is
//! not installed the test fails, so it runs only when it is asked for, as `.ci/run` does where it can.
#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod server;

use std::process::Stdio;

use serde_json::json;
use server::Server;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

#[tokio::test]
#[ignore = "needs promtool, from Debian's package prometheus"]
async fn promtool_finds_nothing_to_say() {
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(&place.path().join("data")).await;
    let client = server.client();
    assert_eq!(client.post("/streams", &json!({ "stream_id": "orders" }), None).await.unwrap().0, 201);
    for data in [json!(1), json!(null)] {
        let event = json!({ "key": "a", "type": "changed", "data": data });
        assert_eq!(client.post("/streams/orders/events", &event, None).await.unwrap().0, 201);
    }
    assert_eq!(client.read_all("orders").await.len(), 2);
    assert_eq!(client.get("/streams/nothing").await.unwrap().0, 404);
    let metrics = client.text("/metrics").await;
    assert!(metrics.contains("eventledger_requests_total{") && metrics.contains("eventledger_latency_seconds_bucket{"));
    server.stop().await;

    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut judging = promtool.spawn().expect("promtool is there: apt-get install prometheus");
    judging.stdin.take().unwrap().write_all(metrics.as_bytes()).await.unwrap();
    let judged = judging.wait_with_output().await.unwrap();
    let said = [judged.stdout, judged.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert!(judged.status.success() && said.is_empty(), "{said}\n{metrics}");
}
