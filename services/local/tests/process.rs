//! The program as a person meets it: its help, its refusals, its files, its start and its end.
#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod server;

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use server::{Server, argument, run};

/// One sentence on standard error, nothing else, and exit code 1.
fn assert_refused(output: &Output, words: &[&str]) {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(output.stdout.is_empty());
    for word in words {
        assert!(text.contains(word), "{word} is not in: {text}");
    }
}

#[tokio::test]
async fn help_shows_an_example_that_works_with_the_real_options() {
    let output = run(&["--help"]).await;
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Example:"), "{text}");
    assert!(text.contains("eventledger --port 8081 --data ./my-data"), "{text}");
    let version = run(&["--version"]).await;
    assert_eq!(String::from_utf8(version.stdout).unwrap().trim(), concat!("eventledger ", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(&["--prot", "1"]).await.status.code(), Some(2));
}

#[tokio::test]
async fn a_second_server_on_the_same_directory_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let first = Server::start(&data).await;
    let second = run(&["--port", "0", "--data", argument(&data)]).await;
    assert_refused(&second, &["another server", "--data"]);
    first.stop().await;
    Server::start(&data).await.stop().await;
}

#[tokio::test]
async fn a_foreign_directory_is_refused_and_untouched() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("thesis.txt"), "text").unwrap();
    assert_refused(&run(&["--port", "0", "--data", argument(place.path())]).await, &["untouched", "--data"]);
    let names: Vec<_> = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["thesis.txt"]);
    assert_eq!(std::fs::read_to_string(place.path().join("thesis.txt")).unwrap(), "text");
}

#[tokio::test]
async fn a_place_where_no_directory_can_be_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let below = file.path().join("data");
    assert_refused(&run(&["--port", "0", "--data", argument(&below)]).await, &["cannot be used", "--data"]);
}

#[tokio::test]
async fn a_port_in_use_is_refused_with_another_one_to_try() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let place = tempfile::tempdir().unwrap();
    let output = run(&["--port", &port.to_string(), "--data", argument(&place.path().join("data"))]).await;
    assert_refused(&output, &[&format!("port {port} is in use"), &format!("--port {}", port + 1)]);
}

#[tokio::test]
async fn the_admin_key_is_shown_once_and_stays_the_same() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let first = Server::start(&data).await;
    let key = first.key.clone();
    assert!(key.starts_with("elk_local_"), "{key}");
    assert!(first.greeting.contains(&key));
    let mode = std::fs::metadata(data.join("admin.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    first.stop().await;

    let second = Server::start(&data).await;
    assert_eq!(second.key, key);
    assert!(!second.greeting.contains(&key), "a key is shown once");
    assert!(!second.log().contains(&key), "and never logged");
    second.stop().await;
}

#[tokio::test]
async fn a_damaged_admin_key_is_refused_and_kept() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    Server::start(&data).await.stop().await;
    std::fs::write(data.join("admin.key"), "elk_local_damaged\n").unwrap();
    assert_refused(&run(&["--port", "0", "--data", argument(&data)]).await, &["admin.key", "move it away"]);
    assert_eq!(std::fs::read_to_string(data.join("admin.key")).unwrap(), "elk_local_damaged\n");
}

#[tokio::test]
async fn both_signals_end_an_idle_server_in_good_order() {
    let place = tempfile::tempdir().unwrap();
    let mut server = Server::start(&place.path().join("data")).await;
    // A kept connection without a request must not hold up the end.
    server.client().get("/health").await.unwrap();
    server.terminate();
    assert!(server.ended().await.success(), "{}", server.log());
    assert!(server.log().contains("stopped"));
}
