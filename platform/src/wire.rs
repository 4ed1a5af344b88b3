//! The shapes that more than one service reads or writes.

use ledger::Timestamp;
use ledger::model::cursor::Cursor;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

/// How far behind the tail.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Lag {
    /// Events between the position and the tail.
    events: u64,
    /// Age of the first of them in milliseconds; 0 when there is none.
    ms: u64,
}

impl From<ledger::Lag> for Lag {
    fn from(lag: ledger::Lag) -> Self {
        Self { events: lag.events, ms: lag.ms }
    }
}

/// A time in a request: RFC 3339 with an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let time = Timestamp::parse(&String::deserialize(deserializer)?);
        time.map(Self)
            .ok_or_else(|| de::Error::custom("a time in RFC 3339 with an offset, such as 2026-01-31T12:00:00Z"))
    }
}

/// A cursor in a body: any text, which proves nothing until the ledger has opened it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnyCursor(pub Cursor);

impl<'de> Deserialize<'de> for AnyCursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|token| Self(Cursor::from_client(token)))
    }
}
