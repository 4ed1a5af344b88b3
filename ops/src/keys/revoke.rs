//! Ending keys for good.

use ledger::{ApiKey, ApiKeyState};
use platform::api_key::Standing;

use super::change::replace;
use super::record::find;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::options::Deed;

/// Revokes a key.
#[derive(Clone, Debug, clap::Args)]
pub struct Revoke {
    /// Id of the key
    id: String,
    /// Everywhere within five seconds instead of a minute; every service reads all its keys afresh then
    #[arg(long)]
    urgent: bool,
    #[command(flatten)]
    deed: Deed,
}

impl Revoke {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let key = find(desk, &self.id).await?;
        if Standing::of(&key, desk.ledger.clock().now()) == Standing::Revoked && !self.urgent {
            return Err(Failure::Refused(format!("{} is revoked already; nothing was written", key.id)));
        }
        let within = if self.urgent { "five seconds" } else { "a minute" };
        let steps = vec![format!("revoke {} of {} for good, everywhere within {within}", key.id, key.client)];
        let changed = ApiKey { state: ApiKeyState::Revoked, ..key.clone() };
        replace(desk, &self.deed, "ledger-keys revoke", steps, vec![(key, changed)], self.urgent).await
    }
}
