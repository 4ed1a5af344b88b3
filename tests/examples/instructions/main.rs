//! instructions: how many instructions a Lambda's handlers take for one request, counted by valgrind's callgrind. A count is the
//! same on each machine of a kind and however busy it is, which no time is, so one that grew is seen. The store is taped, so
//! that what DynamoDB does is not counted.
//!
//! Two runs of this program under callgrind, one of which handles more requests than the other, differ by what those take. The
//! counts stand in `counts.json` for each profile, with the compiler that they belong to: another one is not compared.

mod handlers;
mod tape;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};
use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};

use crate::handlers::Operation;

type Failure = Box<dyn std::error::Error>;

/// A count that grew by more is a regression.
const TOLERATED_PERCENT: f64 = 5.0;
/// Requests of the two runs. What lies between is counted: enough of them that what happens now and then evens out.
const REQUESTS: [u32; 2] = [10, 60];
const PROFILE: &str = if cfg!(debug_assertions) { "dev" } else { "release" };

/// Counts the instructions of the handlers of publish and poll, and compares them with those that are written down.
#[derive(Debug, Parser)]
#[command(name = "instructions", after_help = "Examples:\n  just instructions\n  just instructions --write")]
struct Arguments {
    /// Write the counts down instead of comparing them.
    #[arg(long)]
    write: bool,
    #[command(subcommand)]
    command: Option<Task>,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Handle requests: what runs under callgrind.
    Handle {
        #[arg(value_enum)]
        operation: Operation,
        times: u32,
    },
}

/// The counts of a profile.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Counts {
    /// What compiled it: another compiler makes other instructions.
    compiler: String,
    /// Instructions of one request, by operation.
    instructions: BTreeMap<String, u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Some(Task::Handle { operation, times }) => handle(operation, times).map(|()| true),
        None => count(arguments.write),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("instructions: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn handle(operation: Operation, times: u32) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(handlers::handle(operation, times));
    println!("{}", asked.join(" "));
    Ok(())
}

/// Counts, and compares or writes down; whether nothing grew too much.
fn count(write: bool) -> Result<bool, Failure> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/instructions/counts.json");
    let mut all: BTreeMap<String, Counts> = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    let compiler = compiler()?;
    let known = all.get(PROFILE).filter(|counts| counts.compiler == compiler);
    let (mut table, mut instructions, mut grew) = (Table::new(), BTreeMap::new(), false);
    table.load_preset(presets::ASCII_MARKDOWN).set_header(["one request", "instructions", "before", "change"]);
    for operation in Operation::ALL {
        let counted = per_request(operation)?;
        let before = known.and_then(|known| known.instructions.get(operation.as_str())).copied();
        let change = before.map(|before| 100.0 * (counted as f64 / before as f64 - 1.0));
        grew |= change.is_some_and(|change| change > TOLERATED_PERCENT);
        let cells = [
            counted.to_string(),
            before.map(|before| before.to_string()).unwrap_or_default(),
            change.map(|change| format!("{change:+.1} %")).unwrap_or_default(),
        ];
        let mut row = vec![Cell::new(operation.meaning())];
        row.extend(cells.map(|text| Cell::new(text).set_alignment(CellAlignment::Right)));
        table.add_row(row);
        instructions.insert(operation.as_str().to_owned(), counted);
    }
    println!("{table}");
    if write {
        all.insert(PROFILE.to_owned(), Counts { compiler, instructions });
        std::fs::write(&file, serde_json::to_string_pretty(&all)? + "\n")?;
        return Ok(true);
    }
    if known.is_none() {
        println!("NOT COMPARED: no counts of the profile {PROFILE} by {compiler} are written down; --write does it");
    }
    if grew {
        eprintln!("a request takes over {TOLERATED_PERCENT} % more instructions; if it must be, --write the counts");
    }
    Ok(!grew)
}

/// Instructions of one request.
fn per_request(operation: Operation) -> Result<u64, Failure> {
    let [few, many] = REQUESTS;
    let between = counted(operation, many)?.saturating_sub(counted(operation, few)?);
    Ok(between / u64::from(many - few))
}

/// Instructions of a whole run.
fn counted(operation: Operation, times: u32) -> Result<u64, Failure> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe()?);
    command.args(["handle", operation.as_str(), &times.to_string()]);
    let output =
        command.output().map_err(|error| format!("valgrind cannot be run, so nothing was counted: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let collected = told.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    match collected {
        Some(instructions) if output.status.success() => Ok(instructions),
        _ => Err(format!("a run under callgrind failed ({})\n{told}", output.status).into()),
    }
}

/// What compiled this program, as far as it is known where it runs.
fn compiler() -> Result<String, Failure> {
    let output = Command::new("rustc").arg("--version").output().map_err(|error| format!("rustc: {error}"))?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
