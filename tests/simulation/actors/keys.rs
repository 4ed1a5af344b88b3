//! API keys that change while a guest uses them: one is made, and is revoked or gets a successor and a grace. The
//! operator's calls fail as everybody's do, and are repeated until it knows that they are done.

use ledger::{ApiKey, ApiKeyState, Error, Ledger, Result, Timestamp};
use platform::api_key::Token;
use serde_json::json;

use crate::client::Client;
use crate::history::{Facts, KeyUse};
use crate::process::Service;
use crate::world::{ENVIRONMENT, EVERYTHING, STREAM, World};

/// How long services remember a key, and so what it was.
const KNOWN_MS: u64 = 60_000;
/// How long they remember that there is none.
const ABSENT_MS: u64 = 10_000;
/// How long after an urgent revocation a key may still work.
const URGENT_MS: u64 = 5_000;
/// Not in this run.
const NEVER: u64 = u64::MAX;

/// A key with what its guest may expect of it.
struct Guest {
    token: Token,
    client: Client,
    works: (u64, u64),
    dead_from: u64,
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
    guest.change_state(world, ApiKeyState::Grace { until: Timestamp(until) }).await;
    guest.works.1 = until;
    guest.dead_from = until.max(world.0.now() + KNOWN_MS);
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
        Self { token, client, works: (NEVER, NEVER), dead_from: 0 }
    }

    /// Its key is made; perhaps it was tried before.
    async fn begin(&mut self, world: &World) {
        let tried = world.0.dice.chance(300);
        if tried {
            self.use_it(world).await;
        }
        let record = self.token.record("guest", &EVERYTHING, world.0.clock.now());
        operate(world, |ledger| {
            let record = record.clone();
            async move { ledger.create_api_key(&record).await }
        })
        .await;
        self.works.0 = world.0.now() + if tried { ABSENT_MS } else { 0 };
        self.dead_from = NEVER;
        self.use_it(world).await;
    }

    async fn revoke(&mut self, world: &World) {
        self.works.1 = 0;
        let urgent = world.0.dice.chance(500);
        if urgent {
            let id = self.token.id().to_owned();
            operate(world, |ledger| {
                let id = id.clone();
                async move { ledger.revoke_api_key_urgently(&id).await.map(drop) }
            })
            .await;
            world.0.count("a key was revoked at once");
        } else {
            self.change_state(world, ApiKeyState::Revoked).await;
            world.0.count("a key was revoked in a minute");
        }
        let forgotten = world.0.now() + if urgent { URGENT_MS } else { KNOWN_MS };
        self.dead_from = self.dead_from.min(forgotten);
    }

    async fn change_state(&self, world: &World, state: ApiKeyState) {
        let id = self.token.id().to_owned();
        let changed = |key: ApiKey| assert_eq!(key.state, state, "a change answers what it is now");
        operate(world, |ledger| {
            let id = id.clone();
            async move { ledger.change_api_key_state(&id, state).await.map(changed) }
        })
        .await;
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
            let (works, dead_from) = (self.works, self.dead_from);
            let used = KeyUse { span: reply.span, taken: reply.status() != 401, works, dead_from };
            world.0.history().key_uses.push(used);
        }
    }
}

/// Lets processes do something until one of them says that it is done, as an operator repeats a command.
async fn operate<W: Future<Output = Result<()>>>(world: &World, work: impl Fn(Ledger) -> W) {
    loop {
        // Nobody begins anything in a quiet world.
        drop(world.0.gate.read().await);
        let plan = world.plan(Service::Admin);
        match world.invoke(Service::Admin, Facts::default(), plan, |it| work(it.ledger.clone())).await {
            Some(Ok(())) => return,
            // It died, or does not know.
            None | Some(Err(Error::Unavailable(_) | Error::OutcomeUnknown(_))) => {}
            Some(Err(error)) => return world.0.anomaly(format!("17 a key could not be changed: {error}")),
        }
        world.0.count("a change of a key was repeated");
        world.pause(100..=2_000).await;
    }
}
