//! Making keys.

use std::path::PathBuf;

use ledger::{ApiKey, ApiKeysChange, Change, NewApiKey, Timestamp};
use platform::access::{Action, Scope, Tier};
use platform::api_key::{Standing, Token};

use super::change::plan;
use super::record::{KIND, KeyRow};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::options::Deed;
use crate::output::say;
use crate::secret::Recipient;
use crate::time::{self, Duration};

/// How many keys of a client can work at once: the one that it uses, and the one that it changes to.
const LIVE_KEYS: usize = 2;
/// What a client may be called.
const CLIENT_CHARACTERS: usize = 64;

/// Makes a key for a client.
#[derive(Clone, Debug, clap::Args)]
pub struct Create {
    /// Who uses it, such as billing
    #[arg(long, value_parser = client_name)]
    client: String,
    /// What it allows, as in poll:orders-*:billing; repeat it for more
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_parser = scope)]
    scopes: Vec<String>,
    /// How much it may ask: small, standard or large
    #[arg(long, default_value = Tier::default().as_str(), value_parser = tier)]
    tier: Tier,
    /// How long it works, as in 90d
    #[arg(long, value_name = "DURATION", required_unless_present = "never_expires")]
    expires_in: Option<Duration>,
    /// It works until somebody revokes it
    #[arg(long, conflicts_with = "expires_in")]
    never_expires: bool,
    /// It does not work before this time, as in 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    not_before: Option<Timestamp>,
    /// New file that its secret is written to; without one it is shown on the terminal
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    deed: Deed,
}

/// Makes the first key of an environment.
#[derive(Clone, Debug, clap::Args)]
pub struct Bootstrap {
    /// New file that its secret is written to; without one it is shown on the terminal
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    deed: Deed,
}

impl Create {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let now = desk.ledger.clock().now();
        let recipient = Recipient::find(self.secret_file)?;
        let others = keys_of(desk, &self.client).await?;
        may_have_another(&self.client, &others, now)?;
        let token = Token::mint(desk.ledger.randomness(), &desk.environment.name);
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        let key = ApiKey {
            tier: self.tier.as_str().to_owned(),
            not_before: self.not_before,
            expires_at: self.expires_in.map(|Duration(ms)| self.not_before.unwrap_or(now).max(now).plus(ms)),
            ..token.record(&self.client, &scopes, now)
        };
        let new = NewKey { token, recipient, key, others: ids(&others) };
        new.make(desk, &self.deed, "ledger-keys create", Vec::new(), Vec::new()).await
    }
}

impl Bootstrap {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let now = desk.ledger.clock().now();
        let recipient = Recipient::find(self.secret_file)?;
        let keys = desk.ledger.list_api_keys().await?;
        let of_admins = |key: &&ApiKey| key.scopes.iter().any(|scope| scope.starts_with(Action::KeysAdmin.as_str()));
        if let Some(key) = keys.iter().filter(of_admins).find(|key| Standing::of(key, now).is_live()) {
            return Err(Failure::Refused(format!(
                "{} has a key that manages keys: {} of {}; nothing was written. If its secret is lost, rotate it",
                desk.environment.name, key.id, key.client
            )));
        }
        let others = keys.iter().filter(|key| key.client == "admin").cloned().collect::<Vec<_>>();
        may_have_another("admin", &others, now)?;
        let token = Token::mint(desk.ledger.randomness(), &desk.environment.name);
        let key = token.record_of_admin(now);
        let new = NewKey { token, recipient, key, others: ids(&others) };
        new.make(desk, &self.deed, "ledger-keys bootstrap", Vec::new(), Vec::new()).await
    }
}

/// A key that is to be made, and where its secret goes.
pub(super) struct NewKey {
    pub(super) token: Token,
    pub(super) recipient: Recipient,
    pub(super) key: ApiKey,
    /// The ids of all other keys of its client.
    pub(super) others: Vec<String>,
}

impl NewKey {
    /// Makes it together with what else changes, and hands its secret over.
    pub(super) async fn make(
        self,
        desk: &Desk,
        deed: &Deed,
        what: &'static str,
        further: Vec<String>,
        replaced: Vec<(ApiKey, ApiKey)>,
    ) -> Result<Exit> {
        let Self { token, recipient, key, others } = self;
        let ends = key.expires_at.map_or("never expires".to_owned(), |time| format!("expires {time}"));
        let made = format!("make a key for {}: {}, tier {}, {ends}", key.client, key.scopes.join(" "), key.tier);
        let created = Some(NewApiKey { key: key.clone(), others });
        let change = ApiKeysChange { created, replaced, urgent: false };
        let plan = plan(&change, what, [vec![made], further].concat());
        let made = desk
            .carry_out(deed, &plan, async |record| {
                recipient.prepare(&token)?;
                match desk.ledger.change_api_keys(&change, record).await {
                    Ok(Change::Made) => Ok(Change::Made),
                    Ok(Change::Overtaken) => {
                        recipient.withdraw();
                        Ok(Change::Overtaken)
                    }
                    // It may exist, and then this is the only copy of its secret.
                    Err(error @ ledger::Error::OutcomeUnknown(_)) => {
                        recipient.hand_over(&token)?;
                        say(&format!("`ledger-keys show {}` tells whether there is this key", key.id));
                        Err(error.into())
                    }
                    Err(error) => {
                        recipient.withdraw();
                        Err(error.into())
                    }
                }
            })
            .await?;
        if made {
            recipient.hand_over(&token)?;
            say(&format!("its id is {}", key.id));
            if matches!(recipient, Recipient::File(_)) {
                desk.output.rows(KIND, &[KeyRow::of(&key, desk.ledger.clock().now())])?;
            }
        }
        Ok(Exit::Done)
    }
}

/// Insists that a client may have one key more.
pub(super) fn may_have_another(client: &str, keys: &[ApiKey], now: Timestamp) -> Result<()> {
    let live: Vec<_> = keys.iter().filter(|key| Standing::of(key, now).is_live()).map(|key| &*key.id).collect();
    if live.len() < LIVE_KEYS {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "{client} has {} keys that work: {}; finalize, undo or revoke one first, nothing was written",
        live.len(),
        live.join(", ")
    )))
}

/// All keys of a client, in the order in which they were made.
pub(super) async fn keys_of(desk: &Desk, client: &str) -> Result<Vec<ApiKey>> {
    Ok(desk.ledger.list_api_keys().await?.into_iter().filter(|key| key.client == client).collect())
}

pub(super) fn ids(keys: &[ApiKey]) -> Vec<String> {
    keys.iter().map(|key| key.id.clone()).collect()
}

fn client_name(text: &str) -> std::result::Result<String, String> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty() || text.len() > CLIENT_CHARACTERS || !text.bytes().all(is_fine) {
        return Err(format!("a client's name has 1 to {CLIENT_CHARACTERS} of the characters a-z A-Z 0-9 - _ ."));
    }
    Ok(text.to_owned())
}

fn scope(text: &str) -> std::result::Result<String, String> {
    let actions = Action::ALL.map(Action::as_str).join(", ");
    let form = "<action>:<stream or prefix*>[:<subscription or prefix*>]";
    Scope::parse(text).map(|_| text.to_owned()).ok_or_else(|| format!("a scope is {form}; actions are {actions}"))
}

fn tier(text: &str) -> std::result::Result<Tier, String> {
    Tier::parse(text).ok_or_else(|| format!("a tier is one of {}", Tier::ALL.map(Tier::as_str).join(", ")))
}
