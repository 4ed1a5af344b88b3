//! Names and settings of streams and subscriptions.

use super::leaf::{checked_integer, checked_text};
use crate::limits;

checked_text!(
    /// The name of a stream. Case-sensitive.
    StreamName, "1 to 64 of the characters A-Z a-z 0-9 . _ - and begin with a letter or digit", is_name
);
checked_text!(
    /// The name of a subscription. Case-sensitive.
    SubscriptionName, "1 to 64 of the characters A-Z a-z 0-9 . _ - and begin with a letter or digit", is_name
);
checked_integer!(
    /// How many partitions a stream has; fixed for its life.
    PartitionCount(u16), "an integer from 1 to 32", 1..=limits::PARTITIONS
);
checked_integer!(
    /// For how many hours an event can be read.
    RetentionHours(u32), "an integer from 1 to 87600", limits::RETENTION_HOURS
);

/// Whether a text follows [`limits::NAME_PATTERN`].
fn is_name(text: &str) -> bool {
    text.len() <= limits::NAME_CHARACTERS
        && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && text.bytes().all(is_name_byte)
}

/// Whether a byte may occur in a name at all.
#[must_use]
pub fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

macro_rules! shown {
    ($($name:ident),*) => {$(
        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    )*};
}
shown!(StreamName, SubscriptionName);

/// Which life of a stream's name: random, in every key of the table and in every cursor, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub [u8; 16]);

impl Incarnation {
    /// Reads the 32 hexadecimal digits that `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        lower.then(|| u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes())))?
    }
}

impl std::fmt::Display for Incarnation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl std::fmt::Debug for Incarnation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{self}")
    }
}
