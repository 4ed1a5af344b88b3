//! The canary: woken by a schedule each minute, it does what clients do, over HTTP with an API key, and finds out whether
//! all of it still works together: creating, publishing, polling, committing.
//!
//! What a round checks is what the contract promises: what was acknowledged is there, once, as it was sent, in order and
//! without a gap, and what was committed does not come again. Whether it was fast is for the metrics of whoever answered. A
//! round repeats nothing: how many may fail is for the alarm.
//!
//! The canary asks the API and nothing else. Like every Lambda it is told the table's name, and it has no permission on it.

mod answer;
mod connection;
mod failure;
mod handlers;
mod reading;
mod round;

pub use failure::{Failure, Finding, Step};
pub use handlers::Canary;
pub use round::ROUND_MS;

/// What its API key must allow, and nothing more.
pub const SCOPES: [&str; 5] =
    ["stream.admin:canary", "sub.admin:canary:canary", "publish:canary", "poll:canary:canary", "commit:canary:canary"];
