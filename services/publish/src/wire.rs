//! The shapes of a publish: one event, or `{"events": […]}`; whether there is a member `events` decides.

use std::fmt;

use axum::response::Response;
use http::{HeaderValue, StatusCode};
use ledger::limits;
use ledger::model::{Event, EventId, EventKey, EventTime, EventType, HeaderName, HeaderValue as EventHeader};
use platform::json::{Body, JsonData, Object, answer, present};
use platform::problem::{Code, Problem, Result};
use schemars::JsonSchema;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// One event, or several in order.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it describes the body; which one it is decides how it is read")]
pub(crate) enum Publish {
    /// One event.
    One(EventIn),
    /// Several.
    Batch(Batch),
}

/// Several events, appended together.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    #[schemars(length(min = 1, max = 1000))]
    events: Vec<Object<EventIn>>,
}

/// An event to publish.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = platform::schema::tombstone_needs_key()))]
pub(crate) struct EventIn {
    #[serde(default, deserialize_with = "present")]
    #[schemars(schema_with = "platform::schema::event_key")]
    key: Option<EventKey>,
    #[serde(rename = "type")]
    #[schemars(schema_with = "platform::schema::event_type")]
    event_type: EventType,
    #[schemars(schema_with = "platform::schema::event_data")]
    data: JsonData,
    #[serde(default)]
    #[schemars(schema_with = "platform::schema::event_headers")]
    headers: Headers,
    #[serde(default, deserialize_with = "present")]
    #[schemars(schema_with = "platform::schema::event_id")]
    id: Option<EventId>,
    #[serde(default, deserialize_with = "present")]
    #[schemars(schema_with = "platform::schema::time")]
    time: Option<EventTime>,
}

/// Headers of an event, in the publisher's order.
#[derive(Debug, Default)]
struct Headers(Vec<(HeaderName, EventHeader)>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeadersVisitor;
        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = Headers;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of at most 16 texts, 4 KiB together")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Headers, A::Error> {
                let mut pairs: Vec<(HeaderName, EventHeader)> = Vec::new();
                while let Some(pair) = members.next_entry()? {
                    pairs.push(pair);
                }
                let bytes: usize = pairs.iter().map(|(name, value)| name.as_str().len() + value.as_str().len()).sum();
                let fits = pairs.len() <= limits::HEADER_PAIRS && bytes <= limits::HEADER_BYTES;
                fits.then_some(Headers(pairs))
                    .ok_or_else(|| A::Error::custom("an object of at most 16 texts, 4 KiB together"))
            }
        }
        deserializer.deserialize_map(HeadersVisitor)
    }
}

/// Reads the events of a body.
///
/// # Errors
/// 413 for too many, 422 for what is not allowed.
pub(crate) fn read(body: &Body) -> Result<Vec<Event>> {
    if !body.has_member("events") {
        return Ok(vec![event(body.read()?, "")?]);
    }
    let Batch { events } = body.read()?;
    if events.is_empty() {
        return Err(Problem::invalid_member("/events", "an array of 1 to 1000 events"));
    }
    if events.len() > limits::EVENTS_PER_REQUEST {
        let problem = Problem::new(Code::PayloadTooLarge, "`/events` must be an array of 1 to 1000 events");
        return Err(problem.with_error("/events", "too_large"));
    }
    let numbered = events.into_iter().enumerate();
    numbered.map(|(index, Object(item))| event(item, &format!("/events/{index}"))).collect()
}

fn event(item: EventIn, pointer: &str) -> Result<Event> {
    let EventIn { key, event_type, data: JsonData(data), headers: Headers(headers), id, time } = item;
    if data.is_none() && key.is_none() {
        let pointer = format!("{pointer}/key");
        let detail = format!("`{pointer}` is required, because `data` is null: a tombstone needs a key");
        return Err(Problem::new(Code::ValidationFailed, detail).with_error(pointer, "missing"));
    }
    Ok(Event { key, event_type, data, headers, id, time })
}

/// The ids that the publisher gave, in the order of the events.
pub(crate) fn given_ids(events: &[Event]) -> Vec<Option<EventId>> {
    events.iter().map(|event| event.id.clone()).collect()
}

/// What was published where.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Receipts {
    /// One for each event, in the order of the request.
    events: Vec<Receipt>,
    /// Whether this answers an earlier request with the same Idempotency-Key.
    replayed: bool,
}

/// The place of an event.
#[derive(Debug, Serialize, JsonSchema)]
struct Receipt {
    #[schemars(schema_with = "platform::schema::event_id")]
    id: String,
    partition: u16,
    offset: u64,
}

/// The answer to a publish.
pub(crate) fn receipts(ids: Vec<Option<EventId>>, published: &ledger::Published) -> Response {
    let receipt = |(id, &(partition, offset)): (Option<EventId>, &(u16, u64))| Receipt {
        id: id.map_or_else(|| format!("{partition}-{offset}"), |id| id.as_str().to_owned()),
        partition,
        offset,
    };
    let events = ids.into_iter().zip(&published.places).map(receipt).collect();
    let mut response = answer(StatusCode::CREATED, &Receipts { events, replayed: published.replayed });
    if published.replayed {
        response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (Code, String) {
        let problem = Body::parse(text.into()).and_then(|body| read(&body)).unwrap_err();
        (problem.code(), problem.errors()[0].pointer.clone())
    }

    #[test]
    fn one_event_or_a_batch() {
        let read = |text: &str| read(&Body::parse(text.into()).unwrap()).unwrap();
        let one = read(r#"{"type":"t","data":{"b":1, "a":1.10},"headers":{"z":"1","a":"2"},"id":"i"}"#);
        assert_eq!(one[0].data.as_ref().unwrap().as_str(), r#"{"b":1, "a":1.10}"#);
        assert_eq!(one[0].headers[0].0.as_str(), "z");
        assert_eq!(read(r#"{"events":[{"type":"t","data":1},{"type":"t","key":"k","data":null}]}"#).len(), 2);
    }

    #[test]
    fn what_is_not_allowed_is_pointed_at() {
        for (text, pointer) in [
            ("{}", "/type"),
            (r#"{"type":"t"}"#, "/data"),
            (r#"{"type":"t","data":null}"#, "/key"),
            (r#"{"type":"t","data":1,"key":null}"#, "/key"),
            (r#"{"type":"t","data":1,"partition":0}"#, "/partition"),
            (r#"{"type":"../x","data":1}"#, "/type"),
            (r#"{"type":"t","data":1,"headers":[]}"#, "/headers"),
            (r#"{"type":"t","data":1,"headers":{"a":1}}"#, "/headers/a"),
            (r#"{"events":[]}"#, "/events"),
            (r#"{"events":{}}"#, "/events"),
            (r#"{"events":"x"}"#, "/events"),
            (r#"{"events":[{"type":"t","data":1}],"type":"t"}"#, "/type"),
            (r#"{"events":[{"type":"t","data":1},{"type":"t","data":null}]}"#, "/events/1/key"),
            (r#"{"events":[["k","t",1]]}"#, "/events/0"),
            (r#"["k","t",1]"#, ""),
        ] {
            assert_eq!(refused(text), (Code::ValidationFailed, pointer.to_owned()), "{text}");
        }
    }

    #[test]
    fn limits_of_count_headers_and_nesting_hold() {
        let batch = format!(r#"{{"events":[{}]}}"#, vec![r#"{"type":"t","data":1}"#; 1_001].join(","));
        assert_eq!(refused(&batch).0, Code::PayloadTooLarge);
        let pairs: Vec<_> = (0..17).map(|index| format!("\"h{index}\":\"v\"")).collect();
        let headers = format!(r#"{{"type":"t","data":1,"headers":{{{}}}}}"#, pairs.join(","));
        assert_eq!(refused(&headers), (Code::ValidationFailed, "/headers".to_owned()));
        let large = format!(r#"{{"type":"t","data":1,"headers":{{"h":"{}"}}}}"#, "v".repeat(4_096));
        assert_eq!(refused(&large), (Code::ValidationFailed, "/headers".to_owned()));
        let nested = |depth| format!(r#"{{"type":"t","data":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(refused(&nested(65)), (Code::ValidationFailed, "/data".to_owned()));
        read(&Body::parse(nested(64).into()).unwrap()).unwrap();
    }
}
