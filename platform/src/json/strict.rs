//! The first reading of a body: is it I-JSON (RFC 7493), and within what can be read safely?
//!
//! serde is laxer than a public contract should be: raw values are taken at any depth and with lone surrogates, and
//! duplicate members and huge numbers pass silently. This pass reads every token once, keeps nothing but the names of
//! the top-level members, and stops descending before the stack could suffer. Numbers keep their text: only their
//! magnitude is looked at.

use std::collections::BTreeSet;
use std::fmt;

use ledger::limits;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::shape::pointer_segment;
use crate::problem::{Code, Problem, Result};

/// Room for what surrounds an event's data in a batch, and for one level too many.
const NESTING: usize = limits::DATA_NESTING + 4;
/// What serde_json says of a number beyond the IEEE double range; a test holds it.
const OUT_OF_RANGE: &str = "number out of range";

/// Reads a whole body; the names of its top-level members are the answer.
///
/// # Errors
/// 400 for what is not I-JSON; 422 for numbers beyond the IEEE double range and for nesting beyond the limit.
pub(super) fn check(bytes: &[u8]) -> Result<BTreeSet<String>> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("the body must be UTF-8"))?;
    let mut reader = Reader::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Value { reader: &mut reader, depth: 0 }.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match read {
        Ok(()) => Ok(reader.members),
        Err(error) => Err(reader.problem(&error)),
    }
}

fn malformed(detail: &'static str) -> Problem {
    Problem::new(Code::MalformedJson, detail)
}

#[derive(Default)]
struct Reader {
    /// Names of the top-level members.
    members: BTreeSet<String>,
    /// Where reading failed, innermost segment first.
    path: Vec<String>,
    too_deep: bool,
    duplicate: bool,
}

impl Reader {
    fn problem(&self, error: &serde_json::Error) -> Problem {
        let pointer = self.pointer();
        if self.too_deep {
            return Problem::invalid_member(pointer, "nested at most 64 deep");
        }
        if self.duplicate {
            return malformed("the body must not name a member of an object twice");
        }
        if error.to_string().starts_with(OUT_OF_RANGE) {
            return Problem::invalid_member(pointer, "made of numbers within the range of IEEE 754 doubles");
        }
        malformed("the body must be one JSON document")
    }

    /// The member of the request or of the event, and nothing inside of it: what is inside is the client's.
    fn pointer(&self) -> String {
        let length = if self.path.last().is_some_and(|first| first == "/events") { 3 } else { 1 };
        self.path.iter().rev().take(length).map(String::as_str).collect()
    }
}

/// One value at some depth.
struct Value<'a> {
    reader: &'a mut Reader,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Value<'_> {
    fn descend<E: de::Error>(&mut self) -> Result<usize, E> {
        self.reader.too_deep = self.depth == NESTING;
        if self.reader.too_deep { Err(E::custom("too deep")) } else { Ok(self.depth + 1) }
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let depth = self.descend()?;
        let mut index = 0_usize;
        loop {
            match items.next_element_seed(Value { reader: self.reader, depth }) {
                Ok(Some(())) => index += 1,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.reader.path.push(format!("/{index}"));
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let depth = self.descend()?;
        let mut names = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if let Err(error) = members.next_value_seed(Value { reader: self.reader, depth }) {
                self.reader.path.push(pointer_segment(&name));
                return Err(error);
            }
            if !names.insert(name) {
                self.reader.duplicate = true;
                return Err(de::Error::custom("duplicate"));
            }
        }
        if self.depth == 0 {
            self.reader.members = names;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: impl AsRef<[u8]>) -> (Code, String) {
        let problem = check(text.as_ref()).unwrap_err();
        (problem.code(), problem.errors().first().map(|error| error.pointer.clone()).unwrap_or_default())
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        let texts: [&[u8]; 20] = [
            b"",
            b" ",
            br#"{"stream_id":"a""#,
            br#"{"a":1} x"#,
            b"{}{}",
            b"\xEF\xBB\xBF{}",
            b"\xFF\xFE{\0}\0",
            b"{\0}\0",
            b"{\"a\":\"\xFF\"}",
            b"NaN",
            b"Infinity",
            b"{/* */}",
            b"[1,]",
            b"{'a':1}",
            b"{\"a\":\"\n\"}",
            br#"{"a":"\ud800"}"#,
            br#"{"\udc00":1}"#,
            br#"{"a":"\ud800\ud800"}"#,
            b"[01]",
            b"{\"a\":.5}",
        ];
        for text in texts {
            assert_eq!(refusal(text).0, Code::MalformedJson, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_duplicate_member_is_malformed_at_any_level() {
        for text in [r#"{"key":"a","key":"b"}"#, r#"{"data":[{"x":{"a":1,"\u0061":2}}]}"#] {
            assert_eq!(refusal(text).0, Code::MalformedJson);
        }
    }

    #[test]
    fn numbers_keep_their_digits_but_not_any_magnitude() {
        check(br#"{"data":[18446744073709551617,0.1000000000000000055511151231257827,-0,1e-400]}"#).unwrap();
        assert_eq!(refusal(r#"{"data":[1e400]}"#), (Code::ValidationFailed, "/data".to_owned()));
        let batch = r#"{"events":[{"data":1},{"data":{"secret":-1e999}}]}"#;
        assert_eq!(refusal(batch), (Code::ValidationFailed, "/events/1/data".to_owned()));
    }

    #[test]
    fn any_depth_is_refused_without_being_followed() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let text = format!("{{\"data\":{}1{}}}", open.repeat(100_000), close.repeat(100_000));
            assert_eq!(refusal(text), (Code::ValidationFailed, "/data".to_owned()));
        }
        assert_eq!(refusal("[".repeat(900_000)).0, Code::ValidationFailed);
    }

    #[test]
    fn names_of_the_top_level_are_kept() {
        let members = check(br#"{"events":[{"key":"a"}],"x":null}"#).unwrap();
        assert_eq!(members.into_iter().collect::<Vec<_>>(), ["events", "x"]);
    }
}
