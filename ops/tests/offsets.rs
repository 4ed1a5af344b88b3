//! `ledger-offsets` as operators use it: the real program, on the data directory of a local server that does not run.

mod program;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use program::Table;
use program::orders::{begin, go_on, publish, publish_data, stream, subscription};
use serde_json::{Value, json};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// Five events, of which `billing` has committed two.
fn orders() -> Table {
    let table = Table::of("ledger-offsets");
    table.ago(2 * HOUR_MS, async |ledger| {
        begin(ledger, &["billing"]).await;
        publish(ledger, 3).await;
        publish(ledger, 2).await;
        go_on(ledger, "billing").await;
    });
    table
}

fn committed(table: &Table) -> u64 {
    let shown = table.run(&["show", "orders", "billing", "-o", "json"]).exits(0).json();
    shown["offsets"][0]["committed"].as_u64().expect("an offset")
}

#[test]
fn a_subscription_is_moved_and_moved_back_and_both_are_remembered() {
    let table = orders();
    let (back, forth) = (table.file("back"), table.file("forth"));
    let planned = table.run(&["seek", "orders", "billing", "--to", "latest", "--undo-file", &back]).exits(0);
    assert!(
        planned.errors.contains("plan: move billing of orders from [2] to [5], with 0 events beyond"),
        "{planned:?}"
    );
    assert_eq!((committed(&table), std::path::Path::new(&back).exists()), (2, false));

    let done = table.execute(&["seek", "orders", "billing", "--to", "latest", "--undo-file", &back]).exits(0);
    assert!(done.errors.contains("done: move billing of orders from [2] to [5]"), "{done:?}");
    let way_back = done.errors.lines().find_map(|line| line.strip_prefix("back with: ledger-offsets "));
    let way_back = shell_words::split(way_back.expect("the way back")).expect("a command for a shell");
    let way_back = program::run("ledger-offsets", &way_back.iter().map(String::as_str).collect::<Vec<_>>()).exits(0);
    assert!(way_back.errors.contains("plan: move billing of orders from [5] to [2]"), "{way_back:?}");
    assert_eq!(committed(&table), 5);
    let undone = table.execute(&["seek", "orders", "billing", "--undo", &back, "--undo-file", &forth]).exits(0);
    assert!(undone.errors.contains("read again what it has passed"), "{undone:?}");
    assert_eq!(committed(&table), 2);

    let history = table.run(&["history", "orders", "billing", "-o", "json"]).exits(0).json()["history"].clone();
    let told = |row: &Value| (row["what"].clone(), row["who"].clone(), row["before"].clone(), row["after"].clone());
    let rows: Vec<_> = history.as_array().expect("rows").iter().map(told).collect();
    let by_hand = |before: u64, after: u64| {
        (json!("ledger-offsets seek"), json!(program::OPERATOR), json!([before]), json!([after]))
    };
    assert_eq!(rows[0].0, "created");
    assert!(rows.contains(&by_hand(2, 5)) && rows.contains(&by_hand(5, 2)), "{history}");
}

#[test]
fn a_seek_to_a_time_begins_there_and_readers_of_before_are_refused() {
    let table = orders();
    table.ago(HOUR_MS, async |ledger| publish(ledger, 1).await);
    let before = table.now(async |ledger| {
        let page = ledger::PageRequest { limit: 1, wait_ms: 0 };
        ledger.poll(&stream(), &subscription("billing"), None, page).await.expect("a page").cursor
    });
    let time = ledger::Timestamp(ledger::Clock::system().now().0 - 90 * MINUTE_MS).to_string();
    let _ = table.execute(&["seek", "orders", "billing", "--to", &time, "--undo-file", &table.file("back")]).exits(0);
    assert_eq!(committed(&table), 5);
    let refused = table.now(async |ledger| ledger.commit(&stream(), &subscription("billing"), before).await);
    assert!(matches!(refused, Err(ledger::Error::GenerationMismatch)), "{refused:?}");
}

#[test]
fn nothing_is_moved_without_a_way_back_to_where_it_stands() {
    let table = orders();
    let to_latest = ["seek", "orders", "billing", "--to", "latest"];
    let _ = table.execute(&to_latest).exits(2);
    let file = table.file("back");
    std::fs::write(&file, "{}").expect("written");
    let taken = table.execute(&[&to_latest[..], &["--undo-file", &file]].concat()).exits(4);
    assert!(taken.errors.contains("exists"), "{taken:?}");
    let other = table.file("other");
    let foreign = table.execute(&["seek", "orders", "billing", "--undo", &file, "--undo-file", &other]).exits(4);
    assert!(foreign.errors.contains("nothing was written"), "{foreign:?}");
    assert_eq!(committed(&table), 2);
    assert!(table.audit().is_empty() && !std::path::Path::new(&other).exists());
    let absent = table.execute(&["seek", "orders", "shipping", "--to", "latest", "--undo-file", &other]).exits(3);
    assert!(!absent.errors.is_empty());
    let nowhere = table.execute(&["seek", "orders", "billing", "--to", "sometime", "--undo-file", &other]).exits(2);
    assert!(nowhere.errors.contains("2026-01-31T12:00:00Z"), "{nowhere:?}");
}

#[test]
fn records_are_shown_as_they_are_stored_and_what_they_say_only_on_demand() {
    let table = orders();
    let shown = table.run(&["peek", "orders", "--offset", "1", "--count", "3", "-o", "json"]).exits(0);
    let rows = shown.json()["records"].clone();
    let told = |row: &Value| (row["offset"].as_u64(), row["slot"].as_u64(), row["key"].clone(), row["data"].clone());
    let row = |offset, slot, key: &str| (Some(offset), Some(slot), json!(key), Value::Null);
    let rows: Vec<_> = rows.as_array().expect("rows").iter().map(told).collect();
    assert_eq!(rows, [row(1, 1, "order-1"), row(2, 1, "order-2"), row(3, 2, "order-0")]);
    assert!(!shown.answer.contains("Ada"));
    let revealed = table.run(&["peek", "orders", "--offset", "4", "--payload"]).exits(0);
    assert!(revealed.answer.contains("Ada") && revealed.answer.lines().count() == 2, "{revealed:?}");
    let beyond = table.run(&["peek", "orders", "--offset", "5"]).exits(0);
    assert!(beyond.errors.contains("there are no records"), "{beyond:?}");
    let _ = table.run(&["peek", "orders", "--offset", "0", "--partition", "1"]).exits(3);
}

#[test]
fn a_damaged_record_batch_is_shown_for_what_it_is() {
    let table = orders();
    // What is stored there afterwards is no body of any format.
    let body = AttributeValue::B(Blob::new([0x7f; 8]));
    let is_first = |item: &Item| item.contains_key("body") && item["base_offset"] == AttributeValue::N("0".to_owned());
    change(&table, is_first, |item| drop(item.insert("body".to_owned(), body)));
    let shown = table.run(&["peek", "orders", "--offset", "0", "-o", "json"]).exits(1).json()["records"].clone();
    let states: Vec<_> = shown.as_array().expect("rows").iter().map(|row| row["state"].clone()).collect();
    assert_eq!(states, [json!("DAMAGED"), json!("readable"), json!("readable")]);
}

#[test]
fn what_events_say_is_shown_to_the_last_digit() {
    let said = r#"{"b":9007199254740993.0,"a":25.00}"#;
    let table = Table::of("ledger-offsets");
    table.now(async |ledger| {
        begin(ledger, &[]).await;
        publish_data(ledger, 1, said).await;
    });
    for format in ["json", "csv"] {
        let shown = table.run(&["peek", "orders", "--offset", "0", "--payload", "-o", format]).exits(0).answer;
        let compact: String = shown.replace("\"\"", "\"").split_whitespace().collect();
        assert!(compact.contains(said), "{shown}");
    }
}

#[test]
fn publishing_and_looking_go_on_behind_a_last_record_batch_that_is_damaged() {
    let table = orders();
    let body = AttributeValue::B(Blob::new([0x7f; 8]));
    let is_last = |item: &Item| item.contains_key("body") && item["base_offset"] == AttributeValue::N("3".to_owned());
    change(&table, is_last, |item| drop(item.insert("body".to_owned(), body)));
    let found = table.run(&["verify", "orders", "-o", "json"]).exits(1).json()["violations"].clone();
    assert_eq!(found[0]["what"], "the records of slot 2 do not read", "{found}");
    assert_eq!(committed(&table), 2);
    table.now(async |ledger| {
        let sample = ledger.sample_consumers().await.expect("a sample");
        assert!(sample.complete, "{sample:?}");
        publish(ledger, 1).await;
    });
    let after = table.run(&["peek", "orders", "--offset", "5", "-o", "json"]).exits(0).json()["records"].clone();
    assert_eq!((&after[0]["offset"], &after[0]["state"]), (&json!(5), &json!("readable")));
}

#[test]
fn a_table_that_keeps_the_invariants_is_told_from_one_that_does_not() {
    let table = orders();
    table.now(async |ledger| ledger.compact_stream(&stream()).await.map(|_| ()).expect("compaction"));
    let sound = table.run(&["verify", "orders", "-o", "json"]).exits(0);
    assert_eq!(sound.json()["violations"], json!([]));
    assert!(sound.errors.contains("2 record batches, 3 keys and 1 subscriptions of orders"), "{sound:?}");
    let violations = |table: &Table| {
        let found = table.run(&["verify", "orders", "-o", "json"]).exits(1).json()["violations"].clone();
        let told = |row: &Value| row["what"].as_str().expect("a text").to_owned();
        found.as_array().expect("rows").iter().map(told).collect::<Vec<_>>()
    };
    // The watermark is not where the log ends.
    change(&table, |item| item.contains_key("watermark_offset"), |item| set(item, "watermark_offset", "4"));
    assert_eq!(violations(&table), ["the watermark is offset 4, and the tail 5"]);
    change(&table, |item| item.contains_key("watermark_offset"), |item| set(item, "watermark_offset", "5"));
    // Compacted state lacks a key.
    remove(&table, |item| key(item, "PK").starts_with("COMPACT#") && key(item, "SK").ends_with("#order-2"));
    assert_eq!(violations(&table), ["compacted state lacks a key, the last of which is in slot 1"]);
    // A record batch is missing.
    table.now(async |ledger| publish(ledger, 1).await);
    remove(&table, |item| key(item, "SK") == format!("SEQ#{:020}", 2));
    let missing = violations(&table);
    assert_eq!(missing[0], "slots 2 to 2 are missing", "{missing:?}");
}

type Item = std::collections::HashMap<String, AttributeValue>;

fn key<'a>(item: &'a Item, name: &str) -> &'a str {
    item[name].as_s().expect("a text")
}

fn set(item: &mut Item, name: &str, number: &str) {
    item.insert(name.to_owned(), AttributeValue::N(number.to_owned()));
}

/// Changes an item behind the ledger's back.
fn change(table: &Table, which: impl Fn(&Item) -> bool, what: impl FnOnce(&mut Item)) {
    behind_its_back(table, which, async |client, mut item| {
        what(&mut item);
        client.put_item().table_name(embedded::TABLE).set_item(Some(item)).send().await.expect("written");
    });
}

/// Deletes an item behind the ledger's back.
fn remove(table: &Table, which: impl Fn(&Item) -> bool) {
    behind_its_back(table, which, async |client, item| {
        let delete = client.delete_item().table_name(embedded::TABLE);
        delete.key("PK", item["PK"].clone()).key("SK", item["SK"].clone()).send().await.expect("deleted");
    });
}

/// Does something to the first such item.
fn behind_its_back(table: &Table, which: impl Fn(&Item) -> bool, what: impl AsyncFnOnce(&Client, Item)) {
    let directory = table.take();
    let client = directory.engine().expect("an engine").client();
    table.block_on(async {
        let items = client.scan().table_name(embedded::TABLE).send().await.expect("items").items.unwrap_or_default();
        what(&client, items.into_iter().find(which).expect("such an item")).await;
    });
}
