//! Moving a subscription, with a way back.

use std::path::PathBuf;

use ledger::model::cursor::Cursor;
use ledger::{Change, SeekTo, StartFrom};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Which;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::file;
use crate::options::Deed;
use crate::output::{SCHEMA_VERSION, say};
use crate::plan::Plan;
use crate::time;

/// Moves a subscription.
#[derive(Clone, Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["to", "undo"]))]
pub struct Seek {
    #[command(flatten)]
    which: Which,
    /// earliest, latest, compacted, or a time as in 2026-01-31T12:00:00Z
    #[arg(long, value_name = "PLACE", value_parser = place)]
    to: Option<StartFrom>,
    /// Back to where it stood before, by the file that was written then
    #[arg(long, value_name = "FILE")]
    undo: Option<PathBuf>,
    /// New file that leads back to where it stands now
    #[arg(long, value_name = "FILE", required = true)]
    undo_file: PathBuf,
    #[command(flatten)]
    deed: Deed,
}

/// The way back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Undo {
    schema_version: u32,
    environment: String,
    stream: String,
    subscription: String,
    cursor: String,
}

impl Seek {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        file::must_be_new(&self.undo_file)?;
        let to = self.target(desk)?;
        let Which { stream, subscription } = &self.which;
        let seek = desk.ledger.plan_seek(stream, subscription, to).await.map_err(|error| match error {
            ledger::Error::InvalidCursor | ledger::Error::StreamRecreated(_) => {
                Failure::Refused(format!("the way back leads into an earlier life of {stream}; nothing was written"))
            }
            ledger::Error::Refused { detail, .. } => Failure::Refused(format!("{detail}; nothing was written")),
            other => other.into(),
        })?;
        let told = |offsets: &[u64]| match offsets {
            [] => "compacted state".to_owned(),
            offsets => format!("{offsets:?}"),
        };
        let mut steps = vec![format!(
            "move {subscription} of {stream} from {} to {}, with {} events beyond",
            told(&seek.before),
            told(&seek.after),
            seek.lag.events
        )];
        if seek.goes_back {
            steps.push(format!("let {subscription} read again what it has passed"));
        }
        let skipped: u64 =
            seek.before.iter().zip(&seek.after).map(|(before, after)| after.saturating_sub(*before)).sum();
        if skipped > 0 {
            steps.push(format!("let {subscription} never see {skipped} events that it has not committed"));
        }
        let plan = Plan {
            what: "ledger-offsets seek",
            subject: self.which.subject(),
            steps,
            before: json!(seek.before),
            after: json!(seek.after),
        };
        let undo = Undo {
            schema_version: SCHEMA_VERSION,
            environment: desk.environment.name.clone(),
            stream: stream.to_string(),
            subscription: subscription.to_string(),
            cursor: seek.undo.as_str().to_owned(),
        };
        let undo = serde_json::to_string_pretty(&undo);
        let undo = undo.map_err(|error| Failure::Failed(format!("the way back cannot be written: {error}")))?;
        let done = desk
            .carry_out(&self.deed, &plan, async |record| {
                file::write_new(&self.undo_file, &undo)?;
                let change = desk.ledger.seek_as_planned(&seek, record).await;
                // What surely was not done needs no way back.
                match change {
                    Ok(Change::Made) => {}
                    Err(ledger::Error::OutcomeUnknown(_)) => {
                        say(&format!("if it was done, {} leads back", self.undo_file.display()));
                    }
                    _ => drop(std::fs::remove_file(&self.undo_file)),
                }
                Ok(change?)
            })
            .await?;
        if done {
            let (undo, whence) = (self.undo_file.display(), desk.whence());
            say(&format!(
                "back with: ledger-offsets {whence} seek {stream} {subscription} --undo {undo} --undo-file {undo}.again"
            ));
            say("readers hear of it when they commit or poll without a cursor, within half a minute");
        }
        Ok(Exit::Done)
    }

    fn target(&self, desk: &Desk) -> Result<SeekTo> {
        let Some(file) = &self.undo else {
            return self.to.map(SeekTo::Start).ok_or_else(|| Failure::Usage("name a place with --to".to_owned()));
        };
        let text = std::fs::read_to_string(file).map_err(|error| Failure::file("read", file, &error))?;
        let foreign = || Failure::Refused(format!("{} leads back somewhere else; nothing was written", file.display()));
        let undo: Undo = serde_json::from_str(&text).map_err(|_| foreign())?;
        let fits = undo.schema_version == SCHEMA_VERSION
            && undo.environment == desk.environment.name
            && undo.stream == self.which.stream.as_str()
            && undo.subscription == self.which.subscription.as_str();
        if fits { Ok(SeekTo::Cursor(Cursor::from_client(undo.cursor))) } else { Err(foreign()) }
    }
}

fn place(text: &str) -> std::result::Result<StartFrom, String> {
    match text {
        "earliest" => Ok(StartFrom::Earliest),
        "latest" => Ok(StartFrom::Latest),
        "compacted" => Ok(StartFrom::Compacted),
        other => time::parse(other).map(StartFrom::Timestamp),
    }
}
