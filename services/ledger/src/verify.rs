//! Verify: whether what is stored of a stream keeps the invariants of the protocol. Read-only, and right also while everything
//! goes on: what must not lie beyond the log is read before it, and what must not lie behind it after it.
//!
//! It reads the whole log and all compacted state, and keeps each key of the log in memory with its last slot.

use std::collections::HashMap;

use crate::answers::PartitionId;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::model::{EventKey, Position, StreamName};
use crate::store::{Query, RecordBatch, Store, StreamItem};

/// What was looked at of a stream, and what is not as it must be.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Record batches.
    pub record_batches: u64,
    /// Records of compacted state.
    pub keys: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// What is not as it must be.
    pub violations: Vec<Violation>,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where.
    pub partition: u16,
    /// What. It names slots, offsets and subscriptions, and nothing of events.
    pub what: String,
}

/// Items in a page of the store.
const PAGE: usize = 1_000;

/// A partition while it is looked at.
struct Walk<'a> {
    stream: &'a StreamItem,
    partition: PartitionId,
    now: Timestamp,
    /// What must lie where a record batch begins or, of subscriptions, within one; each with what it is called.
    marks: Vec<(String, Position, bool)>,
    watermark: Position,
    last: Option<RecordBatch>,
    /// The last slot of each key before the watermark, and whether it holds a tombstone.
    latest: HashMap<EventKey, (u64, bool)>,
    found: Verified,
}

impl Ledger {
    /// Looks at everything that is stored of a stream. `progress` hears how many more records were looked at.
    ///
    /// # Errors
    /// `StreamNotFound`, `Unavailable`. What is not as it must be is no error but an answer.
    pub async fn verify(&self, stream: &StreamName, progress: impl Fn(u64)) -> Result<Verified> {
        let stream = self.fresh_stream(stream).await?;
        let subscriptions = self.live_subscriptions(&stream).await?;
        let mut found = Verified { subscriptions: subscriptions.len() as u64, ..Verified::default() };
        for partition in stream.partitions() {
            let number = usize::from(partition.partition);
            let mark = |name: &str, position: Option<&Position>| {
                position.map(|position| (format!("the position of {name}"), *position, false))
            };
            let mut marks: Vec<_> = subscriptions
                .iter()
                .filter_map(|item| mark(item.name.as_str(), item.progress.positions.get(number)))
                .collect();
            let item = self.store.partition(&partition).await?;
            marks.push(("the watermark".to_owned(), item.watermark, true));
            let mut walk = Walk {
                stream: &stream,
                now: self.clock.now(),
                marks,
                watermark: item.watermark,
                last: None,
                latest: HashMap::new(),
                found: Verified::default(),
                partition,
            };
            self.walk_log(&mut walk, &progress).await?;
            if item.compaction {
                self.walk_compacted(&mut walk).await?;
            }
            found.record_batches += walk.found.record_batches;
            found.keys += walk.found.keys;
            found.violations.extend(walk.found.violations);
        }
        Ok(found)
    }

    async fn walk_log(&self, walk: &mut Walk<'_>, progress: &impl Fn(u64)) -> Result<()> {
        let query = Store::log_from(&walk.partition, 1);
        let mut start = None;
        loop {
            let page = self.store.query(&query, PAGE, start).await?;
            for attributes in &page.items {
                let batch = RecordBatch::read(attributes)?;
                let expected = walk.last.as_ref().map(|last| last.next().slot);
                if let Some(missing) = expected.filter(|slot| *slot < batch.slot) {
                    // Queries may see a write in part.
                    let is_there = self.store.record_batch(&walk.partition, missing).await?.is_some();
                    walk.gap(missing, &batch, is_there);
                }
                progress(batch.count);
                walk.batch(batch);
            }
            match page.next {
                None => break,
                more => start = more,
            }
        }
        match self.end(&walk.partition).await {
            Ok(end) => walk.end(end.tail),
            Err(Error::HeadLost) => walk.violation("its head is lost: nobody knows where it goes on".to_owned()),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn walk_compacted(&self, walk: &mut Walk<'_>) -> Result<()> {
        let query: Query = Store::compacted_after(&walk.partition, None);
        let mut start = None;
        loop {
            let page = self.store.query(&query, PAGE, start).await?;
            for attributes in &page.items {
                walk.found.keys += 1;
                let Ok(item) = Store::read_compacted(attributes, walk.partition.partition) else {
                    walk.violation("a record of compacted state does not read".to_owned());
                    continue;
                };
                // Reading insists on the key, and that it lies under its hash.
                let Some(key) = item.record.event.key else { continue };
                if let Some((slot, _)) = walk.latest.remove(&key)
                    && item.slot < slot
                {
                    let offset = item.record.offset;
                    walk.violation(format!("compacted state holds offset {offset}, and slot {slot} has a later one"));
                }
            }
            match page.next {
                None => break,
                more => start = more,
            }
        }
        // A tombstone is forgotten after a week.
        let lost = walk.latest.values().filter(|(_, tombstone)| !tombstone).map(|(slot, _)| *slot).max();
        if let Some(slot) = lost {
            walk.violation(format!("compacted state lacks a key, the last of which is in slot {slot}"));
        }
        Ok(())
    }
}

impl Walk<'_> {
    fn violation(&mut self, what: String) {
        self.found.violations.push(Violation { partition: self.partition.partition, what });
    }

    /// Slots are missing before a record batch.
    fn gap(&mut self, missing: u64, next: &RecordBatch, is_there: bool) {
        // What came before them is as old or older: while it is readable, they must be.
        let readable = self.last.as_ref().is_some_and(|last| !self.stream.is_expired(last.accepted_at, self.now));
        if readable && !is_there {
            self.violation(format!("slots {missing} to {} are missing", next.slot - 1));
        }
    }

    fn batch(&mut self, batch: RecordBatch) {
        self.found.record_batches += 1;
        if let Some(last) = &self.last {
            let (end, missing) = (last.next(), batch.slot.saturating_sub(last.next().slot));
            let continues = if missing == 0 {
                batch.base_offset == end.offset
            } else {
                // Each of them had a record at least.
                batch.base_offset >= end.offset + missing
            };
            if !continues {
                self.violation(format!("slot {} begins at offset {}", batch.slot, batch.base_offset));
            }
            if self.last.as_ref().is_some_and(|last| last.accepted_at > batch.accepted_at) {
                self.violation(format!("slot {} is older than the one before it", batch.slot));
            }
        }
        let records = batch.records(self.partition.partition);
        let expired = self.stream.is_expired(batch.accepted_at, self.now);
        match records {
            Err(_) => self.violation(format!("the records of slot {} do not read", batch.slot)),
            Ok(records) if records.is_empty() && !expired => {
                self.violation(format!("the records of slot {} are gone before their time", batch.slot));
            }
            Ok(records) if batch.slot < self.watermark.slot && !expired => {
                for record in records {
                    let tombstone = record.event.data.is_none();
                    if let Some(key) = record.event.key {
                        self.latest.insert(key, (batch.slot, tombstone));
                    }
                }
            }
            Ok(_) => {}
        }
        for (name, position, at_start) in std::mem::take(&mut self.marks) {
            if position.slot == batch.slot {
                let (first, end) = (batch.base_offset, batch.next().offset);
                if position.offset != first && (at_start || !(first..end).contains(&position.offset)) {
                    self.violation(format!("{name} is offset {} of slot {}", position.offset, position.slot));
                }
            } else {
                self.marks.push((name, position, at_start));
            }
        }
        self.last = Some(batch);
    }

    /// The log ends here, or farther on by now.
    fn end(&mut self, tail: Position) {
        for (name, position, _) in std::mem::take(&mut self.marks) {
            let beyond = position > tail || (position.slot == tail.slot && position.offset != tail.offset);
            if beyond {
                self.violation(format!("{name} is offset {}, and the tail {}", position.offset, tail.offset));
            }
        }
    }
}
