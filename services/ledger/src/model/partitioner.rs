//! Which partition a key belongs to, and where it lies in compacted state. Frozen: both are stored facts.

use sha2::{Digest, Sha256};

use super::event::EventKey;

/// The hash of a key: the first 16 bytes of SHA-256 of its UTF-8.
///
/// A cryptographic hash on purpose: nobody can make two keys that collide, so a hash stands for its key in cursors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; 16]);

impl KeyHash {
    /// Hashes a key.
    #[must_use]
    pub fn of(key: &EventKey) -> Self {
        let digest = Sha256::digest(key.as_str().as_bytes());
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        Self(hash)
    }

    /// The partition of a key in a stream of so many partitions.
    #[must_use]
    pub fn partition(self, partition_count: u16) -> u16 {
        let number = u128::from_be_bytes(self.0) % u128::from(partition_count.max(1));
        u16::try_from(number).expect("a remainder is below its divisor")
    }
}

impl std::fmt::Display for KeyHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stored facts: if this test fails, keys of existing streams would move to other partitions.
    #[test]
    fn golden_hashes_and_partitions() {
        let place = |key: &str, count| {
            let hash = KeyHash::of(&EventKey::parse(key).expect("a key"));
            (hash.to_string(), hash.partition(count))
        };
        // SHA-256("a") and SHA-256("abc") are test vectors of FIPS 180; remainders worked out by hand from them.
        assert_eq!(place("a", 32), ("ca978112ca1bbdcafac231b39a23dc4d".to_owned(), 0x4d % 32));
        assert_eq!(place("abc", 16), ("ba7816bf8f01cfea414140de5dae2223".to_owned(), 3));
        assert_eq!(place("abc", 1).1, 0);
    }

    proptest::proptest! {
        #[test]
        fn every_key_has_one_partition_within_the_stream(key in "\\PC{1,100}", count in 1..=crate::limits::PARTITIONS) {
            let Some(key) = EventKey::parse(key) else { return Ok(()) };
            let partition = KeyHash::of(&key).partition(count);
            proptest::prop_assert!(partition < count);
            proptest::prop_assert_eq!(partition, KeyHash::of(&key).partition(count));
        }
    }
}
