//! What is known of a partition beside its log: how far it is compacted, whether it was ever written, and the last head
//! that the sweeper saw.

use super::super::schema::Key;
use super::super::{Attributes, Outcome, Read, Store, Write};
use super::RecordBatch;
use crate::answers::PartitionId;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::model::Position;

/// A partition's item; all absent before the first write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartitionItem {
    /// Whether its stream is compacted; known since the first write. So the compactor, which hears of a partition and
    /// not of its stream, leaves alone what is not to be compacted, and what was collected.
    pub(crate) compaction: bool,
    /// Everything before this is in compacted state.
    pub(crate) watermark: Position,
    /// Where the next record batch belonged when the sweeper last looked.
    pub(crate) recorded_tail: Option<Position>,
    /// The slot that the sweeper reduced to a stub.
    pub(crate) stub: Option<u64>,
}

impl PartitionItem {
    const NEW: Self = Self { compaction: false, watermark: Position::START, recorded_tail: None, stub: None };

    fn read(attributes: &Attributes) -> Result<Self> {
        let position = |slot, offset| -> Result<Option<Position>> {
            let slot = attributes.optional_number(slot)?;
            let offset = attributes.optional_number(offset)?;
            Ok(slot.zip(offset).map(|(slot, offset)| Position { slot, offset }))
        };
        Ok(Self {
            compaction: attributes.flag("compaction"),
            watermark: position("watermark_slot", "watermark_offset")?.unwrap_or(Position::START),
            recorded_tail: position("tail_slot", "tail_offset")?,
            stub: attributes.optional_number("stub_slot")?,
        })
    }
}

impl Store {
    /// The partition's item.
    pub(crate) async fn partition(&self, partition: &PartitionId) -> Result<PartitionItem> {
        let item = self.get(Key::Partition(partition)).await?;
        item.as_ref().map_or(Ok(PartitionItem::NEW), PartitionItem::read)
    }

    /// Marks a partition as used; refused when it already is. Part of the write of its first slot.
    pub(crate) fn use_partition(partition: &PartitionId, compaction: bool) -> Write {
        Write::update(Key::Partition(partition), "SET used = :used, compaction = :compaction")
            .when("attribute_not_exists(used)")
            .value(":used", true)
            .value(":compaction", compaction)
    }

    /// Moves the watermark forward; refused when it is there or farther.
    pub(crate) async fn advance_watermark(
        &self,
        partition: &PartitionId,
        to: Position,
        now: Timestamp,
    ) -> Result<Outcome> {
        let write = Write::update(
            Key::Partition(partition),
            "SET watermark_slot = :slot, watermark_offset = :offset, watermark_at = :now",
        )
        .when("attribute_not_exists(watermark_slot) OR watermark_slot < :slot")
        .value(":slot", to.slot)
        .value(":offset", to.offset)
        .value(":now", now);
        self.settle_one(write).await
    }

    /// Remembers the head, and whether it is a stub.
    pub(crate) async fn record_head(&self, partition: &PartitionId, head: &RecordBatch) -> Result<()> {
        let expression = if head.body.is_none() {
            "SET tail_slot = :slot, tail_offset = :offset, stub_slot = :stub"
        } else {
            "SET tail_slot = :slot, tail_offset = :offset REMOVE stub_slot"
        };
        let tail = head.next();
        let write = Write::update(Key::Partition(partition), expression)
            .when("attribute_not_exists(tail_slot) OR tail_slot <= :slot")
            .value(":slot", tail.slot)
            .value(":offset", tail.offset);
        let write = if head.body.is_none() { write.value(":stub", head.slot) } else { write };
        self.settle_one(write).await?;
        Ok(())
    }
}
