//! Fuzzing of the decoders that read what this process did not just write: cursors, and record batches of the table.
//!
//! Both check a MAC or a checksum first, which no mutation passes: so cursors are also signed here, and bodies get the
//! checksum of what they hold. `cargo test` asks a little; `just fuzz-decoders` lets a coverage-guided engine ask for as
//! long as one likes, beginning with real encodings.

#[cfg(test)]
mod seeds;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::limits;
use crate::model::Event;
use crate::model::cursor::{Cursor, Payload};
use crate::store::body::Body;
use crate::store::{Attributes, RecordBatch};
use crate::table::SORT_KEY;

const KEY: [u8; 32] = [7; 32];
/// What an input of the record batches' fuzzer is, by its first byte.
const ITEM: u8 = 0;
const EVENTS: u8 = 1;
const FRAME: u8 = 2;
/// How a stored body says whether it is compressed.
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

#[test]
fn real_encodings_with_any_bit_turned_are_refused_or_sound() {
    for (seeds, ask) in [(seeds::cursors(), cursor as fn(&[u8])), (seeds::record_batches(), record_batch)] {
        for mut seed in seeds {
            ask(&seed);
            for bit in 0..8 * seed.len() {
                seed[bit / 8] ^= 1 << (bit % 8);
                ask(&seed);
                seed[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}

/// Holds the decoder of cursors against its properties: the input as a token, and as what a token encodes.
pub fn cursor(input: &[u8]) {
    open(&String::from_utf8_lossy(input));
    let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).expect("HMAC takes keys of any length");
    mac.update(input);
    let signed = [input, &mac.finalize().into_bytes()[..16]].concat();
    open(&URL_SAFE_NO_PAD.encode(signed));
}

fn open(token: &str) {
    let Some(payload) = Payload::open(&Cursor::from_client(token), &KEY) else { return };
    assert_eq!(payload.seal(&KEY).as_str(), token, "one value has one spelling");
    let progress = &payload.progress;
    for count in 1..=limits::PARTITIONS {
        if progress.fits(count) {
            let positions = progress.positions.len();
            assert!(positions == usize::from(count) || progress.in_snapshot() && positions == 0);
            assert_eq!(progress.join(progress), progress.clone().settled(), "a commit may come twice");
        }
    }
}

/// Holds the decoder of record batches against its properties: the input as an item of the table, as the events of a
/// body, or as a compressed body that claims a length.
pub fn record_batch(input: &[u8]) {
    match input {
        [ITEM, lines @ ..] => ask_item(lines),
        [EVENTS, raw @ ..] => ask_body(PLAIN, raw.len(), raw, raw),
        [FRAME, low, middle, high, frame @ ..] => {
            let claimed = u32::from_le_bytes([*low, *middle, *high, 0]) as usize;
            let raw = zstd::bulk::decompress(frame, claimed).unwrap_or_default();
            ask_body(ZSTD, claimed, &raw, frame);
        }
        _ => {}
    }
}

/// Sort key, base offset, count, time, batch id and body, a line each; there may be no body.
fn ask_item(lines: &[u8]) {
    let mut lines = lines.splitn(6, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let text = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
    let mut item = item(&text(line()), [text(line()), text(line()), text(line())], line());
    if let Some(body) = lines.next() {
        item.insert("body".to_owned(), AttributeValue::B(Blob::new(body)));
    }
    read(&item);
}

/// A body in format 1 with the checksum of what it is to hold, in an item that fits it if it can be read.
fn ask_body(compression: u8, raw_length: usize, raw: &[u8], bytes: &[u8]) {
    let packed = postcard::to_stdvec(&(1_u8, compression, raw_length as u64, crc32fast::hash(raw), bytes));
    let packed = packed.expect("plain values can be encoded");
    let body = postcard::from_bytes::<Body>(&packed).expect("it was packed here");
    let count = body.decode().map_or(1, |events| events.len());
    let mut item = item("SEQ#2", ["1".to_owned(), count.to_string(), "0".to_owned()], &[0; 16]);
    item.insert("body".to_owned(), AttributeValue::B(Blob::new(packed)));
    read(&item);
}

fn item(sort_key: &str, numbers: [String; 3], batch_id: &[u8]) -> Attributes {
    let [base_offset, count, accepted_at] = numbers.map(AttributeValue::N);
    Attributes::from([
        (SORT_KEY.to_owned(), AttributeValue::S(sort_key.to_owned())),
        ("base_offset".to_owned(), base_offset),
        ("count".to_owned(), count),
        ("accepted_at".to_owned(), accepted_at),
        ("batch_id".to_owned(), AttributeValue::B(Blob::new(batch_id))),
    ])
}

/// Reads an item, and holds what was read against what every record batch must be.
fn read(item: &Attributes) {
    let Ok(batch) = RecordBatch::read(item) else { return };
    assert!(batch.start() < batch.next());
    let Ok(records) = batch.records(0) else { return };
    let Some(body) = &batch.body else { return assert!(records.is_empty()) };
    assert!(body.raw_length() <= 2 * limits::BODY_BYTES, "a lie about the length was believed");
    assert_eq!(records.first().map(|record| record.offset), Some(batch.base_offset));
    assert_eq!(records.last().map(|record| record.offset + 1), Some(batch.next().offset));
    let events: Vec<Event> = records.into_iter().map(|record| record.event).collect();
    assert_eq!(Body::encode(&events).decode().ok(), Some(events), "what was read can be written");
}
