//! A: API keys, and how much they may ask.

use ledger::ApiKeyState;
use platform::access::Quotas;
use platform::api_key::Token;
use serde_json::{Value, json};
use tests::stream::list;
use tests::{Api, Stream};

const MINUTE_MS: u64 = 60_000;

#[tokio::test]
async fn a5_every_wrong_credential_gets_the_same_answer() {
    let api = Api::start().await;
    let key = api.key().expect("the suite has a key").to_owned();
    let nobody = api.with_key(None);
    let mut changed = key.clone();
    let last = changed.pop().expect("a key is not empty");
    changed.push(if last == 'a' { 'b' } else { 'a' });
    let credentials: [Option<(&str, String)>; 8] = [
        None,
        Some(("x-api-key", String::new())),
        Some(("x-api-key", changed)),
        Some(("x-api-key", "elk_other_000000000000_x".to_owned())),
        Some(("authorization", "Bearer".to_owned())),
        Some(("authorization", "Bearer ".to_owned())),
        Some(("authorization", format!("Basic {key}"))),
        Some(("authorization", key.clone())),
    ];
    let mut answers = Vec::new();
    for credential in credentials {
        let mut request = nobody.request("GET", "/streams");
        if let Some((name, value)) = credential {
            request = request.header(name, value);
        }
        let answer = request.send().await;
        let mut problem = answer.problem(401, "unauthenticated");
        problem["request_id"] = Value::Null;
        let headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        answers.push((problem, headers));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    // Both ways to send the right one.
    let _ = nobody.request("GET", "/streams").header("x-api-key", key.clone()).send().await.ok(200);
    let bearer = nobody.request("GET", "/streams").header("authorization", format!("Bearer {key}"));
    let _ = bearer.send().await.ok(200);
}

#[tokio::test]
async fn a6_a_key_works_only_in_its_time() {
    let api = Api::in_process().await;
    let app = api.app();
    let (now, scopes) = (app.clock.now(), ["poll:*"]);
    let revoked = app.key(&scopes, |key| key.state = ApiKeyState::Revoked).await;
    let early = app.key(&scopes, |key| key.not_before = Some(now.plus(10 * MINUTE_MS))).await;
    let late = app.key(&scopes, |key| key.expires_at = Some(now.plus(5 * MINUTE_MS))).await;
    let status = async |key: &String| api.with_key(Some(key.clone())).get("/streams").await.status.as_u16();
    assert_eq!([status(&revoked).await, status(&early).await, status(&late).await], [401, 401, 200]);
    app.clock.advance(5 * MINUTE_MS);
    assert_eq!([status(&revoked).await, status(&early).await, status(&late).await], [401, 401, 401]);
    app.clock.advance(5 * MINUTE_MS);
    assert_eq!([status(&revoked).await, status(&early).await, status(&late).await], [401, 200, 401]);
}

#[tokio::test]
async fn a6_a_revoked_key_is_refused_within_a_minute() {
    let api = Api::in_process().await;
    let (app, key) = (api.app(), api.key().expect("a key"));
    let id = Token::parse(key).expect("a well-formed key").id().to_owned();
    let _ = api.get("/streams").await.ok(200);
    app.ledger.change_api_key_state(&id, ApiKeyState::Grace).await.expect("a key in grace");
    app.clock.advance(MINUTE_MS);
    let _ = api.get("/streams").await.ok(200);
    app.ledger.change_api_key_state(&id, ApiKeyState::Revoked).await.expect("a revoked key");
    app.clock.advance(MINUTE_MS);
    api.get("/streams").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a7_a_mistyped_key_costs_no_read() {
    let api = Api::in_process().await;
    let good = api.key().expect("a key").to_owned();
    let mistyped = api.with_key(Some(good.replacen("elk_test_", "elk_tset_", 1)));
    let engine = api.app().engine();
    engine.record();
    mistyped.get("/streams").await.problem(401, "unauthenticated");
    let wrong_checksum = api.with_key(Some(format!("{}000000", &good[..good.len() - 6])));
    wrong_checksum.get("/streams").await.problem(401, "unauthenticated");
    assert_eq!(engine.take_calls().len(), 0, "the store was asked about a key that cannot exist");
    let _ = api.get("/streams").await.ok(200);
    assert!(!engine.take_calls().is_empty(), "the recorder records");
}

#[tokio::test]
async fn a8_a_listing_shows_what_the_key_may_know() {
    let api = Api::in_process().await;
    for name in ["orders-a", "orders-b", "billing"] {
        Stream::create(&api, name).await;
    }
    let caller = api.with_scopes(&["publish:orders-*"]).await;
    let listed = caller.get("/streams?limit=1000").await.ok(200);
    let names: Vec<Value> = list(&listed["streams"]).iter().map(|stream| stream["stream_id"].clone()).collect();
    assert_eq!(names, [json!(api.name("orders-a")), json!(api.name("orders-b"))]);
    let first = caller.get("/streams?limit=1").await.ok(200);
    assert_eq!(list(&first["streams"]).len(), 1, "what is hidden does not thin out the pages");

    let stream = Stream { api: api.clone(), name: api.name("orders-a") };
    for name in ["team-one", "team-two", "audit"] {
        stream.subscribe(name, json!("earliest")).await;
    }
    let caller = api.with_scopes(&["poll:orders-*:team-*"]).await;
    let listed = stream.seen_by(&caller).get("/subscriptions").await.ok(200);
    let names: Vec<Value> = list(&listed["subscriptions"]).iter().map(|one| one["subscription_id"].clone()).collect();
    assert_eq!(names, ["team-one", "team-two"]);
    stream.seen_by(&caller).get("/subscriptions/audit/poll").await.problem(403, "insufficient_scope");
    assert_eq!(stream.seen_by(&caller).poll("team-one", "").await["events"], json!([]));
}

#[tokio::test]
async fn a9_an_idempotency_key_belongs_to_the_api_key_that_used_it() {
    let api = Api::in_process().await;
    let stream = Stream::create(&api, "a9").await;
    let other = api.with_scopes(&["publish:*"]).await;
    for (caller, body) in [(&api, r#"{"type":"a","data":1}"#), (&other, r#"{"type":"a","data":2}"#)] {
        let request = caller.request("POST", stream.path("/events")).header("idempotency-key", "same").json(body);
        assert_eq!(request.send().await.ok(201)["replayed"], false);
    }
    assert_eq!(stream.log(10).await.len(), 2);
}

#[tokio::test]
async fn a11_guessing_keys_is_stopped() {
    let api = Api::with_quotas(Quotas { failures_per_minute: 50, ..Quotas::default() }).await;
    let guesser = api.with_key(Some("elk_test_guess".to_owned()));
    for _ in 0..50 {
        guesser.get("/streams").await.problem(401, "unauthenticated");
    }
    guesser.get("/streams").await.problem(429, "rate_limited");
    api.app().clock.advance(MINUTE_MS);
    guesser.get("/streams").await.problem(401, "unauthenticated");
}
