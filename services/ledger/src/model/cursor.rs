//! The cursor: an opaque token that holds all positions of a reader, bound to its use and signed with the stream's key.
//!
//! Layout: URL-safe base64 without padding of a postcard-encoded [`Payload`] and the first 16 bytes of its HMAC-SHA-256.
//! The MAC is checked in constant time, then every field again, then that the spelling is the only one of its value.
//! Never holds a key of an event or anything of the store's.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::names::{Incarnation, SubscriptionName};
use super::position::Progress;
use crate::clock::Timestamp;
use crate::limits;

const VERSION: u8 = 2;
const MAC_BYTES: usize = 16;

/// A signed cursor, as clients see it.
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// The token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes a token from a client; it proves nothing until it was opened.
    #[must_use]
    pub fn from_client(token: impl Into<String>) -> Self {
        Self(token.into())
    }
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Cursor({} characters)", self.0.len())
    }
}

/// What a cursor may be used for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CursorUse {
    /// Reading a stream without a subscription.
    Events,
    /// One subscription, as it was between two seeks.
    Subscription {
        /// Which.
        name: String,
        /// The subscription's generation when the cursor was given out.
        generation: u64,
    },
    /// Paging through compacted state.
    Compacted,
}

impl CursorUse {
    /// Reading by this subscription in this generation.
    #[must_use]
    pub fn subscription(name: &SubscriptionName, generation: u64) -> Self {
        Self::Subscription { name: name.as_str().to_owned(), generation }
    }
}

/// What a cursor holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    version: u8,
    /// What it may be used for.
    pub used_for: CursorUse,
    incarnation: [u8; 16],
    /// How far the reader has come.
    pub progress: Progress,
    /// When the positions were last seen to be readable.
    pub verified_at: Timestamp,
    /// How many polls in a row brought nothing.
    pub empty_polls: u8,
}

impl Payload {
    /// A payload of the current version.
    #[must_use]
    pub fn new(used_for: CursorUse, incarnation: Incarnation, progress: Progress, verified_at: Timestamp) -> Self {
        Self { version: VERSION, used_for, incarnation: incarnation.0, progress, verified_at, empty_polls: 0 }
    }

    /// Signs it with the stream's key.
    ///
    /// # Panics
    /// Never for a stream within the limits: the longest cursor fits [`limits::CURSOR_CHARACTERS`], which a test holds.
    #[must_use]
    pub fn seal(&self, key: &[u8; 32]) -> Cursor {
        let mut bytes = postcard::to_stdvec(self).expect("a payload can be encoded");
        let mac = mac(key, &bytes).finalize().into_bytes();
        bytes.extend_from_slice(&mac[..MAC_BYTES]);
        let token = URL_SAFE_NO_PAD.encode(bytes);
        assert!(token.len() <= limits::CURSOR_CHARACTERS, "a cursor outgrew its limit");
        Cursor(token)
    }

    /// Opens a cursor that was sealed with the stream's key. `None` for everything that was not, without saying why.
    #[must_use]
    pub fn open(cursor: &Cursor, key: &[u8; 32]) -> Option<Self> {
        if cursor.0.len() > limits::CURSOR_CHARACTERS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(&cursor.0).ok()?;
        let (encoded, given) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
        mac(key, encoded).verify_truncated_left(given).ok()?;
        let payload: Self = postcard::from_bytes(encoded).ok()?;
        let only_spelling = postcard::to_stdvec(&payload).is_ok_and(|again| again == encoded);
        (payload.version == VERSION && only_spelling).then_some(payload)
    }

    /// Which life of the stream's name it belongs to.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        Incarnation(self.incarnation)
    }
}

fn mac(key: &[u8; 32], bytes: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(bytes);
    mac
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::position::arbitrary_progress;

    const KEY: [u8; 32] = [7; 32];

    fn payload() -> impl Strategy<Value = Payload> {
        let used_for = prop_oneof![
            Just(CursorUse::Events),
            Just(CursorUse::Compacted),
            ("[A-Za-z0-9._-]{1,64}", any::<u64>())
                .prop_map(|(name, generation)| CursorUse::Subscription { name, generation }),
        ];
        (used_for, any::<[u8; 16]>(), arbitrary_progress(1..=32), any::<u64>(), any::<u8>()).prop_map(
            |(used_for, incarnation, progress, verified_at, empty_polls)| Payload {
                empty_polls,
                ..Payload::new(used_for, Incarnation(incarnation), progress, Timestamp(verified_at))
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(payload in payload()) {
            let cursor = payload.seal(&KEY);
            prop_assert!(cursor.as_str().len() <= limits::CURSOR_CHARACTERS);
            prop_assert_eq!(Payload::open(&cursor, &KEY).expect("it opens"), payload);
        }

        #[test]
        fn another_key_or_any_edit_is_refused(payload in payload(), at in any::<prop::sample::Index>(), letter in "[A-Za-z0-9_-]") {
            let cursor = payload.seal(&KEY);
            prop_assert_eq!(Payload::open(&cursor, &[8; 32]), None);
            let at = at.index(cursor.as_str().len());
            let mut edited = cursor.as_str().to_owned();
            edited.replace_range(at..=at, &letter);
            prop_assume!(edited != cursor.as_str());
            prop_assert_eq!(Payload::open(&Cursor(edited), &KEY), None);
        }

        #[test]
        fn any_text_is_refused(text in "\\PC{0,200}") {
            prop_assert_eq!(Payload::open(&Cursor(text), &KEY), None);
        }
    }

    proptest! {
        // Each case tries every length.
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn shortened_or_lengthened_is_refused(payload in payload()) {
            let token = payload.seal(&KEY).as_str().to_owned();
            for length in 0..token.len() {
                prop_assert!(Payload::open(&Cursor(token[..length].to_owned()), &KEY).is_none());
            }
            prop_assert!(Payload::open(&Cursor(token + "A"), &KEY).is_none());
        }
    }

    /// The longest cursor there can be: every number at its largest, every partition with a position and a target.
    #[test]
    fn the_longest_cursor_fits() {
        let position = crate::model::Position { slot: u64::MAX, offset: u64::MAX };
        let count = usize::from(limits::PARTITIONS);
        let progress = Progress {
            bootstrap: u64::MAX,
            phase: crate::model::Phase::Live { targets: vec![u64::MAX; count] },
            positions: vec![position; count],
        };
        let used_for = CursorUse::Subscription { name: "n".repeat(limits::NAME_CHARACTERS), generation: u64::MAX };
        let payload = Payload::new(used_for, Incarnation([255; 16]), progress, Timestamp(u64::MAX));
        assert!(payload.seal(&KEY).as_str().len() <= limits::CURSOR_CHARACTERS);
    }
}
