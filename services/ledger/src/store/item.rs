//! Reading and writing the attributes of items. A stored item that does not read back is a broken invariant.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::schema::Key;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::TraceParent;
use crate::table::{PARTITION_KEY, SORT_KEY, TIME_TO_LIVE};

const TRACEPARENT: &str = "traceparent";

/// An item as DynamoDB has it.
pub(crate) type Attributes = HashMap<String, AttributeValue>;

/// An item that is being written.
#[derive(Clone, Debug)]
pub(crate) struct Item(Attributes);

impl Item {
    /// An item with its key.
    pub(crate) fn new(key: Key<'_>) -> Self {
        Self(key_attributes(key))
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into().0);
        self
    }

    /// An attribute that may be absent.
    pub(crate) fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Where in a trace what it holds was published.
    pub(crate) fn traced(self, traceparent: Option<TraceParent>) -> Self {
        self.with_some(TRACEPARENT, traceparent.map(TraceParent::to_bytes).as_ref().map(|bytes| &bytes[..]))
    }

    /// DynamoDB may delete the item after this time.
    pub(crate) fn expiring(self, at: Timestamp) -> Self {
        self.with(TIME_TO_LIVE, at.seconds())
    }

    pub(crate) fn into_attributes(self) -> Attributes {
        self.0
    }
}

/// The attributes of a key alone.
pub(crate) fn key_attributes(key: Key<'_>) -> Attributes {
    Attributes::from([
        (PARTITION_KEY.to_owned(), AttributeValue::S(key.partition_key())),
        (SORT_KEY.to_owned(), AttributeValue::S(key.sort_key())),
    ])
}

/// A value of an attribute.
#[derive(Clone, Debug)]
pub(crate) struct Value(pub(crate) AttributeValue);

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(AttributeValue::S(text.to_owned()))
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self(AttributeValue::S(text))
    }
}
impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self(AttributeValue::N(number.to_string()))
    }
}
impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::from(time.0)
    }
}
impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self(AttributeValue::Bool(flag))
    }
}
impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self(AttributeValue::B(Blob::new(bytes)))
    }
}
impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::from(bytes.to_vec())
    }
}

/// A structure as one binary attribute: postcard.
pub(crate) fn packed<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain structures can be encoded")
}

/// Reading the attributes of a stored item.
pub(crate) trait Read {
    fn attribute(&self, name: &str) -> Option<&AttributeValue>;

    fn text(&self, name: &'static str) -> Result<&str> {
        self.attribute(name).and_then(|value| value.as_s().ok()).map(String::as_str).ok_or_else(|| unreadable(name))
    }

    fn optional_text(&self, name: &'static str) -> Result<Option<&str>> {
        self.attribute(name).map(|_| self.text(name)).transpose()
    }

    fn number(&self, name: &'static str) -> Result<u64> {
        self.optional_number(name)?.ok_or_else(|| unreadable(name))
    }

    fn optional_number(&self, name: &'static str) -> Result<Option<u64>> {
        let Some(value) = self.attribute(name) else { return Ok(None) };
        value.as_n().ok().and_then(|digits| digits.parse().ok()).map(Some).ok_or_else(|| unreadable(name))
    }

    fn flag(&self, name: &'static str) -> bool {
        matches!(self.attribute(name), Some(AttributeValue::Bool(true)))
    }

    fn bytes(&self, name: &'static str) -> Result<&[u8]> {
        self.optional_bytes(name).ok_or_else(|| unreadable(name))
    }

    fn optional_bytes(&self, name: &'static str) -> Option<&[u8]> {
        self.attribute(name).and_then(|value| value.as_b().ok()).map(AsRef::as_ref)
    }

    fn array<const LENGTH: usize>(&self, name: &'static str) -> Result<[u8; LENGTH]> {
        self.bytes(name)?.try_into().map_err(|_| unreadable(name))
    }

    fn unpacked<T: DeserializeOwned>(&self, name: &'static str) -> Result<T> {
        postcard::from_bytes(self.bytes(name)?).map_err(|_| unreadable(name))
    }

    /// Where in a trace what the item holds was published.
    fn traceparent(&self) -> Result<Option<TraceParent>> {
        let read = |bytes: &[u8]| TraceParent::from_bytes(bytes.try_into().ok()?);
        let kept = self.attribute(TRACEPARENT).map(|_| self.bytes(TRACEPARENT)).transpose()?;
        kept.map(|bytes| read(bytes).ok_or_else(|| unreadable(TRACEPARENT))).transpose()
    }

    /// The sort key without its prefix.
    fn sort_key_after(&self, prefix: &str) -> Result<&str> {
        self.text(SORT_KEY)?.strip_prefix(prefix).ok_or_else(|| unreadable(SORT_KEY))
    }
}

impl Read for Attributes {
    fn attribute(&self, name: &str) -> Option<&AttributeValue> {
        self.get(name)
    }
}

/// A stored attribute is missing or of another type.
pub(crate) fn unreadable(name: &'static str) -> Error {
    tracing::error!(attribute = name, "a stored item does not read back");
    Error::Internal(format!("stored attribute {name} does not read back").into())
}
