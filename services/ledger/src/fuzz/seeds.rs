//! What the fuzzers begin with: real encodings of every kind, made by the code that makes them in production.

use std::path::Path;

use super::{EVENTS, FRAME, ITEM, KEY};
use crate::clock::Timestamp;
use crate::limits;
use crate::model::cursor::{CursorUse, Payload};
use crate::model::{
    Data, Event, EventId, EventKey, EventTime, EventType, HeaderName, HeaderValue, Incarnation, Phase, Position,
    Progress,
};
use crate::store::body::Body;
use crate::store::packed;

#[test]
#[ignore = "`just fuzz-decoders` asks for it: it writes where the fuzzing engine begins"]
fn write() {
    for (name, seeds) in [("cursor", cursors()), ("record-batch", record_batches())] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fuzz/corpus").join(name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed).expect("a file can be written");
        }
    }
}

/// Tokens, and what tokens encode.
pub(super) fn cursors() -> Vec<Vec<u8>> {
    let position = Position { slot: 300, offset: 70_000 };
    let phases = [
        Progress::bootstrap(),
        Progress::live(vec![Position::START]),
        Progress { bootstrap: 3, phase: Phase::Live { targets: vec![7, 0, 80_000] }, positions: vec![position; 3] },
        Progress {
            bootstrap: 1,
            phase: Phase::Snapshot { partition: 1, after: Some([9; 16]), targets: vec![5] },
            positions: vec![position; 2],
        },
        Progress::live(vec![position; usize::from(limits::PARTITIONS)]),
    ];
    let uses = [
        CursorUse::Events,
        CursorUse::Compacted,
        CursorUse::Subscription { name: "billing".to_owned(), generation: 3 },
    ];
    let payloads = phases.into_iter().zip(uses.into_iter().cycle()).map(|(progress, used_for)| {
        Payload::new(used_for, Incarnation([1; 16]), progress, Timestamp(1_790_000_000_000))
    });
    payloads.flat_map(|payload| [payload.seal(&KEY).as_str().into(), packed(&payload)]).collect()
}

/// Items, raw events and compressed frames, as `ask_record_batch` reads them.
pub(super) fn record_batches() -> Vec<Vec<u8>> {
    let batches = [
        vec![event("{}", false)],
        vec![event("{\"total\": 25.00}", true), event("1", false)],
        vec![event(&format!("\"{}\"", "compressible ".repeat(20)), true); 3],
    ];
    let stubs =
        ["SEQ#00000000000000000007\n12\n3", "SEQ#18446744073709551615\n12\n3", "SEQ#7\n18446744073709551614\n2"];
    let stub = |numbers: &str| [&[ITEM], numbers.as_bytes(), b"\n1790000000000\n0123456789abcdef"].concat();
    let mut seeds: Vec<Vec<u8>> = stubs.into_iter().map(stub).collect();
    for events in batches {
        let raw = packed(&events);
        let head = format!("SEQ#00000000000000000001\n0\n{}\n1790000000000\n0123456789abcdef\n", events.len());
        seeds.push([&[ITEM][..], head.as_bytes(), &packed(&Body::encode(&events))].concat());
        let frame = zstd::bulk::compress(&raw, 1).expect("memory can be compressed");
        let length = u32::try_from(raw.len()).expect("a seed is small").to_le_bytes();
        seeds.push([&[FRAME][..], &length[..3], &frame].concat());
        seeds.push([&[EVENTS][..], &raw].concat());
    }
    seeds
}

fn event(data: &str, with_everything: bool) -> Event {
    let given = |text: &'static str| with_everything.then_some(text);
    Event {
        key: given("order-1").and_then(EventKey::parse),
        event_type: EventType::parse("order.placed").expect("a type"),
        data: Data::from_json(data),
        headers: HeaderName::parse("trace").zip(given("ab").and_then(HeaderValue::parse)).into_iter().collect(),
        id: given("id-1").and_then(EventId::parse),
        time: given("2026-01-31T12:00:00Z").and_then(EventTime::parse),
    }
}
