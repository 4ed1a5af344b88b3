//! Everything that is counted, to the number: a service lives through all that can happen to it, and whatever it counts is held
//! against the catalogue while it runs. `tests/telemetry/catalogue.rs` holds the sources against it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use embedded::{CallInfo, Course, Engine, Fate, Fault, FaultKind};
use ledger::ApiKeyState;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use platform::access::{Allowance, Quotas};
use platform::endpoint::Settings;
use platform::telemetry::catalogue::{ALL, Kind, find};
use platform::telemetry::{EmfRecorder, Telemetry};
use serde_json::{Value, json};
use tests::api::Api;
use tests::app::Late;

const WEEK_MS: u64 = 7 * 24 * 3_600_000;
const WINDOW_MS: u64 = 10_000;
const EVENTS: &str = "/streams/orders/events";
const SUBSCRIPTION: &str = "/streams/orders/subscriptions/billing";

/// The first two that ask for this hear of it at the same time, a little later.
struct BothAtOnce {
    operation: &'static str,
    keys: &'static str,
    asked: AtomicU32,
}

impl BothAtOnce {
    fn new(operation: &'static str, keys: &'static str) -> Self {
        Self { operation, keys, asked: AtomicU32::new(0) }
    }
}

impl Fate for BothAtOnce {
    fn decide(&self, call: &CallInfo) -> Course {
        let meant =
            call.operation == self.operation && call.partition_keys.iter().any(|key| key.starts_with(self.keys));
        let is_late = meant && self.asked.fetch_add(1, Ordering::SeqCst) < 2;
        Course { returns_ms: if is_late { 10 } else { 0 }, ..Course::default() }
    }
}

/// What was counted of each metric: the sum of a counter over its labels, how many values a histogram has, and the sum of gauges.
fn counted(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let metric = find(key.key().name()).unwrap_or_else(|| panic!("{} is not in the catalogue", key.key().name()));
        let (kind, number) = match value {
            DebugValue::Counter(count) => (Kind::Counter, count),
            DebugValue::Gauge(number) => (Kind::Gauge, number.into_inner() as u64),
            DebugValue::Histogram(values) => (Kind::Histogram, values.len() as u64),
        };
        assert_eq!(kind, metric.kind, "{}", metric.name);
        *counted.entry(metric.name.to_owned()).or_default() += number;
    }
    counted
}

/// A service whose numbers are kept.
struct Life {
    api: Api,
    telemetry: Telemetry,
    snapshotter: Snapshotter,
    seen: RefCell<BTreeSet<String>>,
}

impl Life {
    async fn begin(snapshotter: Snapshotter) -> Self {
        let telemetry = Telemetry::documents("everything", "test", EmfRecorder::default(), std::io::sink());
        telemetry.started(12);
        Self { api: Api::running().await, telemetry, snapshotter, seen: RefCell::default() }
    }

    /// What was counted of these metrics since the last look.
    fn look<const N: usize>(&self, names: [&str; N]) -> [u64; N] {
        let counted = counted(&self.snapshotter);
        self.seen.borrow_mut().extend(counted.iter().filter(|(_, count)| **count > 0).map(|(name, _)| name.clone()));
        names.map(|name| counted.get(name).copied().unwrap_or_default())
    }

    /// A process beside this one, with a small quota that both share.
    fn process(&self) -> Api {
        let small = Quotas::uniform(Allowance::new(100, 1_000), Allowance::new(100, 1_000));
        let settings = Settings { environment: "test".to_owned(), quotas: small, telemetry: self.telemetry.clone() };
        self.api.answered_by(local::app::router(&self.api.app().ledger, &settings))
    }

    async fn starts_and_publishes(&self) {
        for _ in 0..2 {
            let _ = self.api.get("/streams").await.ok(200);
        }
        assert_eq!(self.look(["ColdStarts", "Requests", "Latency"]), [1, 2, 2]);
        let _ = self.api.post("/streams", json!({ "stream_id": "orders", "compaction": true })).await.ok(201);
        let _ = self
            .api
            .post("/streams/orders/subscriptions", json!({ "subscription_id": "billing", "start_from": "earliest" }))
            .await
            .ok(201);
        let _ = self.api.get(format!("{SUBSCRIPTION}/poll")).await.ok(200);
        assert_eq!(self.look(["EmptyPolls", "EventsDelivered"]), [1, 0]);

        let event = json!({ "key": "a", "type": "t", "data": 1 });
        let both = json!({ "events": [event, event] }).to_string();
        for _ in 0..2 {
            let publish = self.api.request("POST", EVENTS).header("idempotency-key", "once").json(both.clone());
            let _ = publish.send().await.ok(201);
        }
        assert_eq!(self.look(["EventsPublished", "BytesPublished", "DuplicatePublishes"]), [2, 806, 1]);
        self.api.app().engine().set_fate(BothAtOnce::new("Query", "LOG#"));
        // One process does not race itself, and this one would not look before it writes.
        let [one, other] =
            [1, 2].map(|number| self.api.answered_by(self.api.app().another_process(Quotas::default(), number)));
        let (first, second) = tokio::join!(one.post(EVENTS, event.clone()), other.post(EVENTS, event));
        let _ = (first.ok(201), second.ok(201));
        assert_eq!(self.look(["EventsPublished", "SlotConflicts"]), [2, 1]);
    }

    async fn reads_and_commits(&self) {
        let page = async |limit| self.api.get(format!("{SUBSCRIPTION}/poll?limit={limit}")).await.ok(200);
        let (one, three) = (page(1).await, page(3).await);
        let commit =
            |page: &Value| self.api.post(format!("{SUBSCRIPTION}/commit"), json!({ "cursor": page["cursor"] }));
        self.api.app().engine().set_fate(BothAtOnce::new("GetItem", "STREAM#"));
        let (first, second) = tokio::join!(commit(&one), commit(&three));
        let _ = (first.ok(200), second.ok(200));
        assert_eq!(self.look(["EventsDelivered", "CommitConflicts"]), [4, 1]);
    }

    async fn meets_a_store_in_trouble(&self) {
        let engine = self.api.app().engine().clone();
        engine.inject(Fault::on("Query", FaultKind::Throttle, 1));
        let _ = self.api.get(format!("{EVENTS}?from=earliest")).await.ok(200);
        let of_the_store = ["DynamoCalls", "DynamoLatency", "DynamoRetries", "DynamoThrottles", "ConsumedReadUnits"];
        // What is known of the key and of the stream is read again as well.
        assert_eq!(self.look(of_the_store), [3, 3, 1, 1, 3]);
        engine.set_fate(Late::endless("Query"));
        self.api.get(format!("{EVENTS}?from=earliest")).await.problem(503, "unavailable");
        engine.clear_fate();
        assert_eq!(self.look(["SlowRequests", "Faults", "ClientErrors"]), [1, 1, 0]);
        let panicking = async { panic!("on purpose") };
        self.telemetry.event::<()>(&self.api.app().ledger, "sweep", "an id", panicking).await.expect_err("it panics");
        assert_eq!(self.look(["Panics", "Faults", "Requests", "ColdStarts", "InitMs"]), [1; 5]);
    }

    async fn asks_for_keys(&self) {
        let app = self.api.app();
        self.api.with_key(None).get("/streams").await.problem(401, "unauthenticated");
        let until = app.clock.now().plus(WEEK_MS);
        let in_grace = app.key(&["poll:*"], |key| key.state = ApiKeyState::Grace { until }).await;
        let _ = self.api.with_key(Some(in_grace)).get("/streams").await.ok(200);
        assert_eq!(self.look(["AuthFailures", "KeyUseDuringGrace", "ClientErrors"]), [1, 1, 1]);
        let _ = app.key(&["poll:*"], |key| key.expires_at = Some(until)).await;
        let sweep = serde_json::from_value(json!({ "task": "sweep" })).expect("a schedule");
        let sweep = keeper::keep(app.ledger.clone(), sweep);
        self.telemetry.event(&app.ledger, "sweep", "an id", sweep).await.expect("a sweep");
        // It was made with this service: the key that the test asks with.
        assert_eq!(self.look(["KeysExpiringSoon", "AdminKeysMinted"]), [1, 1]);
    }

    async fn limits(&self) {
        let (one, other) = (self.process(), self.process());
        let flood = async |process: &Api| {
            let mut granted = 0;
            while process.get("/streams").await.status == 200 {
                granted += 1;
            }
            granted
        };
        // However a window was begun.
        self.api.app().clock.advance(WINDOW_MS);
        let granted = flood(&one).await;
        self.look([]);
        // What a process may grant before it has leased anything.
        assert_eq!((granted, flood(&other).await), (1_000, 10));
        assert_eq!(self.look(["LeaseDenied", "Throttled", "ClientErrors", "RateLimitFailOpen"]), [1, 1, 0, 0]);
        self.api.app().clock.advance(WINDOW_MS);
        let leases = Some("LIMIT#".to_owned());
        let broken = Fault { partition_key_prefix: leases, ..Fault::any(FaultKind::ConnectionReset, 100) };
        self.api.app().engine().inject(broken);
        // Of a sixteenth, without what needs no lease.
        let granted = flood(&one).await;
        assert_eq!(self.look(["RateLimitFailOpen", "Throttled"]), [granted - 10, 1]);
        assert_eq!(granted, 1_000 / 16);
    }

    async fn compacts_and_samples(&self) {
        let app = self.api.app();
        let event = json!({ "key": "a", "type": "t", "data": 1 });
        let _ = self.api.post(EVENTS, event.clone()).await.ok(201);
        let newest = newest_record_batch(app.engine()).await;
        let rung =
            json!({ "Records": [{ "dynamodb": { "Keys": { "PK": { "S": newest["PK"].as_s().expect("a text") } } } }] });
        let compact = async || {
            let changes = serde_json::from_value(rung.clone()).expect("an event");
            let compact = compactor::compact(app.ledger.clone(), changes);
            self.telemetry.event(&app.ledger, "compact_partitions", "an id", compact).await
        };
        compact().await.expect("it can be read");
        assert_eq!(self.look(["CompactorDelay", "CompactorPoison"]), [1, 0]);
        let _ = self.api.post(EVENTS, event).await.ok(201);
        let sample = serde_json::from_value(json!({ "task": "sample" })).expect("a schedule");
        let sample = keeper::keep(app.ledger.clone(), sample);
        self.telemetry.event(&app.ledger, "sample", "an id", sample).await.expect("a sample");
        let of_a_sample = [
            "SamplerRuns",
            "ConsumersByStatus",
            "ConsumerLagEvents",
            "ConsumerLagSeconds",
            "RetentionHeadroomSeconds",
            "RetentionHeadroomPercent",
        ];
        assert_eq!(self.look(of_a_sample), [1; 6]);
        spoil(app.engine(), newest_record_batch(app.engine()).await).await;
        compact().await.expect_err("it cannot be read");
        assert_eq!(self.look(["CompactorDelay", "CompactorPoison"]), [0, 1]);
    }
}

/// The end of the log of the only partition.
async fn newest_record_batch(engine: &Engine) -> HashMap<String, AttributeValue> {
    let found = engine.client().scan().table_name("eventledger").send().await.expect("a small table").items;
    let is_of_log = |item: &HashMap<String, AttributeValue>| item["PK"].as_s().is_ok_and(|key| key.starts_with("LOG#"));
    let place = |item: &HashMap<String, AttributeValue>| item["SK"].as_s().cloned().expect("a text");
    found.into_iter().flatten().filter(is_of_log).max_by_key(place).expect("a record batch")
}

/// Leaves nothing of a record batch that could be read.
async fn spoil(engine: &Engine, mut item: HashMap<String, AttributeValue>) {
    item.insert("body".to_owned(), AttributeValue::B(Blob::new(*b"nonsense")));
    engine.client().put_item().table_name("eventledger").set_item(Some(item)).send().await.expect("a write");
}

#[tokio::test(start_paused = true)]
async fn whatever_is_counted_is_in_the_catalogue_and_all_of_it_is_counted() {
    let recorder = DebuggingRecorder::new();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let life = Life::begin(recorder.snapshotter()).await;
    life.starts_and_publishes().await;
    life.reads_and_commits().await;
    life.meets_a_store_in_trouble().await;
    life.asks_for_keys().await;
    life.limits().await;
    life.compacts_and_samples().await;
    let listed: BTreeSet<String> = ALL.iter().map(|metric| metric.name.to_owned()).collect();
    let silent: Vec<_> = listed.difference(&life.seen.borrow()).cloned().collect();
    // The first is counted by a client, in `tests/canary`; the other where spans are exported, which the tests of
    // `platform::telemetry::traces` do.
    assert_eq!(silent, ["CanaryRounds", "SpansLost"]);
}
