//! A: how much a key may ask, alone and together with other processes, and how answers say so.

use embedded::{Fault, FaultKind};
use platform::access::{Allowance, Quotas};
use serde_json::{Value, json};
use sfv::{BareItem, ListEntry, Parser};
use tests::app::Late;
use tests::{Answer, Api, Stream};

const WINDOW_MS: u64 = 10_000;
const PLENTY: Allowance = Allowance::new(1_000_000, 1_000_000);

fn events(count: usize) -> Value {
    json!({ "events": vec![json!({ "type": "a", "data": 1 }); count] })
}

/// A header field as structured fields are read: names of quotas and the numbers of each.
fn field(answer: &Answer, name: &str) -> Vec<(String, Vec<(String, i64)>)> {
    let list = Parser::new(answer.header(name)).parse::<sfv::List>().expect("a list of structured fields");
    let item = |entry: ListEntry| {
        let ListEntry::Item(item) = entry else { panic!("an inner list in {name}") };
        let BareItem::String(quota) = item.bare_item else { panic!("{name} names a quota by no text") };
        let number = |value: BareItem| i64::from(value.as_integer().expect("a whole number"));
        let numbers = item.params.into_iter().map(|(name, value)| (name.as_str().to_owned(), number(value)));
        (quota.as_str().to_owned(), numbers.collect())
    };
    list.into_iter().map(item).collect()
}

fn one(quota: &str, numbers: [(&str, i64); 2]) -> (String, Vec<(String, i64)>) {
    (quota.to_owned(), numbers.map(|(name, value)| (name.to_owned(), value)).to_vec())
}

#[tokio::test]
async fn a10_a_flood_has_no_effect_and_spends_nobody_elses_allowance() {
    let quotas = Quotas::uniform(Allowance::new(20, 20), Allowance::new(1_000, 1_000));
    let api = Api::with_quotas(quotas).await;
    let stream = Stream::create(&api, "a10").await;
    let flooding = stream.seen_by(&api.with_scopes(&["publish:*"]).await);
    let event = || json!({ "type": "a", "data": 1 });
    for _ in 0..20 {
        let _ = flooding.post("/events", event()).await.ok(201);
    }
    // The clock stands still, so nothing is given back.
    for _ in 0..200 {
        flooding.post("/events", event()).await.problem(429, "rate_limited");
    }
    assert_eq!(stream.partitions().await[0]["tail"], 20, "a refused request has no effect");
    api.app().clock.advance(1_000);
    let _ = flooding.post("/events", event()).await.ok(201);
}

#[tokio::test]
async fn a12_every_answer_to_a_key_says_how_its_quotas_stand() {
    let api = Api::with_quotas(Quotas::uniform(Allowance::new(50, 500), Allowance::new(200, 2_000))).await;
    let stream = Stream::create(&api, "a12").await;
    let reader = api.with_scopes(&["poll:*"]).await;
    let asked = [
        (reader.get("/streams").await, 200),
        (reader.get("/streams/absent").await, 404),
        (stream.seen_by(&reader).delete("").await, 403),
        (reader.get("/streams?limit=0").await, 400),
    ];
    for (number, (answer, status)) in asked.iter().enumerate() {
        let left = 500 - 1 - i64::try_from(number).expect("a small number");
        assert_eq!(answer.status.as_u16(), *status, "{}", answer.what);
        assert_eq!(field(answer, "ratelimit-policy"), [one("requests", [("q", 500), ("w", 10)])], "{}", answer.what);
        assert_eq!(field(answer, "ratelimit"), [one("requests", [("r", left), ("t", 10)])], "{}", answer.what);
    }
    let publisher = stream.seen_by(&api.with_scopes(&["publish:*"]).await);
    api.app().clock.advance(3_000);
    let answer = publisher.post("/events", events(300)).await;
    let _ = answer.ok(201);
    let policy = [one("requests", [("q", 500), ("w", 10)]), one("events", [("q", 2_000), ("w", 10)])];
    assert_eq!(field(&answer, "ratelimit-policy"), policy);
    let left = [one("requests", [("r", 499), ("t", 7)]), one("events", [("r", 1_700), ("t", 7)])];
    assert_eq!(field(&answer, "ratelimit"), left);
    let nobody = api.with_key(None).get("/streams").await;
    assert_eq!((nobody.header("ratelimit"), nobody.header("ratelimit-policy")), ("", ""));
}

#[tokio::test]
async fn a12_an_answer_that_was_cut_off_says_so_too() {
    let api = Api::with_quotas(Quotas::uniform(Allowance::new(50, 500), Allowance::new(200, 2_000))).await;
    let stream = Stream::create(&api, "a12-late").await;
    let reader = stream.seen_by(&api.with_scopes(&["poll:*"]).await);
    api.app().engine().set_fate(Late::endless("Query"));
    let late = reader.get("/events?from=earliest").await;
    late.problem(503, "unavailable");
    assert_eq!(field(&late, "ratelimit-policy"), [one("requests", [("q", 500), ("w", 10)])]);
    let [(quota, left)] = field(&late, "ratelimit").try_into().expect("one quota");
    assert_eq!((quota.as_str(), &left[0]), ("requests", &("r".to_owned(), 499)));
}

#[tokio::test]
async fn a12_a_key_has_the_quotas_of_its_tier() {
    let api = Api::in_process().await;
    for (tier, quota) in [("small", 1_000), ("standard", 50_000), ("large", 200_000), ("galactic", 50_000)] {
        let key = api.app().key(&["poll:*"], |key| key.tier = tier.to_owned()).await;
        let answer = api.with_key(Some(key)).get("/streams").await;
        assert_eq!(field(&answer, "ratelimit-policy"), [one("requests", [("q", quota), ("w", 10)])], "{tier}");
    }
}

#[tokio::test]
async fn a13_a_publish_is_counted_by_its_events_and_refused_as_a_whole() {
    let api = Api::with_quotas(Quotas::uniform(PLENTY, Allowance::new(100, 1_000))).await;
    let stream = Stream::create(&api, "a13").await;
    let publisher = stream.seen_by(&api.with_scopes(&["publish:*"]).await);
    let _ = publisher.post("/events", events(700)).await.ok(201);
    let refused = publisher.post("/events", events(301)).await;
    refused.problem(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "1", "the burst is given back event by event");
    assert_eq!(stream.partitions().await[0]["tail"], 700);
    let _ = publisher.post("/events", events(300)).await.ok(201);
    // What was given back within the window is more than the window has.
    api.app().clock.advance(2_000);
    let refused = publisher.post("/events", events(1)).await;
    refused.problem(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "8");
    assert_eq!(field(&refused, "ratelimit")[1], one("events", [("r", 0), ("t", 8)]));
    assert_eq!(stream.partitions().await[0]["tail"], 1_000, "a refused publish stores nothing");
    api.app().clock.advance(8_000);
    let _ = publisher.post("/events", events(1)).await.ok(201);
}

#[tokio::test]
async fn a12_a_clock_that_is_set_back_keeps_nobody_waiting() {
    let api = Api::with_quotas(Quotas::uniform(Allowance::new(20, 20), PLENTY)).await;
    let reader = api.with_scopes(&["poll:*"]).await;
    for _ in 0..20 {
        let _ = reader.get("/streams").await.ok(200);
    }
    api.app().clock.set_back(600_000);
    let _ = reader.get("/streams").await.ok(200);
}

/// Several processes on one table, and how much of what one key asks of them in turn is granted.
async fn granted(api: &Api, quotas: Quotas, key: &Api, requests: usize) -> usize {
    let processes: Vec<Api> = (0..8).map(|number| key.answered_by(api.app().another_process(quotas, number))).collect();
    let mut granted = 0;
    for number in 0..requests {
        let answer = processes[number % processes.len()].get("/streams").await;
        match answer.status.as_u16() {
            200 => granted += 1,
            _ => drop(answer.problem(429, "rate_limited")),
        }
    }
    granted
}

#[tokio::test]
async fn a14_processes_share_a_quota() {
    let quotas = Quotas::uniform(Allowance::new(20, 200), PLENTY);
    let api = Api::with_quotas(quotas).await;
    let flooding = api.with_scopes(&["poll:*"]).await;
    let other = api.with_scopes(&["poll:*"]).await;
    let first = granted(&api, quotas, &flooding, 1_000).await;
    // A process may grant ten before it knows of the others.
    assert!((200..=200 + 8 * 10).contains(&first), "{first} of 200");
    let _ = other.get("/streams").await.ok(200);
    api.app().clock.advance(WINDOW_MS);
    let second = granted(&api, quotas, &flooding, 1_000).await;
    assert!((200..=200 + 8 * 10).contains(&second), "{second} of 200 in the next window");
}

#[tokio::test]
async fn a14_a_quota_that_cannot_be_counted_leaves_each_process_a_small_part() {
    let quotas = Quotas::uniform(Allowance::new(160, 1_600), PLENTY);
    let api = Api::with_quotas(quotas).await;
    let key = api.with_scopes(&["poll:*"]).await;
    let broken =
        Fault { partition_key_prefix: Some("LIMIT#".to_owned()), ..Fault::any(FaultKind::LostReplyAfter, 1_000) };
    api.app().engine().inject(broken);
    // A sixteenth each.
    assert_eq!(granted(&api, quotas, &key, 2_000).await, 8 * 100);
}

#[tokio::test]
async fn a14_who_asks_little_costs_no_write() {
    let api = Api::in_process().await;
    let _ = api.get("/streams").await.ok(200);
    api.app().clock.advance(WINDOW_MS);
    api.app().engine().record();
    for _ in 0..20 {
        let _ = api.get("/streams").await.ok(200);
    }
    let calls = api.app().engine().take_calls();
    assert!(calls.iter().all(|call| call.operation != "UpdateItem"), "{calls:?}");
}
