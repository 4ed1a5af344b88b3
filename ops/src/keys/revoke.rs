//! Ending keys for good.

use ledger::{ApiKey, ApiKeyState, ApiKeysChange};
use platform::api_key::Standing;
use serde_json::Value;

use super::record::{KIND, KeyRow, find, subject, told};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::options::Deed;
use crate::plan::Plan;

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
        let change = ApiKeysChange { created: None, replaced: vec![(key, changed)], urgent: self.urgent };
        replace(desk, &self.deed, "ledger-keys revoke", steps, change).await
    }
}

/// Changes keys that exist.
pub(super) async fn replace(
    desk: &Desk,
    deed: &Deed,
    what: &'static str,
    steps: Vec<String>,
    change: ApiKeysChange,
) -> Result<Exit> {
    let all = |which: fn(&(ApiKey, ApiKey)) -> &ApiKey| change.replaced.iter().map(|pair| told(which(pair))).collect();
    let (before, after): (Vec<_>, Vec<_>) = (all(|(known, _)| known), all(|(_, changed)| changed));
    let subject = change.replaced.first().map(|(key, _)| subject(key)).unwrap_or_default();
    let plan = Plan { what, subject, steps, before: Value::from(before), after: Value::from(after) };
    let done = desk
        .carry_out(deed, &plan, async |record| Ok((desk.ledger.change_api_keys(&change, record).await?, ())))
        .await?;
    if done.is_some() {
        let now = desk.ledger.clock().now();
        let rows: Vec<_> = change.replaced.iter().map(|(_, changed)| KeyRow::of(changed, now)).collect();
        desk.output.rows(KIND, &rows)?;
    }
    Ok(Exit::Done)
}
