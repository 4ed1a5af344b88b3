//! What is true of any log, computed from what its readers saw: the state that events add up to, and that nothing is
//! missing, doubled or out of order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Per key its latest event; keys whose latest event is a tombstone are absent.
pub type State = BTreeMap<String, Value>;

/// Adds events to a state, in the order they were read.
///
/// # Panics
/// When a key steps back: an event older than the one already known of its key.
pub fn apply(state: &mut State, seen: &mut BTreeMap<String, u64>, events: &[Value]) {
    for event in events {
        let Some(key) = event["key"].as_str() else { continue };
        let offset = event["offset"].as_u64().expect("an event has an offset");
        let before = seen.insert(key.to_owned(), offset);
        assert!(before.is_none_or(|before| before < offset), "a key went from offset {before:?} back to {offset}");
        if event["data"].is_null() {
            state.remove(key);
        } else {
            state.insert(key.to_owned(), essence(event));
        }
    }
}

/// The state that a log adds up to.
#[must_use]
pub fn fold(log: &[Value]) -> State {
    let mut state = State::new();
    apply(&mut state, &mut BTreeMap::new(), log);
    state
}

/// What is the same wherever an event is read: everything but whether it came as part of a snapshot.
#[must_use]
pub fn essence(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(members) = event.as_object_mut() {
        members.remove("snapshot");
    }
    event
}

/// Offsets of each partition, in the order they were read.
#[must_use]
pub fn offsets(events: &[Value]) -> BTreeMap<u64, Vec<u64>> {
    let mut offsets = BTreeMap::<u64, Vec<u64>>::new();
    for event in events {
        let place = (event["partition"].as_u64(), event["offset"].as_u64());
        let (Some(partition), Some(offset)) = place else { panic!("an event without a place: {event}") };
        offsets.entry(partition).or_default().push(offset);
    }
    offsets
}

/// Insists that a log read from its start has every offset of each partition once, in order.
///
/// # Panics
/// When it has not.
pub fn assert_dense(log: &[Value]) {
    for (partition, offsets) in offsets(log) {
        let expected: Vec<u64> = (0..offsets.len() as u64).collect();
        assert_eq!(offsets, expected, "the offsets of partition {partition}");
    }
}

/// Insists that these receipts name each of their places once, and exactly the places of this log.
///
/// # Panics
/// When they do not.
pub fn assert_same_places(receipts: &[Value], log: &[Value]) {
    let place = |one: &Value| (one["partition"].as_u64(), one["offset"].as_u64());
    let (promised, kept): (BTreeSet<_>, BTreeSet<_>) =
        (receipts.iter().map(place).collect(), log.iter().map(place).collect());
    assert_eq!(promised.len(), receipts.len(), "two receipts name one place");
    assert_eq!(promised, kept, "what was acknowledged is not what can be read");
}
