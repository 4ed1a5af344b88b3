//! Compacted state: per key the latest record, or the tombstone that ended it.

use super::super::body::Body;
use super::super::schema::{self, Key};
use super::super::{Attributes, Item, Outcome, Query, Range, Read, Store, Write, packed};
use crate::answers::PartitionId;
use crate::clock::Timestamp;
use crate::error::{Result, ensure};
use crate::model::{EventKey, KeyHash, Record};
use crate::planted::{Bug, is_planted};
use crate::store::item::unreadable;

/// A record as compacted state keeps it.
#[derive(Clone, Debug)]
pub(crate) struct CompactedItem {
    /// The slot that the record came from.
    pub(crate) slot: u64,
    /// The hash of its key.
    pub(crate) hash: KeyHash,
    /// The record; a tombstone has no data.
    pub(crate) record: Record,
}

impl CompactedItem {
    fn read(attributes: &Attributes, partition: u16) -> Result<Self> {
        let body: Body = attributes.unpacked("body")?;
        let event = body.decode()?.pop().ok_or_else(|| unreadable("body"))?;
        let key = event.key.as_ref().ok_or_else(|| unreadable("body"))?;
        let hash = KeyHash::of(key);
        ensure!(
            attributes.sort_key_after("KEY#")?.strip_prefix(&hash.to_string()).and_then(|rest| rest.strip_prefix('#'))
                == Some(key.as_str()),
            "a compacted item lies under its own key"
        );
        let published_at = Timestamp(attributes.number("accepted_at")?);
        let record = Record {
            partition,
            offset: attributes.number("offset")?,
            published_at,
            event,
            traceparent: attributes.traceparent()?,
        };
        Ok(Self { slot: attributes.number("slot")?, hash, record })
    }
}

impl Store {
    /// What puts a record as the latest of its key, unless a later one is there. A tombstone stays until then, so that nothing
    /// older can come back meanwhile.
    pub(crate) fn compacted_put(
        partition: &PartitionId,
        key: &EventKey,
        slot: u64,
        record: &Record,
        tombstone_until: Option<Timestamp>,
    ) -> Write {
        let place = || Key::Compacted(partition, KeyHash::of(key), key);
        let item = Item::new(place())
            .with("slot", slot)
            .with("offset", record.offset)
            .with("accepted_at", record.published_at)
            .traced(record.traceparent)
            .with("body", packed(&Body::encode(std::slice::from_ref(&record.event))));
        let write = match tombstone_until {
            Some(_) if is_planted(Bug::TombstonesAreDeleted) => Write::delete(place()),
            Some(until) => Write::put(item.expiring(until)),
            None => Write::put(item),
        };
        let guard = if is_planted(Bug::LastCompactorWins) {
            "attribute_not_exists(PK) OR slot < :slot OR slot >= :slot"
        } else {
            "attribute_not_exists(PK) OR slot < :slot"
        };
        write.when(guard).value(":slot", slot)
    }

    /// Puts records as the latest of their keys, and nothing after `until`, when a tombstone that they would meet may be gone.
    ///
    /// # Errors
    /// As [`Store::settle`].
    pub(crate) async fn put_compacted(&self, puts: Vec<Write>, until: Timestamp) -> Result<()> {
        let deadline = self.deadline().min(until);
        let alone = if puts.len() > 1 { puts.clone() } else { Vec::new() };
        if let Outcome::Refused { .. } = self.settle(puts, deadline).await? {
            // Someone newer was there, which is fine. Those beside it are not written yet.
            for put in alone {
                self.settle(vec![put], deadline).await?;
            }
        }
        Ok(())
    }

    /// The latest record of a key, tombstones included.
    pub(crate) async fn compacted(&self, partition: &PartitionId, key: &EventKey) -> Result<Option<CompactedItem>> {
        let item = self.get(Key::Compacted(partition, KeyHash::of(key), key)).await?;
        item.map(|item| CompactedItem::read(&item, partition.partition)).transpose()
    }

    /// Query over a partition's compacted state, in the order of the keys' hashes.
    pub(crate) fn compacted_after(partition: &PartitionId, after: Option<[u8; 16]>) -> Query {
        let range = Range::From(after.map_or_else(|| "KEY#".to_owned(), schema::after_hash));
        Query { partition_key: schema::compacted(partition), range, descending: false }
    }

    /// Reads an item of such a query.
    pub(crate) fn read_compacted(attributes: &Attributes, partition: u16) -> Result<CompactedItem> {
        CompactedItem::read(attributes, partition)
    }
}
