//! The layout of the table: every key of every item, in one enum whose documentation is the layout.
//!
//! Strings throughout; numbers in sort keys are padded to 20 digits so that their order is the order of numbers.
//! An incarnation is in every key that belongs to a life of a stream, so nothing of a deleted stream meets its namesake.

use crate::answers::PartitionId;
use crate::clock::Timestamp;
use crate::model::{EventKey, Incarnation, KeyHash, StreamName, SubscriptionName};
use crate::planted::{Bug, is_planted};

/// The partition key that all streams' definitions share, so that one Query lists them.
pub(crate) const STREAMS: &str = "STREAMS";
/// The partition key of what all API keys have in common.
pub(crate) const CALLERS: &str = "KEYS";
/// The partition key of what deleted streams have left to collect.
pub(crate) const DELETED: &str = "DELETED";
/// The partition key of what operators changed by hand.
pub(crate) const AUDIT: &str = "AUDIT";

/// The key of an item.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key<'a> {
    /// `STREAMS` / `<stream>`: what a stream is. Stays when the stream is deleted, to remember the name's cursor key.
    Stream(&'a StreamName),
    /// `DELETED` / `<incarnation>`: a life that ended and whose items are to be collected.
    Deleted(Incarnation),
    /// `LOG#<incarnation>#<partition>` / `SEQ#<slot>`: one record batch.
    RecordBatch(&'a PartitionId, u64),
    /// `STREAM#<incarnation>` / `PART#<partition>`: watermark, used mark.
    Partition(&'a PartitionId),
    /// `STREAM#<incarnation>` / `SUB#<subscription>`: a subscription with all of its positions.
    Subscription(Incarnation, &'a SubscriptionName),
    /// `COMPACT#<incarnation>#<partition>` / `KEY#<hash>#<key>`: the latest record of a key, or its tombstone.
    Compacted(&'a PartitionId, KeyHash, &'a EventKey),
    /// `IDEM#<incarnation>#<hash>` / `IDEM`: the receipt of a publish that carried an Idempotency-Key.
    Receipt(Incarnation, [u8; 32]),
    /// `KEY#<key id>` / `KEY`: an API key.
    Caller(&'a str),
    /// `KEYS` / `CLIENT#<client>`: the ids of a client's API keys, so that they can be listed.
    CallersOf(&'a str),
    /// `KEYS` / `EPOCH`: a number that grows when what services remember of keys is wrong.
    CallersEpoch,
    /// `LIMIT#<key id>#<quota>` / `W#<window>`: how much of a quota is leased in a window.
    Lease(&'a str, &'a str, u64),
    /// `AUDIT` / `<milliseconds>#<id>`: what an operator changed by hand, in the order of time.
    Audit(Timestamp, &'a str),
    /// `KEEPER` / `KEEPER`: when the keeper was last done.
    Keeper,
}

impl Key<'_> {
    /// The text of `PK`.
    pub(crate) fn partition_key(&self) -> String {
        match self {
            Self::Stream(_) => STREAMS.to_owned(),
            Self::Deleted(_) => DELETED.to_owned(),
            Self::RecordBatch(partition, _) => log(partition),
            Self::Partition(PartitionId { incarnation, .. }) | Self::Subscription(incarnation, _) => {
                stream(*incarnation)
            }
            Self::Compacted(partition, ..) => compacted(partition),
            Self::Receipt(incarnation, hash) => format!("IDEM#{incarnation}#{}", hexadecimal(hash)),
            Self::Caller(id) => format!("KEY#{id}"),
            Self::CallersOf(_) | Self::CallersEpoch => CALLERS.to_owned(),
            Self::Lease(id, quota, _) => format!("LIMIT#{id}#{quota}"),
            Self::Audit(..) => AUDIT.to_owned(),
            Self::Keeper => "KEEPER".to_owned(),
        }
    }

    /// The text of `SK`.
    pub(crate) fn sort_key(&self) -> String {
        match self {
            Self::Stream(name) => name.to_string(),
            Self::Deleted(incarnation) => incarnation.to_string(),
            Self::RecordBatch(_, slot) => sequence(*slot),
            Self::Partition(PartitionId { partition, .. }) => format!("PART#{partition}"),
            Self::Subscription(_, name) => format!("{SUBSCRIPTION}{name}"),
            Self::Compacted(_, hash, key) => format!("KEY#{hash}#{}", key.as_str()),
            Self::Receipt(..) => "IDEM".to_owned(),
            Self::Caller(_) => "KEY".to_owned(),
            Self::CallersOf(client) => format!("{CLIENT}{client}"),
            Self::CallersEpoch => "EPOCH".to_owned(),
            Self::Lease(_, _, window) => format!("W#{window:020}"),
            Self::Audit(at, id) => format!("{}#{id}", audited_from(*at)),
            Self::Keeper => "KEEPER".to_owned(),
        }
    }
}

/// What the sort keys of clients' lists of API keys begin with.
pub(crate) const CLIENT: &str = "CLIENT#";
/// What the sort keys of subscriptions begin with.
pub(crate) const SUBSCRIPTION: &str = "SUB#";

/// `PK` of a partition's record batches.
pub(crate) fn log(partition: &PartitionId) -> String {
    format!("LOG#{}#{}", life(partition.incarnation), partition.partition)
}

/// `PK` of a partition's compacted state.
pub(crate) fn compacted(partition: &PartitionId) -> String {
    format!("COMPACT#{}#{}", life(partition.incarnation), partition.partition)
}

/// `PK` of what belongs to a life of a stream as a whole.
pub(crate) fn stream(incarnation: Incarnation) -> String {
    format!("STREAM#{}", life(incarnation))
}

/// What stands for a life of a stream in the keys of its items.
fn life(incarnation: Incarnation) -> Incarnation {
    if is_planted(Bug::KeysWithoutIncarnation) { Incarnation([0; 16]) } else { incarnation }
}

/// A `SK` before all changes by hand at a time or after it.
pub(crate) fn audited_from(at: Timestamp) -> String {
    format!("{:020}", at.0)
}

/// `SK` of a record batch.
pub(crate) fn sequence(slot: u64) -> String {
    format!("SEQ#{slot:020}")
}

/// A `SK` right after every key of this hash: `$` follows `#`.
pub(crate) fn after_hash(hash: [u8; 16]) -> String {
    format!("KEY#{}$", KeyHash(hash))
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
