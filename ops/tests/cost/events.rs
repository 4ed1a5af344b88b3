//! Events as a shop might publish them: JSON whose members have the same names and other values, six hundred bytes of it.

use ledger::Randomness;
use serde_json::{Value, json};

/// What the length of an event's JSON is drawn around.
const BYTES: usize = 600;
const AROUND: u64 = 40;

const WORDS: &[&str] = &[
    "anchor", "basket", "candle", "drawer", "engine", "fabric", "garden", "hammer", "island", "jacket", "kettle",
    "ladder", "magnet", "needle", "orange", "pencil", "quarry", "ribbon", "saddle", "timber", "umbrella", "velvet",
    "window", "yellow",
];
const STATES: &[&str] = &["placed", "paid", "packed", "sent", "delivered", "returned"];

/// An event of its own key.
pub(crate) fn event(randomness: &Randomness, number: u64) -> Value {
    let of = |bound: usize| usize::try_from(randomness.below(bound as u64)).expect("small");
    let word = || WORDS[of(WORDS.len())];
    let cents = |most: u64| randomness.below(most) as f64 / 100.0;
    let line = || {
        json!({
            "sku": randomness.base62(9), "title": format!("{} {}", word(), word()), "quantity": 1 + of(4),
            "price": cents(20_000),
        })
    };
    let (first, last) = (word(), word());
    let mut event = json!({
        "key": format!("order-{number:08}"),
        "type": format!("order.{}", STATES[of(STATES.len())]),
        "data": {
            "customer": {
                "id": randomness.base62(12), "name": format!("{first} {last}"), "mail": format!("{first}@example.com"),
            },
            "address": { "street": format!("{} street {}", word(), 1 + of(200)), "zip": format!("{:05}", of(100_000)) },
            "placed_at": format!("2026-11-27T{:02}:{:02}:{:02}.{:03}Z", of(24), of(60), of(60), of(1_000)),
            "lines": [line(), line()],
            "total": cents(100_000),
            "note": "",
        },
    });
    let length = BYTES - AROUND as usize + of(2 * AROUND as usize);
    let mut note = String::new();
    while event.to_string().len() + note.len() < length {
        note.push_str(word());
        note.push(' ');
    }
    event["data"]["note"] = note.trim_end().into();
    event
}
