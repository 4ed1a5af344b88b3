//! Replays: the answer to a request that was published before, from its receipt. Whoever is told that events are durable
//! may read them at once, so a young receipt answers only when queries see what it speaks of.

use std::collections::BTreeMap;

use crate::answers::{Idempotency, PartitionId, PublishRequest, Published};
use crate::error::{Error, Result, ensure};
use crate::ledger::Ledger;
use crate::limits;
use crate::publish::{partitions, published};
use crate::store::{ReceiptItem, RecordBatch, Store, StreamItem};

/// Items of one page of the log.
const PAGE_ITEMS: usize = 10;

impl Ledger {
    /// Answers a request with what an earlier one of the same Idempotency-Key came to.
    ///
    /// # Errors
    /// `IdempotencyKeyReused` for another request, `IdempotencyInProgress` while queries see only a part of it.
    pub(crate) async fn replay(
        &self,
        stream: &StreamItem,
        request: &PublishRequest,
        idempotency: Idempotency,
        receipt: &ReceiptItem,
    ) -> Result<Published> {
        if receipt.body != idempotency.body {
            return Err(Error::IdempotencyKeyReused);
        }
        let partitions = partitions(&request.events, stream.partition_count(), receipt.placement.keyless_partition);
        let known = |partition: &u16| receipt.placement.base_offsets.iter().any(|(touched, _)| touched == partition);
        ensure!(partitions.iter().all(known), "a receipt knows every partition of its request");
        let published = published(&receipt.placement, &partitions, true);
        // A transaction that nobody knows the end of may still be on its way into the sight of queries.
        if self.clock.now() < receipt.written_at().plus(limits::UNFINISHED_MS) {
            let mut stretches = BTreeMap::<u16, (u64, u64)>::new();
            for (partition, offset) in &published.places {
                stretches.entry(*partition).or_insert((*offset, *offset)).1 = *offset;
            }
            for (partition, (first, last)) in stretches {
                if !self.is_seen(&stream.partition(partition), first, last).await? {
                    return Err(Error::IdempotencyInProgress);
                }
            }
        }
        Ok(published)
    }

    /// Whether queries see everything from one offset of a partition to another, and on to the head.
    async fn is_seen(&self, partition: &PartitionId, first: u64, last: u64) -> Result<bool> {
        let query = Store::log_backwards(partition);
        let (mut start, mut begin) = (None, None);
        loop {
            let page = self.store.query(&query, PAGE_ITEMS, start).await?;
            for attributes in &page.items {
                let batch = RecordBatch::read(attributes)?;
                let goes_on = begin.map_or(batch.next().offset > last, |begin| batch.next() == begin);
                if !goes_on || batch.base_offset <= first {
                    return Ok(goes_on);
                }
                begin = Some(batch.start());
            }
            match page.next {
                None => return Ok(false),
                next => start = next,
            }
        }
    }
}
