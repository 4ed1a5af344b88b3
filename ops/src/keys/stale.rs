//! Keys that nobody uses, and those that end soon.

use ledger::{ApiKey, Timestamp};
use platform::api_key::Standing;
use serde::Serialize;

use super::record::{KeyRow, end};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::Row;
use crate::time::{Duration, short};

/// Finds keys that nobody uses, and those that end soon.
#[derive(Clone, Debug, clap::Args)]
pub struct Stale {
    /// Not used for so long
    #[arg(long, value_name = "DURATION", default_value = "90d")]
    unused: Duration,
    /// Ending within so long
    #[arg(long, value_name = "DURATION", default_value = "14d")]
    ending: Duration,
}

#[derive(Clone, Debug, Serialize)]
struct StaleRow {
    #[serde(flatten)]
    key: KeyRow,
    why: String,
}

impl Row for StaleRow {
    const COLUMNS: &'static [&'static str] = &["id", "client", "state", "scopes", "tier", "last used", "ends", "why"];

    fn cells(&self) -> Vec<String> {
        [self.key.cells(), vec![self.why.clone()]].concat()
    }
}

impl Stale {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let now = desk.ledger.clock().now();
        let keys = desk.ledger.list_api_keys().await?;
        let row = |key: &ApiKey| self.why(key, now).map(|why| StaleRow { key: KeyRow::of(key, now), why });
        desk.output.rows("stale_api_keys", &keys.iter().filter_map(row).collect::<Vec<_>>())?;
        Ok(Exit::Done)
    }

    fn why(&self, key: &ApiKey, now: Timestamp) -> Option<String> {
        if !Standing::of(key, now).is_live() {
            return None;
        }
        if let Some(end) = end(key).filter(|end| end.since(now) < self.ending.0) {
            return Some(format!("ends in {}", short(end.since(now))));
        }
        let idle = now.since(key.last_used_at.unwrap_or(key.created_at));
        let unused = || match key.last_used_at {
            Some(_) => format!("not used for {}", short(idle)),
            None => format!("never used in {}", short(idle)),
        };
        (idle >= self.unused.0).then(unused)
    }
}
