//! An environment on an emulated AWS: a DynamoDB table and a REST edge of its own, for the real programs and the SDK.
//!
//! AWS's own variables say where it is, as for every program that uses the SDK; `tests/emulator/serve` sets them.

pub(crate) mod edge;

use ledger::{AuditRecord, Clock, Ledger, Randomness, Settings, Timestamp};
use tempfile::TempDir;

use crate::program::{self, Done};

/// Where everything is.
pub(crate) const REGION: &str = "us-east-1";
/// Whose everything is.
pub(crate) const ACCOUNT: &str = "000000000000";

/// AWS's own variables, as the programs get them.
#[expect(clippy::disallowed_methods, reason = "this is how the tests are pointed at an emulator")]
pub(crate) fn variables() -> Vec<(String, String)> {
    std::env::vars().filter(|(name, _)| name.starts_with("AWS_")).collect()
}

/// A runtime for the SDK.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// Environments of one table.
pub(crate) struct Emulated {
    pub(crate) name: String,
    pub(crate) runtime: tokio::runtime::Runtime,
    folder: TempDir,
    ledger: Ledger,
}

impl Emulated {
    /// One of this name, in the account of the emulator, with a REST edge and an empty table.
    pub(crate) fn environment(name: &str) -> Self {
        let (folder, runtime) = (tempfile::tempdir().expect("a folder"), runtime());
        let table = format!("eventledger-{name}");
        let ledger = runtime.block_on(async {
            let client = platform::config::client(Some(REGION.to_owned())).await;
            ledger::table::create_if_absent(&client, &table).await.expect("a table");
            Ledger::new(client, &table, Clock::system(), Randomness::system(), Settings::FLEET)
        });
        let environment = Self { name: name.to_owned(), runtime, folder, ledger };
        environment.add(name, Some(ACCOUNT), &table);
        environment
    }

    /// Adds another name for a table, in what is thought to be its account.
    pub(crate) fn add(&self, name: &str, account: Option<&str>, table: &str) {
        let settings = serde_json::json!({
            "account": account,
            "region": REGION,
            "table": table,
            "protected": false,
            "alarms": "lenient",
            "edge": "rest",
        });
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join("settings.json"), settings.to_string()).expect("settings");
    }

    /// A file beside the settings.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a path").to_owned()
    }

    /// Runs `ledger-keys` on it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        self.run_as(&self.name, arguments, &[])
    }

    /// The same, and lets it write.
    pub(crate) fn execute(&self, arguments: &[&str]) -> Done {
        self.run(&executed(arguments))
    }

    /// Runs it by another name of the environment, with further variables.
    pub(crate) fn run_as(&self, name: &str, arguments: &[&str], further: &[(String, String)]) -> Done {
        let environments = self.file("");
        let variables = [&variables(), further].concat();
        let common = ["--environments", environments.as_str(), "--env", name];
        program::run_with("ledger-keys", &[&common, arguments].concat(), &variables)
    }

    /// Runs `ledger-lag history` on it.
    pub(crate) fn history(&self, arguments: &[&str]) -> Done {
        let environments = self.file("");
        let common = ["--environments", environments.as_str(), "--env", &self.name, "history"];
        program::run_with("ledger-lag", &[&common, arguments].concat(), &variables())
    }

    /// Makes a key for a client, and answers its id and its secret.
    pub(crate) fn create(&self, client: &str, tier: &str) -> (String, String) {
        let file = self.file(&format!("{client}.key"));
        let wanted = ["create", "--client", client, "--scope", "poll:orders", "--tier", tier, "--expires-in", "90d"];
        let _ = self.execute(&[&wanted[..], &["--secret-file", &file]].concat()).exits(0);
        let secret = std::fs::read_to_string(&file).expect("the secret").trim().to_owned();
        let token = platform::api_key::Token::parse(&secret).expect("a key");
        (token.id().to_owned(), secret)
    }

    /// What was changed by hand.
    pub(crate) fn audit(&self) -> Vec<AuditRecord> {
        self.runtime.block_on(self.ledger.audit_records(Timestamp(0))).expect("the records")
    }

    /// How many keys there are.
    pub(crate) fn keys(&self) -> usize {
        self.runtime.block_on(self.ledger.list_api_keys()).expect("the keys").len()
    }
}

/// A command line that may write.
pub(crate) fn executed<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &["--execute", "--operator", program::OPERATOR, "--reason", program::REASON]].concat()
}
