//! What is known of a partition beside its log: whether it was ever written, and how far it is compacted.

use super::super::schema::Key;
use super::super::{Attributes, Outcome, Read, Store, Write};
use crate::answers::PartitionId;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::model::Position;
use crate::planted::{Bug, is_planted};

/// A partition's item; all absent before the first write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartitionItem {
    /// Whether anything was ever written to it.
    pub(crate) used: bool,
    /// Whether its stream is compacted; known since the first write. So the compactor, which hears of a partition and
    /// not of its stream, leaves alone what is not to be compacted, and what was collected.
    pub(crate) compaction: bool,
    /// Everything before this is in compacted state.
    pub(crate) watermark: Position,
}

impl PartitionItem {
    const NEW: Self = Self { used: false, compaction: false, watermark: Position::START };

    fn read(attributes: &Attributes) -> Result<Self> {
        let slot = attributes.optional_number("watermark_slot")?;
        let watermark = slot.zip(attributes.optional_number("watermark_offset")?);
        Ok(Self {
            used: attributes.flag("used"),
            compaction: attributes.flag("compaction"),
            watermark: watermark.map_or(Position::START, |(slot, offset)| Position { slot, offset }),
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
            .when(if is_planted(Bug::OffsetsBeginAgain) {
                "attribute_not_exists(no_such)"
            } else {
                "attribute_not_exists(used)"
            })
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
}
