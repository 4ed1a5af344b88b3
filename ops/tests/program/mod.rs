//! The real programs, run on a data directory of their own.

#![allow(dead_code, reason = "no tool's tests need all of it")]

pub(crate) mod orders;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use embedded::DataDirectory;
use ledger::{AuditRecord, Clock, Ledger, Randomness, Settings, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

/// Who does it, in the tests.
pub(crate) const OPERATOR: &str = "night shift";
/// And why.
pub(crate) const REASON: &str = "a test";

/// What became of a program.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) answer: String,
    pub(crate) errors: String,
}

impl Done {
    /// Insists on how it ended.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// Its answer, which is JSON of the first version.
    pub(crate) fn json(&self) -> Value {
        let answer: Value = serde_json::from_str(&self.answer).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert_eq!(answer["schema_version"], 1, "{answer}");
        answer
    }
}

/// Runs a program to its end. Nothing of the terminal or of whoever runs the tests reaches it.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Done {
    run_with(program, arguments, &[])
}

/// The same, with these variables.
pub(crate) fn run_with(program: &str, arguments: &[&str], variables: &[(String, String)]) -> Done {
    let path = match program {
        "ledger-keys" => env!("CARGO_BIN_EXE_ledger-keys"),
        "ledger-offsets" => env!("CARGO_BIN_EXE_ledger-offsets"),
        "ledger-lag" => env!("CARGO_BIN_EXE_ledger-lag"),
        other => panic!("there is no program {other}"),
    };
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut command = Command::new(path);
    command.args(arguments).env_clear().current_dir(repository).stdin(Stdio::null());
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let Output { status, stdout, stderr } = command.output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Done { code: status.code(), answer: text(stdout), errors: text(stderr) }
}

/// A table in a data directory, and the tool that is used on it.
pub(crate) struct Table {
    tool: &'static str,
    folder: TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Table {
    /// An empty one, as a local server leaves it.
    pub(crate) fn of(tool: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let table = Self { tool, folder, runtime };
        let directory = DataDirectory::open(&table.data()).expect("a data directory");
        let client = directory.engine().expect("an engine").client();
        table.runtime.block_on(ledger::table::create_if_absent(&client, embedded::TABLE)).expect("a table");
        table
    }

    /// A file beside the data.
    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a path").to_owned()
    }

    /// Runs the tool on it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        let backend = format!("embedded:{}", self.data().display());
        run(self.tool, &[&["--backend", &backend], arguments].concat())
    }

    /// The same, and lets it write.
    pub(crate) fn execute(&self, arguments: &[&str]) -> Done {
        self.run(&[arguments, &["--execute", "--operator", OPERATOR, "--reason", REASON]].concat())
    }

    /// Takes it, so that nobody else can.
    pub(crate) fn take(&self) -> DataDirectory {
        DataDirectory::existing(&self.data()).expect("the data directory")
    }

    /// Lets a key be used.
    pub(crate) fn note_use(&self, id: &str) {
        self.now(async |ledger| ledger.note_api_key_use(id).await);
    }

    /// The epoch of all keys.
    pub(crate) fn epoch(&self) -> u64 {
        self.now(async |ledger| ledger.api_keys_epoch().await.expect("the epoch"))
    }

    /// What was changed by hand.
    pub(crate) fn audit(&self) -> Vec<AuditRecord> {
        self.now(async |ledger| ledger.audit_records(Timestamp(0)).await.expect("the records"))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Waits for something.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Does something on it.
    pub(crate) fn now<T>(&self, work: impl AsyncFnOnce(&Ledger) -> T) -> T {
        self.at(Clock::system(), work)
    }

    /// Does something on it so many milliseconds ago.
    pub(crate) fn ago<T>(&self, milliseconds: u64, work: impl AsyncFnOnce(&Ledger) -> T) -> T {
        self.at(Clock::manual(Timestamp(Clock::system().now().0 - milliseconds)), work)
    }

    fn at<T>(&self, clock: Clock, work: impl AsyncFnOnce(&Ledger) -> T) -> T {
        let directory = self.take();
        let client = directory.engine().expect("an engine").client();
        let ledger = Ledger::new(client, embedded::TABLE, clock, Randomness::system(), Settings::FLEET);
        self.runtime.block_on(work(&ledger))
    }
}
