//! What all tools take on their command lines.

use std::path::PathBuf;

use crate::paper::Paper;

/// Where and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// Environment, such as dev or prod: a folder of --environments
    #[arg(long, global = true, value_name = "ENV")]
    pub(crate) env: Option<String>,
    /// Folder of the environments
    #[arg(long, global = true, value_name = "DIR", default_value = "environments")]
    pub(crate) environments: PathBuf,
    /// Work on the data directory of a local server that does not run, as in embedded:./data
    #[arg(long, global = true, value_name = "embedded:DIR")]
    pub(crate) backend: Option<Backend>,
    /// How the answer is written
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Format,
}

/// What stands in for the table of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backend {
    /// The data directory of a local server.
    pub(crate) data: PathBuf,
}

impl std::str::FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("embedded:") {
            Some(data) if !data.is_empty() => Ok(Self { data: data.into() }),
            _ => Err("write embedded: and the data directory of a local server, as in embedded:./data".to_owned()),
        }
    }
}

/// How an answer is written to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people, within 100 columns
    Table,
    /// One object with a `schema_version`
    Json,
    /// With a line of names first
    Csv,
}

/// What every verb takes that changes something.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Deed {
    /// Do it; without this, what would be done is shown and nothing is written
    #[arg(long)]
    pub(crate) execute: bool,
    /// Name of the environment once more, where it is a protected one
    #[arg(long, value_name = "ENV")]
    pub(crate) confirm: Option<String>,
    /// Why, for the record of it
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Who does it, for the record of it
    #[arg(long, value_name = "NAME", env = "USER", hide_env = true)]
    pub(crate) operator: Option<String>,
}

/// What a tool can be asked for.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Verb<V: clap::Subcommand> {
    /// Its own verbs.
    #[command(flatten)]
    Of(V),
    /// What is generated from its command line.
    #[command(flatten)]
    Paper(Paper),
}
