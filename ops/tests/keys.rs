//! `ledger-keys` as operators use it: the real program, on the data directory of a local server that does not run.

mod program;

use std::os::unix::fs::PermissionsExt;

use platform::api_key::Token;
use program::{Done, Table};
use serde_json::Value;

/// Makes a key for a client, and answers it.
fn create(table: &Table, client: &str) -> Token {
    let file = table.file(&format!("{client}.key"));
    let wanted =
        ["create", "--client", client, "--scope", "poll:orders-*", "--expires-in", "90d", "--secret-file", &file];
    let _ = table.execute(&wanted).exits(0);
    Token::parse(std::fs::read_to_string(&file).expect("the secret").trim()).expect("a key")
}

/// What the table holds of a key.
fn show(table: &Table, id: &str) -> Value {
    table.run(&["show", id, "-o", "json"]).exits(0).json()["api_keys"][0].clone()
}

fn state(table: &Table, id: &str) -> String {
    show(table, id)["state"].as_str().expect("a state").to_owned()
}

#[test]
fn a_key_is_made_once_and_its_secret_is_in_a_file_of_its_owner_alone() {
    let table = Table::of("ledger-keys");
    let file = table.file("billing.key");
    let wanted = ["create", "--client", "billing", "--scope", "poll:orders", "--never-expires", "--secret-file", &file];
    // The plan alone writes nothing, not even the file.
    let planned = table.run(&wanted).exits(0);
    assert!(
        planned.errors.contains("plan: make a key for billing: poll:orders, tier standard, never expires"),
        "{planned:?}"
    );
    assert!(planned.errors.contains("--execute"), "{planned:?}");
    assert!(!std::path::Path::new(&file).exists());
    assert_eq!(table.run(&["list", "-o", "json"]).exits(0).json()["api_keys"], serde_json::json!([]));

    let done = table.execute(&wanted).exits(0);
    assert!(
        done.errors.contains("done: make a key for billing: poll:orders, tier standard, never expires"),
        "{done:?}"
    );
    assert_eq!(std::fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
    let secret = std::fs::read_to_string(&file).expect("the secret");
    let token = Token::parse(secret.trim()).expect("a key");
    assert_eq!(token.environment(), "local");
    assert!(!done.answer.contains(secret.trim()) && !done.errors.contains(secret.trim()), "it is shown nowhere else");
    assert_eq!(state(&table, token.id()), "active");
    // Neither is a file written over.
    let again = table.execute(&wanted).exits(4);
    assert!(again.errors.contains("exists") && again.errors.contains("nothing was written"), "{again:?}");
}

#[test]
fn a_secret_goes_to_no_pipe() {
    let table = Table::of("ledger-keys");
    let wanted = ["create", "--client", "billing", "--scope", "poll:orders", "--never-expires"];
    let refused = table.execute(&wanted).exits(4);
    assert!(refused.errors.contains("--secret-file"), "{refused:?}");
    assert_eq!(refused.answer, "");
    assert!(table.audit().is_empty());
}

#[test]
fn a_key_is_rotated_and_finalized_and_everything_leaves_a_record() {
    let table = Table::of("ledger-keys");
    let old = create(&table, "billing");
    let file = table.file("new.key");
    let _ = table.execute(&["rotate", old.id(), "--grace", "2h", "--secret-file", &file]).exits(0);
    let new = Token::parse(std::fs::read_to_string(&file).expect("the secret").trim()).expect("a key");
    assert_eq!((state(&table, old.id()), state(&table, new.id())), ("grace".to_owned(), "active".to_owned()));
    let (before, after) = (show(&table, old.id()), show(&table, new.id()));
    assert_eq!((&before["scopes"], &before["tier"]), (&after["scopes"], &after["tier"]));

    // A third one is one too many.
    let third = table.execute(&["rotate", new.id(), "--secret-file", &table.file("third.key")]).exits(4);
    assert!(third.errors.contains("finalize"), "{third:?}");

    let unused = table.execute(&["finalize", old.id()]).exits(4);
    assert!(unused.errors.contains("the new key was never used"), "{unused:?}");
    let report =
        |table: &Table| table.run(&["grace-report", "-o", "json"]).exits(0).json()["api_keys_in_grace"][0].clone();
    assert_eq!(report(&table)["next"], "wait: the new key was never used");
    table.note_use(old.id());
    table.note_use(new.id());
    assert_eq!(report(&table)["next"], "wait: the old key is in use");
    let refused = table.execute(&["finalize", old.id()]).exits(4);
    assert!(refused.errors.contains("wait: the old key is in use"), "{refused:?}");
    assert_eq!(state(&table, old.id()), "grace");
    let _ = table.execute(&["finalize", old.id(), "--although-used"]).exits(0);
    assert_eq!(state(&table, old.id()), "revoked");

    let audit = table.audit();
    let told: Vec<_> = audit.iter().map(|record| (record.what.as_str(), record.who.as_str())).collect();
    let who = program::OPERATOR;
    assert_eq!(told, [("ledger-keys create", who), ("ledger-keys rotate", who), ("ledger-keys finalize", who)]);
    assert!(audit.iter().all(|record| record.reason == program::REASON));
    let finalized: Value = serde_json::from_str(&audit[2].after).expect("JSON");
    assert_eq!(finalized[0]["state"], "revoked");
    let all = format!("{audit:?}");
    assert!(
        !all.contains(&new.reveal()) && !all.contains("secret"),
        "a record tells no secret, and no hash of one: {all}"
    );
}

#[test]
fn a_rotation_is_undone_unless_the_new_key_is_in_use() {
    let table = Table::of("ledger-keys");
    let old = create(&table, "billing");
    let file = table.file("new.key");
    let _ = table.execute(&["rotate", old.id(), "--secret-file", &file]).exits(0);
    let new = Token::parse(std::fs::read_to_string(&file).expect("the secret").trim()).expect("a key");
    table.note_use(new.id());
    let refused = table.execute(&["undo", old.id()]).exits(4);
    assert!(refused.errors.contains("locked out"), "{refused:?}");
    let _ = table.execute(&["undo", old.id(), "--although-used"]).exits(0);
    assert_eq!((state(&table, old.id()), state(&table, new.id())), ("active".to_owned(), "revoked".to_owned()));
    let twice = table.execute(&["undo", old.id()]).exits(4);
    assert!(twice.errors.contains("not in a grace"), "{twice:?}");
}

#[test]
fn an_urgent_revocation_begins_another_epoch() {
    let table = Table::of("ledger-keys");
    let key = create(&table, "billing");
    let before = table.epoch();
    let _ = table.execute(&["revoke", key.id(), "--urgent"]).exits(0);
    assert_eq!((state(&table, key.id()), table.epoch()), ("revoked".to_owned(), before + 1));
    let again = table.execute(&["revoke", key.id()]).exits(4);
    assert!(again.errors.contains("revoked already"), "{again:?}");
}

#[test]
fn the_first_key_of_an_environment_is_the_only_first_one() {
    let table = Table::of("ledger-keys");
    let _ = table.execute(&["bootstrap", "--secret-file", &table.file("admin.key")]).exits(0);
    let refused = table.execute(&["bootstrap", "--secret-file", &table.file("other.key")]).exits(4);
    assert!(refused.errors.contains("rotate it"), "{refused:?}");
    let keys = table.run(&["list", "-o", "csv"]).exits(0);
    assert!(keys.answer.starts_with("id,client,state,scopes,tier,last_used,ends\n"), "{keys:?}");
    assert_eq!(keys.answer.lines().count(), 2);
}

#[test]
fn leaked_keys_are_found_and_those_that_work_are_told_apart() {
    let table = Table::of("ledger-keys");
    let (works, revoked) = (create(&table, "billing"), create(&table, "shipping"));
    let _ = table.execute(&["revoke", revoked.id()]).exits(0);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join(".hidden")).expect("a folder");
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).expect("written");
    write("a.sh", format!("curl\n  -H 'x-api-key: {}'\n", works.reveal()));
    write(".hidden/b.env", format!("KEY={}\n", revoked.reveal()));
    // Somebody may write another secret behind the id of a key that works.
    let decoy = Token::assemble("local", works.id(), &"a".repeat(43));
    write(".decoy", decoy.reveal());
    write("c.txt", "elk_local_short and nothing else".to_owned());
    let path = folder.path().to_str().expect("a path");
    let found = table.run(&["scan", path, "-o", "json"]).exits(1);
    let rows = found.json()["api_keys_in_files"].clone();
    let told = |row: &Value| (row["line"].as_u64(), row["id"].clone(), row["state"].clone());
    assert_eq!(told(&rows[0]), (Some(1), works.id().into(), "unknown".into()));
    assert_eq!(told(&rows[1]), (Some(1), revoked.id().into(), "does not work".into()));
    assert_eq!(told(&rows[2]), (Some(2), works.id().into(), "WORKS: revoke it".into()));
    assert_eq!(rows.as_array().map(Vec::len), Some(3));
    assert!(!found.answer.contains(&works.reveal()), "what was found is not spread any further");
    let _ = table.execute(&["revoke", works.id(), "--urgent"]).exits(0);
    let _ = table.run(&["scan", path]).exits(0);
}

#[test]
fn a_protected_environment_asks_for_its_name() {
    let table = Table::of("ledger-keys");
    let wanted = ["--env", "prod", "create", "--client", "c", "--scope", "poll:o", "--never-expires", "--secret-file"];
    let file = table.file("c.key");
    let wanted = [&wanted[..], &[&file]].concat();
    let unnamed = table.execute(&wanted).exits(4);
    assert!(unnamed.errors.contains("--confirm prod"), "{unnamed:?}");
    let wrong = table.execute(&[&wanted[..], &["--confirm", "production"]].concat()).exits(4);
    assert!(wrong.errors.contains("nothing was written"), "{wrong:?}");
    assert!(table.audit().is_empty() && !std::path::Path::new(&file).exists());
    let _ = table.execute(&[&wanted[..], &["--confirm", "prod"]].concat()).exits(0);
    let token = Token::parse(std::fs::read_to_string(&file).expect("the secret").trim()).expect("a key");
    assert_eq!(token.environment(), "prod");
}

#[test]
fn what_is_wrong_is_told_in_a_sentence_and_by_the_exit_code() {
    let table = Table::of("ledger-keys");
    let key = create(&table, "billing");
    let says = |done: &Done, text: &str| assert!(done.errors.contains(text), "{text}: {done:?}");
    says(&table.run(&["show", "abcdefghijkl"]).exits(3), "ledger-keys list");
    let pasted = table.run(&["show", &key.reveal()]).exits(3);
    says(&pasted, "the id alone");
    assert!(!pasted.errors.contains(&key.reveal()));
    says(&table.run(&["--env", "production", "list"]).exits(3), "dev, prod");
    says(&table.run(&["create", "--client", "c", "--scope", "read:x", "--never-expires"]).exits(2), "stream.admin");
    says(&table.run(&["rotate", key.id(), "--grace", "soon"]).exits(2), "7d");
    // Without a reason nothing is done.
    let unreasoned = table.run(&["revoke", key.id(), "--execute", "--operator", "me"]).exits(4);
    says(&unreasoned, "--reason");
    let why = format!("{} is in a public repository", key.reveal());
    let spread = table.run(&["revoke", key.id(), "--execute", "--operator", "me", "--reason", &why]).exits(4);
    says(&spread, "would hold an API key");
    assert_eq!(state(&table, key.id()), "active");
    // Nobody else may have the table meanwhile.
    let taken = table.take();
    says(&table.run(&["list"]).exits(4), "another process is using");
    drop(taken);
    let nowhere = program::run("ledger-keys", &["--backend", "embedded:/nowhere", "list"]).exits(3);
    says(&nowhere, "no data directory");
    says(&program::run("ledger-keys", &["list"]).exits(2), "--env dev");
}

#[test]
fn what_was_changed_by_hand_is_shown_with_who_and_why() {
    let table = Table::of("ledger-keys");
    let (billing, shipping) = (create(&table, "billing"), create(&table, "shipping"));
    let _ = table.execute(&["revoke", billing.id()]).exits(0);
    let shown = |arguments: &[&str]| {
        let shown = table.run(&[&["audit", "-o", "json"], arguments].concat()).exits(0).json();
        shown["audit_records"].as_array().expect("records").clone()
    };
    let all = shown(&[]);
    let told: Vec<_> = all.iter().map(|record| (record["what"].as_str(), record["subject"].as_str())).collect();
    let [of_billing, of_shipping] = [&billing, &shipping].map(|key| format!("api-key/{}", key.id()));
    assert_eq!(
        told,
        [
            (Some("ledger-keys create"), Some(of_billing.as_str())),
            (Some("ledger-keys create"), Some(of_shipping.as_str())),
            (Some("ledger-keys revoke"), Some(of_billing.as_str())),
        ]
    );
    let revoked = &shown(&["--subject", billing.id()])[1];
    assert_eq!((&revoked["before"][0]["state"], &revoked["after"][0]["state"]), (&"active".into(), &"revoked".into()));
    assert_eq!((&revoked["who"], &revoked["reason"]), (&program::OPERATOR.into(), &program::REASON.into()));
    let at: ledger::Timestamp = ledger::Timestamp::parse(revoked["at"].as_str().expect("a time")).expect("a time");
    assert_eq!(table.audit()[2].at, at);

    let for_people = table.run(&["audit", "--subject", &of_shipping]).exits(0);
    assert!(for_people.answer.lines().all(|line| line.chars().count() <= 100), "{for_people:?}");
    assert!(for_people.answer.contains("night shift") && !for_people.answer.contains("revoke"), "{for_people:?}");
    let csv = table.run(&["audit", "-o", "csv"]).exits(0);
    assert!(csv.answer.starts_with("at,who,what,subject,before,after,reason\n"), "{csv:?}");
    assert_eq!(csv.answer.lines().count(), 4);
    assert!(table.run(&["audit", "--since", "soon"]).exits(2).errors.contains("7d"));
}

#[test]
fn only_an_edge_with_usage_plans_is_mirrored_and_never_from_a_local_table() {
    let table = Table::of("ledger-keys");
    let key = create(&table, "billing");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("dev")).expect("a folder");
    let settings = include_str!("../../environments/dev/settings.json").replace("\"http\"", "\"rest\"");
    std::fs::write(folder.path().join("dev/settings.json"), settings).expect("settings");
    let rest = ["--environments", folder.path().to_str().expect("a path"), "--env", "dev"];
    for verb in ["mirror", "usage"] {
        let http = table.run(&["--env", "dev", verb]).exits(4);
        assert!(http.errors.contains("the edge of dev is \"http\", which has no usage plans"), "{http:?}");
        let local = table.run(&[&rest[..], &[verb]].concat()).exits(4);
        assert!(local.errors.contains("leave out --backend"), "{local:?}");
    }
    let _ = table.execute(&["mirror"]).exits(4);
    assert_eq!((table.audit().len(), state(&table, key.id())), (1, "active".to_owned()));
}

#[test]
fn completions_and_pages_for_man_are_generated() {
    let completions = program::run("ledger-keys", &["completions", "bash"]).exits(0);
    assert!(completions.answer.contains("grace-report"), "{completions:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a path");
    let _ = program::run("ledger-keys", &["manual", path]).exits(0);
    let page = std::fs::read_to_string(folder.path().join("ledger-keys-rotate.1")).expect("a page");
    assert!(page.contains("grace"), "{page}");
    let help = program::run("ledger-keys", &["--help"]).exits(0);
    assert!(help.answer.contains("ledger-keys --env dev rotate"), "{help:?}");
    assert!(help.answer.lines().all(|line| line.chars().count() <= 100), "{help:?}");
}
