//! Events, as a publisher sends them, and records, as the ledger keeps them.
//!
//! What a publisher wrote is kept to the byte: the key's UTF-8, and the JSON text of the data with its numbers and the
//! order of its members. `Debug` of a key or of data shows sizes only, because logs must never hold either.

use serde::{Deserialize, Serialize};

use super::leaf::checked_text;
use super::trace_parent::TraceParent;
use crate::clock::Timestamp;
use crate::limits;

checked_text!(
    /// What an event is about. Compared byte for byte: two normal forms of one text are two keys.
    EventKey, "1 to 512 bytes of text without control characters",
    |text| (1..=limits::KEY_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
);
checked_text!(
    /// What kind of change an event tells of.
    EventType, "1 to 128 of the characters A-Z a-z 0-9 . _ : / - and begin with a letter or digit",
    |text| text.len() <= limits::TYPE_CHARACTERS
        && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'/' | b'-'))
);
checked_text!(
    /// An id that the publisher gave its event.
    EventId, "1 to 128 characters of text without control characters",
    |text| (1..=limits::EVENT_ID_CHARACTERS).contains(&text.chars().count()) && !text.chars().any(char::is_control)
);
checked_text!(
    /// When something happened, by the publisher's clock; RFC 3339, kept as written.
    EventTime, "a time in RFC 3339 with an offset, such as 2026-01-31T12:00:00Z",
    |text| text.len() <= 40 && Timestamp::parse(text).is_some()
);
checked_text!(
    /// The name of an event's header.
    HeaderName, "1 to 128 of the characters A-Z a-z 0-9 . _ : / - and begin with a letter or digit",
    |text| EventType::parse(text).is_some()
);
checked_text!(
    /// The value of an event's header.
    HeaderValue, "text without control characters", |text| !text.chars().any(char::is_control)
);

macro_rules! sized {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "{}({} bytes)", stringify!($name), self.as_str().len())
            }
        }
    )*};
}
sized!(EventKey, EventType, EventId, EventTime, HeaderName, HeaderValue, Data);

/// The JSON text of an event's data, as the publisher wrote it.
///
/// Whoever makes one has checked that it is one JSON value within [`limits::DATA_NESTING`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Data(String);

impl Data {
    /// Takes a checked JSON text. `None` when it is larger than [`limits::DATA_BYTES`].
    #[must_use]
    pub fn from_json(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (text.len() <= limits::DATA_BYTES).then_some(Self(text))
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a publisher sends. Postcard's order of members is the stored format: see `store::body`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What it is about; events without a key are never compacted.
    pub key: Option<EventKey>,
    /// What kind of change it is.
    pub event_type: EventType,
    /// The state it carries; `None` is a tombstone: the thing of this key is gone.
    pub data: Option<Data>,
    /// Names and values for the readers, in the publisher's order.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The publisher's own id.
    pub id: Option<EventId>,
    /// The publisher's own time.
    pub time: Option<EventTime>,
}

impl Event {
    /// How many bytes of it are kept, but for their framing.
    #[must_use]
    pub(crate) fn stored_bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.as_str().len());
        let texts = [self.key.as_ref().map_or(0, |key| key.as_str().len()), self.event_type.as_str().len()];
        let given = [
            self.id.as_ref().map_or(0, |id| id.as_str().len()),
            self.time.as_ref().map_or(0, |time| time.as_str().len()),
        ];
        let data = self.data.as_ref().map_or(0, |data| data.as_str().len());
        data + headers.chain(texts).chain(given).sum::<usize>()
    }

    /// At most how many bytes it takes in an answer, after Lambda has put the answer as a string into its own JSON: there
    /// each quote and backslash is escaped, and what was escaped is escaped again.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        fn escaped(text: &str, cost: usize) -> usize {
            // A sum of bytes is counted many at a time, which a filter is not.
            text.len() + cost * text.bytes().map(|byte| usize::from(matches!(byte, b'"' | b'\\'))).sum::<usize>()
        }
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + escaped(value.as_str(), 3) + 10);
        let key = self.key.as_ref().map_or(0, |key| escaped(key.as_str(), 3));
        let data = self.data.as_ref().map_or(4, |data| escaped(data.as_str(), 1));
        let id = self.id.as_ref().map_or(0, |id| escaped(id.as_str(), 3));
        // The names of the members with their quotes, punctuation, offset, times and trace.
        400 + key + data + headers.sum::<usize>() + id + self.event_type.as_str().len()
    }
}

/// An event as kept: with its place and the time it was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The partition it is in.
    pub partition: u16,
    /// Its place there.
    pub offset: u64,
    /// When the ledger accepted it.
    pub published_at: Timestamp,
    /// What was published.
    pub event: Event,
    /// Where in a trace its producer published it.
    pub traceparent: Option<TraceParent>,
}
