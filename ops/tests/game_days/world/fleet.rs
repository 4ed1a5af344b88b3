//! The Lambdas of an environment, what API Gateway and the schedules hand them, and the clients that ask.

use std::cell::RefCell;
use std::collections::BTreeSet;

use axum::body::Body;
use embedded::Engine;
use http::Request;
use http_body_util::BodyExt;
use keeper::{Schedule, Task};
use ledger::{Clock, PartitionId};
use platform::endpoint::Routes;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::canary::CanaryFunction;
use super::function::{Function, Process};
use super::{BILLING, CANARY, PUBLISHER, STREAM, SUBSCRIPTION, Tower, key};

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// What goes on in a minute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    /// How often something is published.
    pub(crate) publishes: u64,
    /// Whether the reader polls.
    pub(crate) polls: bool,
    /// And commits what it got.
    pub(crate) commits: bool,
    /// Whether the change stream is handed on.
    pub(crate) compactor: bool,
    /// Whether the schedules are.
    pub(crate) keeper: bool,
    /// And whether the hourly one is.
    pub(crate) sweeps: bool,
    /// How many minutes lie between two rounds of the canary. It is the most expensive client, and fails at none or five.
    pub(crate) canary_every: u64,
}

impl Default for Life {
    fn default() -> Self {
        Self { publishes: 2, polls: true, commits: true, compactor: true, keeper: true, sweeps: true, canary_every: 4 }
    }
}

/// All Lambdas.
pub(crate) struct Fleet {
    pub(crate) clock: Clock,
    pub(crate) engine: Engine,
    pub(crate) tower: Tower,
    /// The API key that the reader has.
    pub(crate) reader: RefCell<String>,
    /// And the canary's.
    pub(crate) canary_key: RefCell<String>,
    admin: Function,
    pub(crate) publishing: Function,
    poll: Function,
    compactor: Function,
    keeper: Function,
    canary: CanaryFunction,
    /// What the change stream has not got rid of.
    waiting: RefCell<BTreeSet<PartitionId>>,
}

impl Fleet {
    pub(crate) fn new(engine: Engine, clock: Clock, tower: Tower) -> Self {
        let function = |service, routes| Function::new(service, routes, engine.clone(), clock.clone());
        Self {
            admin: function("admin", admin::routes()),
            publishing: function("publish", publish::routes()),
            poll: function("poll", poll::routes()),
            compactor: function("compactor", Routes::default()),
            keeper: function("keeper", Routes::default()),
            canary: CanaryFunction::start(&engine, clock.now()),
            waiting: RefCell::default(),
            reader: RefCell::new(key(BILLING)),
            canary_key: RefCell::new(key(CANARY)),
            clock,
            engine,
            tower,
        }
    }

    /// A request, as API Gateway hands it on.
    pub(crate) async fn ask(&self, key: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = Request::builder().method(method).uri(path).header("x-api-key", key);
        let request = match &body {
            Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.hand_on(request.expect("a request")).await
    }

    /// The Lambda of a request's route answers it.
    pub(crate) async fn hand_on(&self, request: Request<Body>) -> Answer {
        let path = request.uri().path();
        let is_read = ["/poll", "/commit", "/events"].iter().any(|end| path.ends_with(end));
        let function = match request.method().as_str() {
            "POST" if path.ends_with("/events") => &self.publishing,
            _ if is_read => &self.poll,
            _ => &self.admin,
        };
        let answer = async |process: &Process| {
            let answer = process.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            (Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() }, false)
        };
        let answer = Box::pin(function.invoke(&self.tower, answer)).await;
        // So says the gateway.
        answer.unwrap_or(Answer { status: 503, body: Value::Null })
    }

    /// Publishes an event.
    pub(crate) async fn publish(&self) -> Answer {
        let path = format!("/streams/{STREAM}/events");
        let event = json!({ "key": "order-1", "type": "order.placed", "data": { "who": "Ada" } });
        self.ask(&key(PUBLISHER), "POST", &path, Some(event)).await
    }

    /// Polls from where the subscription stands, or from where it goes on when that has expired.
    pub(crate) async fn poll(&self) -> Answer {
        let path = format!("/streams/{STREAM}/subscriptions/{SUBSCRIPTION}/poll");
        let key = self.reader.borrow().clone();
        let page = self.ask(&key, "GET", &path, None).await;
        match page.body["earliest_cursor"].as_str() {
            Some(cursor) => self.ask(&key, "GET", &format!("{path}?cursor={cursor}"), None).await,
            None => page,
        }
    }

    /// Commits a page.
    pub(crate) async fn commit(&self, page: &Answer) -> Answer {
        let path = format!("/streams/{STREAM}/subscriptions/{SUBSCRIPTION}/commit");
        let key = self.reader.borrow().clone();
        self.ask(&key, "POST", &path, Some(json!({ "cursor": page.body["cursor"] }))).await
    }

    /// A minute, the work of each at its own second.
    pub(crate) async fn live(&self, life: Life, minute: u64) {
        let publisher = async {
            for number in 0..life.publishes {
                self.clock.sleep(if number == 0 { 10_000 } else { 30_000 / life.publishes }).await;
                self.publish().await;
            }
        };
        let reader = async {
            self.clock.sleep(45_000).await;
            if life.polls {
                let page = self.poll().await;
                if life.commits && page.status == 200 {
                    self.commit(&page).await;
                }
            }
        };
        let compactor = async {
            self.clock.sleep(50_000).await;
            if life.compactor {
                self.compact().await;
            }
        };
        let keeper = async {
            self.clock.sleep(5_000).await;
            if life.keeper && life.sweeps && minute.is_multiple_of(60) {
                self.keep(Task::Sweep).await;
            }
            if life.keeper {
                self.keep(Task::Sample).await;
            }
        };
        let canary = async {
            self.clock.sleep(15_000).await;
            if minute.is_multiple_of(life.canary_every) {
                let begun_at = self.clock.now();
                let (lines, failed) = self.canary.round(self).await;
                self.tower.tell(&lines);
                self.tower.count("canary", begun_at, failed, self.clock.now().since(begun_at));
            }
        };
        tokio::join!(Box::pin(canary), Box::pin(publisher), Box::pin(reader), Box::pin(compactor), Box::pin(keeper));
    }

    /// Hands on what the change stream has.
    async fn compact(&self) {
        let waiting: BTreeSet<PartitionId> = self.waiting.take().into_iter().chain(self.publishing.changed()).collect();
        if waiting.is_empty() {
            return;
        }
        let change = |partition: &PartitionId| {
            let key = format!("LOG#{}#{}", partition.incarnation, partition.partition);
            json!({ "dynamodb": { "Keys": { "PK": { "S": key } } } })
        };
        let records: Vec<_> = waiting.iter().map(change).collect();
        let changes = serde_json::from_value(json!({ "Records": records })).expect("a batch of changes");
        let compacted = self.compactor.invoke(&self.tower, async |process| {
            let work = compactor::compact(process.ledger.clone(), changes);
            let done = process.telemetry.event(&process.ledger, "compact_partitions", "a batch", work).await;
            (done.is_ok(), done.is_err())
        });
        if compacted.await != Some(true) {
            // It comes again.
            self.waiting.borrow_mut().extend(waiting);
        }
    }

    /// A schedule is due.
    async fn keep(&self, task: Task) {
        let kept = self.keeper.invoke(&self.tower, async |process| {
            let schedule = Schedule { task };
            let work = keeper::keep(process.ledger.clone(), schedule);
            let done = process.telemetry.event(&process.ledger, schedule.operation(), "a schedule", work).await;
            ((), done.is_err())
        });
        kept.await;
    }
}
