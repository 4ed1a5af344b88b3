//! Paths, read strictly: each variable segment is percent-decoded once, then it is a name or a key, or it is refused.
//!
//! What cannot be a name at all is 400; what looks like one and cannot exist is 404, as if it were merely absent.

use axum::extract::FromRequestParts;
use http::request::Parts;
use ledger::limits;
use ledger::model::{EventKey, StreamName, SubscriptionName, is_name_byte};

use crate::problem::{Code, Problem, Result};

/// The variables of a path, as far as its route has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// `{stream}`.
    pub stream: Option<StreamName>,
    /// `{subscription}`.
    pub subscription: Option<SubscriptionName>,
    /// `{key}`.
    pub key: Option<EventKey>,
}

impl Parameters {
    /// Reads the variables of a route's template from a path that matched it.
    ///
    /// # Errors
    /// 400 for segments that cannot be read, 404 for names that cannot exist.
    pub fn read(template: &str, path: &str) -> Result<Self> {
        let mut parameters = Self::default();
        for (variable, segment) in template.split('/').zip(path.split('/')) {
            match variable {
                "{stream}" => {
                    let name = StreamName::parse(name(segment)?);
                    parameters.stream = Some(name.ok_or_else(Problem::stream_not_found)?);
                }
                "{subscription}" => {
                    let name = SubscriptionName::parse(name(segment)?);
                    parameters.subscription = Some(name.ok_or(ledger::Error::SubscriptionNotFound)?);
                }
                "{key}" => {
                    let key = EventKey::parse(decode(segment)?);
                    parameters.key = Some(key.ok_or_else(|| invalid("the key"))?);
                }
                _ => {}
            }
        }
        Ok(parameters)
    }
}

/// The path's variables as a `T`: a stream, a stream and a subscription, or a stream and a key.
#[derive(Debug)]
pub struct Path<T>(pub T);

/// What a [`Path`] can be read into.
pub trait FromPath: Sized {
    /// Takes the variables; `None` when the route lacks one.
    fn from_path(parameters: &Parameters) -> Option<Self>;
}

impl FromPath for StreamName {
    fn from_path(parameters: &Parameters) -> Option<Self> {
        parameters.stream.clone()
    }
}

impl FromPath for (StreamName, SubscriptionName) {
    fn from_path(parameters: &Parameters) -> Option<Self> {
        Some((parameters.stream.clone()?, parameters.subscription.clone()?))
    }
}

impl FromPath for (StreamName, EventKey) {
    fn from_path(parameters: &Parameters) -> Option<Self> {
        Some((parameters.stream.clone()?, parameters.key.clone()?))
    }
}

impl<T: FromPath, S: Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let parameters = parts.extensions.get::<Parameters>();
        parameters.and_then(T::from_path).map(Self).ok_or_else(|| Problem::internal("a route lacks a variable"))
    }
}

/// Whether each percent sign is followed by two hexadecimal digits.
pub(crate) fn is_well_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| rest.len() >= 2 && rest.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit))
}

fn name(segment: &str) -> Result<String> {
    let name = decode(segment)?;
    let readable =
        name.len() <= limits::NAME_CHARACTERS && name.bytes().all(is_name_byte) && name != "." && name != "..";
    if readable { Ok(name) } else { Err(invalid("a name")) }
}

fn decode(segment: &str) -> Result<String> {
    if segment.len() > limits::PATH_SEGMENT_BYTES || !is_well_encoded(segment) {
        return Err(invalid("a segment"));
    }
    let decoded = percent_encoding::percent_decode_str(segment).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| invalid("a segment"))
}

fn invalid(what: &str) -> Problem {
    Problem::new(
        Code::InvalidPath,
        format!(
            "{what} in the path cannot be read: names are {}, keys are {}, percent-encoded once",
            StreamName::REQUIREMENT,
            EventKey::REQUIREMENT
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(segment: &str) -> Result<String, Code> {
        let read = Parameters::read("/streams/{stream}/events", &format!("/streams/{segment}/events"));
        read.map(|parameters| parameters.stream.unwrap().as_str().to_owned()).map_err(|problem| problem.code())
    }

    #[test]
    fn names_are_decoded_once() {
        assert_eq!(stream("orders"), Ok("orders".into()));
        assert_eq!(stream("order%73"), Ok("orders".into()));
        for bad in ["%2e%2e", "..%2f..%2fx", "%252e%252e", "a%00b", "a%20b", "%FF", "%zz", "%4", ".", "ord%D0%B5rs"] {
            assert_eq!(stream(bad), Err(Code::InvalidPath), "{bad}");
        }
        assert_eq!(stream(&"a".repeat(65)), Err(Code::InvalidPath));
        assert_eq!(stream(&"a".repeat(5_000)), Err(Code::InvalidPath));
    }

    #[test]
    fn what_looks_like_a_name_and_cannot_exist_is_merely_absent() {
        for absent in ["__proto__", ".hidden", "-a"] {
            assert_eq!(stream(absent), Err(Code::StreamNotFound));
        }
    }

    #[test]
    fn a_key_is_any_text() {
        let key = |segment: &str| {
            let read =
                Parameters::read("/streams/{stream}/compacted/{key}", &format!("/streams/s/compacted/{segment}"));
            read.map(|parameters| parameters.key.unwrap().as_str().to_owned()).map_err(|problem| problem.code())
        };
        assert_eq!(key("a%2Fb%20caf%C3%A9"), Ok("a/b café".into()));
        assert_eq!(key("%252e"), Ok("%2e".into()));
        assert_eq!(key("a%0A"), Err(Code::InvalidPath));
        assert_eq!(key(&"%C3%A9".repeat(256)), Ok("é".repeat(256)));
        assert_eq!(key(&"a".repeat(513)), Err(Code::InvalidPath));
    }
}
