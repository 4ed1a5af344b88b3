//! Receipts of publish requests that carried an Idempotency-Key.

use serde::{Deserialize, Serialize};

use super::super::schema::Key;
use super::super::{Attributes, Item, Read, Store, Write, packed};
use crate::answers::Idempotency;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::limits;
use crate::model::Incarnation;

/// What a request came to, as little as its positions can be found from when the same request comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReceiptItem {
    /// Hash of the request's body.
    pub(crate) body: [u8; 32],
    /// The batch id that the request was written with.
    pub(crate) batch_id: [u8; 16],
    /// Where its events went.
    pub(crate) placement: Placement,
    expires_at: Timestamp,
}

/// Where the events of a request went: with the request, this gives the place of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Placement {
    /// The partition that was drawn for events without a key.
    pub(crate) keyless_partition: u16,
    /// Offset of the first event in each touched partition.
    pub(crate) base_offsets: Vec<(u16, u64)>,
}

impl ReceiptItem {
    pub(crate) fn new(request: Idempotency, batch_id: [u8; 16], placement: Placement, now: Timestamp) -> Self {
        Self { body: request.body, batch_id, placement, expires_at: now.plus(limits::RECEIPT_MS) }
    }

    /// When it was written.
    pub(crate) fn written_at(&self) -> Timestamp {
        Timestamp(self.expires_at.0.saturating_sub(limits::RECEIPT_MS))
    }

    /// Puts it, unless a receipt that counts is there.
    pub(crate) fn put(&self, incarnation: Incarnation, key: [u8; 32], now: Timestamp) -> Write {
        let item = Item::new(Key::Receipt(incarnation, key))
            .with("body_hash", &self.body[..])
            .with("batch_id", &self.batch_id[..])
            .with("placement", packed(&self.placement))
            .expiring(self.expires_at);
        Write::put(item).when("attribute_not_exists(PK) OR expires_at <= :now").value(":now", now.seconds())
    }

    pub(crate) fn read(attributes: &Attributes) -> Result<Self> {
        Ok(Self {
            body: attributes.array("body_hash")?,
            batch_id: attributes.array("batch_id")?,
            placement: attributes.unpacked("placement")?,
            expires_at: Timestamp(attributes.number(crate::table::TIME_TO_LIVE)? * 1000),
        })
    }
}

impl Store {
    /// The receipt of an earlier request, if it still counts.
    pub(crate) async fn receipt(
        &self,
        incarnation: Incarnation,
        key: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<ReceiptItem>> {
        let item = self.get(Key::Receipt(incarnation, key)).await?;
        let receipt = item.as_ref().map(ReceiptItem::read).transpose()?;
        Ok(receipt.filter(|receipt| receipt.expires_at.seconds() > now.seconds()))
    }
}
