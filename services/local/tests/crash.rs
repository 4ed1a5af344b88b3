//! The server is killed under load, several times on the same data. What it acknowledged must be there, once, where it
//! said; and a batch must be there whole or not at all.
#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod server;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ledger::{Clock, Randomness};
use serde_json::{Value, json};
use server::{Client, Server};

const ROUNDS: usize = 3;
const PUBLISHERS: u64 = 4;
/// How many acknowledgements a round has at least.
const LOAD: usize = 40;
const STREAM: &str = "crash";

/// Partition and offset.
type Place = (u64, u64);

/// What a publisher knows of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Acknowledged(Vec<Place>),
    NoEffect,
    Unknown,
}

#[derive(Clone, Debug)]
struct Request {
    publisher: u64,
    /// The numbers of its events; no two events of a publisher share one.
    numbers: Vec<u64>,
    idempotency_key: Option<String>,
    outcome: Outcome,
}

impl Request {
    /// A single event or a batch, some with an Idempotency-Key.
    fn draw(publisher: u64, first: u64, randomness: &Randomness) -> Self {
        let count = if randomness.below(2) == 0 { 1 } else { 2 + randomness.below(30) };
        let idempotency_key = (randomness.below(3) == 0).then(|| format!("{publisher}-{first}"));
        Self { publisher, numbers: (first..first + count).collect(), idempotency_key, outcome: Outcome::Unknown }
    }

    fn body(&self) -> Value {
        let event = |number: &u64| {
            // Keys spread over the partitions, so that a batch has events in several.
            json!({"key": format!("key-{}", number % 7), "type": "test", "data": {"publisher": self.publisher, "number": number}})
        };
        match self.numbers.as_slice() {
            [number] => event(number),
            numbers => json!({"events": numbers.iter().map(event).collect::<Vec<_>>()}),
        }
    }

    async fn send(&mut self, client: &Client) -> Result<u16, reqwest::Error> {
        let path = format!("/streams/{STREAM}/events");
        let (status, answer) = client.post(&path, &self.body(), self.idempotency_key.as_deref()).await?;
        if status == 201 {
            let receipts = answer["events"].as_array().unwrap().iter();
            let places = receipts.map(|receipt| (receipt["partition"].as_u64().unwrap(), offset(receipt)));
            self.outcome = Outcome::Acknowledged(places.collect());
        } else if answer["effect"] == "none" {
            self.outcome = Outcome::NoEffect;
        }
        Ok(status)
    }
}

fn offset(event: &Value) -> u64 {
    event["offset"].as_u64().unwrap()
}

/// Publishes until the server is gone, and counts what was acknowledged.
async fn publish(
    client: Client,
    publisher: u64,
    first: u64,
    randomness: Randomness,
    acknowledged: Arc<AtomicUsize>,
) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut next = first;
    loop {
        let mut request = Request::draw(publisher, next, &randomness);
        next = request.numbers.last().unwrap() + 1;
        let status = request.send(&client).await;
        requests.push(request);
        match status {
            Ok(201) => _ = acknowledged.fetch_add(1, Ordering::SeqCst),
            // Over the limit, or the server is busy.
            Ok(429 | 503) => Clock::system().sleep(50).await,
            Ok(status) => panic!("an answer with status {status}"),
            Err(_) => return requests,
        }
    }
}

/// Compares everything that can be read with everything that was sent.
fn check(events: &[Value], requests: &[Request]) {
    let mut expected: HashMap<u64, u64> = HashMap::new();
    let mut found: BTreeMap<(u64, u64), Place> = BTreeMap::new();
    for event in events {
        let partition = event["partition"].as_u64().unwrap();
        let next = expected.entry(partition).or_default();
        assert_eq!(offset(event), *next, "partition {partition} has a gap or a repetition");
        *next += 1;
        let data = &event["data"];
        let name = (data["publisher"].as_u64().unwrap(), data["number"].as_u64().unwrap());
        let twice = found.insert(name, (partition, offset(event)));
        assert_eq!(twice, None, "event {name:?} is there twice");
    }
    let mut accounted = 0;
    for request in requests {
        let places: Vec<Place> =
            request.numbers.iter().filter_map(|number| found.get(&(request.publisher, *number)).copied()).collect();
        accounted += places.len();
        assert!(places.is_empty() || places.len() == request.numbers.len(), "a torn batch: {request:?} at {places:?}");
        match &request.outcome {
            Outcome::Acknowledged(promised) => assert_eq!(&places, promised, "{request:?}"),
            Outcome::NoEffect => assert!(places.is_empty(), "{request:?} was refused, and is at {places:?}"),
            Outcome::Unknown => {}
        }
    }
    assert_eq!(accounted, found.len(), "an event that nobody published");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_server_keeps_every_acknowledged_event_once_and_whole() {
    let seed = Randomness::system().below(u64::MAX);
    println!("seed {seed}");
    let randomness = Randomness::seeded(seed);
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let mut requests: Vec<Request> = Vec::new();

    let mut server = Server::start(&data).await;
    let stream = json!({"stream_id": STREAM, "partition_count": 3});
    assert_eq!(server.client().post("/streams", &stream, None).await.unwrap().0, 201);
    for round in 0..ROUNDS {
        let load = Arc::new(AtomicUsize::new(0));
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| {
                let own = requests.iter().filter(|request| request.publisher == publisher);
                let first = own.filter_map(|request| request.numbers.last()).max().map_or(0, |last| last + 1);
                let randomness = Randomness::seeded(randomness.below(u64::MAX));
                tokio::spawn(publish(server.client(), publisher, first, randomness, Arc::clone(&load)))
            })
            .collect();
        while load.load(Ordering::SeqCst) < LOAD {
            Clock::system().sleep(20).await;
        }
        Clock::system().sleep(randomness.below(1_500)).await;
        server.kill().await;
        for publisher in publishers {
            requests.extend(publisher.await.unwrap());
        }

        server = Server::start(&data).await;
        let client = server.client();
        check(&client.read_all(STREAM).await, &requests);
        // Who does not know what became of a request repeats it; with an Idempotency-Key that is harmless.
        for request in &mut requests {
            if request.outcome == Outcome::Unknown && request.idempotency_key.is_some() {
                assert_eq!(request.send(&client).await.unwrap(), 201, "{request:?}");
            }
        }
        check(&client.read_all(STREAM).await, &requests);
        let count = |wanted: fn(&Outcome) -> bool| requests.iter().filter(|each| wanted(&each.outcome)).count();
        let acknowledged = count(|outcome| matches!(outcome, Outcome::Acknowledged(_)));
        println!(
            "round {round}: {acknowledged} acknowledged, {} unknown",
            count(|outcome| *outcome == Outcome::Unknown)
        );
    }
    server.stop().await;
}
