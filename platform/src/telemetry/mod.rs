//! What a service tells of itself: logs, metrics and the one line of each invocation.

pub mod catalogue;
pub mod consumers;
mod logs;

pub use logs::{Format, start};
