//! A key as it is told: everything but its secret, of which not even the hash is shown.

use ledger::{ApiKey, Timestamp};
use platform::api_key::Standing;
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::output::Row;

/// What answers call them.
pub(super) const KIND: &str = "api_keys";

/// A key.
#[derive(Clone, Debug, Serialize)]
pub(super) struct KeyRow {
    id: String,
    client: String,
    state: &'static str,
    scopes: Vec<String>,
    tier: String,
    created_at: String,
    not_before: Option<String>,
    expires_at: Option<String>,
    grace_until: Option<String>,
    last_used_at: Option<String>,
}

impl KeyRow {
    pub(super) fn of(key: &ApiKey, now: Timestamp) -> Self {
        let told = |time: Option<Timestamp>| time.map(|time| time.to_string());
        Self {
            id: key.id.clone(),
            client: key.client.clone(),
            state: Standing::of(key, now).as_str(),
            scopes: key.scopes.clone(),
            tier: key.tier.clone(),
            created_at: key.created_at.to_string(),
            not_before: told(key.not_before),
            expires_at: told(key.expires_at),
            grace_until: told(grace_until(key)),
            last_used_at: told(key.last_used_at),
        }
    }
}

impl Row for KeyRow {
    const COLUMNS: &'static [&'static str] = &["id", "client", "state", "scopes", "tier", "last used", "ends"];

    fn cells(&self) -> Vec<String> {
        // Written alike, the earlier text is the earlier time.
        let ends = [&self.grace_until, &self.expires_at].into_iter().flatten().min();
        vec![
            self.id.clone(),
            self.client.clone(),
            self.state.to_owned(),
            self.scopes.join(" "),
            self.tier.clone(),
            self.last_used_at.as_ref().map_or("never".to_owned(), |time| hour(time)),
            ends.map_or("never".to_owned(), |time| minute(time)),
        ]
    }
}

/// When the grace of a key ends.
pub(super) fn grace_until(key: &ApiKey) -> Option<Timestamp> {
    match key.state {
        ledger::ApiKeyState::Grace { until } => Some(until),
        _ => None,
    }
}

/// When a key ends, by its grace or by itself.
pub(super) fn end(key: &ApiKey) -> Option<Timestamp> {
    [grace_until(key), key.expires_at].into_iter().flatten().min()
}

/// A time to the hour, which is all that is known of uses.
pub(super) fn hour(time: &str) -> String {
    time.get(..13).map_or_else(|| time.to_owned(), |hour| format!("{}h", hour.replace('T', " ")))
}

/// A time to the minute.
pub(super) fn minute(time: &str) -> String {
    time.get(..16).map_or_else(|| time.to_owned(), |minute| minute.replace('T', " "))
}

/// A key as the record of a change has it.
pub(super) fn told(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "client": key.client,
        "state": key.state,
        "scopes": key.scopes,
        "tier": key.tier,
        "created_at": key.created_at.to_string(),
        "not_before": key.not_before.map(|time| time.to_string()),
        "expires_at": key.expires_at.map(|time| time.to_string()),
    })
}

/// There is no such key.
pub(super) fn absent(id: &str) -> Failure {
    let hint = if id.starts_with("elk_") { "; write the id alone, never the key itself" } else { "" };
    // What was typed may be a secret.
    let id = if id.len() <= 12 { format!("`{id}`") } else { "so long".to_owned() };
    Failure::NotFound(format!("there is no API key of the id {id}{hint}; `ledger-keys list` shows all"))
}

/// The key of this id.
pub(super) async fn find(desk: &crate::desk::Desk, id: &str) -> Result<ApiKey> {
    desk.ledger.find_api_key(id).await?.ok_or_else(|| absent(id))
}
