//! The authorizer of a REST edge: whom it lets through and as whom, and that it does with the table what its role allows and
//! nothing else.

use std::collections::BTreeSet;

use authorizer::{Answer, Request, authorize};
use embedded::{Fault, FaultKind};
use ledger::ApiKeyState;
use platform::access::{Authorizer, Quotas};
use platform::api_key::{Token, usage_identifier_key};
use platform::functions::{AUTHORIZER, Access, FUNCTIONS};
use serde_json::{Value, json};
use tests::app::App;

const ENVIRONMENT: &str = "test";
const REQUEST: &str = include_str!("../../services/authorizer/fixtures/request.json");

/// A request with these headers.
fn request(headers: Value) -> Request {
    let mut event: Value = serde_json::from_str(REQUEST).expect("the fixture is JSON");
    event["multiValueHeaders"] = headers;
    serde_json::from_value(event).expect("an event")
}

fn with_key(key: &str) -> Request {
    request(json!({"X-Api-Key": [key]}))
}

/// What it answers: the effect of its policy, and what the client is counted by.
fn told(answer: &Answer) -> (String, Option<String>) {
    let answer = serde_json::to_value(answer).expect("an answer is JSON");
    let effect = &answer["policyDocument"]["Statement"][0]["Effect"];
    let counted_by = answer.get("usageIdentifierKey").map(|value| value.as_str().expect("a text").to_owned());
    (effect.as_str().expect("an effect").to_owned(), counted_by)
}

#[tokio::test]
async fn who_has_a_key_is_let_through_as_its_client() {
    let app = App::start(Quotas::default()).await;
    let authorizer = Authorizer::new(&app.ledger, ENVIRONMENT);
    let ask = async |request| told(&authorize(&authorizer, ENVIRONMENT, request).await.expect("an answer"));
    let key = app.key(&["poll:*"], |_| ()).await;
    let counted_by = usage_identifier_key(ENVIRONMENT, Token::parse(&key).expect("a key").id());
    let allowed = ("Allow".to_owned(), Some(counted_by));
    assert_eq!(ask(with_key(&key)).await, allowed);
    assert_eq!(ask(request(json!({"authorization": [format!("Bearer {key}")]}))).await, allowed);

    let denied = ("Deny".to_owned(), None);
    let revoked = app.key(&["poll:*"], |record| record.state = ApiKeyState::Revoked).await;
    let unknown = Token::mint(app.ledger.randomness(), ENVIRONMENT).reveal();
    let foreign = Token::mint(app.ledger.randomness(), "prod").reveal();
    for refused in [&revoked, &unknown, &foreign, "no key"] {
        assert_eq!(ask(with_key(refused)).await, denied, "{refused}");
    }
    assert_eq!(ask(request(json!({}))).await, denied);
    // Whoever guesses keeps nobody out who need not.
    for _ in 0..2 * Quotas::default().failures_per_minute {
        assert_eq!(ask(with_key("no key")).await, denied);
    }
    assert_eq!(ask(with_key(&key)).await, allowed);
    assert_eq!(ask(request(json!({"x-api-key": [key, key]}))).await, denied, "a key that is given twice");
}

#[tokio::test]
async fn it_does_what_its_role_allows_and_no_more() {
    let app = App::start(Quotas::default()).await;
    let authorizer = Authorizer::new(&app.ledger, ENVIRONMENT);
    let key = app.key(&["poll:*"], |_| ()).await;
    app.engine().record();
    authorize(&authorizer, ENVIRONMENT, with_key(&key)).await.expect("an answer");
    authorize(&authorizer, ENVIRONMENT, with_key(&key)).await.expect("an answer");
    // Neither that the key was used nor what its quota has left is for it to write down.
    let role = FUNCTIONS.iter().find(|function| function.service == AUTHORIZER).expect("it is a Lambda");
    let calls = app.engine().take_calls();
    // What is known of a key is not asked for again.
    assert_eq!(calls.len(), 2, "{calls:?}");
    let used: BTreeSet<_> = calls
        .iter()
        .flat_map(|call| call.partition_keys.iter().map(|key| role.permission(&call.operation, key)))
        .map(|permission| permission.expect("the role allows it"))
        .collect();
    assert_eq!(used, role.access.iter().flat_map(Access::permissions).collect());
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_no_refusal() {
    let app = App::start(Quotas::default()).await;
    let key = app.key(&["poll:*"], |_| ()).await;
    let authorizer = Authorizer::new(&app.ledger, ENVIRONMENT);
    app.engine().inject(Fault::any(FaultKind::Throttle, 1_000));
    let answer = authorize(&authorizer, ENVIRONMENT, with_key(&key)).await;
    assert!(matches!(answer, Err(ledger::Error::Unavailable(_))), "{answer:?}");
}
