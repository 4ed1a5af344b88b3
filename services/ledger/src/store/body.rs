//! The stored form of events: postcard, compressed with zstd when that helps, with a checksum and the raw length.
//!
//! Frozen as format 1. Reading checks everything before it trusts anything: raw length against the limit, checksum,
//! encoding, and each value's own requirement.

use std::borrow::Borrow;
use std::cell::RefCell;

use serde::{Deserialize, Serialize};
use zstd::bulk::{Compressor, Decompressor};

use crate::error::{Result, ensure};
use crate::limits;
use crate::model::Event;

const FORMAT: u8 = 1;
/// No format: what is stored is no body at all.
const UNREADABLE: u8 = 0;
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
/// zstd's fastest ordinary level: events are small and written once.
const LEVEL: i32 = 1;
/// No stored body is larger than this when it is unpacked: a request's body and the framing of its events.
const RAW_BYTES: usize = 2 * limits::BODY_BYTES;

thread_local! {
    // To make one takes longer than to compress an event.
    static COMPRESSOR: RefCell<Compressor<'static>> = RefCell::new(Compressor::new(LEVEL).expect("memory for a compressor"));
    static DECOMPRESSOR: RefCell<Decompressor<'static>> =
        RefCell::new(Decompressor::new().expect("memory for a decompressor"));
}

/// Events as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Body {
    format: u8,
    compression: u8,
    raw_length: u32,
    checksum: u32,
    #[serde(with = "serde_bytes_vec")]
    bytes: Vec<u8>,
}

impl Body {
    /// Encodes events.
    pub(crate) fn encode<E: Borrow<Event> + Serialize>(events: &[E]) -> Self {
        let raw = postcard::to_stdvec(events).expect("events can be encoded");
        let compressed = COMPRESSOR.with_borrow_mut(|compressor| compressor.compress(&raw));
        let compressed = compressed.expect("memory can be compressed");
        let checksum = crc32fast::hash(&raw);
        let raw_length = u32::try_from(raw.len()).expect("a request is smaller than 4 GiB");
        let (compression, bytes) = if compressed.len() < raw.len() { (ZSTD, compressed) } else { (PLAIN, raw) };
        Self { format: FORMAT, compression, raw_length, checksum, bytes }
    }

    /// Stands for a stored body that does not read back. Where its record batch lies is known all the same, so that only
    /// who wants its events fails.
    pub(crate) fn unreadable() -> Self {
        Self { format: UNREADABLE, compression: PLAIN, raw_length: 0, checksum: 0, bytes: Vec::new() }
    }

    /// Decodes events.
    ///
    /// # Errors
    /// `Internal` when a stored body is damaged.
    pub(crate) fn decode(&self) -> Result<Vec<Event>> {
        ensure!(self.format == FORMAT, "a stored body has a known format");
        let raw_length = self.raw_length();
        ensure!(raw_length <= RAW_BYTES, "a stored body is within the limit");
        let unpacked;
        let raw = match self.compression {
            PLAIN => &self.bytes,
            _ => {
                unpacked =
                    DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.decompress(&self.bytes, raw_length));
                unpacked.as_deref().unwrap_or_default()
            }
        };
        ensure!(raw.len() == raw_length, "a stored body has its raw length");
        ensure!(crc32fast::hash(raw) == self.checksum, "a stored body matches its checksum");
        let events = postcard::from_bytes::<Vec<Event>>(raw);
        ensure!(events.is_ok(), "a stored body decodes");
        Ok(events.unwrap_or_default())
    }

    /// How many bytes it takes when it is unpacked.
    pub(crate) fn raw_length(&self) -> usize {
        usize::try_from(self.raw_length).unwrap_or(usize::MAX)
    }

    /// How many bytes it takes in an item.
    pub(crate) fn length(&self) -> usize {
        self.bytes.len()
    }
}

/// Splits events into bodies within the cap on a record batch, in order, each with its number of events. An event that
/// exceeds the cap alone is a body of its own. Any two neighbours together exceed the cap, so there are few of them.
pub(crate) fn split<E: Borrow<Event> + Serialize>(events: &[E]) -> Vec<(Body, u64)> {
    let mut merged: Vec<(Body, &[E])> = Vec::new();
    let mut begin = 0;
    for (body, part) in halve(events) {
        let end = begin + part.len();
        match merged.last_mut() {
            Some(last) => match join(&last.0, &body, &events[begin - last.1.len()..end]) {
                Some(joined) => *last = joined,
                None => merged.push((body, part)),
            },
            None => merged.push((body, part)),
        }
        begin = end;
    }
    merged.into_iter().map(|(body, part)| (body, part.len() as u64)).collect()
}

/// One body for the events of two, if it is within the cap.
fn join<'a, E>(first: &Body, second: &Body, events: &'a [E]) -> Option<(Body, &'a [E])>
where
    E: Borrow<Event> + Serialize,
{
    let may_fit = first.length() + second.length() <= limits::BATCH_BODY_BYTES;
    // Together they may be larger than apart: where one more event begins another block of zstd.
    may_fit.then(|| Body::encode(events)).filter(is_within_the_cap).map(|joined| (joined, events))
}

fn is_within_the_cap(body: &Body) -> bool {
    body.length() <= limits::BATCH_BODY_BYTES
}

/// Halves events until each part is within the cap, or one event.
fn halve<E: Borrow<Event> + Serialize>(events: &[E]) -> Vec<(Body, &[E])> {
    let body = Body::encode(events);
    if is_within_the_cap(&body) || events.len() < 2 {
        return vec![(body, events)];
    }
    let (first, second) = events.split_at(events.len() / 2);
    let mut parts = halve(first);
    parts.extend(halve(second));
    parts
}

/// Bytes as bytes: without it serde would write a sequence of numbers.
mod serde_bytes_vec {
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Data, EventKey, EventType};

    fn event() -> impl Strategy<Value = Event> {
        let key = prop::option::of("[a-zé\u{1F600}]{1,40}").prop_map(|key| key.and_then(EventKey::parse));
        (key, prop::option::of("[ -~]{0,400}")).prop_map(|(key, text)| Event {
            key,
            event_type: EventType::parse("thing.changed").expect("a type"),
            data: text.and_then(|text| Data::from_json(serde_json::Value::String(text).to_string())),
            headers: Vec::new(),
            id: None,
            time: None,
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(events in prop::collection::vec(event(), 1..40)) {
            prop_assert_eq!(Body::encode(&events).decode().expect("it decodes"), events);
        }

        #[test]
        fn a_damaged_body_is_refused(events in prop::collection::vec(event(), 1..8), at in any::<prop::sample::Index>(), bit in 0..8u32) {
            let mut body = Body::encode(&events);
            let at = at.index(body.bytes.len());
            body.bytes[at] ^= 1 << bit;
            // zstd does not read every bit of a frame; what it does read must not come out different.
            if let Ok(decoded) = body.decode() {
                prop_assert_eq!(decoded, events);
            }
        }
    }

    /// Events with so much random text, which does not compress much.
    fn random(sizes: &[usize], seed: u64) -> Vec<Event> {
        let randomness = crate::Randomness::seeded(seed);
        let event = |size: &usize| Event {
            key: None,
            event_type: EventType::parse("thing.changed").expect("a type"),
            data: Data::from_json(format!("\"{}\"", randomness.base62(*size))),
            headers: Vec::new(),
            id: None,
            time: None,
        };
        sizes.iter().map(event).collect()
    }

    fn is_as_small_as_can_be((body, count): &(Body, u64)) -> bool {
        is_within_the_cap(body) || *count == 1
    }

    /// One more event may begin another block of zstd, which takes more than the event alone would.
    #[test]
    fn what_is_larger_together_than_apart_stays_apart() {
        for size in (133_400..133_600).step_by(25) {
            let bodies = split(&random(&[size, 8, 8], 7));
            assert!(bodies.iter().all(is_as_small_as_can_be), "{size}");
        }
    }

    proptest! {
        // Each case makes up to a megabyte of random text.
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn splitting_keeps_every_event_in_order_in_few_bodies(
            sizes in prop::collection::vec(prop_oneof![3 => 0..50usize, 1 => 0..160_000usize], 1..60), seed in any::<u64>()
        ) {
            let events = random(&sizes, seed);
            let bodies = split(&events);
            prop_assert!(bodies.iter().all(is_as_small_as_can_be));
            let mut again = Vec::new();
            for (body, count) in &bodies {
                let part = body.decode().expect("it decodes");
                prop_assert_eq!(part.len() as u64, *count);
                again.extend(part);
            }
            prop_assert_eq!(again, events);
            let stored: usize = bodies.iter().map(|(body, _)| body.length()).sum();
            // Two that are larger together than apart may be a little less than the cap apart.
            let pair = limits::BATCH_BODY_BYTES * 99 / 100;
            prop_assert!(bodies.len() <= 2 * stored / pair + 1, "{} bodies of {stored} bytes", bodies.len());
        }
    }
}
