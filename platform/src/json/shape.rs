//! The second reading of a body: into a typed value, with errors that name members and requirements and never values.
//!
//! serde's messages repeat what was given before they say what was expected; only the latter reaches a client.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_path_to_error::{Path, Segment};

use crate::problem::{Code, Problem, Result, looks_like_a_name};

/// A JSON object that is read as a `T`. Without it serde would take an array of the members' values as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Object<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

/// For `#[serde(default, deserialize_with = "present")]`: the member may be absent, but not `null`.
///
/// # Errors
/// Those of the value.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads checked JSON as an object of type `T`.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut deserializer).map(|Object(value)| value).map_err(|error| {
        let pointer = pointer(error.path());
        refusal(pointer, &error.into_inner().to_string())
    })
}

/// The problem for one of serde's messages.
fn refusal(pointer: String, message: &str) -> Problem {
    if let Some(name) = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        let pointer = format!("{pointer}/{name}");
        return Problem::new(Code::ValidationFailed, format!("`{pointer}` is required")).with_error(pointer, "missing");
    }
    if message.starts_with("unknown field ") {
        return Problem::new(Code::ValidationFailed, format!("`{pointer}` is not a member that can be given here"))
            .with_error(pointer, "unknown");
    }
    Problem::invalid_member(pointer, requirement(message))
}

/// What a value should have been, out of a message that begins with what it was.
pub(crate) fn requirement(message: &str) -> &str {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let leaks = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant "];
    if leaks.iter().any(|leak| message.starts_with(leak)) {
        return message.rsplit_once(", expected ").map_or("valid", |(_, expected)| expected);
    }
    message
}

fn pointer(path: &Path) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => pointer_segment(key),
            Segment::Enum { variant } => pointer_segment(variant),
            Segment::Unknown => String::new(),
        })
        .collect()
}

/// One segment of a JSON pointer. A name is the client's choice too, so it is repeated only when it looks like one.
pub(super) fn pointer_segment(name: &str) -> String {
    format!("/{}", if looks_like_a_name(name) { name } else { "?" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Batch {
        events: Vec<Object<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Inner {
        #[serde(default, deserialize_with = "present")]
        key: Option<ledger::model::EventKey>,
        data: Box<serde_json::value::RawValue>,
    }

    fn refused(text: &str) -> (String, &'static str, String) {
        let problem = read::<Batch>(text.as_bytes()).unwrap_err();
        assert_eq!(problem.code(), Code::ValidationFailed);
        let error = problem.errors()[0].clone();
        (error.pointer, error.code, problem.detail().to_owned())
    }

    #[test]
    fn errors_point_at_the_member_and_say_what_it_must_be() {
        let (pointer, code, detail) = refused(r#"{"events":[{"data":1},{"key":1,"data":1}]}"#);
        assert_eq!((pointer.as_str(), code), ("/events/1/key", "invalid"));
        assert_eq!(detail, "`/events/1/key` must be 1 to 512 bytes of text without control characters");
        assert_eq!(refused(r#"{"events":[{"key":"","data":1}]}"#).2, detail.replace("/1/", "/0/"));
        assert_eq!(refused(r#"{"events":[{"key":null,"data":1}]}"#).2, detail.replace("/1/", "/0/"));
    }

    #[test]
    fn missing_and_unknown_members_are_named() {
        assert_eq!(refused("{}").0, "/events");
        let (pointer, code, _) = refused(r#"{"events":[{"key":"k"}]}"#);
        assert_eq!((pointer.as_str(), code), ("/events/0/data", "missing"));
        let (pointer, code, _) = refused(r#"{"events":[{"data":1,"a/~":1}]}"#);
        assert_eq!((pointer.as_str(), code), ("/events/0/?", "unknown"));
        assert_eq!(refused(r#"{"owner":1}"#).0, "/owner");
        let long = "x".repeat(65);
        assert_eq!(refused(&format!(r#"{{"{long}":1}}"#)).0, "/?");
    }

    #[test]
    fn an_array_is_no_object() {
        assert_eq!(refused(r#"[[]]"#).2, "the body must be an object");
        assert_eq!(refused(r#"{"events":[["k",1]]}"#).2, "`/events/0` must be an object");
        assert_eq!(refused("null").0, "");
    }

    #[test]
    fn no_message_repeats_a_value() {
        for text in [r#"{"events":"sesame"}"#, r#"{"events":[{"key":["sesame"],"data":1}]}"#, r#""sesame""#] {
            assert!(!refused(text).2.contains("sesame"));
        }
        assert_eq!(requirement("invalid value: string \"a, expected b\", expected c at line 1 column 2"), "c");
    }

    #[test]
    fn data_keeps_its_text() {
        let text = r#"{"events":[{"data":{"b": 18446744073709551617, "a":0.1000000000000000055511151231257827}}]}"#;
        let batch: Batch = read(text.as_bytes()).unwrap();
        let expected = r#"{"b": 18446744073709551617, "a":0.1000000000000000055511151231257827}"#;
        assert_eq!(batch.events[0].0.data.get(), expected);
    }
}
