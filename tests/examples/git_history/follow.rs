//! git-follow: prints one line per changed file as commits are published, and commits what it printed.
//!
//! It goes on where git-bootstrap, or its own last run, ended; a new subscription starts at the newest event. Stopped at
//! any moment it may print the lines of the last page again, and never leaves one out.

mod api;

use std::process::ExitCode;

use api::{Api, Call, Failure, Place, finish};
use clap::Parser;
use reqwest::Method;
use serde_json::{Value, json};

/// Prints the changes of a repository as they are published.
#[derive(Debug, Parser)]
#[command(name = "git-follow", after_help = "Example:\n  git-follow --stream website")]
struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The subscription; created at the newest event when it does not exist.
    #[arg(long, default_value = "git-tree")]
    subscription: String,
    /// Stop when everything published was printed.
    #[arg(long)]
    once: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tokio::select! {
        result = run(&arguments) => finish(result),
        _ = tokio::signal::ctrl_c() => ExitCode::SUCCESS,
    }
}

async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let api = Api::new(&arguments.place)?;
    api.stream(false).await?;
    let path = format!("/subscriptions/{}", arguments.subscription);
    let definition = json!({ "subscription_id": arguments.subscription, "start_from": "latest" });
    // 409: git-bootstrap made it, with another start.
    api.call(&Call::post("/subscriptions", &definition)).await?.expect(&[200, 201, 409])?;
    let wait = if arguments.once { 0 } else { 20 };
    loop {
        let poll = Call::new(Method::GET, format!("{path}/poll?limit=1000&wait={wait}"));
        let page = api.call(&poll).await?.expect(&[200])?;
        let events = page["events"].as_array().ok_or("a page without events")?;
        for line in events.iter().filter_map(line) {
            println!("{line}");
        }
        if !events.is_empty() {
            let cursor = json!({ "cursor": page["cursor"] });
            api.call(&Call::post(format!("{path}/commit"), &cursor)).await?.expect(&[200])?;
        }
        if arguments.once && page["caught_up"] == true {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// The line of an event; none for the publisher's own progress.
fn line(event: &Value) -> Option<String> {
    let path = event["key"].as_str()?;
    let data = |name: &str| event["data"][name].as_str().unwrap_or_default();
    match event["type"].as_str()? {
        "file.changed" => Some(format!("{:.10} changed {path} ({}, {})", data("commit"), data("author"), data("time"))),
        "file.deleted" => Some(format!("{:10} deleted {path}", "")),
        _ => None,
    }
}
