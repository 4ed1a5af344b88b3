//! Bootstrap: compacted state as of the watermark, then the log from the watermark on, in one cursor, exactly.
//!
//! The watermarks are read before anything else and stay in the cursor. Pages of compacted state are read consistently;
//! an item from a slot beyond its watermark is left out, because the log is certain to bring it, and so are tombstones.
//! When a partition's pages end, its tail is noted: once the log was read up to there, everything whose effect the
//! snapshot may have missed was seen, and what was built is the state of one moment.

use crate::answers::{EventPage, PartitionId};
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::limits;
use crate::model::cursor::{Cursor, CursorUse, Payload};
use crate::model::{Phase, Position, Progress, Record, StreamName, SubscriptionName};
use crate::planted::{Bug, is_planted};
use crate::poll::Found;
use crate::store::{Outcome, Store, StreamItem};

impl Ledger {
    /// Whether for a subscription to read on from a cursor is to begin a bootstrap: it is one of its own that came with
    /// `PositionExpired` or `StreamRecreated`, and leads from the log to compacted state.
    ///
    /// # Errors
    /// `StreamNotFound`, `InvalidCursor`, `StreamRecreated`, `Unavailable`.
    pub async fn begins_bootstrap(
        &self,
        stream: &StreamName,
        subscription: &SubscriptionName,
        cursor: &Cursor,
    ) -> Result<bool> {
        let progress = self.progress_of(stream, subscription, cursor).await?;
        Ok(progress.is_some_and(|progress| progress.is_to_begin()))
    }

    /// A page of compacted state for a reader in a snapshot; begins the bootstrap when it has not begun.
    pub(crate) async fn snapshot_page(&self, stream: &StreamItem, payload: &Payload, limit: u32) -> Result<EventPage> {
        // Where the log will be read from is looked at when a bootstrap begins, and not again before the snapshot ends.
        let (mut progress, verified_at) = if payload.progress.is_to_begin() {
            (self.begin_bootstrap(stream, &payload.used_for).await?, self.clock.now())
        } else {
            (payload.progress.clone(), payload.verified_at)
        };
        let Phase::Snapshot { partition, after, targets } = progress.phase.clone() else {
            return Err(Error::broken("a snapshot page is read in a snapshot"));
        };
        let mut scan = Scan { partition, after, records: Vec::new(), bytes: 0, targets };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        for _ in 0..limits::STATE_PAGES {
            if scan.partition == stream.partition_count() || scan.records.len() >= limit {
                break;
            }
            let watermark = progress.positions[usize::from(scan.partition)];
            if !self.scan_page(stream, watermark, &mut scan, limit).await? {
                break;
            }
        }
        let Scan { partition, after, records, targets, .. } = scan;
        let phase = if partition == stream.partition_count() {
            Phase::Live { targets }
        } else {
            Phase::Snapshot { partition, after, targets }
        };
        if is_planted(Bug::WatermarkAfterTheScan) {
            for ended in stream.partitions().take(usize::from(partition)) {
                let watermark = self.store.partition(&ended).await?.watermark;
                progress.positions[usize::from(ended.partition)] = watermark;
            }
        }
        let lag = self.lag_of(stream, &progress).await?;
        let progress = Progress { phase, ..progress }.settled();
        Ok(self.event_page(stream, payload, Found { records, progress, caught_up: false, lag }, verified_at))
    }

    /// Takes a number, reads the watermark of each partition, and makes sure that the log can be read from there on.
    async fn begin_bootstrap(&self, stream: &StreamItem, used_for: &CursorUse) -> Result<Progress> {
        let bootstrap = match used_for {
            CursorUse::Subscription { name, .. } => self.number_bootstrap(stream, name).await?,
            // Nobody commits it, so there is none to tell it from.
            CursorUse::Events | CursorUse::Compacted => 1,
        };
        let now = self.clock.now();
        let begin = async |partition: PartitionId| {
            let watermark = self.store.partition(&partition).await?.watermark;
            let next = self.store.record_batch_from(&partition, watermark.slot).await?;
            match next {
                Some(next) if next.slot != watermark.slot || stream.is_expired(next.accepted_at, now) => {
                    Err(Error::CompactionGap)
                }
                _ => Ok(watermark),
            }
        };
        let positions = futures::future::try_join_all(stream.partitions().map(begin)).await?;
        Ok(Progress { bootstrap, positions, ..Progress::bootstrap() })
    }

    /// The number of a bootstrap that begins now. Clocks could not tell which of two began later; the subscription counts them.
    async fn number_bootstrap(&self, stream: &StreamItem, name: &str) -> Result<u64> {
        let name = SubscriptionName::parse(name.to_owned()).ok_or(Error::InvalidCursor)?;
        loop {
            let item = self.subscription(stream, &name).await?;
            // A seek may have brought it the progress of an earlier subscription of its name.
            let number = item.bootstraps.max(item.progress.bootstrap) + 1;
            match self.store.number_bootstrap(stream.incarnation(), &item, number).await {
                Ok(Outcome::Applied) => return Ok(number),
                // Another began meanwhile, or an earlier attempt of ours took that number.
                Ok(Outcome::Refused { .. }) => {}
                // A number that nobody uses is nothing that anybody notices.
                Err(Error::OutcomeUnknown(cause)) => return Err(Error::Unavailable(cause)),
                Err(other) => return Err(other),
            }
        }
    }

    /// Reads on in one partition; false when the page is full.
    async fn scan_page(&self, stream: &StreamItem, watermark: Position, scan: &mut Scan, limit: usize) -> Result<bool> {
        let partition = stream.partition(scan.partition);
        let wanted = limit - scan.records.len();
        let page = self.store.query(&Store::compacted_after(&partition, scan.after), wanted, None).await?;
        for attributes in &page.items {
            let item = Store::read_compacted(attributes, partition.partition)?;
            let due = item.slot < watermark.slot || is_planted(Bug::WatermarkAfterTheScan);
            let shown = due && item.record.event.data.is_some();
            if shown {
                scan.bytes += item.record.event.payload_bytes();
                if scan.bytes > limits::PAGE_BYTES && !scan.records.is_empty() {
                    return Ok(false);
                }
                scan.records.push(item.record);
            }
            scan.after = Some(item.hash.0);
        }
        if page.next.is_none() {
            scan.targets.push(self.tail(&partition).await?.offset);
            scan.partition += 1;
            scan.after = None;
        }
        Ok(true)
    }
}

/// A snapshot while a page of it is read.
struct Scan {
    partition: u16,
    after: Option<[u8; 16]>,
    records: Vec<Record>,
    bytes: usize,
    targets: Vec<u64>,
}
