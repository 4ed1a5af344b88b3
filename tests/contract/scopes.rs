//! A: what each route asks of its callers. The tests walk the OpenAPI document, so a new route is in them from its first
//! day, and one that says nothing of its scope fails.

use serde_json::{Value, json};
use tests::conformance::{Operation, operations};
use tests::stream::list;
use tests::{Answer, Api, Stream};

const ACTIONS: [&str; 7] = ["publish", "poll", "commit", "bootstrap", "stream.admin", "sub.admin", "keys.admin"];

/// A stream that has everything which a path can name.
async fn furnished(api: &Api, number: usize) -> Stream {
    let stream = Stream::create(api, &format!("scopes-{number}")).await;
    stream.subscribe("reader", json!("earliest")).await;
    stream.publish(json!([{ "key": "key", "type": "a", "data": 1 }])).await;
    stream.compact().await;
    stream
}

/// Asks for an operation, as this caller. The body is never valid: whoever is let through is told so.
async fn ask(api: &Api, operation: &Operation, stream: &str) -> Answer {
    let path = operation.path.replace("{stream}", stream).replace("{subscription}", "reader").replace("{key}", "key");
    assert!(!path.contains('{'), "{path} has a variable that this test does not know");
    let request = api.request(&operation.method, path);
    let request = if operation.method == "POST" { request.json("{}") } else { request };
    request.send().await
}

fn guarded() -> Vec<(usize, Operation, String)> {
    let all = operations().into_iter().enumerate();
    let guarded: Vec<_> = all
        .filter_map(|(number, operation)| {
            let open = matches!(operation.path.as_str(), "/health" | "/openapi.json");
            let scope = operation.required_scope.clone();
            assert_eq!(scope.is_none(), open, "{} {} asks for nothing", operation.method, operation.path);
            scope.map(|scope| (number, operation, scope))
        })
        .collect();
    assert!(guarded.len() >= 16);
    guarded
}

#[tokio::test]
async fn a1_no_route_is_open_by_omission() {
    let api = Api::start().await;
    let stream = furnished(&api, 1000).await;
    let nobody = api.with_key(None);
    for (_, operation, _) in guarded() {
        ask(&nobody, &operation, &stream.name).await.problem(401, "unauthenticated");
    }
    assert_eq!(stream.log(10).await.len(), 1);
}

#[tokio::test]
async fn a2_every_other_scope_together_is_not_enough() {
    let api = Api::in_process().await;
    for (number, operation, scope) in guarded() {
        if scope == "any" {
            continue;
        }
        let stream = furnished(&api, number).await;
        let others: Vec<String> =
            ACTIONS.iter().filter(|action| **action != scope).map(|action| format!("{action}:*")).collect();
        assert_eq!(others.len(), ACTIONS.len() - 1, "{scope} is no action");
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let caller = api.with_scopes(&others).await;
        ask(&caller, &operation, &stream.name).await.problem(403, "insufficient_scope");
        assert_eq!(stream.log(10).await.len(), 1, "{} {}", operation.method, operation.path);
    }
}

#[tokio::test]
async fn a3_the_named_scope_alone_is_enough() {
    let api = Api::in_process().await;
    for (number, operation, scope) in guarded() {
        let stream = furnished(&api, number).await;
        let action = if scope == "any" { "poll" } else { &scope };
        let caller = api.with_scopes(&[&format!("{action}:{}", stream.name)]).await;
        let answer = ask(&caller, &operation, &stream.name).await;
        let status = answer.status.as_u16();
        assert!(matches!(status, 200 | 204 | 422), "{scope} for {}: {status} {}", answer.what, answer.text());
    }
}

#[tokio::test]
async fn a4_a_stream_without_a_grant_is_absent() {
    let api = Api::in_process().await;
    let hidden = furnished(&api, 2000).await;
    let everything: Vec<String> = ACTIONS.iter().map(|action| format!("{action}:orders-*")).collect();
    let everything: Vec<&str> = everything.iter().map(String::as_str).collect();
    let caller = api.with_scopes(&everything).await;
    for (_, operation, _) in guarded().into_iter().filter(|(_, operation, _)| operation.path.contains("{stream}")) {
        let (there, absent) =
            (ask(&caller, &operation, &hidden.name).await, ask(&caller, &operation, "not-there").await);
        let (there, absent) = (there.problem(404, "stream_not_found"), absent.problem(404, "stream_not_found"));
        assert_eq!(without_id(there), without_id(absent), "{} {}", operation.method, operation.path);
    }
    assert_eq!(hidden.log(10).await.len(), 1);
}

fn without_id(mut problem: Value) -> Value {
    problem["request_id"] = Value::Null;
    problem
}

#[tokio::test]
async fn a15_a_bootstrap_needs_a_scope_of_its_own() {
    let api = Api::in_process().await;
    let stream = furnished(&api, 3000).await;
    let start = json!({ "subscription_id": "state", "start_from": "compacted" });
    let seek = json!({ "to": "compacted" });
    let without = stream.seen_by(&api.with_scopes(&["sub.admin:*", "poll:*", "bootstrap:*:other"]).await);
    without.post("/subscriptions", start.clone()).await.problem(403, "insufficient_scope");
    without.post("/subscriptions/reader/seek", seek.clone()).await.problem(403, "insufficient_scope");
    let _ = without.post("/subscriptions/reader/seek", json!({ "to": "earliest" })).await.ok(200);
    let with = stream.seen_by(&api.with_scopes(&["sub.admin:*", "bootstrap:*"]).await);
    let _ = with.post("/subscriptions", start).await.ok(201);
    let _ = with.post("/subscriptions/reader/seek", seek).await.ok(200);
    // A cursor within a bootstrap is a way there as well.
    stream.publish(json!([{ "key": "other", "type": "a", "data": 1 }])).await;
    stream.compact().await;
    let page = stream.poll("state", "?limit=1").await;
    assert_eq!(page["phase"], "snapshot");
    let seek = json!({ "to": { "cursor": page["cursor"] } });
    without.post("/subscriptions/state/seek", seek.clone()).await.problem(403, "insufficient_scope");
    let _ = with.post("/subscriptions/state/seek", seek).await.ok(200);
}

#[tokio::test]
async fn a15_nobody_falls_back_to_compacted_state_who_may_not_start_there() {
    let api = Api::in_process().await;
    let stream = Stream::define(&api, "a15", json!({ "retention_hours": 1, "compaction": true })).await;
    stream.subscribe("reader", json!("earliest")).await;
    stream.publish(json!([{ "key": "key", "type": "a", "data": 1 }])).await;
    stream.compact().await;
    api.app().clock.advance(2 * 3_600_000);
    stream.publish(json!([{ "key": "other", "type": "a", "data": 1 }])).await;
    stream.compact().await;
    let without = stream.seen_by(&api.with_scopes(&["poll:*", "commit:*", "bootstrap:*:other"]).await);
    let gone = without.get("/subscriptions/reader/poll").await.problem(410, "position_expired");
    let begin = gone["bootstrap_cursor"].as_str().expect("there is compacted state");
    let (poll, commit) = (format!("/subscriptions/reader/poll?cursor={begin}"), "/subscriptions/reader/commit");
    without.get(&poll).await.problem(403, "insufficient_scope");
    // Nothing was passed with it yet.
    assert_eq!(without.post(commit, json!({ "cursor": begin })).await.ok(200)["advanced"], false);
    // One of another use begins nothing and is refused for that.
    let other = without.get("/compacted?limit=1").await.ok(200)["cursor"].clone();
    let other = other.as_str().expect("there is more");
    without.get(&format!("/subscriptions/reader/poll?cursor={other}")).await.problem(400, "invalid_cursor");
    let operator = stream.seen_by(&api.with_scopes(&["sub.admin:*"]).await);
    let seek = json!({ "to": { "cursor": other } });
    operator.post("/subscriptions/reader/seek", seek).await.problem(400, "invalid_cursor");
    let earliest = json!({ "cursor": gone["earliest_cursor"] });
    assert_eq!(without.post(commit, earliest).await.ok(200)["advanced"], true, "the log is open to it");

    let with = stream.seen_by(&api.with_scopes(&["poll:*", "commit:*", "bootstrap:*"]).await);
    let page = with.get(&poll).await.ok(200);
    assert_eq!(page["events"][0]["snapshot"], true);
    // What it began others may go on with.
    let cursor = json!({ "cursor": page["cursor"] });
    assert_eq!(without.post(commit, cursor).await.ok(200)["advanced"], true);
}

#[tokio::test]
async fn a2_a_name_in_a_body_is_held_to_the_scope_like_one_in_the_path() {
    let api = Api::in_process().await;
    let stream = furnished(&api, 5000).await;
    let caller = api.with_scopes(&["stream.admin:mine-*", &format!("sub.admin:{}:team-*", stream.name)]).await;
    for (name, status) in [("mine-a", 201), ("other", 403), ("mine", 403)] {
        let answer = caller.post("/streams", json!({ "stream_id": name })).await;
        assert_eq!(answer.status.as_u16(), status, "{name}");
    }
    for (name, status) in [("team-a", 201), ("other", 403), ("team", 403)] {
        let body = json!({ "subscription_id": name, "start_from": "earliest" });
        let answer = stream.seen_by(&caller).post("/subscriptions", body).await;
        assert_eq!(answer.status.as_u16(), status, "{name}");
    }
    let listed = api.get("/streams?limit=1000").await.ok(200);
    let names: Vec<Value> = list(&listed["streams"]).iter().map(|stream| stream["stream_id"].clone()).collect();
    assert_eq!(names, ["mine-a", stream.name.as_str()]);
}
