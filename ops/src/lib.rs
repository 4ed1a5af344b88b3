//! What operators do by hand: API keys, offsets and lag. The tools work on the table itself, so they work when the API does
//! not.
//!
//! Each tool is its [`Verbs`], in a folder of its own. All of them open a [`desk::Desk`] on the table of an
//! environment, show what they find by [`output`], and change nothing but by a [`plan::Plan`]: what it says is printed
//! first, carried out only with `--execute`, and recorded in the table. What the table holds and how it changes belongs to
//! `ledger`, what API keys look like to `platform`.

mod desk;
mod environment;
mod exit;
mod failure;
mod file;
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

use exit::Exit;
use failure::Result;
use options::{Common, Verb};

/// A tool of operators, by its verbs.
#[expect(async_fn_in_trait, reason = "only the programs of this crate run it, and none sends it to another thread")]
pub trait Verbs: clap::Subcommand {
    /// The program.
    const NAME: &'static str;
    /// What it is for, in a line.
    const ABOUT: &'static str;
    /// How it is used, and what its exit codes mean.
    const EXAMPLE: &'static str;

    /// Does what was asked for. Most verbs open a desk first.
    async fn run(self, common: &Common) -> Result<Exit>;
}

/// The command line of a tool.
#[derive(Clone, Debug, Parser)]
#[command(name = V::NAME, about = V::ABOUT, version, after_help = V::EXAMPLE, max_term_width = 100)]
struct CommandLine<V: Verbs> {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb<V>,
}

/// Runs a tool as a program: its answer goes to standard output, everything else to standard error, and how it ended is the
/// exit code.
pub async fn run<V: Verbs>() -> ExitCode {
    let CommandLine { common, verb } = CommandLine::<V>::parse();
    let ended = match verb {
        Verb::Of(verb) => verb.run(&common).await,
        Verb::Paper(paper) => paper.write(CommandLine::<V>::command()),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            // Where nobody listens to standard error, the exit code still tells.
            writeln!(std::io::stderr(), "{}: {failure}", V::NAME).ok();
            failure.exit().into()
        }
    }
}

/// Whether one of the tools understands a command line, of which the first word is its name.
///
/// # Errors
/// What the tool would say of it.
pub fn understands(words: &[String]) -> std::result::Result<(), String> {
    fn parse<V: Verbs>(words: &[String]) -> std::result::Result<(), String> {
        CommandLine::<V>::try_parse_from(words).map(drop).map_err(|error| error.to_string())
    }
    match words.first().map(String::as_str) {
        Some(keys::Keys::NAME) => parse::<keys::Keys>(words),
        Some(lag::Lag::NAME) => parse::<lag::Lag>(words),
        Some(offsets::Offsets::NAME) => parse::<offsets::Offsets>(words),
        _ => Err("it is the command line of none of the tools".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_lines_are_well_formed() {
        CommandLine::<keys::Keys>::command().debug_assert();
        CommandLine::<lag::Lag>::command().debug_assert();
        CommandLine::<offsets::Offsets>::command().debug_assert();
    }
}
