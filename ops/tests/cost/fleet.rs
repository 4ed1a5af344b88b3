//! The Lambdas of an environment on a table in memory, each with its caches, keys and lines, and a clock that is moved by hand.
//! Whatever one is asked, what the table billed for it is told by whose items it was.

#[allow(dead_code, reason = "game days need more of it")]
#[path = "../game_days/world/canary.rs"]
mod canary;
#[allow(dead_code, reason = "game days need more of it")]
#[path = "../game_days/world/function.rs"]
mod function;

use std::cell::RefCell;

use axum::body::Body;
use embedded::{Call, Engine, TABLE};
use http::Request;
use http_body_util::BodyExt;
use keeper::{Schedule, Task};
use ledger::{Clock, Ledger, PartitionId, Randomness, Settings, Timestamp};
use ops::lag::cost::units::Units;
use platform::api_key::Token;
use platform::endpoint::Routes;
use serde_json::{Value, json};
use tower::ServiceExt;

use canary::CanaryFunction;
use function::{Function, Process};

const ENVIRONMENT: &str = "prod";
pub(crate) const STREAM: &str = "orders";
const CANARY: &str = "canary000000";
const PUBLISHER: &str = "publisher000";
const READER: &str = "reader000000";
const ADMIN: &str = "admin0000000";
/// Whole minutes and windows begin here.
const BEGIN: Timestamp = Timestamp(1_790_000_400_000);

/// What was written to the logs, a document each.
#[derive(Default)]
pub(crate) struct Tower(RefCell<Vec<String>>);

impl Tower {
    fn tell(&self, lines: &str) {
        self.0.borrow_mut().extend(lines.lines().map(str::to_owned));
    }

    /// Takes what was written so far.
    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }

    fn count(&self, _: &str, _: Timestamp, _: bool, _: u64) {}

    fn count_throttle(&self, _: &str, _: Timestamp) {}
}

/// An answer of the API.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) bytes: usize,
}

/// What the table billed: for the events themselves, and for what a process had forgotten or leased.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Billed {
    pub(crate) data: Units,
    pub(crate) beside: Units,
}

/// All Lambdas.
pub(crate) struct Fleet {
    pub(crate) clock: Clock,
    pub(crate) engine: Engine,
    pub(crate) tower: Tower,
    canary_key: RefCell<String>,
    canary: CanaryFunction,
    admin: Function,
    publish: Function,
    poll: Function,
    compactor: Function,
    keeper: Function,
}

fn token(id: &str) -> Token {
    Token::assemble(ENVIRONMENT, id, &"s".repeat(43))
}

/// The name of a subscriber, and of its subscription.
pub(crate) fn reader(number: usize) -> String {
    format!("{}{number}", &READER[..READER.len() - 1])
}

impl Fleet {
    /// With a stream and so many subscriptions, each with an API key of its own.
    pub(crate) async fn with(partitions: u16, subscribers: usize) -> Self {
        let clock = Clock::manual(BEGIN);
        let engine = Engine::memory(&clock);
        ledger::table::create_if_absent(&engine.client(), TABLE).await.expect("a table");
        let function = |service, routes| Function::new(service, routes, engine.clone(), clock.clone());
        let fleet = Self {
            tower: Tower::default(),
            canary_key: RefCell::new(token(CANARY).reveal()),
            canary: CanaryFunction::start(&engine, clock.now()),
            admin: function("admin", admin::routes()),
            publish: function("publish", publish::routes()),
            poll: function("poll", poll::routes()),
            compactor: function("compactor", Routes::default()),
            keeper: function("keeper", Routes::default()),
            clock,
            engine,
        };
        fleet.furnish(partitions, subscribers).await;
        fleet
    }

    async fn furnish(&self, partitions: u16, subscribers: usize) {
        let desk = Ledger::new(self.engine.client(), TABLE, self.clock.clone(), Randomness::seeded(7), Settings::FLEET);
        let scopes = |scope: &str| vec![scope.to_owned()];
        let mut keys = vec![(PUBLISHER.to_owned(), scopes("publish:*"))];
        keys.extend((0..subscribers).map(|number| (reader(number), vec!["poll:*".to_owned(), "commit:*".to_owned()])));
        keys.push((CANARY.to_owned(), ::canary::SCOPES.map(str::to_owned).to_vec()));
        for (id, scopes) in keys {
            let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
            let key = token(&id).record(&id, &scopes, self.clock.now());
            desk.create_api_key(&key).await.expect("a key can be stored");
        }
        desk.create_api_key(&token(ADMIN).record_of_admin(Timestamp(0))).await.expect("a key can be stored");
        let stream = json!({ "stream_id": STREAM, "partition_count": partitions, "compaction": true });
        assert_eq!(self.ask(ADMIN, "POST", "/streams", Some(stream)).await.status, 201);
        for number in 0..subscribers {
            let subscription = json!({ "subscription_id": reader(number), "start_from": "earliest" });
            let path = format!("/streams/{STREAM}/subscriptions");
            assert_eq!(self.ask(ADMIN, "POST", &path, Some(subscription)).await.status, 201);
        }
    }

    /// Does something, and tells what the table billed for it: for items of its own, whose partition keys begin so, and for others.
    pub(crate) async fn billed<T>(&self, own: &[&str], work: impl Future<Output = T>) -> (T, Billed) {
        self.engine.record();
        let result = work.await;
        let mut billed = Billed::default();
        for Call { partition_keys, read_units, write_units, .. } in self.engine.take_calls() {
            let is_own = partition_keys.iter().any(|key| own.iter().any(|beginning| key.starts_with(beginning)));
            let sum = if is_own { &mut billed.data } else { &mut billed.beside };
            *sum = *sum + Units { reads: read_units, writes: write_units };
        }
        (result, billed)
    }

    async fn ask(&self, key: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.hand_on(Self::request(key, method, path, body)).await
    }

    fn request(key: &str, method: &str, path: &str, body: Option<Value>) -> Request<Body> {
        let request = Request::builder().method(method).uri(path).header("x-api-key", token(key).reveal());
        let request = match &body {
            Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        request.expect("a request")
    }

    /// The Lambda of a request's route answers it.
    async fn hand_on(&self, request: Request<Body>) -> Answer {
        let path = request.uri().path();
        let function = match request.method().as_str() {
            "POST" if path.ends_with("/events") => &self.publish,
            _ if path.ends_with("/poll") || path.ends_with("/commit") => &self.poll,
            _ => &self.admin,
        };
        let answer = async |process: &Process| {
            let answer = process.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            (Answer { status, bytes: body.len(), body: serde_json::from_slice(&body).unwrap_or_default() }, false)
        };
        Box::pin(function.invoke(&self.tower, answer)).await.expect("no function is throttled")
    }

    /// Publishes events, with an Idempotency-Key where there is one.
    pub(crate) async fn publish(&self, events: Vec<Value>, idempotency_key: Option<String>) {
        let path = format!("/streams/{STREAM}/events");
        let mut request = Self::request(PUBLISHER, "POST", &path, Some(json!({ "events": events })));
        if let Some(key) = idempotency_key {
            request.headers_mut().insert("idempotency-key", key.parse().expect("a header"));
        }
        let answer = self.hand_on(request).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }

    /// The partitions that changed since the last look.
    pub(crate) fn changed(&self) -> Vec<PartitionId> {
        self.publish.changed()
    }

    /// Polls from a cursor, or from where the subscription stands.
    pub(crate) async fn poll(&self, reader: &str, cursor: Option<&str>) -> Answer {
        let from = cursor.map_or(String::new(), |cursor| format!("&cursor={cursor}"));
        let path = format!("/streams/{STREAM}/subscriptions/{reader}/poll?limit=1000{from}");
        let answer = self.ask(reader, "GET", &path, None).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer
    }

    /// Commits a cursor.
    pub(crate) async fn commit(&self, reader: &str, cursor: &str) {
        let path = format!("/streams/{STREAM}/subscriptions/{reader}/commit");
        let answer = self.ask(reader, "POST", &path, Some(json!({ "cursor": cursor }))).await;
        assert_eq!((answer.status, &answer.body["advanced"]), (200, &json!(true)), "{}", answer.body);
    }

    /// Compacts partitions, as a batch of the change stream has it done.
    pub(crate) async fn compact(&self, partitions: &[PartitionId]) {
        let change = |partition: &PartitionId| {
            let key = format!("LOG#{}#{}", partition.incarnation, partition.partition);
            json!({ "dynamodb": { "Keys": { "PK": { "S": key } } } })
        };
        let records: Vec<_> = partitions.iter().map(change).collect();
        let changes = serde_json::from_value(json!({ "Records": records })).expect("a batch of changes");
        let compacted = self.compactor.invoke(&self.tower, async |process| {
            let work = compactor::compact(process.ledger.clone(), changes);
            let done = process.telemetry.event(&process.ledger, "compact_partitions", "a batch of changes", work).await;
            (done.is_ok(), done.is_err())
        });
        assert_eq!(compacted.await, Some(true));
    }

    /// A schedule of the keeper is due.
    pub(crate) async fn keep(&self, task: Task) {
        let kept = self.keeper.invoke(&self.tower, async |process| {
            let schedule = Schedule { task };
            let work = keeper::keep(process.ledger.clone(), schedule);
            let done = process.telemetry.event(&process.ledger, schedule.operation(), "a schedule", work).await;
            (done.is_ok(), done.is_err())
        });
        assert_eq!(kept.await, Some(true));
    }

    /// A round of the canary is due.
    pub(crate) async fn round(&self) {
        let (lines, failed) = self.canary.round(self).await;
        assert!(!failed, "{lines}");
        self.tower.tell(&lines);
    }
}
