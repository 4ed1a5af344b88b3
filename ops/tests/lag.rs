//! `ledger-lag` as operators and monitors use it: the real program, on the data directory of a local server that does not run.

mod program;

#[path = "lag/history.rs"]
mod history;
#[path = "lag/serve.rs"]
mod serve;

use program::Table;
use program::orders::{begin, go_on, publish};
use serde_json::{Value, json};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

#[test]
fn a_report_tells_where_each_subscription_stands() {
    let table = Table::of("ledger-lag");
    table.ago(2 * MINUTE_MS, async |ledger| {
        begin(ledger, &["billing", "shipping"]).await;
        publish(ledger, 5).await;
        go_on(ledger, "billing").await;
    });
    let report = table.run(&["report", "--once", "-o", "json"]).exits(0).json()["positions"].clone();
    let told = |row: &Value| {
        let of = |name: &str| row[name].clone();
        (of("subscription"), of("status"), of("committed"), of("tail"), of("lag_events"), of("in_per_second"))
    };
    let row = |name: &str, committed: u64, lag: u64| {
        (json!(name), json!("OK"), json!(committed), json!(5), json!(lag), Value::Null)
    };
    assert_eq!((told(&report[0]), told(&report[1])), (row("billing", 2, 3), row("shipping", 0, 5)));
    let (behind, headroom) = (report[0]["lag_ms"].as_u64(), report[0]["headroom_ms"].as_u64());
    assert!(behind.is_some_and(|ms| (2 * MINUTE_MS..3 * MINUTE_MS).contains(&ms)), "{report}");
    assert!(headroom.is_some_and(|ms| (23 * HOUR_MS..24 * HOUR_MS).contains(&ms)), "{report}");

    let one = table.run(&["report", "--stream", "orders", "--subscription", "billing", "--over", "1s"]).exits(0);
    assert_eq!(one.answer.lines().count(), 2, "{one:?}");
    assert!(one.answer.contains("0.0") && one.answer.contains("2m"), "{one:?}");
    assert!(one.answer.lines().all(|line| line.chars().count() <= 100), "{one:?}");
}

#[test]
fn a_check_tells_a_monitor_by_its_exit_code() {
    let table = Table::of("ledger-lag");
    table.ago(HOUR_MS, async |ledger| {
        begin(ledger, &["billing"]).await;
        publish(ledger, 3).await;
    });
    // Nobody has polled for an hour.
    let stopped = table.run(&["check", "-o", "json"]).exits(11);
    let concern = stopped.json()["concerns"][0].clone();
    assert_eq!(
        (&concern["level"], &concern["status"], &concern["lag_events"]),
        (&json!("ERR"), &json!("STOP"), &json!(3))
    );
    // It goes on a moment ago, and is still behind.
    table.ago(1_000, async |ledger| go_on(ledger, "billing").await);
    let _ = table.run(&["check"]).exits(0);
    let behind = table.run(&["check", "--max-lag", "30m"]).exits(10);
    assert!(behind.answer.contains("more than 30m behind"), "{behind:?}");
    let soon = table.run(&["check", "--min-headroom", "24h"]).exits(10);
    assert!(soon.answer.contains("loses events in 22h"), "{soon:?}");
    table.ago(1_000, async |ledger| go_on(ledger, "billing").await);
    let _ = table.run(&["check", "--max-lag", "30m", "--min-headroom", "24h"]).exits(0);
}

#[test]
fn what_expired_before_it_was_read_is_an_error() {
    let table = Table::of("ledger-lag");
    table.ago(25 * HOUR_MS, async |ledger| {
        begin(ledger, &["billing"]).await;
        publish(ledger, 3).await;
    });
    let lost = table.run(&["check"]).exits(11);
    assert!(lost.answer.contains("LOST") && lost.answer.contains("events were lost to it"), "{lost:?}");
}

#[test]
fn what_is_absent_is_told_by_its_own_exit_code() {
    let table = Table::of("ledger-lag");
    let nothing = table.run(&["report", "--once"]).exits(0);
    assert!(nothing.answer.is_empty() && nothing.errors.contains("there are no positions"), "{nothing:?}");
    let _ = table.run(&["check", "--stream", "orders"]).exits(3);
    table.ago(MINUTE_MS, async |ledger| begin(ledger, &["billing"]).await);
    let _ = table.run(&["check", "--stream", "orders", "--subscription", "shipping"]).exits(3);
    let _ = table.run(&["check", "--subscription", "billing"]).exits(2);
    let wrong = table.run(&["check", "--stream", "or ders"]).exits(2);
    assert!(wrong.errors.contains("no name of a stream"), "{wrong:?}");
}

#[test]
fn a_watch_needs_a_terminal() {
    let table = Table::of("ledger-lag");
    let refused = table.run(&["watch"]).exits(4);
    assert!(refused.errors.contains("use `report`") && refused.answer.is_empty(), "{refused:?}");
    let unclear = table.run(&["watch", "-o", "json"]).exits(2);
    assert!(unclear.errors.contains("use `report`"), "{unclear:?}");
}
