//! A stream called `orders` with subscriptions, and short ways to publish to it and to read it.

use ledger::model::{Data, Event, EventKey, EventType, PartitionCount, RetentionHours, StreamName, SubscriptionName};
use ledger::{Ledger, PageRequest, PublishRequest, StartFrom, StreamDefinition};

/// How much is read at once.
const PAGE: PageRequest = PageRequest { limit: 2, wait_ms: 0 };

pub(crate) fn stream() -> StreamName {
    StreamName::parse("orders").expect("a name")
}

pub(crate) fn subscription(name: &str) -> SubscriptionName {
    SubscriptionName::parse(name).expect("a name")
}

/// The stream, of one partition and a day, and subscriptions that begin with it.
pub(crate) async fn begin(ledger: &Ledger, subscriptions: &[&str]) {
    let definition = StreamDefinition {
        name: stream(),
        partition_count: PartitionCount::new(1).expect("a count"),
        retention_hours: RetentionHours::new(24).expect("hours"),
        compaction: true,
    };
    ledger.create_stream(definition).await.expect("a stream");
    for name in subscriptions {
        let name = subscription(name);
        ledger.create_subscription(&stream(), &name, StartFrom::Earliest).await.expect("a subscription");
    }
}

/// Publishes so many events at once.
pub(crate) async fn publish(ledger: &Ledger, count: usize) {
    publish_data(ledger, count, r#"{"who": "Ada"}"#).await;
}

/// The same, with this JSON as their data.
pub(crate) async fn publish_data(ledger: &Ledger, count: usize, data: &str) {
    let event = |number: usize| Event {
        key: EventKey::parse(format!("order-{number}")),
        event_type: EventType::parse("order.placed").expect("a type"),
        data: Data::from_json(data),
        headers: Vec::new(),
        id: None,
        time: None,
    };
    let events = (0..count).map(event).collect();
    let request =
        PublishRequest { stream: stream(), events, idempotency: None, expected_tail: None, traceparent: None };
    ledger.publish(request).await.expect("a place");
}

/// Reads a page and commits it.
pub(crate) async fn go_on(ledger: &Ledger, name: &str) {
    let page = ledger.poll(&stream(), &subscription(name), None, PAGE).await.expect("a page");
    ledger.commit(&stream(), &subscription(name), page.cursor).await.expect("a commit");
}
