//! The data of an event on its way in: any JSON, kept as text, within the limits of size and nesting.

use ledger::limits;
use ledger::model::Data;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

/// The JSON text of an event's data; `None` for `null`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonData(pub Option<Data>);

impl<'de> Deserialize<'de> for JsonData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::from(Box::<str>::from(Box::<RawValue>::deserialize(deserializer)?));
        if text == "null" {
            return Ok(Self(None));
        }
        if nesting(&text) > limits::DATA_NESTING {
            return Err(D::Error::custom("nested at most 64 deep"));
        }
        Data::from_json(text).map(|data| Self(Some(data))).ok_or_else(|| D::Error::custom("at most 256 KiB of JSON"))
    }
}

/// How deep the arrays and objects of a well-formed JSON text are nested.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_counts_brackets_outside_of_strings() {
        assert_eq!(nesting("1"), 0);
        assert_eq!(nesting(r#"{"a\"[[":[["]]"],{}]}"#), 3);
    }

    #[test]
    fn sixty_four_levels_pass_and_one_more_does_not() {
        let data = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(serde_json::from_str::<JsonData>(&data(64)).is_ok());
        assert!(serde_json::from_str::<JsonData>(&data(65)).is_err());
    }

    #[test]
    fn null_is_a_tombstone_and_size_is_limited() {
        assert_eq!(serde_json::from_str::<JsonData>(" null ").unwrap(), JsonData(None));
        let text = format!("\"{}\"", "x".repeat(limits::DATA_BYTES - 1));
        assert!(serde_json::from_str::<JsonData>(&text).is_err());
    }
}
