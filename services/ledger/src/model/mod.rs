//! The nouns of the ledger: pure values that know nothing of the store, of HTTP or of time passing.

pub mod cursor;
mod event;
mod leaf;
mod names;
mod partitioner;
mod position;
mod producers;
mod trace_parent;

pub use event::{Data, Event, EventId, EventKey, EventTime, EventType, HeaderName, HeaderValue, Record};
pub use names::{Incarnation, PartitionCount, RetentionHours, StreamName, SubscriptionName, is_name_byte};
pub use partitioner::KeyHash;
pub use position::{Phase, Position, Progress};
pub(crate) use producers::Producers;
pub use trace_parent::TraceParent;
