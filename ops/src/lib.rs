//! What operators do by hand: API keys, offsets and lag. The tools work on the table itself, so they work when the API does
//! not.
//!
//! Each tool is a [`Tool`] with its verbs in a folder of its own. All of them open a [`desk::Desk`] on the table of an
//! environment, show what they find by [`output`], and change nothing but by a [`plan::Plan`]: what it says is printed
//! first, carried out only with `--execute`, and recorded in the table. What the table holds and how it changes belongs to
//! `ledger`, what API keys look like to `platform`.

mod desk;
mod environment;
mod exit;
mod failure;
pub mod keys;
pub mod lag;
mod names;
pub mod offsets;
mod options;
mod output;
mod paper;
mod plan;
mod secret;
mod time;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use desk::Desk;
use exit::Exit;
use failure::Result;
use options::Common;

/// A tool of operators: a command line with verbs.
#[expect(async_fn_in_trait, reason = "only the programs of this crate run it, and none sends it to another thread")]
pub trait Verbs: clap::Subcommand {
    /// Does what was asked for.
    async fn run(self, desk: &Desk) -> Result<Exit>;
}

/// A tool's command line.
pub trait Tool: Parser + CommandFactory {
    /// Its verbs.
    type Verbs: Verbs;

    /// What all tools take, and the verb.
    fn parts(self) -> (Common, options::Verb<Self::Verbs>);
}

/// Runs a tool as a program: its answer goes to standard output, everything else to standard error, and how it ended is the
/// exit code.
pub async fn run<T: Tool>() -> ExitCode {
    let (common, verb) = T::parse().parts();
    let ended = match verb {
        options::Verb::Of(verb) => attend(&common, verb).await,
        options::Verb::Paper(paper) => paper.write(T::command()),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            // Where nobody listens to standard error, the exit code still tells.
            writeln!(std::io::stderr(), "{}: {failure}", T::command().get_name()).ok();
            failure.exit().into()
        }
    }
}

async fn attend<V: Verbs>(common: &Common, verb: V) -> Result<Exit> {
    let desk = Desk::open(common).await?;
    verb.run(&desk).await
}
