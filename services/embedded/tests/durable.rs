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

/// Two things make an answered write durable: the write-ahead log, which the file says of itself (the read and write
/// versions in its header are 2), and a sync of that log at each commit, which is `synchronous = FULL` (2). The second
/// is a property of a connection and in no file. The engine sets it nowhere but in its bulk loading, which nothing here
/// calls, so it is the default that SQLite was compiled with: this test links the same SQLite and asks for it.
#[tokio::test]
async fn an_answered_write_is_on_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("table.sqlite3");
    let engine = Engine::open(&file).unwrap();
    table::create_if_absent(&engine.client(), TABLE).await.unwrap();

    let header = std::fs::read(&file).unwrap();
    assert_eq!(header[18..20], [2, 2], "the journal is a write-ahead log");
    let connection = rusqlite::Connection::open(&file).unwrap();
    let setting =
        |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, rusqlite::types::Value>(0));
    assert_eq!(setting("journal_mode").unwrap(), rusqlite::types::Value::from("wal".to_owned()));
    assert_eq!(setting("synchronous").unwrap(), rusqlite::types::Value::from(2i64));
}
