//! What must have happened often enough in a run of many seeds. A fault that never fires, a problem that is never answered
//! and a path that is never taken prove nothing, so the run fails without them.

use platform::functions::{AUTHORIZER, Access, FUNCTIONS};

use crate::fate::permission;
use crate::suite::Totals;

/// How often, at least.
const OFTEN: u64 = 10;

/// Faults, each with the operations that it befalls.
const WRITES: [&str; 3] = ["PutItem", "UpdateItem", "TransactWriteItems"];
const READS: [&str; 2] = ["GetItem", "Query"];
const BEFORE: [&str; 5] = ["throttle", "error before", "reset", "kill", "slow"];
const AFTER: [&str; 5] = ["conflict", "error after", "lost reply", "zombie", "cut off"];

/// Everything else.
const HAPPENED: [&str; 61] = [
    "fault in progress on TransactWriteItems",
    "a subscription was moved to an old cursor",
    "a request when everything had to work",
    "fault silence on ",
    "fault cut page on Query",
    "fault empty page on Query",
    "fault torn on TransactWriteItems",
    "a ring was lost",
    "a ring was doubled",
    "a ring was delivered again",
    "a process was frozen",
    "a publish recognised its own batch",
    "a receipt was replayed",
    "a request was sent twice at once",
    "a request was repeated under another Idempotency-Key",
    "a stream was created again",
    "something was written into a life that had ended",
    "a life was known to its end",
    "a sweep while everybody was busy",
    "a subscription was deleted",
    "two cursors were committed at the same time",
    "a change of a key was repeated",
    "a key was replaced",
    "a key was revoked at once",
    "a key was revoked in a minute",
    "a neighbour was filled",
    "a subscription was judged to the end of the log",
    "a bootstrap took longer than the retention",
    "what was left of a life was collected",
    "a bootstrap began again",
    "a bootstrap went on from what it had committed",
    "a bootstrap was followed to the end",
    "a record batch was damaged",
    "a head was a stub",
    "time to live deleted an item",
    "time to live deleted an item too early",
    "leap Caches",
    "leap Retention",
    "leap Grace",
    "leap Stall",
    "leap Neglect",
    "problem unavailable",
    "problem outcome_unknown",
    "problem contention",
    "problem compaction_gap",
    "problem head_lost",
    "problem compactor_stalled",
    "problem position_expired",
    "problem stream_recreated",
    "problem stream_deleting",
    "problem stream_exists",
    "problem stream_not_found",
    "problem subscription_not_found",
    "problem subscription_exists",
    "problem key_not_found",
    "problem generation_mismatch",
    "problem idempotency_in_progress",
    "problem idempotency_key_reused",
    "problem tail_mismatch",
    "problem rate_limited",
    "problem unauthenticated",
];

/// What must have happened in crowded runs.
const HAPPENED_CROWDED: [&str; 3] =
    ["requests shared a write", "a shared write lost its reply", "a client left before it was answered"];

/// What roles allow and nobody needed. The canary is not in the fleet, and may do nothing to the table; nor is the authorizer,
/// whose role `tests/lambda` looks at.
fn unused_permissions(totals: &Totals) -> impl Iterator<Item = String> {
    FUNCTIONS.iter().filter(|function| function.service != AUTHORIZER).flat_map(|function| {
        let permissions = function.access.iter().flat_map(Access::permissions);
        let names = permissions.map(|(key, action)| permission(function.service, action, key));
        names.filter(|name| totals.counters.get(name) == 0).map(|name| format!("never: {name}"))
    })
}

/// Fails when something did not happen often enough.
pub(crate) fn check(totals: &Totals) -> Result<(), String> {
    let on = |faults: &[&str], operations: &[&str]| -> Vec<Vec<String>> {
        faults
            .iter()
            .flat_map(|fault| operations.iter().map(move |on| vec![format!("fault {fault} on {on}")]))
            .collect()
    };
    let all = [WRITES.as_slice(), READS.as_slice()].concat();
    // Only what collects the past deletes by key, which is seldom.
    let deletes = [&BEFORE[..], &AFTER[..]].map(|faults| on(faults, &["DeleteItem"]).concat());
    let faults = on(&BEFORE, &all).into_iter().chain(on(&AFTER, &WRITES)).chain(deletes);
    let wanted = faults.chain(HAPPENED.map(|name| vec![name.to_owned()]));
    let seldom = seldom(totals, wanted).chain(unused_permissions(totals)).collect();
    // The replicas are there for whoever forgets to ask for consistency.
    if totals.counters.sum("stale read") > 0 {
        return Err("the ledger asked for something without strong consistency".to_owned());
    }
    complain(totals, seldom)
}

/// The same for crowded runs.
pub(crate) fn check_crowded(totals: &Totals) -> Result<(), String> {
    let wanted = HAPPENED_CROWDED.map(|name| vec![name.to_owned()]).into_iter();
    complain(totals, seldom(totals, wanted).collect())
}

/// What did not happen often enough, where of some names any will do.
fn seldom(totals: &Totals, wanted: impl Iterator<Item = Vec<String>>) -> impl Iterator<Item = String> {
    wanted
        .map(|names| (names.iter().map(|name| totals.counters.sum(name)).sum::<u64>(), names))
        .filter(|(count, _)| *count < OFTEN)
        .map(|(count, names)| format!("{count} times: {}", names.join(", or ")))
}

fn complain(totals: &Totals, seldom: Vec<String>) -> Result<(), String> {
    if seldom.is_empty() { Ok(()) } else { Err(format!("in {} seeds only\n{}", totals.seeds, seldom.join("\n"))) }
}
