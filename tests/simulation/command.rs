//! What a person asks of the simulation: one seed again, a night of them, or the table of planted bugs.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::{CommandFactory, Parser, Subcommand};
use ledger::planted::{Bug, plant};

use crate::planted::MARKS;
use crate::suite::{self, Totals};
use crate::{planted, run};

const EXAMPLE: &str = "\
Examples:
  just sim 4711              one seed again, with what was wrong
  just sim 4711 --story      and everything that happened, line by line
  just sim-night 60          new seeds for an hour";

/// The deterministic simulation of EventLedger.
#[derive(Parser)]
#[command(name = "simulation", after_help = EXAMPLE)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run one seed and say what was wrong
    Seed {
        seed: u64,
        /// Write down everything that happens
        #[arg(long)]
        story: bool,
        /// Plant this bug, such as `StaleHeads`; a wrong name lists them all
        #[arg(long)]
        bug: Option<String>,
    },
    /// Run seeds until the time is over, with a line of progress
    Night {
        minutes: u64,
        /// Where to begin; by default where the clock says, so that each night is another
        #[arg(long)]
        first: Option<u64>,
        /// Stop after so many seeds
        #[arg(long)]
        seeds: Option<u64>,
    },
    /// Run seeds with each planted bug and write the table of what they came to
    Planted {
        /// The document to write it to, between its marks
        document: PathBuf,
        /// How many seeds for each
        #[arg(long, default_value_t = 200)]
        seeds: u64,
    },
    /// What tells the runs of these seeds from all others
    Trace {
        first: u64,
        last: u64,
        /// Begin with the last
        #[arg(long)]
        backwards: bool,
    },
}

/// Whether somebody asks for something; else the tests are run, and cargo's options and filters are theirs. Every command
/// wants a value, and a word alone is a filter, perhaps for another suite.
pub(crate) fn is_meant() -> bool {
    let words: Vec<String> = std::env::args().skip(1).take(2).collect();
    match words.as_slice() {
        [first] => first == "help",
        [first, second] => !second.starts_with('-') && Options::command().find_subcommand(first).is_some(),
        _ => false,
    }
}

/// Does it.
pub(crate) fn obey() -> ExitCode {
    match Options::parse().command {
        Command::Seed { seed, story, bug } => seed_again(seed, story, bug.as_deref()),
        Command::Night { minutes, first, seeds } => night(minutes, first, seeds),
        Command::Planted { document, seeds } => plant_all(&document, seeds),
        Command::Trace { first, last, backwards } => {
            if backwards {
                suite::print_traces((first..=last).rev());
            } else {
                suite::print_traces(first..=last);
            }
            ExitCode::SUCCESS
        }
    }
}

fn seed_again(seed: u64, story: bool, bug: Option<&str>) -> ExitCode {
    let found = bug.map(|name| Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == name));
    let Ok(bug) = found.map_or(Ok(None), |bug| bug.map(Some).ok_or(())) else {
        eprintln!("there is no such bug; there are {:?}", Bug::ALL);
        return ExitCode::from(2);
    };
    plant(bug);
    let report = run::run(seed, story);
    for anomaly in &report.anomalies {
        println!("{anomaly}");
    }
    let (calls, faults, count) = (report.store_calls, report.faults, report.anomalies.len());
    println!("seed {seed}: {calls} store calls, {faults} faults, {count} anomalies, trace {:016x}", report.trace);
    if count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn night(minutes: u64, first: Option<u64>, most: Option<u64>) -> ExitCode {
    let first = first.unwrap_or_else(|| ledger::Clock::system().now().seconds());
    eprintln!("from seed {first}");
    let last = most.map_or(u64::MAX, |most| first.saturating_add(most.saturating_sub(1)));
    let terminal = std::io::stderr().is_terminal();
    let end = minutes * 60_000;
    let told = AtomicUsize::new(0);
    let totals = suite::seeds(first..=last, None, |totals| {
        // At once: nobody wants to wait for the morning to run it again.
        if totals.failing.len() > told.swap(totals.failing.len(), Ordering::Relaxed) {
            eprintln!("\n{}", totals.failures());
        }
        if terminal {
            eprint!("\r{}   ", totals.line());
            std::io::stderr().flush().ok();
        } else if totals.seeds.is_multiple_of(500) {
            eprintln!("{}", totals.line());
        }
        totals.milliseconds < end
    });
    eprintln!();
    println!("from seed {first}: {}", totals.line());
    for (name, count) in &totals.counters.0 {
        println!("{count:9} {name}");
    }
    if totals.failing.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("{}", totals.failures());
    ExitCode::FAILURE
}

fn plant_all(document: &std::path::Path, seeds: u64) -> ExitCode {
    let text = match std::fs::read_to_string(document) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{}: {error}", document.display());
            return ExitCode::from(2);
        }
    };
    let parts = text.split_once(MARKS[0]).and_then(|(before, rest)| Some((before, rest.split_once(MARKS[1])?.1)));
    let Some((before, after)) = parts else {
        eprintln!("{} has no marks to write between: {MARKS:?}", document.display());
        return ExitCode::from(2);
    };
    let table = planted::table(seeds, |bug, totals: &Totals| eprintln!("{bug:?}: {}", totals.line()));
    match std::fs::write(document, format!("{before}{}{table}{}{after}", MARKS[0], MARKS[1])) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", document.display());
            ExitCode::FAILURE
        }
    }
}
