//! Observe: what the table knows of subscriptions, position by position, and of records as they are stored, for operators.
//! Read-only. What metrics need of all subscriptions at once is in `sample`.

use std::collections::BTreeSet;

use crate::answers::{Lag, PartitionId, Status};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::inspect::{Beyond, LaneBeyond, Survey, judge};
use crate::ledger::Ledger;
use crate::model::{Record, StreamName, SubscriptionName};
use crate::store::{Attributes, Key, KnownCommit, RecordBatch, Store, StreamItem, SubscriptionItem};

/// A subscription, position by position.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The stream it reads.
    pub stream: StreamName,
    /// Its name.
    pub subscription: SubscriptionName,
    /// When it was looked at.
    pub observed_at: Timestamp,
    /// How it does.
    pub status: Status,
    /// Whether its committed positions are in compacted state.
    pub in_snapshot: bool,
    /// Changes with each seek.
    pub generation: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was created, or last moved by a seek.
    pub begun_at: Timestamp,
    /// When it last polled, to the minute.
    pub last_poll_at: Option<Timestamp>,
    /// Some of its last commits, oldest first.
    pub commits: Vec<KnownCommit>,
    /// For how long its stream keeps events, in milliseconds.
    pub retention_ms: u64,
    /// What lies beyond all its positions.
    pub lag: Lag,
    /// Until the first of that expires, in milliseconds, 0 when it has; absent when nothing that it needs can expire.
    pub headroom_ms: Option<u64>,
    /// Each of its positions.
    pub partitions: Vec<PartitionObservation>,
}

/// Where a subscription stands in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionObservation {
    /// Which.
    pub partition: u16,
    /// First offset that is not committed.
    pub committed: u64,
    /// First unwritten offset.
    pub tail: u64,
    /// What lies between.
    pub lag: Lag,
    /// Until the first of that expires, as for the subscription.
    pub headroom_ms: Option<u64>,
}

/// A record batch as it is stored.
#[derive(Clone, Debug)]
pub struct StoredBatch {
    /// Its slot in the partition.
    pub slot: u64,
    /// The offset of its first record.
    pub base_offset: u64,
    /// How many records it has.
    pub count: u64,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Whether readers are not shown it any more.
    pub expired: bool,
    /// The records.
    pub records: StoredRecords,
}

/// The records of a stored record batch.
#[derive(Clone, Debug)]
pub enum StoredRecords {
    /// They can be read.
    Readable(Vec<Record>),
    /// What is stored does not read back: readers are not shown it, and compaction stands before it.
    Damaged,
    /// Only the places of them are left, which say where the log goes on.
    Gone,
}

impl Ledger {
    /// The subscriptions of a stream in the order of their names, or one of them. The log is read at the end of each
    /// partition, and once for each place at which some of them stand behind it.
    ///
    /// # Errors
    /// `StreamNotFound`, `SubscriptionNotFound`, `HeadLost`, `Unavailable`.
    pub async fn observe(&self, stream: &StreamName, only: Option<&SubscriptionName>) -> Result<Vec<Observation>> {
        let stream = self.fresh_stream(stream).await?;
        // Before the ends of the log, so that none seems to be beyond them.
        let items = match only {
            Some(name) => vec![self.subscription(&stream, name).await?],
            None => self.live_subscriptions(&stream).await?,
        };
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let mut survey = Survey { ends: self.ends(&stream).await?, ..Survey::default() };
        let slots = |item: &SubscriptionItem| survey.unknown_slots(&stream, &item.progress);
        let slots: BTreeSet<_> = items.iter().flat_map(slots).collect();
        survey.places = self.places(&stream, slots).await?;
        let now = self.clock.now();
        items.into_iter().map(|item| observation(&stream, item, &survey, now)).collect()
    }

    /// Record batches of a partition as they are stored, from the one that holds an offset on, or from the first that there is
    /// after it. Those that cannot be read are among them, and expired ones as long as they are there.
    ///
    /// # Errors
    /// `StreamNotFound`, `Refused` when the stream has no such partition, `Unavailable`.
    pub async fn peek(
        &self,
        stream: &StreamName,
        partition: u16,
        offset: u64,
        count: usize,
    ) -> Result<Vec<StoredBatch>> {
        let stream = self.fresh_stream(stream).await?;
        if partition >= stream.partition_count() {
            return Err(Error::Refused { pointer: "/partition", detail: "the stream has no such partition" });
        }
        let partition = stream.partition(partition);
        let slot = self.slot_after(&partition, offset).await?;
        let (now, query) = (self.clock.now(), Store::log_from(&partition, slot));
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let page = self.store.query(&query, count.saturating_sub(found.len()), next).await?;
            for attributes in &page.items {
                found.push(stored(&stream, &partition, attributes, now)?);
            }
            match page.next {
                Some(more) if found.len() < count => next = Some(more),
                _ => return Ok(found),
            }
        }
    }

    /// The first slot whose record batch, if there is one, ends after an offset. Bodies are not looked at.
    async fn slot_after(&self, partition: &PartitionId, offset: u64) -> Result<u64> {
        let newest = self.store.first(&Store::log_backwards(partition)).await?;
        let Some(newest) = newest.as_ref().map(RecordBatch::read).transpose()? else { return Ok(1) };
        let ends_after = |batch: &RecordBatch| batch.next().offset > offset;
        if !ends_after(&newest) {
            return Ok(newest.next().slot);
        }
        // `low` ends before it or is gone, as what expired first is; `high` ends after it.
        let (mut low, mut high) = (0, newest.slot);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let found = self.store.get(Key::RecordBatch(partition, middle)).await?;
            match found.as_ref().map(RecordBatch::read).transpose()? {
                Some(batch) if ends_after(&batch) => high = middle,
                _ => low = middle,
            }
        }
        Ok(high)
    }

    pub(crate) async fn live_subscriptions(&self, stream: &StreamItem) -> Result<Vec<SubscriptionItem>> {
        let found = self.store.all(&Store::subscriptions(stream.incarnation(), None)).await?;
        let items = found.iter().map(SubscriptionItem::read).collect::<Result<Vec<_>>>()?;
        Ok(items.into_iter().filter(SubscriptionItem::is_live).collect())
    }
}

fn observation(stream: &StreamItem, item: SubscriptionItem, survey: &Survey, now: Timestamp) -> Result<Observation> {
    let lanes = survey.lanes(stream, &item.progress, now);
    let lanes = lanes.ok_or_else(|| Error::broken("all of it was read"))?;
    let beyond = Beyond::of(&item.progress, lanes.iter().map(|lane| lane.beyond));
    let partition = |(partition, lane): (u16, LaneBeyond)| PartitionObservation {
        partition,
        committed: lane.position.offset,
        tail: lane.tail.offset,
        lag: lane.beyond.lag,
        headroom_ms: lane.beyond.headroom_ms(stream, &item.progress),
    };
    Ok(Observation {
        stream: stream.name().clone(),
        observed_at: now,
        status: judge(&item, &beyond, now),
        in_snapshot: item.progress.in_snapshot(),
        generation: item.generation,
        created_at: item.created_at,
        begun_at: item.begun_at,
        last_poll_at: item.last_poll_at,
        commits: item.commits,
        retention_ms: stream.retention_ms(),
        lag: beyond.lag,
        headroom_ms: beyond.headroom_ms(stream, &item.progress),
        partitions: (0..).zip(lanes).map(partition).collect(),
        subscription: item.name,
    })
}

fn stored(
    stream: &StreamItem,
    partition: &PartitionId,
    attributes: &Attributes,
    now: Timestamp,
) -> Result<StoredBatch> {
    let batch = RecordBatch::read(attributes)?;
    let records = match &batch.body {
        None => StoredRecords::Gone,
        Some(_) => batch.records(partition.partition).map_or(StoredRecords::Damaged, StoredRecords::Readable),
    };
    Ok(StoredBatch {
        slot: batch.slot,
        base_offset: batch.base_offset,
        count: batch.count,
        accepted_at: batch.accepted_at,
        expired: stream.is_expired(batch.accepted_at, now),
        records,
    })
}
