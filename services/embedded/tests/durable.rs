//! What a database file promises: written means on the disk, and still there for the next process.
#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod helpers;

use embedded::Engine;
use helpers::{TABLE, body, put};
use ledger::table;

#[tokio::test]
async fn data_outlives_the_engine() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("table.sqlite3");
    let engine = Engine::open(&file).unwrap();
    let client = engine.client();
    table::create_if_absent(&client, TABLE).await.unwrap();
    put(&client, "a", "kept").send().await.unwrap();
    drop((engine, client));
    assert_eq!(body(&Engine::open(&file).unwrap().client(), "a").await.as_deref(), Some("kept"));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("table.sqlite3");
    std::fs::write(&file, "a text of somebody else, longer than the header of a database would be").unwrap();
    Engine::open(&file).unwrap_err();
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("a text of somebody else"));
}

/// An answer waits for a sync of the write-ahead log, so the database must have one: it says so of itself, by the read and write
/// versions in its header, which are 2. That the answer waits, `write_ahead_log` holds.
#[tokio::test]
async fn the_file_has_a_write_ahead_log() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("table.sqlite3");
    let engine = Engine::open(&file).unwrap();
    table::create_if_absent(&engine.client(), TABLE).await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap()[18..20], [2, 2]);
    put(&engine.client(), "a", "kept").send().await.unwrap();
    let log = std::fs::read(directory.path().join("table.sqlite3-wal")).unwrap();
    assert!(log.windows(4).any(|bytes| bytes == b"kept"), "what is written is in the log that is synced");
}
