//! The list of API keys: whatever is made is on it, in its place, whoever makes another at the same time.

use std::collections::BTreeMap;

use embedded::{Fault, FaultKind};
use ledger::{ApiKey, ApiKeyState};
use platform::api_key::Token;

use crate::world::World;

fn key(world: &World, client: &str) -> ApiKey {
    Token::mint(world.ledger.randomness(), "test").record(client, &["poll:*"], world.clock.now())
}

#[tokio::test]
async fn every_key_is_listed_by_client_and_age_whatever_became_of_it() {
    let world = World::new().await;
    assert_eq!(world.ledger.list_api_keys().await.expect("a list"), []);
    let mut made = BTreeMap::<&str, Vec<ApiKey>>::new();
    for client in ["shipping", "billing", "shipping", "audit", "shipping"] {
        let key = key(&world, client);
        world.ledger.create_api_key(&key).await.expect("a key");
        made.entry(client).or_default().push(key);
        world.clock.advance(1);
    }
    let revoked = &mut made.get_mut("shipping").expect("its keys")[1];
    *revoked = world.ledger.change_api_key_state(&revoked.id, ApiKeyState::Revoked).await.expect("a revoked key");
    let expected: Vec<ApiKey> = made.into_values().flatten().collect();
    assert_eq!(world.ledger.list_api_keys().await.expect("a list"), expected);
}

#[tokio::test]
async fn keys_that_are_made_at_once_for_one_client_are_all_listed() {
    let world = World::new().await;
    let others: Vec<_> = (2..10).map(|seed| world.another(seed)).collect();
    let keys: Vec<_> = others.iter().map(|_| key(&world, "billing")).collect();
    // One is stored without its maker hearing of it, while the others go on.
    world.engine.inject(Fault::on("TransactWriteItems", FaultKind::LostReplyAfter, 1));
    let made = others.iter().zip(&keys).map(|(ledger, key)| ledger.create_api_key(key));
    futures::future::try_join_all(made).await.expect("all are made");
    let ids = |keys: Vec<ApiKey>| keys.into_iter().map(|key| key.id).collect::<std::collections::BTreeSet<_>>();
    let listed = world.ledger.list_api_keys().await.expect("a list");
    assert_eq!((listed.len(), ids(listed)), (8, ids(keys)));
}
