//! The shapes of events on their way out, of pages of them, and of commits.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use ledger::model::{Data, EventKey, EventTime, EventType, HeaderName, HeaderValue as EventHeader, Record};
use ledger::{EventPage, PageRequest, ReadFrom, StartFrom};
use platform::headers::IfNoneMatch;
use platform::json::{answer, present};
use platform::problem::{Code, Problem, Result};
use platform::query::{GivenCursor, Limit, ShortText, Wait};
use platform::wire::{AnyCursor, Lag};
use schemars::JsonSchema;
use serde::de::{Deserializer, Error};
use serde::ser::{Error as _, SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// An event as it is kept.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Event {
    #[schemars(schema_with = "platform::schema::event_id")]
    id: String,
    partition: u16,
    /// Its place in the partition.
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "platform::schema::event_key")]
    key: Option<EventKey>,
    #[serde(rename = "type")]
    #[schemars(schema_with = "platform::schema::event_type")]
    event_type: EventType,
    #[serde(serialize_with = "as_written")]
    #[schemars(schema_with = "platform::schema::event_data")]
    data: Option<Data>,
    #[serde(serialize_with = "as_object", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "platform::schema::event_headers")]
    headers: Vec<(HeaderName, EventHeader)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "platform::schema::time")]
    time: Option<EventTime>,
    #[schemars(schema_with = "platform::schema::time")]
    published_at: String,
    /// Where in a trace it was published, as its publisher said: for a link, not as a parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "platform::schema::traceparent")]
    traceparent: Option<String>,
    /// Present and true while compacted state is read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    snapshot: bool,
}

impl Event {
    fn new(record: Record, snapshot: bool) -> Self {
        let Record { partition, offset, published_at, event, traceparent } = record;
        Self {
            id: event.id.map_or_else(|| format!("{partition}-{offset}"), |id| id.as_str().to_owned()),
            partition,
            offset,
            key: event.key,
            event_type: event.event_type,
            data: event.data,
            headers: event.headers,
            time: event.time,
            published_at: published_at.to_string(),
            traceparent: traceparent.map(|context| context.to_string()),
            snapshot,
        }
    }
}

/// The publisher's own text: numbers are not rounded and members keep their order.
fn as_written<S: Serializer>(data: &Option<Data>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = data.as_ref().map_or("null", Data::as_str);
    let raw: &RawValue = serde_json::from_str(text).map_err(|_| S::Error::custom("kept data is not JSON"))?;
    raw.serialize(serializer)
}

fn as_object<S: Serializer>(pairs: &[(HeaderName, EventHeader)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(pairs.len()))?;
    for (name, value) in pairs {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

/// A page of events.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Events {
    events: Vec<Event>,
    #[schemars(schema_with = "platform::schema::cursor")]
    cursor: String,
    /// Whether no acknowledged event lay beyond the cursor when the poll began.
    caught_up: bool,
    /// Whether compacted state (`snapshot`) or the log (`live`) is read next.
    phase: &'static str,
    /// Whether what was built so far is the state of one moment.
    consistent: bool,
    lag: Lag,
    /// When to poll again.
    poll_after_ms: u64,
}

impl From<EventPage> for Events {
    fn from(page: EventPage) -> Self {
        let snapshot = page.snapshot;
        Self {
            events: page.records.into_iter().map(|record| Event::new(record, snapshot)).collect(),
            cursor: page.cursor.as_str().to_owned(),
            caught_up: page.caught_up,
            phase: if page.in_snapshot { "snapshot" } else { "live" },
            consistent: page.consistent,
            lag: page.lag.into(),
            poll_after_ms: page.poll_after_ms,
        }
    }
}

/// How a subscription is polled.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PollQuery {
    #[schemars(schema_with = "platform::schema::limit")]
    limit: Limit,
    #[schemars(schema_with = "platform::schema::wait")]
    wait: Wait,
    #[serde(deserialize_with = "present")]
    #[schemars(schema_with = "platform::schema::cursor")]
    pub(crate) cursor: Option<GivenCursor>,
}

impl PollQuery {
    pub(crate) fn page(&self) -> PageRequest {
        PageRequest { limit: self.limit.0, wait_ms: self.wait.milliseconds() }
    }
}

/// How a stream is read without a subscription.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EventsQuery {
    #[schemars(schema_with = "platform::schema::limit")]
    limit: Limit,
    #[schemars(schema_with = "platform::schema::wait")]
    wait: Wait,
    #[serde(deserialize_with = "present")]
    #[schemars(schema_with = "platform::schema::cursor")]
    cursor: Option<GivenCursor>,
    #[serde(deserialize_with = "present")]
    #[schemars(schema_with = "platform::schema::read_from")]
    from: Option<StartPoint>,
}

impl EventsQuery {
    pub(crate) fn page(&self) -> PageRequest {
        PageRequest { limit: self.limit.0, wait_ms: self.wait.milliseconds() }
    }

    /// Where reading starts: at a cursor or at a start point, not at both.
    pub(crate) fn start(self) -> Result<ReadFrom> {
        match (self.cursor, self.from) {
            (Some(_), Some(_)) => {
                let detail = "query parameters `cursor` and `from` exclude each other";
                Err(Problem::new(Code::InvalidQuery, detail).with_error("/from", "invalid"))
            }
            (Some(cursor), None) => Ok(ReadFrom::Cursor(cursor.0)),
            (None, from) => Ok(ReadFrom::Start(from.map_or(StartFrom::Earliest, |from| from.0))),
        }
    }
}

/// `from`: a word or a time.
#[derive(Clone, Copy, Debug)]
struct StartPoint(StartFrom);

impl<'de> Deserialize<'de> for StartPoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "earliest" => Ok(Self(StartFrom::Earliest)),
            "latest" => Ok(Self(StartFrom::Latest)),
            time => ledger::Timestamp::parse(time)
                .map(|time| Self(StartFrom::Timestamp(time)))
                .ok_or_else(|| D::Error::custom("`earliest`, `latest` or a time in RFC 3339")),
        }
    }
}

/// Up to where a subscription has read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Commit {
    #[schemars(schema_with = "platform::schema::cursor")]
    pub(crate) cursor: AnyCursor,
}

/// What a commit did.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Committed {
    /// Whether the committed positions moved.
    advanced: bool,
    lag: Lag,
}

impl From<ledger::Committed> for Committed {
    fn from(committed: ledger::Committed) -> Self {
        Self { advanced: committed.advanced, lag: committed.lag.into() }
    }
}

/// Which compacted state is listed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CompactedQuery {
    #[schemars(schema_with = "platform::schema::limit")]
    pub(crate) limit: Limit,
    #[serde(deserialize_with = "present")]
    #[schemars(schema_with = "platform::schema::cursor")]
    pub(crate) cursor: Option<GivenCursor>,
    /// Only keys that begin so.
    #[schemars(schema_with = "platform::schema::short_text")]
    pub(crate) prefix: ShortText,
}

/// A page of compacted state.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Compacted {
    records: Vec<Event>,
    #[schemars(schema_with = "platform::schema::optional_cursor")]
    cursor: Option<String>,
}

impl From<ledger::CompactedPage> for Compacted {
    fn from(page: ledger::CompactedPage) -> Self {
        Self {
            records: page.records.into_iter().map(|record| Event::new(record, false)).collect(),
            cursor: page.cursor.map(|cursor| cursor.as_str().to_owned()),
        }
    }
}

/// The latest record of a key, unless the client has it.
pub(crate) fn latest(record: Record, known: &IfNoneMatch) -> Response {
    let tag = format!("\"{}-{}\"", record.partition, record.offset);
    let mut response = if known.matches(&tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        answer(StatusCode::OK, &Event::new(record, false))
    };
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::Timestamp;

    fn record(data: Option<&str>) -> Record {
        let event = ledger::model::Event {
            key: EventKey::parse("k"),
            event_type: EventType::parse("t").unwrap(),
            data: data.map(|text| Data::from_json(text).unwrap()),
            headers: vec![(HeaderName::parse("b").unwrap(), EventHeader::parse("1").unwrap())],
            id: None,
            time: None,
        };
        Record { partition: 1, offset: 42, published_at: Timestamp(1_000), event, traceparent: None }
    }

    #[test]
    fn an_event_keeps_the_text_of_its_data() {
        let text = serde_json::to_string(&Event::new(record(Some(r#"{"b":1e2, "a":[18446744073709551617]}"#)), true));
        assert_eq!(
            text.unwrap(),
            r#"{"id":"1-42","partition":1,"offset":42,"key":"k","type":"t","data":{"b":1e2, "a":[18446744073709551617]},"headers":{"b":"1"},"published_at":"1970-01-01T00:00:01.000Z","snapshot":true}"#
        );
        let tombstone = serde_json::to_value(Event::new(record(None), false)).unwrap();
        assert!(tombstone["data"].is_null() && tombstone.get("snapshot").is_none());
    }

    #[test]
    fn a_record_that_the_client_has_is_not_sent_again() {
        let response = latest(record(None), &IfNoneMatch::default());
        assert_eq!(
            (response.status(), &response.headers()["etag"]),
            (StatusCode::OK, &HeaderValue::from_static("\"1-42\""))
        );
    }

    #[test]
    fn reading_starts_at_a_cursor_or_at_a_point() {
        let start = |query: &str| platform::query::parse::<EventsQuery>(query).and_then(EventsQuery::start);
        assert!(matches!(start(""), Ok(ReadFrom::Start(StartFrom::Earliest))));
        assert!(matches!(start("from=latest"), Ok(ReadFrom::Start(StartFrom::Latest))));
        let time = start("from=1970-01-01T00:00:01%2B00:00");
        assert!(matches!(time, Ok(ReadFrom::Start(StartFrom::Timestamp(Timestamp(1_000))))));
        assert!(matches!(start("cursor=abc"), Ok(ReadFrom::Cursor(_))));
        for bad in ["from=latest&cursor=abc", "from=compacted", "from=", "from=1"] {
            assert_eq!(start(bad).unwrap_err().code(), Code::InvalidQuery, "{bad}");
        }
    }
}
