//! Looking at keys.

use platform::api_key::Standing;

use super::record::{KIND, KeyRow, find};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::Result;

/// Shows a key.
#[derive(Clone, Debug, clap::Args)]
pub struct Show {
    /// Id of the key: the twelve characters after the environment in `elk_dev_<id>_...`
    id: String,
}

/// Lists keys.
#[derive(Clone, Debug, clap::Args)]
pub struct List {
    /// Only those of this client
    #[arg(long)]
    client: Option<String>,
    /// Those too that never work again
    #[arg(long)]
    all: bool,
}

impl Show {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let key = find(desk, &self.id).await?;
        desk.output.rows(KIND, &[KeyRow::of(&key, desk.ledger.clock().now())])?;
        Ok(Exit::Done)
    }
}

impl List {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let keys = desk.ledger.list_api_keys().await?;
        let now = desk.ledger.clock().now();
        let rows: Vec<_> = keys
            .iter()
            .filter(|key| self.client.as_ref().is_none_or(|client| *client == key.client))
            .filter(|key| self.all || Standing::of(key, now).is_live())
            .map(|key| KeyRow::of(key, now))
            .collect();
        desk.output.rows(KIND, &rows)?;
        Ok(Exit::Done)
    }
}
