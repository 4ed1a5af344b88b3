//! Where in a trace something was caused: the `traceparent` of W3C Trace Context. What becomes of it, and which headers it
//! travels in, is the platform's business; the ledger keeps a producer's with its events.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

/// The context of a producer. Its text is always that of version 00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceParent {
    trace_id: NonZeroU128,
    parent_id: NonZeroU64,
    flags: u8,
}

impl TraceParent {
    /// How many bytes it is kept in.
    pub const BYTES: usize = 25;
    /// The flags that have a meaning: sampled, and that the id is random.
    const FLAGS: u8 = 0b11;

    /// Reads a `traceparent`, of a later version too, as far as version 00 goes. `None` for what the recommendation has
    /// its readers ignore.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let known = text.get(..55)?;
        let mut fields = known.split('-');
        let (version, trace_id, parent_id, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let ends_well = match version {
            "00" => text.len() == known.len(),
            _ => text.len() == known.len() || text.as_bytes().get(known.len()) == Some(&b'-'),
        };
        let version = hexadecimal::<2>(version)?;
        let context = Self {
            trace_id: NonZeroU128::new(hexadecimal::<32>(trace_id)?)?,
            parent_id: NonZeroU64::new(u64::try_from(hexadecimal::<16>(parent_id)?).ok()?)?,
            flags: u8::try_from(hexadecimal::<2>(flags)?).ok()? & Self::FLAGS,
        };
        (ends_well && version != 0xff && fields.next().is_none()).then_some(context)
    }

    /// The id of the trace; its text is 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> NonZeroU128 {
        self.trace_id
    }

    /// The id of the span that is the parent.
    #[must_use]
    pub fn parent_id(&self) -> NonZeroU64 {
        self.parent_id
    }

    /// The flags that have a meaning: 1 for sampled, 2 for a random id.
    #[must_use]
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// As it is kept.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [self.flags; Self::BYTES];
        bytes[..16].copy_from_slice(&self.trace_id.get().to_be_bytes());
        bytes[16..24].copy_from_slice(&self.parent_id.get().to_be_bytes());
        bytes
    }

    /// Reads what was kept.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Option<Self> {
        let (trace_id, rest) = bytes.split_first_chunk()?;
        let (parent_id, flags) = rest.split_first_chunk()?;
        Some(Self {
            trace_id: NonZeroU128::new(u128::from_be_bytes(*trace_id))?,
            parent_id: NonZeroU64::new(u64::from_be_bytes(*parent_id))?,
            flags: *flags.first()? & Self::FLAGS,
        })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, self.flags)
    }
}

/// So many hexadecimal digits, of lower case only.
fn hexadecimal<const DIGITS: usize>(text: &str) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == DIGITS && text.bytes().all(is_digit)).then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_example_of_the_recommendation_reads_back() {
        let context = TraceParent::parse(EXAMPLE).unwrap();
        assert_eq!(
            (context.to_string(), format!("{:x}", context.trace_id())),
            (EXAMPLE.to_owned(), EXAMPLE[3..35].to_owned())
        );
        assert_eq!(TraceParent::from_bytes(context.to_bytes()), Some(context));
    }

    #[test]
    fn what_later_versions_add_is_passed_over() {
        let later = EXAMPLE.replacen("00", "cc", 1);
        for text in [later.clone(), format!("{later}-what-the-future-will-be-like")] {
            assert_eq!(TraceParent::parse(&text), TraceParent::parse(EXAMPLE));
        }
        let unknown_flags = EXAMPLE.replace("-01", "-fd");
        assert_eq!(TraceParent::parse(&unknown_flags), TraceParent::parse(EXAMPLE));
    }

    #[test]
    fn everything_else_is_ignored() {
        let zeros = |digits| "0".repeat(digits);
        for text in [
            String::new(),
            EXAMPLE.to_uppercase(),
            EXAMPLE.replace("-01", "-1"),
            EXAMPLE.replacen("00", "ff", 1),
            EXAMPLE.replace('-', "_"),
            EXAMPLE.replacen('4', "+", 1),
            EXAMPLE.replacen('4', "é", 1),
            format!("{EXAMPLE}-"),
            format!(" {EXAMPLE}"),
            format!("{}0", EXAMPLE.replacen("00", "cc", 1)),
            EXAMPLE.replace(&EXAMPLE[3..35], &zeros(32)),
            EXAMPLE.replace(&EXAMPLE[36..52], &zeros(16)),
        ] {
            assert_eq!(TraceParent::parse(&text), None, "{text}");
        }
        assert_eq!(TraceParent::from_bytes([0; TraceParent::BYTES]), None);
    }
}
