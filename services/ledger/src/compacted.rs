//! Reading compacted state without a subscription: one key, or page by page.

use crate::answers::CompactedPage;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::limits;
use crate::model::cursor::{Cursor, CursorUse, Payload};
use crate::model::{EventKey, KeyHash, Phase, Progress, Record, StreamName};
use crate::store::{Store, StreamItem};

impl Ledger {
    /// The latest record of a key, as far as the stream is compacted.
    ///
    /// # Errors
    /// `StreamNotFound`, `KeyNotFound` also after a tombstone, `Refused` for a stream without compaction, `Unavailable`.
    pub async fn find_compacted(&self, name: &StreamName, key: &EventKey) -> Result<Record> {
        let stream = self.stream(name).await?;
        require_compaction(&stream)?;
        let partition = stream.partition(KeyHash::of(key).partition(stream.partition_count()));
        let item = self.store.compacted(&partition, key).await?;
        item.map(|item| item.record).filter(|record| record.event.data.is_some()).ok_or(Error::KeyNotFound)
    }

    /// Pages through the latest records of all keys that begin with `prefix`, in no order that means anything. Keys
    /// that change between pages may be seen before or after the change; a bootstrap is what is exact.
    ///
    /// # Errors
    /// `StreamNotFound`, `InvalidCursor`, `StreamRecreated`, `Refused` for a stream without compaction, `Unavailable`.
    pub async fn list_compacted(
        &self,
        name: &StreamName,
        cursor: Option<Cursor>,
        prefix: &str,
        limit: u32,
    ) -> Result<CompactedPage> {
        let mut stream = self.stream(name).await?;
        let (mut partition, mut after) = match cursor {
            None => (0, None),
            Some(cursor) => self.open_compacted_cursor(&mut stream, &cursor).await?,
        };
        require_compaction(&stream)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (mut records, mut bytes, mut items) = (Vec::new(), 0, limit);
        // Keys with the prefix may be few and the others large: the cursor goes on from wherever it is.
        for _ in 0..limits::STATE_PAGES {
            if partition == stream.partition_count() || records.len() == limit {
                break;
            }
            let id = stream.partition(partition);
            let page = self.store.query(&Store::compacted_after(&id, after), items, None).await?;
            // Few keys fit a prefix: look through more of them at a time.
            items = (items * 4).min(1_000);
            for attributes in &page.items {
                let item = Store::read_compacted(attributes, partition)?;
                let shown = item.record.event.data.is_some()
                    && item.record.event.key.as_ref().is_some_and(|key| key.as_str().starts_with(prefix));
                let size = if shown { item.record.event.payload_bytes() } else { 0 };
                let full = records.len() == limit || (bytes + size > limits::PAGE_BYTES && !records.is_empty());
                if shown && full {
                    return Ok(self.compacted_page(&stream, records, partition, after));
                }
                bytes += size;
                after = Some(item.hash.0);
                if shown {
                    records.push(item.record);
                }
            }
            if page.next.is_none() {
                partition += 1;
                after = None;
            }
        }
        if partition == stream.partition_count() {
            return Ok(CompactedPage { records, cursor: None });
        }
        Ok(self.compacted_page(&stream, records, partition, after))
    }

    fn compacted_page(
        &self,
        stream: &StreamItem,
        records: Vec<Record>,
        partition: u16,
        after: Option<[u8; 16]>,
    ) -> CompactedPage {
        let phase = Phase::Snapshot { partition, after, targets: Vec::new() };
        let progress = Progress { phase, ..Progress::bootstrap() };
        CompactedPage { records, cursor: Some(self.seal(stream, CursorUse::Compacted, progress)) }
    }

    async fn open_compacted_cursor(&self, stream: &mut StreamItem, cursor: &Cursor) -> Result<(u16, Option<[u8; 16]>)> {
        let payload: Payload = self.open_cursor(stream, cursor).await?;
        match (payload.used_for, payload.progress.phase) {
            (CursorUse::Compacted, Phase::Snapshot { partition, after, .. })
                if partition < stream.partition_count() && payload.progress.positions.is_empty() =>
            {
                Ok((partition, after))
            }
            _ => Err(Error::InvalidCursor),
        }
    }
}

fn require_compaction(stream: &StreamItem) -> Result<()> {
    if stream.stream.definition.compaction {
        return Ok(());
    }
    Err(Error::Refused {
        pointer: "",
        detail: "this stream was created without compaction, so it has no compacted state",
    })
}
