//! Tables as the examples of the pages need them, each with a folder to work in, and the real programs run there.
//!
//! The usual one has the stream `orders` with its subscription `billing`, some commits and compacted state, the stream of the
//! canary, and the API key of `billing-team`. The others are the same a few steps later.

use std::path::Path;
use std::process::{Output, Stdio};

use ledger::model::{PartitionCount, RetentionHours, StreamName};
use ledger::{ApiKey, ApiKeyState, ApiKeysChange, AuditRecord, Change, Ledger, NewApiKey, StartFrom, StreamDefinition};
use tempfile::TempDir;

use crate::page::{Command, root};
use crate::program::orders::{begin, go_on, publish, stream, subscription};
use crate::program::{Done, OPERATOR, REASON, Table};

const KEY: &str = "3kT9mQ2xW7bZ";
const CLIENT: &str = "billing-team";
const CANARY: &str = "canary";
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Verbs that ask CloudWatch or API Gateway, or go on until somebody ends them.
const ELSEWHERE: &[(&str, &str)] = &[
    ("ledger-keys", "mirror"),
    ("ledger-keys", "usage"),
    ("ledger-lag", "history"),
    ("ledger-lag", "serve"),
    ("ledger-lag", "watch"),
];
/// Of an environment's settings alone.
const OF_SETTINGS: &str = "render";

/// A table, and the folder that commands are typed in.
struct World {
    table: Table,
    folder: TempDir,
}

/// The tables by how far things have come.
pub(crate) struct Worlds {
    usual: World,
    /// The key has a successor, which nobody has used.
    rotated: World,
    /// The successor is used, and the key not any more.
    changed_over: World,
    /// The subscription was moved, and there is a file that leads back.
    moved: World,
}

impl Worlds {
    pub(crate) fn new() -> Self {
        let rotate = ["rotate", KEY, "--secret-file", "./successor.key"];
        let (rotated, changed_over, moved) = (World::usual(), World::usual(), World::usual());
        rotated.execute("ledger-keys", &rotate);
        changed_over.execute("ledger-keys", &rotate);
        changed_over.table.now(async |ledger| {
            let keys = ledger.list_api_keys().await.expect("the keys");
            let successor = keys.iter().find(|key| key.id != KEY).expect("a successor");
            ledger.note_api_key_use(&successor.id).await;
        });
        let seek = ["seek", "orders", "billing", "--to", "earliest", "--undo-file", "./billing.undo"];
        moved.execute("ledger-offsets", &seek);
        Self { usual: World::usual(), rotated, changed_over, moved }
    }

    /// Carries a command out, on the table that its example is about.
    pub(crate) fn run(&self, command: &Command) -> Done {
        let world = match verb(&command.words) {
            "undo" => &self.rotated,
            "finalize" => &self.changed_over,
            _ if command.words.iter().any(|word| word == "--undo") => &self.moved,
            _ => &self.usual,
        };
        let mut arguments = command.words[1..].to_vec();
        if verb(&command.words) != OF_SETTINGS {
            let env = arguments.iter().position(|word| word == "--env").expect("--env");
            arguments.splice(env..env + 2, ["--backend".to_owned(), world.backend()]);
        }
        // How long it looks is nothing that could be wrong.
        if let Some(over) = arguments.iter().position(|word| word == "--over") {
            arguments[over + 1] = "1s".to_owned();
        }
        world.run(&command.words[0], &arguments)
    }
}

/// The verb of a command of ours.
pub(crate) fn verb(words: &[String]) -> &str {
    let options = words.iter().skip(1).position(|word| word == "--env").map_or(1, |env| env + 3);
    words.get(options).map_or("", String::as_str)
}

/// Whether a command can be carried out here.
pub(crate) fn is_here(words: &[String]) -> bool {
    !ELSEWHERE.contains(&(words[0].as_str(), verb(words))) && !words.iter().any(|word| word == "--execute")
}

impl World {
    fn usual() -> Self {
        let (table, folder) = (Table::of("ledger-lag"), tempfile::tempdir().expect("a folder"));
        table.ago(2 * HOUR_MS, async |ledger| {
            begin(ledger, &["billing"]).await;
            begin_canary(ledger).await;
            make_key(ledger).await;
            publish(ledger, 5).await;
        });
        for minutes in [30, 20, 10, 1] {
            table.ago(minutes * 60_000, async |ledger| {
                publish(ledger, 2).await;
                go_on(ledger, "billing").await;
            });
        }
        table.now(async |ledger| drop(ledger.compact_stream(&stream()).await.expect("compacted state")));
        copy_environments(folder.path());
        Self { table, folder }
    }

    fn backend(&self) -> String {
        format!("embedded:{}", self.table.file("data"))
    }

    fn execute(&self, program: &str, arguments: &[&str]) {
        let backend = self.backend();
        let deed = ["--execute", "--operator", OPERATOR, "--reason", REASON];
        let all = [&["--backend", &backend], arguments, &deed].concat();
        let _ = self.run(program, &all.into_iter().map(str::to_owned).collect::<Vec<_>>()).exits(0);
    }

    fn run(&self, program: &str, arguments: &[String]) -> Done {
        let path = match program {
            "ledger-keys" => env!("CARGO_BIN_EXE_ledger-keys"),
            "ledger-offsets" => env!("CARGO_BIN_EXE_ledger-offsets"),
            "ledger-lag" => env!("CARGO_BIN_EXE_ledger-lag"),
            other => panic!("there is no program {other}"),
        };
        let mut command = std::process::Command::new(path);
        command.args(arguments).env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        let Output { status, stdout, stderr } = command.output().expect("the program runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Done { code: status.code(), answer: text(stdout), errors: text(stderr) }
    }
}

/// Those of the repository, and the one that a procedure adds to them.
fn copy_environments(folder: &Path) {
    for (from, to) in [("dev", "dev"), ("prod", "prod"), ("dev", "test")] {
        let target = folder.join("environments").join(to);
        std::fs::create_dir_all(&target).expect("a folder");
        let source = root().join("environments").join(from).join("settings.json");
        std::fs::copy(source, target.join("settings.json")).expect("settings");
    }
}

async fn begin_canary(ledger: &Ledger) {
    let name = StreamName::parse(CANARY).expect("a name");
    let definition = StreamDefinition {
        name: name.clone(),
        partition_count: PartitionCount::new(1).expect("a count"),
        retention_hours: RetentionHours::new(1).expect("hours"),
        compaction: true,
    };
    ledger.create_stream(definition).await.expect("a stream");
    ledger.create_subscription(&name, &subscription(CANARY), StartFrom::Earliest).await.expect("a subscription");
}

async fn make_key(ledger: &Ledger) {
    let now = ledger.clock().now();
    let key = ApiKey {
        id: KEY.to_owned(),
        secret_hash: [7; 32],
        client: CLIENT.to_owned(),
        scopes: vec!["poll:orders:billing".to_owned(), "commit:orders:billing".to_owned()],
        state: ApiKeyState::Active,
        created_at: now,
        not_before: None,
        expires_at: Some(now.plus(10 * DAY_MS)),
        tier: "standard".to_owned(),
        last_used_at: None,
    };
    let record = AuditRecord {
        at: now,
        id: ledger.randomness().hex_id(),
        who: OPERATOR.to_owned(),
        what: "ledger-keys create".to_owned(),
        subject: format!("api-key/{KEY}"),
        before: "[]".to_owned(),
        after: "[]".to_owned(),
        reason: REASON.to_owned(),
    };
    let created = Some(NewApiKey { key, others: Vec::new() });
    let change = ApiKeysChange { created, ..ApiKeysChange::default() };
    assert_eq!(ledger.change_api_keys(&change, &record).await.expect("a key"), Change::Made);
}
