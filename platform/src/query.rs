//! Query strings, read strictly: every parameter is known, given once, well encoded and within its limits.
//!
//! The structs that handlers read queries into consist of the types here, whose errors say what is required and never
//! what was given; an optional one is read with `json::present`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use axum::extract::FromRequestParts;
use http::request::Parts;
use ledger::limits;
use ledger::model::cursor::Cursor;
use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};

use crate::json::requirement;
use crate::problem::{Code, Problem, Result};

/// The query as a `T`.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// Reads a query string.
///
/// # Errors
/// 400 naming the parameter at fault.
pub fn parse<T: DeserializeOwned>(query: &str) -> Result<T> {
    let pairs = pairs(query)?;
    let mut seen = BTreeSet::new();
    if let Some((name, _)) = pairs.iter().find(|(name, _)| !seen.insert(name.as_ref())) {
        return Err(refusal(name, "is given more than once"));
    }
    let values = pairs.iter().map(|(name, value)| (name.as_ref(), StrDeserializer::new(value)));
    serde_path_to_error::deserialize(MapDeserializer::new(values)).map_err(|error| {
        let name = error.path().to_string();
        let error: serde::de::value::Error = error.into_inner();
        let message = error.to_string();
        match requirement(&message) {
            text if text.starts_with("unknown field ") => refusal(&name, "is not known here"),
            text => refusal(&name, &format!("must be {text}")),
        }
    })
}

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

fn pairs(query: &str) -> Result<Vec<Pair<'_>>> {
    query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

fn pair(text: &str) -> Result<Pair<'_>> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let name = decode(name).ok_or_else(|| refusal("?", "is not well encoded"))?;
    let value = decode(value).ok_or_else(|| refusal(&name, "is not well encoded"))?;
    Ok((name, value))
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    crate::path::is_well_encoded(text).then_some(())?;
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

/// A parameter's name is repeated only when it looks like one.
fn refusal(name: &str, reason: &str) -> Problem {
    let printable = crate::problem::looks_like_a_name(name);
    let name = if printable { name } else { "?" };
    // A cursor that cannot be one is answered like one that was altered.
    let code = if name == "cursor" && reason.starts_with("must be") { Code::InvalidCursor } else { Code::InvalidQuery };
    let kind = if reason.ends_with("known here") { "unknown" } else { "invalid" };
    let subject = if printable { format!("query parameter `{name}`") } else { "a query parameter".to_owned() };
    Problem::new(code, format!("{subject} {reason}")).with_error(format!("/{name}"), kind)
}

/// `limit`: most items of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub u32);

impl Default for Limit {
    fn default() -> Self {
        Self(limits::DEFAULT_PAGE_ITEMS)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        integer(&Cow::<str>::deserialize(deserializer)?, 1..=limits::PAGE_ITEMS)
            .map(Self)
            .ok_or_else(|| D::Error::custom("an integer from 1 to 1000"))
    }
}

/// `wait`: seconds to wait while there is nothing to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait(pub u32);

impl Wait {
    /// In milliseconds.
    #[must_use]
    pub fn milliseconds(self) -> u64 {
        u64::from(self.0) * 1000
    }
}

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        integer(&Cow::<str>::deserialize(deserializer)?, 0..=limits::WAIT_SECONDS)
            .map(Self)
            .ok_or_else(|| D::Error::custom("an integer from 0 to 20"))
    }
}

/// `cursor`: a token of ours, not yet opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenCursor(pub Cursor);

impl<'de> Deserialize<'de> for GivenCursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let token = String::deserialize(deserializer)?;
        let fits = (1..=limits::CURSOR_CHARACTERS).contains(&token.len());
        fits.then(|| Self(Cursor::from_client(token)))
            .ok_or_else(|| D::Error::custom("a cursor from an earlier answer, unchanged"))
    }
}

/// `prefix` and `after`: the beginning of a name or key, or the whole of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShortText(pub String);

impl<'de> Deserialize<'de> for ShortText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let fits = text.len() <= limits::KEY_BYTES && !text.chars().any(char::is_control);
        fits.then_some(Self(text))
            .ok_or_else(|| D::Error::custom("at most 512 bytes of text without control characters"))
    }
}

/// ASCII digits without a sign, without leading zeros, within a range.
fn integer(text: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok())?.filter(|number| range.contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Page {
        limit: Limit,
        wait: Wait,
        #[serde(deserialize_with = "crate::json::present")]
        cursor: Option<GivenCursor>,
        prefix: ShortText,
    }

    fn refused(query: &str) -> (Code, String) {
        let problem = parse::<Page>(query).unwrap_err();
        (problem.code(), problem.detail().to_owned())
    }

    #[test]
    fn defaults_and_values_are_read() {
        assert_eq!(parse::<Page>("").unwrap(), Page::default());
        let page: Page = parse("limit=1000&wait=0&prefix=caf%C3%A9+a&cursor=abc").unwrap();
        assert_eq!((page.limit.0, page.prefix.0.as_str()), (1000, "café a"));
    }

    #[test]
    fn a_limit_is_plain_digits_within_its_range() {
        for bad in ["0", "-1", "1001", "abc", "1e3", "%D9%A3", "+5", "%2B5", "%205", "", "18446744073709551616", "05"] {
            let (code, detail) = refused(&format!("limit={bad}"));
            assert_eq!(code, Code::InvalidQuery, "{bad}");
            assert_eq!(detail, "query parameter `limit` must be an integer from 1 to 1000");
        }
        assert_eq!(refused("wait=21").0, Code::InvalidQuery);
    }

    #[test]
    fn unknown_duplicate_and_badly_encoded_parameters_are_refused() {
        assert_eq!(refused("colour=red"), (Code::InvalidQuery, "query parameter `colour` is not known here".into()));
        assert_eq!(refused("limit=1&limit=1").1, "query parameter `limit` is given more than once");
        for bad in ["prefix=%FF", "prefix=%zz", "prefix=%4", "%FF=1"] {
            assert_eq!(refused(bad).0, Code::InvalidQuery);
        }
        assert_eq!(refused("%3Cscript%3E=1").1, "a query parameter is not known here");
    }

    #[test]
    fn a_cursor_has_its_own_code() {
        assert_eq!(refused("cursor=").0, Code::InvalidCursor);
        assert_eq!(refused(&format!("cursor={}", "a".repeat(2_049))).0, Code::InvalidCursor);
        assert_eq!(refused("cursor=a&cursor=a").0, Code::InvalidQuery);
    }
}
