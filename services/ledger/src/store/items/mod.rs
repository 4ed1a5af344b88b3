//! The kinds of items, one file each: what is stored, how it is read back, and the ways it is accessed.

mod api_key;
mod audit;
mod collected;
mod compacted;
mod keeper;
mod lease;
mod partition;
mod receipt;
mod record_batch;
mod stream;
mod subscription;

pub(crate) use receipt::{Placement, ReceiptItem};
pub(crate) use record_batch::RecordBatch;
pub(crate) use stream::StreamItem;
pub use subscription::KnownCommit;
pub(crate) use subscription::SubscriptionItem;
