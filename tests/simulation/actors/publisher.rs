//! Publishers: plain ones that never repeat a request, careful ones that repeat it with the same Idempotency-Key until
//! they know, or twice at once, and ones that expect a certain tail. Their requests go to one partition or to several.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::dice::Dice;
use crate::history::{Outcome, Publish, Sent};
use crate::process::Service;
use crate::world::{STREAM, World};

const KEYS: u64 = 6;

/// A publisher.
pub(crate) struct Publisher {
    client: Client,
    number: u64,
    /// The tail that it believes in, when the stream has one partition.
    tail: Option<u64>,
}

/// A request, so that it can be sent again.
pub(crate) struct Request {
    events: Vec<Sent>,
    body: Value,
    idempotency_key: Option<String>,
    expected_tail: Option<u64>,
}

impl Publisher {
    pub(crate) fn new(world: &World, number: u64) -> Self {
        Self { client: Client::new(world), number, tail: None }
    }

    /// Publishes so many requests.
    pub(crate) async fn run(mut self, requests: u64) {
        let world = self.client.world.clone();
        let mut idle_rounds = 0;
        let mut done = 0;
        while done < requests {
            world.pause(0..=if world.0.swarm.stampede { 5 } else { 900 }).await;
            let request = self.draw(done);
            match self.publish(request).await.as_str() {
                // There is nothing to publish to at the moment.
                "stream_not_found" if idle_rounds < 12 => {
                    idle_rounds += 1;
                    world.pause(2_000..=12_000).await;
                }
                _ => {
                    done += 1;
                    world.0.count("requests to publish");
                }
            }
        }
    }

    /// A request of one event for each of these keys.
    pub(crate) fn request(&self, keys: &[&str], idempotency_key: Option<&str>) -> Request {
        let event =
            |key: &&str| Sent { id: self.client.world.0.next_event(), key: Some((*key).to_owned()), tombstone: false };
        let events: Vec<Sent> = keys.iter().map(event).collect();
        let idempotency_key = idempotency_key.map(str::to_owned);
        Request { body: body(&events, ""), events, idempotency_key, expected_tail: None }
    }

    /// A request that deletes a key.
    pub(crate) fn tombstone(&self, key: &str) -> Request {
        let events = vec![Sent { id: self.client.world.0.next_event(), key: Some(key.to_owned()), tombstone: true }];
        Request { body: body(&events, ""), events, idempotency_key: None, expected_tail: None }
    }

    /// A request of one event that expects this tail.
    pub(crate) fn expecting(&self, key: &str, tail: u64, idempotency_key: Option<&str>) -> Request {
        Request { expected_tail: Some(tail), ..self.request(&[key], idempotency_key) }
    }

    /// A request of so many events that takes several slots.
    pub(crate) fn large(&self, count: u64) -> Request {
        let world = &self.client.world.0;
        let mut events: Vec<Sent> = (0..count).map(|_| event(world.next_event(), &world.dice)).collect();
        // Nothing replaces its keys, so the state shows when one of the slots is left out.
        events.iter_mut().for_each(|event| event.key = Some(format!("key-of-{}", event.id)));
        Request { body: body(&events, &filler(&world.dice)), events, idempotency_key: None, expected_tail: None }
    }

    fn draw(&self, number: u64) -> Request {
        let world = &self.client.world;
        let dice = &world.0.dice;
        let careful = dice.chance(500);
        let expected_tail = self.tail.filter(|_| dice.chance(if careful { 500 } else { 300 }));
        let request = if dice.chance(90) {
            self.large(dice.between(3..=5))
        } else {
            let count = if dice.chance(100) { dice.between(5..=12) } else { dice.between(1..=3) };
            let events: Vec<Sent> = (0..count).map(|_| event(world.0.next_event(), dice)).collect();
            Request { body: body(&events, ""), events, idempotency_key: None, expected_tail: None }
        };
        let idempotency_key = careful.then(|| format!("{}-{number}-{}", self.number, request.events[0].id));
        Request { idempotency_key, expected_tail, ..request }
    }

    /// Sends a request until it is known what came of it, or for a while; answers the last problem's code.
    async fn publish(&mut self, mut request: Request) -> String {
        let world = self.client.world.clone();
        let dice = &world.0.dice;
        for _ in 0..6 {
            // Most often where one of them may stand in the way of the other.
            let at_once = if request.expected_tail.is_some() { 600 } else { 100 };
            let reply = if request.idempotency_key.is_some() && dice.chance(at_once) {
                world.0.count("a request was sent twice at once");
                let mut other = Self::new(&world, self.number);
                let soon = async {
                    world.pause(0..=30).await;
                    other.attempt(&request).await
                };
                tokio::join!(self.attempt(&request), soon).0
            } else {
                self.attempt(&request).await
            };
            let again = request.idempotency_key.is_some()
                && (matches!(reply.status(), 0 | 429 | 500 | 503) || reply.code() == "idempotency_in_progress");
            if !again {
                if reply.is_ok() && request.idempotency_key.is_some() {
                    self.try_again_anyway(&request, dice).await;
                }
                return reply.code().to_owned();
            }
            if dice.chance(50) {
                // It lost its key, and may publish twice.
                request.idempotency_key = request.idempotency_key.map(|key| key + "-again");
                world.0.count("a request was repeated under another Idempotency-Key");
            }
            world.pause(50..=1_500).await;
        }
        String::new()
    }

    /// Now and then a client repeats what it knows, or uses a key for something else.
    async fn try_again_anyway(&mut self, request: &Request, dice: &Dice) {
        if dice.chance(150) {
            self.attempt(request).await;
        }
        if dice.chance(100) {
            let events = vec![event(self.client.world.0.next_event(), dice)];
            let other = Request {
                body: body(&events, ""),
                events,
                idempotency_key: request.idempotency_key.clone(),
                expected_tail: None,
            };
            self.attempt(&other).await;
        }
    }

    /// Sends a request once.
    pub(crate) async fn attempt(&mut self, request: &Request) -> Reply {
        let mut headers = Vec::new();
        headers.extend(request.idempotency_key.iter().map(|key| ("idempotency-key", key.clone())));
        headers.extend(request.expected_tail.iter().map(|tail| ("if-match", format!("\"{tail}\""))));
        let path = format!("/streams/{STREAM}/events");
        let reply = self.client.post(Service::Publish, &path, &headers, request.body.clone()).await;
        let outcome = reply.outcome(|body| {
            let places = body["events"].as_array().map(|receipts| receipts.iter().map(place).collect());
            (places.unwrap_or_default(), body["replayed"] == true)
        });
        self.learn(&reply, &outcome);
        let world = &self.client.world.0;
        world.history().publishes.push(Publish {
            span: reply.span,
            client: self.number,
            events: request.events.clone(),
            idempotency_key: request.idempotency_key.clone(),
            expected_tail: request.expected_tail,
            told_tail: told_tail(&reply),
            outcome,
            facts: reply.facts.clone(),
        });
        reply
    }

    fn learn(&mut self, reply: &Reply, outcome: &Outcome<(Vec<(u16, u64)>, bool)>) {
        let world = &self.client.world.0;
        match outcome {
            Outcome::Done((places, replayed)) => {
                self.tail = places.last().filter(|_| world.swarm.partitions == 1).map(|(_, offset)| offset + 1);
                if *replayed {
                    world.count("a receipt was replayed");
                } else if reply.facts.get().lost_a_reply {
                    world.count("a publish recognised its own batch");
                }
            }
            Outcome::Nothing(_) | Outcome::Unknown => self.tail = None,
        }
    }
}

fn event(id: u64, dice: &Dice) -> Sent {
    let key = (!dice.chance(120)).then(|| format!("key-{}", dice.between(0..=KEYS - 1)));
    let tombstone = key.is_some() && dice.chance(250);
    Sent { id, key, tombstone }
}

/// A text that hardly compresses: shared out among a few events, it takes several record batches.
fn filler(dice: &Dice) -> String {
    let bytes: Vec<u8> = (0..20_000).flat_map(|_| dice.bits().to_le_bytes()).collect();
    BASE64_STANDARD.encode(bytes)
}

fn body(events: &[Sent], filler: &str) -> Value {
    // Within the limit of one event's data.
    let share = (filler.len() / events.len()).min(100_000);
    let events: Vec<Value> = (0..)
        .zip(events)
        .map(|(index, event)| {
            let filler = &filler[index * share..(index + 1) * share];
            let data = if event.tombstone { Value::Null } else { json!({ "of": event.id, "filler": filler }) };
            let mut sent = json!({ "id": format!("v{}", event.id), "type": "order.changed", "data": data });
            if let Some(key) = &event.key {
                sent["key"] = Value::from(key.as_str());
            }
            sent
        })
        .collect();
    json!({ "events": events })
}

/// Only for people the API says where the tail is.
fn told_tail(reply: &Reply) -> Option<u64> {
    if reply.code() != "tail_mismatch" {
        return None;
    }
    let told = reply.body()["detail"].as_str().and_then(|detail| detail.split_once("the tail of the partition is "));
    let digits = told.and_then(|(_, tail)| tail.split_once(';')).expect("where the tail is").0;
    Some(digits.parse().expect("an offset"))
}

fn place(receipt: &Value) -> (u16, u64) {
    let partition = receipt["partition"].as_u64().and_then(|number| u16::try_from(number).ok());
    (partition.expect("a partition"), receipt["offset"].as_u64().expect("an offset"))
}
