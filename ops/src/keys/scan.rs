//! Keys in files: leaked ones, before somebody else finds them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use platform::api_key::{Standing, Token, find_all};
use serde::Serialize;
use walkdir::WalkDir;

use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Row, is_watched, printable, say};

/// Finds keys in files.
#[derive(Clone, Debug, clap::Args)]
pub struct Scan {
    /// File or folder; hidden files, and what git ignores, are looked into too
    path: PathBuf,
}

/// A place where a key is written.
#[derive(Clone, Debug, Serialize)]
struct FoundRow {
    file: String,
    line: usize,
    environment: String,
    id: String,
    client: Option<String>,
    state: &'static str,
}

impl Row for FoundRow {
    const COLUMNS: &'static [&'static str] = &["file", "line", "environment", "id", "client", "state"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.file.clone(),
            self.line.to_string(),
            self.environment.clone(),
            self.id.clone(),
            self.client.clone().unwrap_or_default(),
            self.state.to_owned(),
        ]
    }
}

/// What the table says of a key: its client, and how it stands.
type Known = (Option<String>, &'static str);

impl Scan {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        if !self.path.exists() {
            return Err(Failure::NotFound(format!("there is no {}", self.path.display())));
        }
        let (found, unread) = walk(&self.path);
        let mut known = BTreeMap::new();
        let mut rows = Vec::new();
        for (file, line, token) in found {
            let (client, state) = if token.environment() == desk.environment.name {
                // By its secret too: somebody may have written another one behind the id.
                let which = (token.id().to_owned(), token.secret_hash());
                match known.get(&which) {
                    Some(told) => told,
                    None => known.entry(which).or_insert(look_up(desk, &token).await?),
                }
                .clone()
            } else {
                (None, "of another environment")
            };
            let (environment, id) = (token.environment().to_owned(), token.id().to_owned());
            rows.push(FoundRow { file: file.display().to_string(), line, environment, id, client, state });
        }
        desk.output.rows("api_keys_in_files", &rows)?;
        if unread > 0 {
            say(&format!("{unread} files or folders could not be read"));
        }
        let dangerous = |row: &FoundRow| !matches!(row.state, DEAD | UNKNOWN);
        Ok(if rows.iter().any(dangerous) || unread > 0 { Exit::Failed } else { Exit::Done })
    }
}

/// It never works again.
const DEAD: &str = "does not work";
/// There is no such key, or it has another secret.
const UNKNOWN: &str = "unknown";

async fn look_up(desk: &Desk, token: &Token) -> Result<Known> {
    let key = desk.ledger.find_api_key(token.id()).await?;
    // Somebody may write the id of a key behind which another secret stands.
    let Some(key) = key.filter(|key| key.secret_hash == token.secret_hash()) else { return Ok((None, UNKNOWN)) };
    let works = Standing::of(&key, desk.ledger.clock().now()).is_live();
    Ok((Some(key.client), if works { "WORKS: revoke it" } else { DEAD }))
}

type Found = (PathBuf, usize, Token);

/// The keys in all files, and how many files could not be read.
fn walk(path: &Path) -> (Vec<Found>, usize) {
    let bar = ProgressBar::new_spinner();
    if !is_watched() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} files {wide_msg}") {
        bar.set_style(style);
    }
    let (mut found, mut unread) = (Vec::new(), 0);
    for entry in WalkDir::new(path).sort_by_file_name() {
        let Ok(entry) = entry else {
            unread += 1;
            continue;
        };
        if !entry.file_type().is_file() {
            continue;
        }
        bar.inc(1);
        bar.set_message(printable(&entry.path().display().to_string()));
        match keys_in(entry.path()) {
            Ok(keys) => found.extend(keys.into_iter().map(|(line, token)| (entry.path().to_owned(), line, token))),
            Err(_) => unread += 1,
        }
    }
    bar.finish_and_clear();
    (found, unread)
}

/// The keys in a file, each with its line.
fn keys_in(file: &Path) -> std::io::Result<Vec<(usize, Token)>> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(BufReader::new(File::open(file)?).split(b'\n')) {
        // Whatever else is in it, a key is of ASCII.
        let line = line?;
        found.extend(find_all(&String::from_utf8_lossy(&line)).map(|(_, token)| (number, token)));
    }
    Ok(found)
}
