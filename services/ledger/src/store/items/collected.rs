//! A life of a stream that ended and whose items are to be collected.

use super::super::schema::{self, DELETED, Key};
use super::super::{Attributes, Query, Range, Read, Store, Write};
use crate::answers::PartitionId;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::limits;
use crate::model::Incarnation;
use crate::store::item::unreadable;
use crate::table::{SORT_KEY, TIME_TO_LIVE};

/// What is known of the ended life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CollectedStream {
    pub(crate) incarnation: Incarnation,
    partition_count: u16,
    pub(crate) deleted_at: Timestamp,
}

/// So long after its end each sweep looks for what is left of it, in milliseconds: the first one finds nearly all.
const LOOKED_FOR_MS: u64 = 2 * limits::HOUR_MS + limits::NAME_REUSE_MS;

impl CollectedStream {
    /// Whether to look for what is left of it: when every cache has expired, until when services may write into it, and once
    /// more when nothing can be under way any more. A look at nothing costs two reads for each partition.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let ended_ms = now.since(self.deleted_at);
        (limits::NAME_REUSE_MS + 1..LOOKED_FOR_MS).contains(&ended_ms) || ended_ms >= limits::COLLECTION_MS
    }

    fn read(attributes: &Attributes) -> Result<Self> {
        let count = attributes.number("partition_count")?;
        Ok(Self {
            incarnation: Incarnation::parse(attributes.text(SORT_KEY)?).ok_or_else(|| unreadable(SORT_KEY))?,
            partition_count: u16::try_from(count).map_err(|_| unreadable("partition_count"))?,
            deleted_at: Timestamp(attributes.number("deleted_at")?),
        })
    }
}

impl Store {
    /// Every life that is to be collected.
    pub(crate) async fn ended_streams(&self) -> Result<Vec<CollectedStream>> {
        let query = Query { partition_key: DELETED.to_owned(), range: Range::From(" ".to_owned()), descending: false };
        self.all(&query).await?.iter().map(CollectedStream::read).collect()
    }

    /// Deletes what time to live will not delete, and the note itself when nothing was found a day after the end: a publish or
    /// a compaction that began before may still write.
    pub(crate) async fn collect(&self, ended: &CollectedStream, now: Timestamp) -> Result<()> {
        let mut found = self.delete_all(schema::stream(ended.incarnation), "", false).await?;
        for partition in 0..ended.partition_count {
            let partition = PartitionId { incarnation: ended.incarnation, partition };
            found |= self.delete_all(schema::compacted(&partition), "", false).await?;
            // Record batches expire by themselves, except a head that was reduced to a stub.
            found |= self.delete_all(schema::log(&partition), "SEQ#", true).await?;
        }
        if found || now < ended.deleted_at.plus(limits::COLLECTION_MS) {
            return Ok(());
        }
        self.settle_one(Write::delete(Key::Deleted(ended.incarnation))).await?;
        Ok(())
    }

    /// Deletes the items of a partition key; with `stubs` only those without a time to live, newest first, and no more
    /// once one has it. Answers whether there were any.
    async fn delete_all(&self, partition_key: String, prefix: &str, stubs: bool) -> Result<bool> {
        let range = if prefix.is_empty() { Range::From(" ".to_owned()) } else { Range::Prefix(prefix.to_owned()) };
        let query = Query { partition_key, range, descending: stubs };
        let (mut start, mut found) = (None, false);
        loop {
            let page = self.query(&query, if stubs { 1 } else { 100 }, start).await?;
            for item in &page.items {
                if stubs && item.contains_key(TIME_TO_LIVE) {
                    return Ok(found);
                }
                self.settle_one(Write::delete_item(item)).await?;
                found = true;
            }
            match page.next {
                None => return Ok(found),
                next => start = next,
            }
        }
    }
}
