//! A client of the fleet: it sends HTTP requests to whichever process is free, waits as long as its patience lasts, and
//! opens the cursors it gets for the checker. What it may not know it does not use.

use std::sync::Arc;

use axum::body::Body;
use futures::FutureExt;
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use ledger::model::cursor::{Cursor, Payload};
use platform::api_key::Token;
use serde_json::Value;
use tower::ServiceExt;

use crate::history::{Facts, Outcome, Read, Seen, Span};
use crate::process::{Process, Service};
use crate::swarm::Leap;
use crate::world::{STREAM, TABLE, World};

/// How long a client that is in no hurry waits: as long as API Gateway does.
const PATIENCE_MS: u64 = 29_000;

/// A client. Cloning makes another with the same key.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) world: World,
    key: String,
    /// Whether it holds the world quiet, and so need not wait until it is not.
    in_quiet: bool,
}

/// What came of a request.
pub(crate) struct Reply {
    pub(crate) span: Span,
    pub(crate) facts: Facts,
    /// Status and body; `None` when no answer came in time.
    answer: Option<(u16, Value)>,
}

impl Reply {
    /// 0 when there was no answer.
    pub(crate) fn status(&self) -> u16 {
        self.answer.as_ref().map_or(0, |(status, _)| *status)
    }

    pub(crate) fn body(&self) -> &Value {
        self.answer.as_ref().map_or(&Value::Null, |(_, body)| body)
    }

    /// The problem's code; empty without one.
    pub(crate) fn code(&self) -> &str {
        self.body()["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn is_ok(&self) -> bool {
        (200..300).contains(&self.status())
    }

    /// The page that was answered, as the history keeps it.
    pub(crate) fn page(&self, reader: String, subscription: Option<&str>, from: Option<Payload>, to: Payload) -> Read {
        let page = self.body();
        Read {
            span: self.span,
            reader,
            subscription: subscription.map(str::to_owned),
            from,
            to,
            records: records(page),
            snapshot: page["events"].as_array().is_some_and(|events| events.iter().any(|one| one["snapshot"] == true)),
            caught_up: page["caught_up"] == true,
            state: None,
        }
    }

    /// What a request that wanted to change something came to.
    pub(crate) fn outcome<T>(&self, done: impl FnOnce(&Value) -> T) -> Outcome<T> {
        if self.is_ok() {
            Outcome::Done(done(self.body()))
        } else if self.body()["effect"] == "none" {
            Outcome::Nothing(self.code().to_owned())
        } else {
            Outcome::Unknown
        }
    }
}

impl Client {
    pub(crate) fn new(world: &World) -> Self {
        Self { world: world.clone(), key: world.0.key.clone(), in_quiet: false }
    }

    /// A client of whoever holds the gate, so that nobody else does anything meanwhile.
    pub(crate) fn in_quiet(world: &World) -> Self {
        Self { in_quiet: true, ..Self::new(world) }
    }

    /// A client with a key of its own.
    pub(crate) fn with_key(world: &World, key: &Token) -> Self {
        Self { world: world.clone(), key: key.reveal(), in_quiet: false }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Service::Poll, "GET", path, &[], None).await
    }

    pub(crate) async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        self.send(Service::Admin, method, path, &[], body).await
    }

    pub(crate) async fn post(&self, service: Service, path: &str, headers: &[(&str, String)], body: Value) -> Reply {
        self.send(service, "POST", path, headers, Some(body)).await
    }

    async fn send(
        &self,
        service: Service,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: Option<Value>,
    ) -> Reply {
        let world = &self.world;
        let gate = async { if self.in_quiet { None } else { Some(world.0.gate.read().await) } };
        let _open = gate.await;
        let mut request = http::Request::builder().method(method).uri(path).header("x-api-key", &self.key);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(String::new, |body| body.to_string());
        let request = request.body(Body::from(body)).expect("a request");
        let (facts, begun) = (Facts::default(), world.0.now());
        let patience = if !world.0.is_healthy() && world.0.dice.chance(30) {
            world.0.dice.between(5..=1_500)
        } else {
            PATIENCE_MS
        };
        let (tell, told) = tokio::sync::oneshot::channel();
        let (invoking, invoked, plan) = (world.clone(), facts.clone(), world.plan(service));
        let leaves = self.leaves(service);
        tokio::spawn(async move {
            let answer = invoking.invoke(service, invoked, plan, |process| answer(process, request, leaves)).await;
            // Without an answer nobody hears anything, and the client finds out by waiting.
            if let Some(answer) = answer.flatten() {
                tell.send(answer).ok();
            }
        });
        let answer = tokio::select! {
            biased;
            answer = told => answer.ok(),
            () = world.sleep(patience) => None,
        };
        let span = Span { begun, ended: world.0.now() };
        let reply = Reply { span, facts, answer };
        self.note(method, path, &reply);
        reply
    }

    /// When the client leaves, and its request with it, where processes notice that.
    fn leaves(&self, service: Service) -> Option<BoxFuture<'static, ()>> {
        let world = &self.world.0;
        let leaves = world.swarm.shares && service == Service::Publish && !world.is_healthy() && world.dice.chance(100);
        leaves.then(|| {
            let (world, after) = (self.world.clone(), world.dice.between(1..=60));
            async move {
                world.sleep(after).await;
                world.0.count("a client left before it was answered");
            }
            .boxed()
        })
    }

    /// What no request may ever come to, and what a run should have seen.
    fn note(&self, method: &str, path: &str, reply: &Reply) {
        let world = &self.world.0;
        world.trace(&[method, path, &reply.status().to_string(), &reply.body().to_string()]);
        world.count(if reply.code().is_empty() {
            format!("answer {}", reply.status())
        } else {
            format!("problem {}", reply.code())
        });
        let must_work = self.must_work(reply);
        if must_work {
            world.count("a request when everything had to work");
        }
        if reply.status() == 500 && !world.is_poisoned() {
            world.anomaly(format!("0 internal error: {method} {}", path.split('?').next().unwrap_or_default()));
        }
        if reply.code() == "subscription_not_found"
            && let Some((_, name)) = path.split_once("/subscriptions/")
        {
            let name = name.split(['/', '?']).next().unwrap_or_default();
            world.history().absent.push((reply.span, name.to_owned()));
        }
        let of_the_stream = path.strip_prefix(&format!("/streams/{STREAM}")).is_some_and(|rest| !rest.starts_with('-'));
        // Guests have keys of their own, which may not show it to them.
        if of_the_stream
            && self.key == world.key
            && matches!(reply.code(), "stream_not_found" | "stream_deleting" | "stream_recreated")
        {
            world.history().absent_streams.push(reply.span);
        }
        let lost_heads = world.swarm.leaps.contains(&Leap::Neglect);
        match reply.code() {
            // Nobody here sends a cursor that was not given out to it.
            code @ ("invalid_cursor" | "commit_beyond_tail") => {
                world.anomaly(format!("0 a cursor that was given out was refused: {code} of {path}"));
            }
            // They say what an operator or a sweep has to mend, and that others were faster.
            "compaction_gap" | "compactor_stalled" | "contention" => {}
            _ if must_work && matches!(reply.status(), 0 | 500..) => {
                world.anomaly(format!("22 {} {} after healing: {path}", reply.status(), reply.code()));
            }
            "head_lost" if !lost_heads => world.anomaly(format!("22 a head was lost although sweeps went on: {path}")),
            _ => {}
        }
        if method == "GET" {
            let touched = reply.facts.get();
            // The minute of a poll, the number of a bootstrap, the hour of a key, and what is leased of its quotas.
            let noted = |(operation, key, update): &(String, String, String)| {
                operation == "UpdateItem"
                    && match key.split('#').next() {
                        Some("STREAM") => {
                            ["SET last_poll_at = :minute", "SET bootstraps = :number"].contains(&update.as_str())
                        }
                        Some(of) => matches!(of, "KEY" | "LIMIT"),
                        None => false,
                    }
            };
            if !touched.writes.iter().all(noted) {
                world.anomaly(format!("12 a read changed something: {path} wrote {:?}", touched.writes));
            }
        }
    }

    /// Whether nothing may keep a request from being answered any more.
    fn must_work(&self, reply: &Reply) -> bool {
        let world = &self.world.0;
        world.has_recovered(reply.span.begun) && !world.is_poisoned() && !world.swarm.leaps.contains(&Leap::Neglect)
    }

    /// Pauses as a reader does: as long as it was told to, and a drawn time.
    pub(crate) async fn pause_after(&self, page: &Value) {
        let told = page["poll_after_ms"].as_u64().unwrap_or_default();
        self.world.sleep(told + self.world.0.dice.between(100..=2_500)).await;
    }

    /// Opens a cursor.
    pub(crate) async fn open(&self, cursor: &Value) -> Option<Payload> {
        let key = self.world.0.cursor_key().await?;
        let opened = Payload::open(&Cursor::from_client(cursor.as_str()?), &key);
        if opened.is_none() {
            self.world.0.anomaly("0 a cursor that was given out does not open");
        }
        opened
    }
}

/// The answer of a process, unless it notices before that the client leaves.
async fn answer(
    process: Arc<Process>,
    request: http::Request<Body>,
    leaves: Option<BoxFuture<'static, ()>>,
) -> Option<(u16, Value)> {
    let answer = answer_of(&process, request);
    match leaves {
        None => Some(answer.await),
        Some(leaves) => tokio::select! {
            biased;
            answer = answer => Some(answer),
            () = leaves => None,
        },
    }
}

async fn answer_of(process: &Process, request: http::Request<Body>) -> (u16, Value) {
    let answer = process.router.clone().oneshot(request).await;
    let (head, body) = answer.unwrap_or_else(|never| match never {}).into_parts();
    let body = body.collect().await.expect("the body of an answer ends well").to_bytes();
    (head.status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
}

impl crate::world::Inner {
    /// The key that signs the stream's cursors, in every life of its name.
    async fn cursor_key(&self) -> Option<[u8; 32]> {
        use aws_sdk_dynamodb::types::AttributeValue::S;
        let item = self.client.get_item().table_name(TABLE).consistent_read(true);
        let item = item.key("PK", S("STREAMS".to_owned())).key("SK", S(STREAM.to_owned()));
        let item = item.send().await.expect("the table answers").item?;
        item["cursor_key"].as_b().ok()?.as_ref().try_into().ok()
    }
}

/// An event of an answer.
pub(crate) fn seen(event: &Value) -> Seen {
    let id = event["id"].as_str().and_then(|id| id.strip_prefix('v')).and_then(|id| id.parse().ok());
    let of = event["data"]["of"].as_u64();
    assert!(event["data"].is_null() || (of.is_some() && of == id), "1 an event holds what another was published with");
    let published = event["published_at"].as_str().and_then(ledger::Timestamp::parse);
    Seen {
        partition: event["partition"].as_u64().and_then(|number| u16::try_from(number).ok()).expect("a partition"),
        offset: event["offset"].as_u64().expect("an offset"),
        id: id.expect("the id that the publisher gave it"),
        key: event["key"].as_str().map(str::to_owned),
        tombstone: event["data"].is_null(),
        published_at: published.expect("a time").0,
    }
}

/// The events of a page.
pub(crate) fn records(page: &Value) -> Vec<Seen> {
    page["events"].as_array().map(|events| events.iter().map(seen).collect()).unwrap_or_default()
}
