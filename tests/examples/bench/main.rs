//! bench: how fast the local server is, and others beside it. It starts the servers itself, each on a fresh data folder with
//! its production settings, loads them over HTTP, and writes what it measured as a table, as JSON and as a picture. What is
//! measured, how, and what that does not show is in the README beside this file.
//!
//! It shares the machine with the server that it measures, so it is light: one thread, requests that are built before, answers
//! that are read and not parsed. An answer that is no success ends the run. It measures and judges nothing.
#![expect(clippy::disallowed_methods, reason = "it measures time, which no test does")]

mod client;
mod compaction;
mod events;
mod load;
mod machine;
mod options;
mod process;
mod report;
mod scale;
mod statistics;
mod system;
mod workbench;
mod workloads;

use std::process::ExitCode;

use clap::Parser;

use crate::client::Result;
use crate::options::{Command, Options};
use crate::report::{Findings, Report};
use crate::workbench::Workbench;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<()> {
    let bench = Workbench::prepare(options).await?;
    let (subject, findings) = measure(options, &bench).await?;
    let report = Report::new(&bench, subject, findings);
    println!("{}", report::table::text(&report));
    if let Some(file) = &options.json {
        report::write(file, &(serde_json::to_string_pretty(&report)? + "\n"))?;
    }
    if let Some(file) = &options.svg {
        report::write(file, &report::plot::picture(&report.findings.charts)?)?;
    }
    if let Some(file) = &options.write_document {
        report::document::write(file, &report)?;
    }
    Ok(())
}

async fn measure(options: &Options, bench: &Workbench) -> Result<(&'static str, Findings)> {
    let [all, scale, compaction] = report::SUBJECTS;
    Ok(match &options.command {
        None => (all, workloads::all(bench, options).await?),
        Some(Command::Scale(sizes)) => (scale, scale::all(bench, sizes).await?),
        Some(Command::Compaction(sizes)) => (compaction, compaction::all(bench, sizes).await?),
    })
}
