//! A table in memory, ledgers on it, and short ways to publish and read.

use embedded::{CallInfo, Course, Engine, Fate, Fault, FaultKind};
use ledger::model::{Data, Event, EventKey, EventType, PartitionCount, RetentionHours, StreamName, SubscriptionName};
use ledger::{
    Clock, EventPage, Idempotency, Ledger, PageRequest, PublishRequest, Published, Randomness, ReadFrom, Result,
    Settings, StartFrom, StreamDefinition, Timestamp,
};

pub(crate) const START: Timestamp = Timestamp(1_790_000_000_000);
pub(crate) const HOUR_MS: u64 = 3_600_000;

/// Alone, and writing as it is cheapest on DynamoDB.
const ALONE: Settings = Settings { alone: true, ..Settings::FLEET };

/// A table and the time.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) ledger: Ledger,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::on(Clock::manual(START)).await
    }

    /// The same on another clock.
    pub(crate) async fn on(clock: Clock) -> Self {
        let engine = Engine::memory(&clock);
        ledger::table::create_if_absent(&engine.client(), "eventledger").await.expect("a table");
        let ledger = Self::ledger(&engine, &clock, 1, ALONE);
        Self { engine, clock, ledger }
    }

    /// The same, with the settings of a local server.
    pub(crate) async fn embedded() -> Self {
        let world = Self::new().await;
        Self { ledger: Self::ledger(&world.engine, &world.clock, 1, Settings::EMBEDDED), ..world }
    }

    /// Another process on the same table.
    pub(crate) fn another(&self, seed: u64) -> Ledger {
        Self::ledger(&self.engine, &self.clock, seed, Settings::FLEET)
    }

    fn ledger(engine: &Engine, clock: &Clock, seed: u64, settings: Settings) -> Ledger {
        Ledger::new(engine.client(), "eventledger", clock.clone(), Randomness::seeded(seed), settings)
    }

    /// A process whose clock is ahead.
    pub(crate) fn elsewhere(&self, ahead_ms: i64) -> Ledger {
        Self::ledger(&self.engine, &self.clock.skewed(ahead_ms), 9, ALONE)
    }

    /// The same, as one process of many.
    pub(crate) fn skewed(&self, ahead_ms: i64) -> Ledger {
        Self::ledger(&self.engine, &self.clock.skewed(ahead_ms), 10 + ahead_ms.unsigned_abs(), Settings::FLEET)
    }

    /// A stream called `orders`.
    pub(crate) async fn stream(&self, partitions: u64, retention_hours: u64) -> StreamName {
        let definition = definition("orders", partitions, retention_hours);
        self.ledger.create_stream(definition.clone()).await.expect("a stream");
        definition.name
    }

    /// A stream whose state has one key, and a subscription that begins with it.
    pub(crate) async fn state_of_a(&self) -> (StreamName, SubscriptionName) {
        let (stream, name) = (self.stream(1, 1).await, subscription("builder"));
        publish(&self.ledger, &stream, "a", "1").await.expect("a place");
        self.ledger.compact_stream(&stream).await.expect("compaction");
        self.ledger.create_subscription(&stream, &name, StartFrom::Compacted).await.expect("a subscription");
        (stream, name)
    }

    /// Every event of a stream, in the order they were read, as (partition, offset, data).
    pub(crate) async fn log(&self, stream: &StreamName) -> Vec<(u16, u64, String)> {
        let mut from = ReadFrom::Start(StartFrom::Earliest);
        let mut found = Vec::new();
        loop {
            let page = self.ledger.read_events(stream, from, page()).await.expect("a page");
            found.extend(page.records.iter().map(|record| {
                let data = record.event.data.as_ref().map_or("null", Data::as_str);
                (record.partition, record.offset, data.to_owned())
            }));
            if page.caught_up {
                return found;
            }
            from = ReadFrom::Cursor(page.cursor);
        }
    }
}

pub(crate) fn definition(name: &str, partitions: u64, retention_hours: u64) -> StreamDefinition {
    StreamDefinition {
        name: StreamName::parse(name).expect("a name"),
        partition_count: PartitionCount::new(partitions).expect("a count"),
        retention_hours: RetentionHours::new(retention_hours).expect("hours"),
        compaction: true,
    }
}

pub(crate) fn event(key: &str, data: &str) -> Event {
    Event {
        key: Some(EventKey::parse(key).expect("a key")),
        event_type: EventType::parse("order.changed").expect("a type"),
        data: (data != "null").then(|| Data::from_json(data).expect("data")),
        headers: Vec::new(),
        id: None,
        time: None,
    }
}

pub(crate) fn request(stream: &StreamName, events: Vec<Event>) -> PublishRequest {
    PublishRequest { stream: stream.clone(), events, idempotency: None, expected_tail: None, traceparent: None }
}

pub(crate) fn once(stream: &StreamName, events: Vec<Event>, key: u8) -> PublishRequest {
    let idempotency = Some(Idempotency { key: [key; 32], body: [9; 32] });
    PublishRequest { idempotency, ..request(stream, events) }
}

pub(crate) async fn publish(ledger: &Ledger, stream: &StreamName, key: &str, data: &str) -> Result<Published> {
    ledger.publish(request(stream, vec![event(key, data)])).await
}

pub(crate) fn page() -> PageRequest {
    PageRequest { limit: 1_000, wait_ms: 0 }
}

pub(crate) fn subscription(name: &str) -> SubscriptionName {
    SubscriptionName::parse(name).expect("a name")
}

pub(crate) fn keys(page: &EventPage) -> Vec<String> {
    page.records.iter().map(|record| record.event.key.as_ref().expect("a key").as_str().to_owned()).collect()
}

/// Queries do not see some items of a transaction, by the bits of a number, before it returns, which takes a while.
pub(crate) struct Torn(pub(crate) u128);

impl Fate for Torn {
    fn decide(&self, call: &CallInfo) -> Course {
        let (unseen_items, returns_ms) = if call.transaction_items > 0 { (self.0, 500) } else { (0, 0) };
        Course { unseen_items, returns_ms, ..Course::default() }
    }
}

/// Two events that are too large for one record batch.
pub(crate) fn two_batches(ledger: &Ledger) -> Vec<Event> {
    ["a", "b"].map(|key| event(key, &format!("\"{}\"", ledger.randomness().base62(90_000)))).into()
}

/// Deletes the newest record batch, as time to live may: in no particular order.
pub(crate) async fn delete_newest(engine: &Engine) {
    let items = engine.client().scan().table_name("eventledger").send().await.expect("the table").items;
    let newest = items.unwrap_or_default().into_iter().filter(|item| item.contains_key("base_offset"));
    let newest = newest.max_by_key(|item| item["SK"].as_s().cloned().ok()).expect("a record batch");
    let delete = engine.client().delete_item().table_name("eventledger");
    delete.key("PK", newest["PK"].clone()).key("SK", newest["SK"].clone()).send().await.expect("deleted");
}

/// So many puts into compacted state fail.
pub(crate) fn stop_compaction(world: &World, count: u32) {
    let mut fault = Fault::on("PutItem", FaultKind::Throttle, count);
    fault.partition_key_prefix = Some("COMPACT#".to_owned());
    world.engine.inject(fault);
}
