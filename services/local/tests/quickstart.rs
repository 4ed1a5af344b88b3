//! The README's quick start, run as it stands: its shell lines by a shell against the real server on its real port, its
//! JSON compared with what the server answers, member by member. `"…"` in the README stands for any value.
#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod server;

use std::path::{Path, PathBuf};

use serde_json::Value;
use server::{Server, program};

/// A fenced block of the README.
struct Block {
    language: String,
    text: String,
}

fn quick_start() -> Vec<Block> {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let section = readme.split("\n## ").find(|section| section.starts_with("Quick start")).unwrap();
    let mut blocks = Vec::new();
    for fenced in section.split("\n```").skip(1).step_by(2) {
        let (language, text) = fenced.split_once('\n').unwrap();
        blocks.push(Block { language: language.to_owned(), text: text.to_owned() });
    }
    blocks
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Whether an answer is what the README shows.
fn equals(shown: &Value, answered: &Value) -> bool {
    match (shown, answered) {
        (Value::String(any), _) if any == "…" => true,
        (Value::Object(shown), Value::Object(answered)) => {
            shown.len() == answered.len()
                && shown.iter().all(|(name, value)| answered.get(name).is_some_and(|other| equals(value, other)))
        }
        (Value::Array(shown), Value::Array(answered)) => {
            shown.len() == answered.len() && shown.iter().zip(answered).all(|(one, other)| equals(one, other))
        }
        _ => shown == answered,
    }
}

#[tokio::test]
async fn the_quick_start_works_as_it_stands() {
    let place = tempfile::tempdir().unwrap();
    let mut command = program(&["--data", "data"]);
    command.current_dir(place.path());
    // The port of the README: whoever else listens there must stop for this test, and the server says so.
    let server = Server::spawn(command, &place.path().join("data"), &place.path().join("log")).await;
    assert_eq!(server.address, "http://127.0.0.1:8080");

    let blocks = quick_start();
    let mark = "=== end of block ===";
    let mut script = "set -eu\n".to_owned();
    for block in blocks.iter().filter(|block| block.language == "sh") {
        script += &format!("{}\nprintf '\\n%s\\n' '{mark}'\n", block.text);
    }
    let output =
        tokio::process::Command::new("sh").arg("-c").arg(script).current_dir(place.path()).output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let answers = String::from_utf8(output.stdout).unwrap();
    let mut answers = answers.split(mark);

    let (mut answer, mut compared) = ("", 0);
    for block in &blocks {
        match block.language.as_str() {
            "sh" => answer = answers.next().unwrap(),
            "json" => {
                let shown: Value = serde_json::from_str(&block.text).unwrap();
                let answered: Value = serde_json::from_str(answer).unwrap_or_else(|_| panic!("no JSON: {answer}"));
                assert!(equals(&shown, &answered), "the README shows\n{shown:#}\nthe server answers\n{answered:#}");
                compared += 1;
            }
            other => panic!("a block of {other}"),
        }
    }
    assert!(compared >= 10, "the quick start shows its answers");
    server.stop().await;
}
