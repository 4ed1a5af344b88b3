//! Days on which something is wrong with API keys or quotas.

use embedded::{CallInfo, Course, Decision, Failure, Fate};
use ledger::{ApiKey, Timestamp};
use platform::api_key::Token;

use crate::cloudwatch::State;
use crate::world::{BILLING, Fleet, STREAM, SUBSCRIPTION, World, key, token};

const DAY_MS: u64 = 86_400_000;

/// Whoever has the reader's key asks with a pause of a second, for this minute.
async fn steal(fleet: &Fleet) {
    let path = format!("/streams/{STREAM}/subscriptions/{SUBSCRIPTION}/poll");
    for _ in 0..57 {
        fleet.clock.sleep(1_000).await;
        fleet.ask(&key(BILLING), "GET", &path, None).await;
    }
}

#[test]
fn a_key_leaks_and_is_revoked() {
    let mut world = World::begin(5, 24);
    world.play_with(5, steal);
    std::fs::write(world.file("script.sh"), format!("curl -H 'x-api-key: {}'\n", key(BILLING))).expect("written");
    let procedure = "procedures/rotate-an-api-key";
    let _ = world.follow(procedure, "A leaked key", "scan").exits("scan", 1).says("scan", "WORKS: revoke it");
    let _ =
        world.follow(procedure, "A leaked key", "--execute").exits("revoke", 0).says("revoke", "within five seconds");
    let status = world.now(async |fleet| {
        fleet.clock.sleep(5_000).await;
        fleet.poll().await.status
    });
    assert_eq!(status, 401);
    let minutes = world.until_with("auth-failures", State::Alarm, 15, steal);
    assert!((8..=10).contains(&minutes), "{minutes}");
    let _ = world.look("auth-failures").says("list --all", "revoked");
    // Its owner gets another one.
    let _ = world.mend("auth-failures", "create").says("create", "nothing was written").exits("--execute", 0);
    let new = std::fs::read_to_string(world.file("billing.key")).expect("the new key");
    world.now(async |fleet| *fleet.reader.borrow_mut() = new.trim().to_owned());
    world.until("auth-failures", State::Ok, 11);
    let _ = world.verify("auth-failures").says("list --client", "active");
    assert_eq!(world.now(async |fleet| fleet.poll().await.status), 200);
    world.insists(&[], &["auth-failures"]);
}

#[test]
fn somebody_guesses_keys() {
    let mut world = World::begin(15, 24);
    world.play(3);
    let guess = async |fleet: &Fleet| {
        for number in 0..70 {
            fleet.clock.sleep(800).await;
            // Some have the form of a key, and most do not.
            let guess = if number % 3 == 0 { key(&format!("guess{number:07}")) } else { format!("elk_prod_{number}") };
            assert_eq!(fleet.ask(&guess, "GET", "/streams", None).await.status, 401);
        }
    };
    let minutes = world.until_with("auth-failures", State::Alarm, 15, guess);
    assert!((8..=10).contains(&minutes), "{minutes}");
    world.until("auth-failures", State::Ok, 11);
    world.insists(&[], &["auth-failures"]);
}

/// What is leased of quotas cannot be noted.
struct NoLeases;

impl Fate for NoLeases {
    fn decide(&self, call: &CallInfo) -> Course {
        match call.partition_keys.iter().any(|key| key.starts_with("LIMIT#")) {
            true => Decision::Before(Failure::ConnectionReset).into(),
            false => Course::default(),
        }
    }
}

#[test]
fn quotas_cannot_be_kept() {
    const LOADER: &str = "loader000000";
    let mut world = World::begin(20, 24);
    let mut loader = token(LOADER).record("loader", &["publish:orders"], world.begun());
    loader.tier = "small".to_owned();
    world.make_key(loader);
    let load = async |fleet: &Fleet| {
        let events: Vec<_> = (0..20).map(|_| serde_json::json!({ "type": "order.placed", "data": 1 })).collect();
        for _ in 0..25 {
            fleet.clock.sleep(100).await;
            let body = serde_json::json!({ "events": events });
            let answer = fleet.ask(&key(LOADER), "POST", &format!("/streams/{STREAM}/events"), Some(body)).await;
            assert_eq!(answer.status, 201, "{answer:?}");
        }
    };
    world.play_with(3, load);
    world.now(async |fleet| fleet.engine.set_fate(NoLeases));
    let minutes = world.until_with("limiter-open", State::Alarm, 15, load);
    assert!((6..=11).contains(&minutes), "{minutes}");
    let _ = world.look("limiter-open").says("list", LOADER);
    world.now(async |fleet| fleet.engine.clear_fate());
    world.until_with("limiter-open", State::Ok, 12, load);
    world.insists(&[], &["limiter-open"]);
}

#[test]
fn somebody_makes_an_administrator() {
    let mut world = World::begin(5, 24);
    world.play(5);
    let create =
        "ledger-keys --env prod create --client ops --scope 'keys.admin:*' --expires-in 90d --secret-file new.key";
    let _ = world.run(&format!("{create} --reason onboarding --execute --confirm prod")).exits(0);
    // When the keeper looks.
    assert_eq!(world.until("admin-key-minted", State::Alarm, 60), 56);
    let new = std::fs::read_to_string(world.file("new.key")).expect("the new key");
    world.meant = Token::parse(new.trim()).expect("a key").id().to_owned();
    let _ = world.look("admin-key-minted").says("audit", "onboarding").says("show", "keys.admin:*");
    let _ = world.mend("admin-key-minted", "revoke").says("revoke", "nothing was written").exits("--execute", 0);
    let _ = world.verify("admin-key-minted").says("audit", "nobody");
    world.until("admin-key-minted", State::Ok, 66);
    world.insists(&["admin-key-minted"], &[]);
}

#[test]
fn a_key_is_about_to_expire() {
    // The reader's, which lasts for three months.
    let in_a_fortnight = |key: &mut ApiKey| {
        key.expires_at = Some(key.created_at.plus(13 * DAY_MS));
        key.created_at = Timestamp(key.created_at.0 - 77 * DAY_MS);
    };
    let mut world = World::begin_with(2, 24, in_a_fortnight);
    assert_eq!(world.until("api-key-expiring", State::Alarm, 2), 1);
    world.play(1);
    let _ = world.look("api-key-expiring").says("stale", BILLING).says("list --client", "billing-team");
    let _ = world.mend("api-key-expiring", "rotate").says("rotate", "nothing was written").exits("--execute", 0);
    let _ = world.verify("api-key-expiring").says("grace-report", BILLING);
    world.until("api-key-expiring", State::Ok, 60);
    world.insists(&[], &["api-key-expiring"]);
}
