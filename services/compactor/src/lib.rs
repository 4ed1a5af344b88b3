//! The compactor: woken by the table's change stream, it brings compacted state up to the log.
//!
//! The change stream is a doorbell and not data: it only tells which partitions changed. What changed is read from the
//! log, so records that come twice, late or never do no harm.

mod handlers;
mod wire;

pub use handlers::{compact, compact_partitions};
pub use wire::Changes;
