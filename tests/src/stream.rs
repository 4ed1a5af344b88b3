//! The usual things one does with a stream, said briefly, so that a test shows only what it is about.

use serde_json::{Value, json};

use crate::api::{Answer, Api};

/// A stream of a test.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Who asks.
    pub api: Api,
    /// Its name.
    pub name: String,
}

impl Stream {
    /// Creates a stream of one partition.
    pub async fn create(api: &Api, base: &str) -> Self {
        Self::define(api, base, json!({})).await
    }

    /// Creates a stream with these further members of its definition.
    ///
    /// # Panics
    /// When it cannot be created, or exists.
    pub async fn define(api: &Api, base: &str, mut definition: Value) -> Self {
        let name = api.name(base);
        definition["stream_id"] = json!(name);
        let _ = api.post("/streams", definition).await.ok(201);
        Self { api: api.clone(), name }
    }

    /// The same stream, asked by somebody else.
    #[must_use]
    pub fn seen_by(&self, api: &Api) -> Self {
        Self { api: api.clone(), name: self.name.clone() }
    }

    /// `/streams/{stream}` and what follows.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("/streams/{}{rest}", self.name)
    }

    /// GET of what follows `/streams/{stream}`.
    pub async fn get(&self, rest: &str) -> Answer {
        self.api.get(self.path(rest)).await
    }

    /// POST to what follows `/streams/{stream}`.
    pub async fn post(&self, rest: &str, body: Value) -> Answer {
        self.api.post(self.path(rest), body).await
    }

    /// DELETE of what follows `/streams/{stream}`.
    pub async fn delete(&self, rest: &str) -> Answer {
        self.api.delete(self.path(rest)).await
    }

    /// Publishes these events in one request and gives their receipts.
    ///
    /// # Panics
    /// When it is refused, or a receipt is missing.
    pub async fn publish(&self, events: Value) -> Vec<Value> {
        let count = events.as_array().map(Vec::len);
        let answer = self.post("/events", json!({ "events": events })).await.ok(201);
        let receipts = list(&answer["events"]);
        assert_eq!(Some(receipts.len()), count, "one receipt for each event");
        receipts
    }

    /// Publishes `count` events with keys and data that name their number, one request each.
    pub async fn publish_numbered(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.publish(json!([numbered(number)])).await;
        }
    }

    /// Creates a subscription that starts there.
    ///
    /// # Panics
    /// When it cannot be created, or exists.
    pub async fn subscribe(&self, name: &str, start_from: Value) -> Value {
        let body = json!({ "subscription_id": name, "start_from": start_from });
        self.post("/subscriptions", body).await.ok(201)
    }

    /// One poll of a subscription; `query` begins with `?` or is empty.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn poll(&self, subscription: &str, query: &str) -> Value {
        self.get(&format!("/subscriptions/{subscription}/poll{query}")).await.ok(200)
    }

    /// Commits the cursor of a page, or of anything else that has one.
    pub async fn try_commit(&self, subscription: &str, page: &Value) -> Answer {
        let body = json!({ "cursor": page["cursor"] });
        self.post(&format!("/subscriptions/{subscription}/commit"), body).await
    }

    /// Commits, and tells whether that advanced the subscription.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn commit(&self, subscription: &str, page: &Value) -> bool {
        self.try_commit(subscription, page).await.ok(200)["advanced"].as_bool().expect("`advanced` is a boolean")
    }

    /// Moves a subscription.
    pub async fn seek(&self, subscription: &str, to: Value) -> Answer {
        self.post(&format!("/subscriptions/{subscription}/seek"), json!({ "to": to })).await
    }

    /// Polls pages of `limit`, committing each, until it has caught up; gives every event.
    pub async fn drain(&self, subscription: &str, limit: u32) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let page = self.poll(subscription, &format!("?limit={limit}")).await;
            let mut read = list(&page["events"]);
            assert!(read.len() <= limit as usize, "a page over its limit");
            events.append(&mut read);
            self.commit(subscription, &page).await;
            if page["caught_up"] == true && page["phase"] == "live" {
                return events;
            }
        }
    }

    /// The whole log, read without a subscription in pages of `limit`.
    ///
    /// # Panics
    /// When a page is refused.
    pub async fn log(&self, limit: u32) -> Vec<Value> {
        let mut events = Vec::new();
        let mut page = self.get(&format!("/events?from=earliest&limit={limit}")).await.ok(200);
        loop {
            events.append(&mut list(&page["events"]));
            if page["caught_up"] == true {
                return events;
            }
            let cursor = page["cursor"].as_str().expect("a page has a cursor");
            page = self.get(&format!("/events?cursor={cursor}&limit={limit}")).await.ok(200);
        }
    }

    /// Every record of compacted state, read in pages of `limit`.
    ///
    /// # Panics
    /// When a page is refused.
    pub async fn compacted(&self, query: &str, limit: u32) -> Vec<Value> {
        let (mut records, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/compacted?limit={limit}{query}{cursor}")).await.ok(200);
            records.append(&mut list(&page["records"]));
            let Some(next) = page["cursor"].as_str() else { return records };
            cursor = format!("&cursor={next}");
        }
    }

    /// The partitions: head, tail and watermark of each.
    ///
    /// # Panics
    /// When the stream cannot be described.
    pub async fn partitions(&self) -> Value {
        self.get("").await.ok(200)["partitions"].take()
    }

    /// Compacts now, over the API.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn compact(&self) -> Value {
        self.post("/compact", json!({})).await.ok(200)
    }
}

/// The items of a JSON array.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn list(value: &Value) -> Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("expected an array, not {value}")).clone()
}

/// An event that is told from others by its number.
#[must_use]
pub fn numbered(number: u64) -> Value {
    json!({ "key": format!("key-{number}"), "type": "numbered", "data": { "number": number } })
}
