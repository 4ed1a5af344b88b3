//! Replays: the answer to a request that was published before, from its receipt. Whoever is told that events are durable
//! may read them at once, so a young receipt answers only when queries see what it speaks of.

use std::collections::BTreeMap;

use crate::answers::{Idempotency, Published};
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::limits;
use crate::publish::Asked;
use crate::store::{ReceiptItem, StreamItem};

impl Ledger {
    /// Answers a request whose receipt there is.
    ///
    /// # Errors
    /// As [`Ledger::replay`], and `Unavailable`.
    pub(crate) async fn replay_known(&self, stream: &StreamItem, asked: &Asked) -> Result<Option<Published>> {
        let Some(idempotency) = asked.idempotency else { return Ok(None) };
        match self.store.receipt(stream.incarnation(), idempotency.key, self.clock.now()).await? {
            Some(receipt) => self.replay(stream, asked, idempotency, &receipt).await.map(Some),
            None => Ok(None),
        }
    }

    /// Answers a request with what an earlier one of the same Idempotency-Key came to.
    ///
    /// # Errors
    /// `IdempotencyKeyReused` for another request, `IdempotencyInProgress` while queries see only a part of it.
    pub(crate) async fn replay(
        &self,
        stream: &StreamItem,
        asked: &Asked,
        idempotency: Idempotency,
        receipt: &ReceiptItem,
    ) -> Result<Published> {
        if receipt.body != idempotency.body {
            return Err(Error::IdempotencyKeyReused);
        }
        let published = asked.published(&receipt.placement, true);
        let published = published.ok_or_else(|| Error::broken("a receipt knows every partition of its request"))?;
        // A transaction that nobody knows the end of may still be on its way into the sight of queries.
        if self.clock.now() < receipt.written_at().plus(limits::UNFINISHED_MS) {
            let last: BTreeMap<u16, u64> = published.places.iter().copied().collect();
            for (partition, offset) in last {
                // Whoever sees something later asks by key for what a query passed over before it.
                let head = self.store.head(&stream.partition(partition)).await?;
                if head.is_none_or(|head| head.next().offset <= offset) {
                    return Err(Error::IdempotencyInProgress);
                }
            }
        }
        Ok(published)
    }
}
