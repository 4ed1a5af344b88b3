//! Changing keys: what a change is, as its plan and its record tell it.

use ledger::{ApiKey, ApiKeysChange};
use serde_json::Value;

use super::record::{KIND, KeyRow, told};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::Result;
use crate::options::Deed;
use crate::plan::Plan;

/// The plan of a change.
pub(super) fn plan(change: &ApiKeysChange, what: &'static str, steps: Vec<String>) -> Plan {
    let created = change.created.iter().map(|new| &new.key);
    let before: Vec<&ApiKey> = change.replaced.iter().map(|(known, _)| known).collect();
    let after: Vec<&ApiKey> = created.chain(change.replaced.iter().map(|(_, changed)| changed)).collect();
    let subject = after.first().map(|key| format!("api-key/{}", key.id)).unwrap_or_default();
    let all = |keys: Vec<&ApiKey>| keys.into_iter().map(told).collect::<Vec<Value>>();
    Plan { what, subject, steps, before: all(before).into(), after: all(after).into() }
}

/// Changes keys that exist.
pub(super) async fn replace(
    desk: &Desk,
    deed: &Deed,
    what: &'static str,
    steps: Vec<String>,
    replaced: Vec<(ApiKey, ApiKey)>,
    urgent: bool,
) -> Result<Exit> {
    let change = ApiKeysChange { created: None, replaced, urgent };
    let plan = plan(&change, what, steps);
    if desk.carry_out(deed, &plan, async |record| Ok(desk.ledger.change_api_keys(&change, record).await?)).await? {
        let now = desk.ledger.clock().now();
        let rows: Vec<_> = change.replaced.iter().map(|(_, changed)| KeyRow::of(changed, now)).collect();
        desk.output.rows(KIND, &rows)?;
    }
    Ok(Exit::Done)
}
