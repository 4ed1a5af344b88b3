//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  just bench                                      everything, some minutes
  just bench --only publish --connections 16      one workload
  just bench --json bench.json --svg bench.svg    and keep what was measured
  just bench --quick                              whether it works at all; its figures mean nothing
  just bench scale                                sizes from a thousand to ten million, an hour and more
  just bench compaction                           a million keys";

/// The document that `--write-document` writes to when it is not told another.
const DOCUMENT: &str = "tests/examples/bench/README.md";

/// Measures the local server, and others where they are installed.
#[derive(Debug, Parser)]
#[command(name = "bench", after_help = EXAMPLES, args_conflicts_with_subcommands = false)]
pub(crate) struct Options {
    /// What to measure instead of throughput and latency
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// How long each run measures, in seconds; a quarter of it warms up before
    #[arg(long, global = true, default_value_t = 8)]
    pub(crate) seconds: u64,
    /// How many runs of each; the median counts, the lowest and the highest are shown
    #[arg(long, global = true, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// Connections of the single-event publishes; beyond 256 requests at once the local server refuses them by design
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256])]
    pub(crate) connections: Vec<usize>,
    /// Only these workloads
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Workload>,
    /// Events of the catch-up read, in thousands that are rounded up
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) events: u64,
    /// Write all of it as JSON to this file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Draw it to this file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Write the table to its place in this document
    #[arg(long, global = true, value_name = "FILE", num_args = 0..=1, default_missing_value = DOCUMENT, conflicts_with = "quick")]
    pub(crate) write_document: Option<PathBuf>,
    /// A run of some seconds with small sizes, whether everything works: what it measures means nothing
    #[arg(long, global = true)]
    pub(crate) quick: bool,
    /// The local server; by default the `eventledger` that was built beside this program
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) server: Option<PathBuf>,
    /// Where data folders are made, and deleted again; on a disk, or no write is durable. By default `bench` in cargo's target folder
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Measure EventLedger only, whatever else is installed
    #[arg(long, global = true)]
    pub(crate) alone: bool,
}

/// What else can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What a publish and a poll cost while events, streams and subscriptions grow in number
    Scale(Scale),
    /// How many keys a second are compacted and bootstrapped, and how far compaction is behind under load
    Compaction(Compaction),
}

/// How far it goes; each size is ten times the one before.
#[derive(Clone, Debug, Args)]
pub(crate) struct Scale {
    /// The most events in a stream, from a thousand on
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) events: u64,
    /// The most streams
    #[arg(long, default_value_t = 1_000)]
    pub(crate) streams: u64,
    /// The most subscriptions of a stream
    #[arg(long, default_value_t = 1_000)]
    pub(crate) subscriptions: u64,
}

/// How much is compacted.
#[derive(Clone, Debug, Args)]
pub(crate) struct Compaction {
    /// Distinct keys, in thousands that are rounded up
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) keys: u64,
}

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// Single events, closed loop
    Publish,
    /// A hundred events in each request, closed loop
    Batch,
    /// A thousand events in each request, on one connection
    Load,
    /// Latency of single events at a fixed rate, open loop
    Latency,
    /// One subscriber that catches up
    Read,
    /// Waiting polls: what idle ones cost, and how soon they wake
    Polls,
}

impl Options {
    /// Whether a workload is asked for.
    pub(crate) fn wants(&self, workload: Workload) -> bool {
        self.only.is_empty() || self.only.contains(&workload)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Options::command().debug_assert();
    }

    #[test]
    fn what_holds_for_all_may_stand_behind_a_subcommand() {
        let options = Options::parse_from(["bench", "compaction", "--keys", "5", "--runs", "2", "--write-document"]);
        assert!(matches!(options.command, Some(Command::Compaction(Compaction { keys: 5 }))));
        assert_eq!((options.runs, options.write_document), (2, Some(PathBuf::from(DOCUMENT))));
    }

    #[test]
    fn a_quick_run_is_written_to_no_document() {
        assert!(Options::try_parse_from(["bench", "--quick", "--write-document"]).is_err());
    }

    #[test]
    fn only_what_is_named_is_measured() {
        let options = Options::parse_from(["bench", "--only", "publish,polls"]);
        assert!(options.wants(Workload::Polls) && !options.wants(Workload::Read));
        assert!(Options::parse_from(["bench"]).wants(Workload::Read));
    }
}
