//! A: API keys, and how much they may ask.

use std::collections::BTreeMap;

use axum::body::Body;
use embedded::{Call, Fault, FaultKind};
use futures::FutureExt;
use ledger::{ApiKey, ApiKeyState, Timestamp};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use platform::access::Quotas;
use platform::api_key::Token;
use serde_json::{Value, json};
use tests::app::{App, Late};
use tests::stream::list;
use tests::{Api, Stream};
use tower::ServiceExt;

const MINUTE_MS: u64 = 60_000;

#[tokio::test]
async fn a5_every_wrong_credential_gets_the_same_answer() {
    let api = Api::start().await;
    let key = api.key().expect("the suite has a key").to_owned();
    let nobody = api.with_key(None);
    let mut changed = key.clone();
    let last = changed.pop().expect("a key is not empty");
    changed.push(if last == 'a' { 'b' } else { 'a' });
    let credentials: [Option<(&str, String)>; 11] = [
        None,
        Some(("x-api-key", String::new())),
        Some(("x-api-key", changed)),
        Some(("x-api-key", "elk_other_000000000000_x".to_owned())),
        Some(("authorization", "Bearer".to_owned())),
        Some(("authorization", "Bearer ".to_owned())),
        Some(("authorization", format!("Basic {key}"))),
        Some(("authorization", key.clone())),
        // Longer than any key, and within what all headers may be together.
        Some(("x-api-key", "a".repeat(10_000))),
        Some(("x-api-key", format!("{key}{}", "a".repeat(10_000)))),
        Some(("authorization", format!("Bearer {key}{}", "a".repeat(10_000)))),
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
    // And one of them twice, which nobody means.
    for (name, value) in [("x-api-key", key.clone()), ("authorization", format!("Bearer {key}"))] {
        let twice = nobody.request("GET", "/streams").header(name, value.clone()).header(name, value);
        twice.send().await.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a1_beside_an_x_api_key_no_other_credential_is_looked_at() {
    let api = Api::start().await;
    let key = api.key().expect("the suite has a key").to_owned();
    let both = async |own: &str, authorization: String| {
        let caller = api.with_key(Some(own.to_owned()));
        caller.request("GET", "/streams").header("authorization", authorization).send().await
    };
    for nonsense in ["Bearer elk_other_000000000000_x", "Basic eDp5", "nonsense", ""] {
        let _ = both(&key, nonsense.to_owned()).await.ok(200);
    }
    both("nonsense", format!("Bearer {key}")).await.problem(401, "unauthenticated");
    let twice = api.request("GET", "/streams").header("x-api-key", key.clone()).send().await;
    twice.problem(401, "unauthenticated");
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
    let until = app.clock.now().plus(10 * MINUTE_MS);
    app.ledger.change_api_key_state(&id, ApiKeyState::Grace { until }).await.expect("a key in grace");
    app.clock.advance(MINUTE_MS);
    let _ = api.get("/streams").await.ok(200);
    app.ledger.change_api_key_state(&id, ApiKeyState::Revoked).await.expect("a revoked key");
    app.clock.advance(MINUTE_MS);
    api.get("/streams").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a6_who_waits_for_a_store_that_is_away_waits_once() {
    let api = Api::in_process().await;
    let app = api.app();
    let _ = api.get("/streams").await.ok(200);
    app.clock.advance(5_000);
    // As often as one call is tried: whoever called on their own after that would have an answer.
    app.engine().inject(Fault::on("GetItem", FaultKind::ServerErrorBefore, 4));
    app.engine().record();
    let all = futures::future::join_all((0..10).map(|_| api.get("/streams"))).await;
    all.iter().for_each(|answer| _ = answer.problem(503, "unavailable"));
    assert_eq!(app.engine().take_calls().len(), 4);
    let _ = api.get("/streams").await.ok(200);
}

/// A process that remembers a key, and the id of the key.
async fn remembered(api: &Api) -> (Api, String) {
    let (quotas, key) = (Quotas::default(), api.app().key(&["poll:*"], |_| {}).await);
    let id = Token::parse(&key).expect("a well-formed key").id().to_owned();
    let process = api.answered_by(api.app().another_process(quotas, 1)).with_key(Some(key));
    let _ = process.get("/streams").await.ok(200);
    (process, id)
}

#[tokio::test]
async fn a6_an_urgent_revocation_holds_everywhere_within_five_seconds() {
    let api = Api::in_process().await;
    let app = api.app();
    let ((revoked, id), (urgently, urgent)) = (remembered(&api).await, remembered(&api).await);
    app.ledger.change_api_key_state(&id, ApiKeyState::Revoked).await.expect("a revoked key");
    app.clock.advance(5_000);
    for process in [&revoked, &urgently] {
        let _ = process.get("/streams").await.ok(200);
    }
    app.ledger.revoke_api_key_urgently(&urgent).await.expect("a revoked key");
    let _ = urgently.get("/streams").await.ok(200);
    app.clock.advance(4_999);
    urgently.get("/streams").await.problem(401, "unauthenticated");
    // All that was remembered is read again.
    revoked.get("/streams").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a6_who_waits_is_told_nothing_when_its_key_was_revoked_meanwhile() {
    let api = Api::in_process().await;
    let stream = Stream::create(&api, "a6").await;
    stream.subscribe("reader", json!("earliest")).await;
    let (waiting, id) = remembered(&api).await;
    let poll = waiting.get(format!("/streams/{}/subscriptions/reader/poll?wait=20", stream.name));
    let revoke = async {
        tokio::task::yield_now().await;
        api.app().ledger.revoke_api_key_urgently(&id).await.expect("a revoked key");
        let revoked_at = api.app().clock.now();
        while api.app().clock.now().since(revoked_at) < 5_000 {
            // It is the poll that moves the clock while it waits.
            tokio::task::yield_now().await;
        }
        stream.publish(json!([{ "type": "a", "data": "secret" }])).await;
    };
    let (answer, ()) = tokio::join!(poll, revoke);
    answer.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a6_a_short_wait_is_not_told_anything_either_that_begins_before_a_process_hears_of_a_revocation() {
    let api = Api::in_process().await;
    let stream = Stream::create(&api, "a6-short").await;
    let (waiting, id) = remembered(&api).await;
    api.app().ledger.revoke_api_key_urgently(&id).await.expect("a revoked key");
    api.app().clock.advance(3_900);
    let poll = waiting.get(format!("/streams/{}/events?from=latest&wait=3", stream.name)).await;
    poll.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a6_nothing_is_done_for_a_key_that_was_revoked_while_its_body_was_on_its_way() {
    let api = Api::in_process().await;
    let stream = Stream::create(&api, "a6-body").await;
    let app = api.app();
    let key = app.key(&["publish:*"], |_| {}).await;
    let id = Token::parse(&key).expect("a well-formed key").id().to_owned();
    let (ledger, clock) = (app.ledger.clone(), app.clock.clone());
    let body = futures::stream::once(async move {
        ledger.revoke_api_key_urgently(&id).await.expect("a revoked key");
        clock.sleep(5_000).await;
        Ok::<_, std::convert::Infallible>(r#"{ "type": "a", "data": 1 }"#)
    });
    let request = http::Request::post(format!("/streams/{}/events", stream.name)).header("x-api-key", key);
    let request = request.header("content-type", "application/json").body(Body::from_stream(body));
    let answer = app.router.clone().oneshot(request.expect("a request")).await.expect("an answer");
    assert_eq!(answer.status(), 401);
    let page = api.get(format!("/streams/{}/events?from=earliest", stream.name)).await.ok(200);
    assert_eq!(page["events"], json!([]));
}

#[tokio::test]
async fn a6_nobody_is_let_in_while_nobody_knows_who_was_revoked() {
    let api = Api::in_process().await;
    let (process, _) = remembered(&api).await;
    api.app().clock.advance(5_000);
    let keys = Some("KEYS".to_owned());
    api.app().engine().inject(Fault { partition_key_prefix: keys, ..Fault::any(FaultKind::Throttle, 4) });
    process.get("/streams").await.problem(503, "unavailable");
    let _ = process.get("/streams").await.ok(200);
}

#[tokio::test]
async fn a6_a_key_in_grace_works_until_its_grace_ends() {
    let api = Api::in_process().await;
    let app = api.app();
    let (process, id) = remembered(&api).await;
    let until = app.clock.now().plus(3 * MINUTE_MS);
    app.ledger.change_api_key_state(&id, ApiKeyState::Grace { until }).await.expect("a key in grace");
    for _ in 0..2 {
        app.clock.advance(MINUTE_MS);
        let _ = process.get("/streams").await.ok(200);
    }
    app.clock.advance(MINUTE_MS - 1);
    let _ = process.get("/streams").await.ok(200);
    app.clock.advance(1);
    process.get("/streams").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a6_the_last_hour_in_which_a_key_worked_is_kept() {
    const HOUR_MS: u64 = 60 * MINUTE_MS;
    let api = Api::in_process().await;
    let (app, engine) = (api.app(), api.app().engine());
    let (process, id) = remembered(&api).await;
    let last_used = async || app.ledger.find_api_key(&id).await.expect("a read").expect("a key").last_used_at;
    let hour = app.clock.now().0 / HOUR_MS * HOUR_MS;
    assert_eq!(last_used().await, Some(Timestamp(hour)));
    engine.record();
    app.clock.advance(hour + HOUR_MS - 1 - app.clock.now().0);
    let _ = process.get("/streams").await.ok(200);
    let noted = |calls: Vec<Call>| calls.iter().filter(|call| call.operation == "UpdateItem").count();
    assert_eq!(noted(engine.take_calls()), 0, "an hour is noted once");
    app.clock.advance(1);
    let _ = process.get("/streams").await.ok(200);
    assert_eq!(last_used().await, Some(Timestamp(hour + HOUR_MS)));
    // A note that cannot be written costs the client nothing but a little time.
    app.clock.advance(HOUR_MS);
    let key = Some("KEY#".to_owned());
    engine.inject(Fault { partition_key_prefix: key, ..Fault::on("UpdateItem", FaultKind::Throttle, 50) });
    let _ = process.get("/streams").await.ok(200);
    assert!(engine.fired() > 0);
    assert_eq!(last_used().await, Some(Timestamp(hour + HOUR_MS)));
}

/// What each credential is counted as, which its sender is not told.
#[test]
fn why_a_credential_was_not_taken_is_counted() {
    let recorder = DebuggingRecorder::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    metrics::with_local_recorder(&recorder, || runtime.block_on(refuse_and_let_in()));
    let counted = recorder.snapshotter().snapshot().into_vec().into_iter().filter_map(|(key, _, _, value)| {
        let label = key.key().labels().next().map_or(String::new(), |label| label.value().to_owned());
        let DebugValue::Counter(count) = value else { return None };
        matches!(key.key().name(), "AuthFailures" | "KeyUseDuringGrace").then_some((label, count))
    });
    let counted: BTreeMap<String, u64> = counted.collect();
    let reasons = ["missing", "malformed", "environment", "revoked", "grace_over", "too_early", "expired"];
    // One use of a key in grace, which has no label.
    let expected = reasons.into_iter().chain([""]).map(|reason| (reason.to_owned(), 1));
    // Whoever sees the numbers must not learn which ids exist, nor what became of a key whose secret they lack.
    let expected = expected.chain([("credential".to_owned(), 3)]);
    assert_eq!(counted, expected.collect());
}

/// A key of the same id whose secret is not its own.
fn with_other_secret(api: &Api, key: &str) -> String {
    let other = Token::mint(api.app().ledger.randomness(), "test").reveal();
    let secret = &other.split('_').nth(3).expect("a secret")[..43];
    Token::assemble("test", Token::parse(key).expect("a key").id(), secret).reveal()
}

async fn refuse_and_let_in() {
    let api = Api::in_process().await;
    let (app, now) = (api.app(), api.app().clock.now());
    let mint = |environment| Token::mint(app.ledger.randomness(), environment).reveal();
    let good = app.key(&["poll:*"], |_| {}).await;
    let special = async |change: &dyn Fn(&mut ApiKey)| app.key(&["poll:*"], |key| change(key)).await;
    let revoked = special(&|key| key.state = ApiKeyState::Revoked).await;
    let grace = |until| move |key: &mut ApiKey| key.state = ApiKeyState::Grace { until };
    let refused = [
        None,
        Some(good.replacen("elk", "elf", 1)),
        Some(mint("prod")),
        Some(mint("test")),
        Some(with_other_secret(&api, &good)),
        Some(with_other_secret(&api, &revoked)),
        Some(revoked),
        Some(special(&grace(now)).await),
        Some(special(&|key| key.not_before = Some(now.plus(MINUTE_MS))).await),
        Some(special(&|key| key.expires_at = Some(now)).await),
    ];
    for key in refused {
        api.with_key(key).get("/streams").await.problem(401, "unauthenticated");
    }
    let _ = api.with_key(Some(special(&grace(now.plus(MINUTE_MS))).await)).get("/streams").await.ok(200);
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
async fn a7_what_a_guess_costs_does_not_tell_whether_the_id_exists() {
    let api = Api::in_process().await;
    let (app, (process, _)) = (api.app(), remembered(&api).await);
    let known = process.key().expect("a key");
    let guesses = [with_other_secret(&api, known), Token::mint(app.ledger.randomness(), "test").reveal()];
    // The first time, soon again, and when more or less of it was forgotten.
    for (later, reads) in [(0, 1), (9_900, 0), (100, 1), (MINUTE_MS, 1)] {
        app.clock.advance(later);
        // The owner uses it all the time.
        let _ = process.get("/streams").await.ok(200);
        for guess in &guesses {
            app.engine().record();
            let began = app.clock.now();
            process.with_key(Some(guess.clone())).get("/streams").await.problem(401, "unauthenticated");
            let calls = app.engine().take_calls();
            assert_eq!(calls.len(), reads, "{later}: {calls:?}");
            let took = app.clock.now().since(began);
            assert_eq!(took > 0, reads > 0, "an item that is read takes no longer than none: {took}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a7_a_refusal_takes_the_same_time_however_long_the_key_took_to_read() {
    let app = App::start_running(Quotas::default()).await;
    for milliseconds in [0, 3, 10, 24] {
        app.engine().set_fate(Late { operation: "GetItem", keys: "KEY#", milliseconds });
        let guess = Token::mint(app.ledger.randomness(), "test").reveal();
        let request = http::Request::get("/streams").header("x-api-key", guess).body(Body::empty());
        let began = app.clock.now();
        let answer = app.router.clone().oneshot(request.expect("a request")).await.expect("an answer");
        assert_eq!((answer.status().as_u16(), app.clock.now().since(began)), (401, 25), "{milliseconds}");
    }
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
    let limited = guesser.get("/streams").await;
    limited.problem(429, "rate_limited");
    let told = ["ratelimit-policy", "ratelimit", "retry-after"].map(|name| limited.header(name));
    assert_eq!(told, ["\"failures\";q=50;w=60", "\"failures\";r=0;t=60", "60"]);
    api.app().clock.advance(MINUTE_MS);
    guesser.get("/streams").await.problem(401, "unauthenticated");
    // Who sends no key guesses none.
    let (nobody, new) = (api.with_key(None), api.with_scopes(&["poll:*"]).await);
    for _ in 0..60 {
        nobody.get("/streams").await.problem(401, "unauthenticated");
    }
    let _ = new.get("/streams").await.ok(200);
}

#[tokio::test]
async fn a11_whoever_leaves_before_the_answer_has_guessed_all_the_same() {
    let api = Api::with_quotas(Quotas { failures_per_minute: 50, ..Quotas::default() }).await;
    for _ in 0..50 {
        let guess = Token::mint(api.app().ledger.randomness(), "test").reveal();
        let gone = api.with_key(Some(guess)).get("/streams").now_or_never();
        assert!(gone.is_none(), "a refusal waits");
    }
    api.with_key(Some("elk_test_guess".to_owned())).get("/streams").await.problem(429, "rate_limited");
}

#[tokio::test]
async fn a11_whoever_was_let_in_goes_on_although_somebody_guesses_from_the_same_address() {
    let api = Api::with_quotas(Quotas { failures_per_minute: 50, ..Quotas::default() }).await;
    let (app, guesser) = (api.app(), api.with_key(Some("elk_test_guess".to_owned())));
    let (known, new) = (api.with_scopes(&["poll:*"]).await, api.with_scopes(&["poll:*"]).await);
    let key = known.key().expect("a key").to_owned();
    let _ = known.get("/streams").await.ok(200);
    app.clock.advance(MINUTE_MS / 2);
    for _ in 0..50 {
        guesser.get("/streams").await.problem(401, "unauthenticated");
    }
    let guesses = [&guesser, &new, &api.with_key(Some(with_other_secret(&api, &key)))];
    // At once, and when the key has to be read again.
    for later in [0, MINUTE_MS / 2] {
        app.clock.advance(later);
        let _ = known.get("/streams").await.ok(200);
        app.engine().record();
        for guess in guesses {
            guess.get("/streams").await.problem(429, "rate_limited");
        }
        assert_eq!(app.engine().take_calls().len(), 0, "the store was asked for somebody who guesses");
    }
    // It is let in as long as it is good, and no longer.
    app.ledger.revoke_api_key_urgently(Token::parse(&key).expect("a key").id()).await.expect("a revoked key");
    app.clock.advance(5_000);
    known.get("/streams").await.problem(401, "unauthenticated");
}
