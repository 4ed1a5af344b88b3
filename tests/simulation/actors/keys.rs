//! API keys that change while a guest uses them: one is made, and is revoked or gets a successor and a grace. The
//! operator's calls fail as everybody's do, and are repeated until it knows that they are done.

use std::sync::Arc;

use ledger::{ApiKey, ApiKeyState, Error, Ledger, Result, Timestamp};
use platform::api_key::Token;
use serde_json::json;

use crate::client::Client;
use crate::history::{Facts, KeyLife, KeyUse};
use crate::process::{Process, Service};
use crate::world::{ENVIRONMENT, EVERYTHING, NEVER, STREAM, World};

/// How long services remember a key, and so what it was.
const KNOWN_MS: u64 = 60_000;
/// How long they remember that there is none.
const ABSENT_MS: u64 = 10_000;
/// How long after an urgent revocation a key may still work.
const URGENT_MS: u64 = 5_000;

/// What an operator does with a key.
pub(crate) enum Change {
    Make(ApiKey),
    State(ApiKeyState),
    RevokeAtOnce,
}

/// A key with what its guest may expect of it.
struct Guest {
    token: Token,
    client: Client,
    life: KeyLife,
}

/// A few guests come and go, all at the same time.
pub(crate) async fn change(world: World) {
    let guests = (0..world.0.dice.between(1..=3)).map(|_| entertain(&world));
    futures::future::join_all(guests).await;
}

/// A key is made, and revoked or replaced.
async fn entertain(world: &World) {
    let mut guest = Guest::new(world);
    guest.begin(world).await;
    world.pause(0..=3_000).await;
    guest.use_it(world).await;
    if world.0.dice.chance(500) {
        guest.revoke(world).await;
        guest.stay(world).await;
        return;
    }
    let mut successor = Guest::new(world);
    successor.begin(world).await;
    let grace_ms = world.0.dice.between(5_000..=90_000);
    let until = world.0.now() + grace_ms;
    guest.operate(world, &Change::State(ApiKeyState::Grace { until: Timestamp(until) })).await;
    guest.life.works_until = until;
    guest.life.dead_from = until.max(world.0.now() + KNOWN_MS);
    for pause in [0, grace_ms / 2, grace_ms / 2, KNOWN_MS] {
        world.sleep(pause).await;
        guest.use_it(world).await;
        successor.use_it(world).await;
    }
    world.0.count("a key was replaced");
}

impl Guest {
    /// One whose key nobody has made yet.
    fn new(world: &World) -> Self {
        let token = Token::mint(&world.0.dice.randomness(), ENVIRONMENT);
        let client = Client::with_key(world, &token);
        Self { token, client, life: KeyLife { works_from: NEVER, works_until: NEVER, dead_from: 0 } }
    }

    /// Its key is made; perhaps it was tried before.
    async fn begin(&mut self, world: &World) {
        let tried = world.0.dice.chance(300);
        if tried {
            self.use_it(world).await;
        }
        let record = self.token.record("guest", &EVERYTHING, world.0.clock.now());
        self.operate(world, &Change::Make(record)).await;
        self.life.works_from = world.0.now() + if tried { ABSENT_MS } else { 0 };
        self.life.dead_from = NEVER;
        self.use_it(world).await;
    }

    async fn revoke(&mut self, world: &World) {
        self.life.works_until = 0;
        let (change, told, remembered_ms) = if world.0.dice.chance(500) {
            (Change::RevokeAtOnce, "a key was revoked at once", URGENT_MS)
        } else {
            (Change::State(ApiKeyState::Revoked), "a key was revoked in a minute", KNOWN_MS)
        };
        self.operate(world, &change).await;
        world.0.count(told);
        self.life.dead_from = self.life.dead_from.min(world.0.now() + remembered_ms);
    }

    /// Lets processes change the key until one of them says that it is done, as an operator repeats a command.
    async fn operate(&self, world: &World, change: &Change) {
        loop {
            // Nobody begins anything in a quiet world.
            drop(world.0.gate.read().await);
            match attempt(world, self.token.id(), change).await {
                Some(Ok(())) => return,
                // It died, or does not know.
                None | Some(Err(Error::Unavailable(_) | Error::OutcomeUnknown(_))) => {}
                Some(Err(error)) => return world.0.anomaly(format!("17 a key could not be changed: {error}")),
            }
            world.0.count("a change of a key was repeated");
            world.pause(100..=2_000).await;
        }
    }

    /// Uses the key for longer than anything is remembered.
    async fn stay(&self, world: &World) {
        let (dice, mut left) = (&world.0.dice, KNOWN_MS + 12_000);
        while left > 0 {
            self.use_it(world).await;
            let pause = dice.between(500..=15_000).min(left);
            world.sleep(pause).await;
            left -= pause;
        }
        self.use_it(world).await;
    }

    /// One request of each service.
    async fn use_it(&self, world: &World) {
        // What it sends would be refused even of a living key, and for another reason.
        let (client, empty) = (&self.client, json!({ "events": [], "cursor": "" }));
        let replies = [
            client.get(&format!("/streams/{STREAM}/events")).await,
            client.admin("GET", "/streams", None).await,
            client.post(Service::Publish, &format!("/streams/{STREAM}/events"), &[], empty).await,
            client.admin("DELETE", &format!("/streams/{STREAM}/subscriptions/nobody"), None).await,
        ];
        // Neither a store that does not answer nor a limit says anything of the key.
        for reply in replies.iter().filter(|reply| !matches!(reply.status(), 0 | 429 | 503)) {
            let used = KeyUse { span: reply.span, taken: reply.status() != 401, life: self.life };
            world.0.history().key_uses.push(used);
        }
    }
}

/// Lets a process change a key, once; nothing where it died.
pub(crate) async fn attempt(world: &World, id: &str, change: &Change) -> Option<Result<()>> {
    let plan = world.plan(Service::Admin);
    let work = |it: Arc<Process>| async move { change.apply(&it.ledger, id).await };
    world.invoke(Service::Admin, Facts::of_an_operator(), plan, work).await
}

impl Change {
    async fn apply(&self, ledger: &Ledger, id: &str) -> Result<()> {
        match self {
            Self::Make(record) => ledger.create_api_key(record).await,
            Self::State(state) => {
                let key = ledger.change_api_key_state(id, *state).await?;
                assert_eq!(key.state, *state, "a change answers what it is now");
                Ok(())
            }
            Self::RevokeAtOnce => ledger.revoke_api_key_urgently(id).await.map(drop),
        }
    }
}
