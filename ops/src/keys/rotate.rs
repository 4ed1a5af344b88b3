//! Replacing a key while its client works: both work until it has changed to the new one.

use std::path::PathBuf;

use ledger::limits::HOUR_MS;
use ledger::{ApiKey, ApiKeyState, Timestamp};
use platform::api_key::{Standing, Token};
use serde::Serialize;

use super::change::replace;
use super::create::{NewKey, ids, keys_of, may_have_another};
use super::record::{find, grace_until, hour, minute};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::options::Deed;
use crate::output::Row;
use crate::secret::Recipient;
use crate::time::Duration;

/// An old key that was used within so long is in use: some jobs run once a day.
const IN_USE_MS: u64 = 25 * HOUR_MS;
/// Nobody needs the old key any more.
const FINALIZE: &str = "finalize";

/// Gives a client a new key.
#[derive(Clone, Debug, clap::Args)]
pub struct Rotate {
    /// Id of the key that is replaced
    id: String,
    /// How long both work, as in 7d
    #[arg(long, value_name = "DURATION", default_value = "7d")]
    grace: Duration,
    /// New file that the new secret is written to; without one it is shown on the terminal
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    deed: Deed,
}

/// Goes back to the old key.
#[derive(Clone, Debug, clap::Args)]
pub struct Undo {
    /// Id of the old key, which is in its grace
    id: String,
    /// Although the new key is used
    #[arg(long)]
    although_used: bool,
    #[command(flatten)]
    deed: Deed,
}

/// Tells who still uses a key in its grace.
#[derive(Clone, Debug, clap::Args)]
pub struct GraceReport {}

/// Ends an old key.
#[derive(Clone, Debug, clap::Args)]
pub struct Finalize {
    /// Id of the old key, which is in its grace
    id: String,
    /// Although it is used, or its successor is not
    #[arg(long)]
    although_used: bool,
    #[command(flatten)]
    deed: Deed,
}

impl Rotate {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let now = desk.ledger.clock().now();
        let recipient = Recipient::find(self.secret_file)?;
        let old = find(desk, &self.id).await?;
        let standing = Standing::of(&old, now);
        if standing != Standing::Active {
            let why = format!("{} is not active but {}", old.id, standing.as_str());
            return Err(Failure::Refused(format!("{why}, so there is nothing to replace; nothing was written")));
        }
        let all = keys_of(desk, &old.client).await?;
        may_have_another(&old.client, &all, now)?;
        let token = Token::mint(desk.ledger.randomness(), &desk.environment.name);
        let scopes: Vec<&str> = old.scopes.iter().map(String::as_str).collect();
        let key = ApiKey {
            tier: old.tier.clone(),
            // It lasts as long as the old one was meant to.
            expires_at: old.expires_at.map(|end| now.plus(end.since(old.created_at))),
            ..token.record(&old.client, &scopes, now)
        };
        // A grace makes nothing last longer.
        let until = old.expires_at.unwrap_or(Timestamp(u64::MAX)).min(now.plus(self.grace.0));
        let further = vec![format!("let {} of {} work until {until}, and no longer", old.id, old.client)];
        let changed = ApiKey { state: ApiKeyState::Grace { until }, ..old.clone() };
        let new = NewKey { token, recipient, key, others: ids(&all) };
        new.make(desk, &self.deed, "ledger-keys rotate", further, vec![(old, changed)]).await
    }
}

impl Undo {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let now = desk.ledger.clock().now();
        let old = in_grace(desk, &self.id, now).await?;
        let all = keys_of(desk, &old.client).await?;
        let Some(new) = successor(&all, &old, now) else {
            return Err(Failure::Refused(format!("{} has no other key that works; nothing was written", old.client)));
        };
        if let Some(used) = new.last_used_at.filter(|_| !self.although_used) {
            return Err(Failure::Refused(format!(
                "the new key {} was used in the hour of {used}, so its users would be locked out; nothing was written, and \
                 --although-used does it all the same",
                new.id
            )));
        }
        let steps = vec![
            format!("let {} of {} work without end of its grace", old.id, old.client),
            format!("revoke its successor {} for good", new.id),
        ];
        let active = ApiKey { state: ApiKeyState::Active, ..old.clone() };
        let revoked = ApiKey { state: ApiKeyState::Revoked, ..new.clone() };
        let replaced = vec![(old, active), (new, revoked)];
        replace(desk, &self.deed, "ledger-keys undo", steps, replaced, false).await
    }
}

impl Finalize {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let now = desk.ledger.clock().now();
        let old = in_grace(desk, &self.id, now).await?;
        let new = successor(&keys_of(desk, &old.client).await?, &old, now);
        let next = next(&old, new.as_ref(), now);
        if next != FINALIZE && !self.although_used {
            return Err(Failure::Refused(format!(
                "{} of {} is not done with: {next}; nothing was written, and --although-used does it all the same",
                old.id, old.client
            )));
        }
        let steps = vec![format!("revoke {} of {} for good, everywhere within a minute", old.id, old.client)];
        let revoked = ApiKey { state: ApiKeyState::Revoked, ..old.clone() };
        replace(desk, &self.deed, "ledger-keys finalize", steps, vec![(old, revoked)], false).await
    }
}

/// A key in its grace.
#[derive(Clone, Debug, Serialize)]
struct GraceRow {
    client: String,
    old_id: String,
    grace_until: String,
    old_last_used_at: Option<String>,
    new_id: Option<String>,
    new_last_used_at: Option<String>,
    next: &'static str,
}

impl Row for GraceRow {
    const COLUMNS: &'static [&'static str] =
        &["client", "old key", "grace until", "last used", "new key", "last used", "next"];

    fn cells(&self) -> Vec<String> {
        let used = |time: &Option<String>| time.as_ref().map_or("never".to_owned(), |time| hour(time));
        vec![
            self.client.clone(),
            self.old_id.clone(),
            minute(&self.grace_until),
            used(&self.old_last_used_at),
            self.new_id.clone().unwrap_or_else(|| "none".to_owned()),
            used(&self.new_last_used_at),
            self.next.to_owned(),
        ]
    }
}

impl GraceReport {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let now = desk.ledger.clock().now();
        let keys = desk.ledger.list_api_keys().await?;
        let row = |old: &ApiKey| {
            let new = successor(&keys, old, now);
            Some(GraceRow {
                client: old.client.clone(),
                old_id: old.id.clone(),
                grace_until: grace_until(old)?.to_string(),
                old_last_used_at: old.last_used_at.map(|time| time.to_string()),
                new_last_used_at: new.as_ref().and_then(|new| new.last_used_at).map(|time| time.to_string()),
                next: next(old, new.as_ref(), now),
                new_id: new.map(|new| new.id),
            })
        };
        let in_grace = keys.iter().filter(|key| Standing::of(key, now) == Standing::Grace);
        desk.output.rows("api_keys_in_grace", &in_grace.filter_map(row).collect::<Vec<_>>())?;
        Ok(Exit::Done)
    }
}

/// What the operator does next.
fn next(old: &ApiKey, new: Option<&ApiKey>, now: Timestamp) -> &'static str {
    let in_use = old.last_used_at.is_some_and(|used| now.since(used) < IN_USE_MS);
    match new {
        None => "ask the client: it has no other key",
        Some(new) if new.last_used_at.is_none() => "wait: the new key was never used",
        Some(_) if in_use => "wait: the old key is in use",
        Some(_) => FINALIZE,
    }
}

/// The key that its client is to use instead of one in its grace: the newest other one that works.
fn successor(keys: &[ApiKey], old: &ApiKey, now: Timestamp) -> Option<ApiKey> {
    let others = keys.iter().filter(|key| key.client == old.client && key.id != old.id);
    let live = others.filter(|key| Standing::of(key, now) == Standing::Active && key.created_at >= old.created_at);
    live.max_by_key(|key| key.created_at).cloned()
}

async fn in_grace(desk: &Desk, id: &str, now: Timestamp) -> Result<ApiKey> {
    let key = find(desk, id).await?;
    match Standing::of(&key, now) {
        Standing::Grace => Ok(key),
        other => Err(Failure::Refused(format!(
            "{id} is not in a grace but {}; nothing was written. `ledger-keys grace-report` shows those that are",
            other.as_str()
        ))),
    }
}
