//! A full disk: publishing is refused with 503, reading goes on, and with space everything goes on, without a restart.
//!
//! It needs a small file system of its own, and so the right to mount one; that is why it runs only when it is asked for.
#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod server;

use std::path::{Path, PathBuf};
use std::process::Command;

use ledger::{Clock, Randomness};
use serde_json::{Value, json};
use server::{Client, Server};

/// A small file system in memory, until it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(place: &Path) -> Self {
        std::fs::create_dir(place).unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=16m", "eventledger-test"]).arg(place);
        let output = command.output().unwrap();
        assert!(output.status.success(), "mounting is not allowed here: {}", String::from_utf8_lossy(&output.stderr));
        Self(place.to_owned())
    }

    /// Takes all the space that is left, and answers the file that holds it.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        while std::io::Write::write_all(&mut file, &[1; 4_096]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("--lazy").arg(&self.0).status().ok();
    }
}

/// An event that cannot be compressed to nothing.
fn large_event(randomness: &Randomness) -> Value {
    json!({"type": "test", "data": randomness.base62(60_000)})
}

async fn publish(client: &Client, randomness: &Randomness) -> (u16, Value) {
    client.post("/streams/full/events", &large_event(randomness), None).await.unwrap()
}

#[tokio::test]
#[ignore = "mounts a small file system, so it needs root: cargo test --workspace --test disk -- --ignored"]
async fn a_log_on_the_full_disk_breaks_no_request() {
    let place = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(&place.path().join("disk"));
    let server = Server::start(&disk.0.join("data")).await;
    let client = server.client();
    client.post("/streams", &json!({"stream_id": "full"}), None).await.unwrap();
    disk.fill();
    let randomness = Randomness::seeded(1);
    for _ in 0..500 {
        match publish(&client, &randomness).await {
            (201, _) => {}
            (status, problem) => return assert_eq!(status, 503, "{problem}"),
        }
    }
    panic!("a full disk takes everything");
}

#[tokio::test]
#[ignore = "mounts a small file system, so it needs root: cargo test --workspace --test disk -- --ignored"]
async fn a_full_disk_refuses_to_write_and_needs_no_restart() {
    let place = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(&place.path().join("disk"));
    let server = Server::start_logging_to(&disk.0.join("data"), &place.path().join("log")).await;
    let client = server.client();
    let randomness = Randomness::seeded(1);
    client.post("/streams", &json!({"stream_id": "full"}), None).await.unwrap();
    assert_eq!(publish(&client, &randomness).await.0, 201);
    let mut acknowledged = 1;

    let filler = disk.fill();
    let refused = loop {
        match publish(&client, &randomness).await {
            (201, _) => acknowledged += 1,
            refused => break refused,
        }
        assert!(acknowledged < 500, "a full disk takes everything");
    };
    assert_eq!(refused.0, 503, "{}", refused.1);
    assert_eq!((&refused.1["code"], &refused.1["effect"]), (&json!("unavailable"), &json!("none")), "{}", refused.1);
    assert!(!refused.1.to_string().contains("disk"), "an inner text reached the client: {}", refused.1);
    assert_eq!(server.log().matches("the disk that holds the data is full").count(), 1, "said once: {}", server.log());
    let (status, health) = client.get("/health").await.unwrap();
    assert_eq!(
        (status, &health["status"], &health["findings"][0]["subject"]),
        (200, &json!("degraded"), &json!("disk"))
    );
    assert_eq!(client.read_all("full").await.len(), acknowledged, "reading goes on");

    std::fs::remove_file(filler).unwrap();
    let clock = Clock::system();
    let freed_at = clock.now();
    while publish(&client, &randomness).await.0 != 201 {
        assert!(clock.now().since(freed_at) < 30_000, "it does not go on: {}", server.log());
        clock.sleep(200).await;
    }
    acknowledged += 1;
    assert_eq!(client.get("/health").await.unwrap().1["status"], "ok");
    let events = client.read_all("full").await;
    assert_eq!(events.len(), acknowledged, "what was refused is not there");
    let offsets: Vec<_> = events.iter().map(|event| event["offset"].as_u64().unwrap()).collect();
    assert_eq!(offsets, (0..events.len() as u64).collect::<Vec<_>>(), "no gap and no repetition");
    server.stop().await;
}
