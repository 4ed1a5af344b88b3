//! start-up: how large the zip of each Lambda is, and how long it takes from the start of its process to its first request
//! for work. A stand-in on this machine answers for Lambda's runtime API and for DynamoDB, over plain HTTP: what fetching the
//! zip, making the sandbox and the first TLS connection cost, only AWS shows. It measures and judges nothing.
#![expect(clippy::disallowed_methods, reason = "it measures time, which no test does")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use axum::routing::{get, post};
use clap::Parser;
use platform::functions::FUNCTIONS;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// What a Lambda asks for work.
const NEXT: &str = "/2018-06-01/runtime/invocation/next";
/// A process that has not asked by then never will.
const LONGEST: Duration = Duration::from_secs(10);

/// Measures the start of each Lambda.
#[derive(Debug, Parser)]
#[command(name = "start-up", after_help = "Example: just build-lambda && just start-up")]
struct Arguments {
    /// The folder with `<service>/bootstrap.zip`, and beside it what is in it, `<service>/unpacked/bootstrap`
    folder: PathBuf,
    /// How many starts of each; the median counts
    #[arg(long, default_value_t = 20)]
    starts: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let (asked, mut requests) = mpsc::unbounded_channel();
    let next = get(move || {
        let asked = asked.clone();
        async move {
            let _ = asked.send(Instant::now());
            // There is no work, and never will be.
            std::future::pending::<()>().await;
        }
    });
    let stand_in = axum::Router::new().route(NEXT, next).route("/", post(|| async { "{}" }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move { axum::serve(listener, stand_in).await });

    println!("| function | zip, MB | median of {} starts, ms | shortest | longest |", arguments.starts);
    println!("| --- | --- | --- | --- | --- |");
    for function in FUNCTIONS {
        let folder = arguments.folder.join(function.service);
        let megabytes = size_of(&folder.join("bootstrap.zip"))? / 1_000_000.0;
        // The first one fetches the program from the disk.
        start(&folder, function.variables, &address, &mut requests).await?;
        let mut times = Vec::new();
        for _ in 0..arguments.starts.max(1) {
            times.push(start(&folder, function.variables, &address, &mut requests).await?);
        }
        times.sort();
        let milliseconds = |time: Duration| time.as_secs_f64() * 1_000.0;
        let (median, shortest, longest) = (times[times.len() / 2], times[0], times[times.len() - 1]);
        let [median, shortest, longest] = [median, shortest, longest].map(milliseconds);
        println!("| {} | {megabytes:.1} | {median:.1} | {shortest:.1} | {longest:.1} |", function.service);
    }
    Ok(())
}

fn size_of(file: &Path) -> Result<f64, String> {
    let told = |error| format!("{}: {error}; `just build-lambda` makes it", file.display());
    std::fs::metadata(file).map(|metadata| metadata.len() as f64).map_err(told)
}

/// Starts a Lambda and answers after how long it asked for work.
async fn start(
    folder: &Path,
    variables: &[&str],
    address: &str,
    requests: &mut mpsc::UnboundedReceiver<Instant>,
) -> Result<Duration, String> {
    let program = folder.join("unpacked/bootstrap");
    let mut command = Command::new(&program);
    command.env_clear().stdout(Stdio::null()).kill_on_drop(true);
    for variable in variables {
        command.env(variable, if variable.ends_with("URL") { format!("http://{address}") } else { "test".to_owned() });
    }
    command.envs([
        ("AWS_LAMBDA_RUNTIME_API", address),
        ("AWS_LAMBDA_FUNCTION_NAME", "start-up"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "start-up"),
        ("AWS_ENDPOINT_URL", &format!("http://{address}")),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "none"),
        ("AWS_SECRET_ACCESS_KEY", "none"),
    ]);
    let began = Instant::now();
    let mut process: Child = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
    let asked = tokio::time::timeout(LONGEST, requests.recv()).await;
    process.kill().await.map_err(|error| error.to_string())?;
    match asked {
        Ok(Some(at)) => Ok(at - began),
        _ => Err(format!("{} did not ask for work within {} s", program.display(), LONGEST.as_secs())),
    }
}
