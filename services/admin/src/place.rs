//! Where a subscription starts and where a seek goes: a word, or an object with one member.

use std::fmt;

use ledger::model::cursor::Cursor;
use ledger::{SeekTo, StartFrom};
use platform::json::present;
use platform::wire::{AnyCursor, Time};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

const START: &str = "`earliest`, `latest`, `compacted` or an object with a `timestamp`";
const TARGET: &str = "`earliest`, `latest`, `compacted` or an object with either a `timestamp` or a `cursor`";

/// The start of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start(pub(crate) StartFrom);

/// The target of a seek.
#[derive(Clone, Debug)]
pub(crate) struct Target(pub(crate) SeekTo);

impl<'de> Deserialize<'de> for Start {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(PlaceVisitor(START))? {
            Place::Start(start) => Ok(Self(start)),
            Place::Cursor(_) => Err(D::Error::custom(START)),
        }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match deserializer.deserialize_any(PlaceVisitor(TARGET))? {
            Place::Start(start) => SeekTo::Start(start),
            Place::Cursor(cursor) => SeekTo::Cursor(cursor),
        }))
    }
}

enum Place {
    Start(StartFrom),
    Cursor(Cursor),
}

struct PlaceVisitor(&'static str);

impl<'de> Visitor<'de> for PlaceVisitor {
    type Value = Place;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Place, E> {
        match word {
            "earliest" => Ok(Place::Start(StartFrom::Earliest)),
            "latest" => Ok(Place::Start(StartFrom::Latest)),
            "compacted" => Ok(Place::Start(StartFrom::Compacted)),
            _ => Err(E::custom(self.0)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Place, A::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Members {
            #[serde(default, deserialize_with = "present")]
            timestamp: Option<Time>,
            #[serde(default, deserialize_with = "present")]
            cursor: Option<AnyCursor>,
        }
        match Members::deserialize(MapAccessDeserializer::new(members))? {
            Members { timestamp: Some(time), cursor: None } => Ok(Place::Start(StartFrom::Timestamp(time.0))),
            Members { timestamp: None, cursor: Some(cursor) } => Ok(Place::Cursor(cursor.0)),
            _ => Err(A::Error::custom(self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::Timestamp;

    fn start(text: &str) -> Option<StartFrom> {
        serde_json::from_str(text).ok().map(|Start(start)| start)
    }

    #[test]
    fn a_start_is_a_word_or_a_time() {
        assert_eq!(start("\"earliest\""), Some(StartFrom::Earliest));
        assert_eq!(start("\"compacted\""), Some(StartFrom::Compacted));
        let time = start(r#"{"timestamp":"1970-01-01T00:00:01Z"}"#);
        assert_eq!(time, Some(StartFrom::Timestamp(Timestamp(1_000))));
        for bad in [
            "\"EARLIEST\"",
            "\"\"",
            "7",
            "null",
            "{}",
            "[]",
            r#"{"timestamp":1}"#,
            r#"{"timestamp":null}"#,
            r#"{"timestamp":"yesterday"}"#,
            r#"{"cursor":"abc"}"#,
            r#"{"offset":1}"#,
            r#"["earliest"]"#,
        ] {
            assert_eq!(start(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_seek_can_also_go_to_a_cursor() {
        let target = |text: &str| serde_json::from_str(text).ok().map(|Target(target)| target);
        assert!(matches!(target(r#"{"cursor":"abc"}"#), Some(SeekTo::Cursor(_))));
        assert!(matches!(target("\"latest\""), Some(SeekTo::Start(StartFrom::Latest))));
        assert!(target(r#"{"cursor":"abc","timestamp":"1970-01-01T00:00:01Z"}"#).is_none());
        assert!(target(r#"{"cursor":1}"#).is_none());
    }
}
