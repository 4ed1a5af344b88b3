//! What DynamoDB bills for each operation of the ledger, as the table of costs in ARCHITECTURE.md has it and
//! `tests/protocol/cost.rs` asserts: writes by started kilobyte, reads by four, transactions twice.
//!
//! Everything here is a function of how large items are ([`sizes`](super::sizes)) and of how many of them an operation touches;
//! `ops/tests/cost` holds it against what the embedded table bills for the same work. What happens beside the operations, because
//! processes forget, is in [`remembered`](super::remembered).

use std::ops::{Add, Mul};

use super::remembered::{Uses, of_key, of_process, of_subscription};
use super::sizes::{RecordBatches, Size, WRITE_BYTES, by_chance, by_lot};

/// What a transaction costs, beside the same writes one by one.
const TRANSACTION: f64 = 2.0;
/// Items of the first page of the log that a poll asks for, and by how much each further page is larger
/// (`services/ledger/src/log.rs`).
const POLL_PAGES: (f64, f64) = (16.0, 4.0);
/// Items of a page of the log that a compactor asks for (`services/ledger/src/compact.rs`).
const COMPACTION_PAGES: (f64, f64) = (100.0, 1.0);

/// Units that DynamoDB bills.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Units {
    /// Read units.
    pub reads: f64,
    /// Write units.
    pub writes: f64,
}

impl Units {
    pub(super) const fn reads(reads: f64) -> Self {
        Self { reads, writes: 0.0 }
    }

    pub(super) const fn writes(writes: f64) -> Self {
        Self { reads: 0.0, writes }
    }
}

impl Add for Units {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { reads: self.reads + other.reads, writes: self.writes + other.writes }
    }
}

impl Mul<f64> for Units {
    type Output = Self;

    fn mul(self, times: f64) -> Self {
        Self { reads: self.reads * times, writes: self.writes * times }
    }
}

/// How the records of a stream are stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// As publishes put them.
    pub record_batches: RecordBatches,
    /// The latest record of a key, in compacted state.
    pub compacted: Size,
}

impl Stored {
    /// Publish (`services/ledger/src/publish.rs`): the head is read in each partition that the request touches, and one record
    /// batch put there. More than one put, and the receipt of an Idempotency-Key, make it a transaction. Each lost race reads and
    /// writes once more.
    #[must_use]
    pub fn publish(&self, idempotent: bool, lost_races: f64) -> Units {
        let (touched, attempts) = (self.record_batches.of_a_publish(), 1.0 + lost_races);
        let heads = touched * self.record_batches.read() * attempts;
        let puts = touched * self.record_batches.written() * attempts;
        match (idempotent, touched > 1.0) {
            (false, false) => Units { reads: heads, writes: puts },
            (false, true) => Units { reads: heads, writes: TRANSACTION * puts },
            // The receipt is looked for before, and is part of the transaction.
            (true, _) => Units { reads: heads + 1.0, writes: TRANSACTION * (puts + attempts) },
        }
    }

    /// Poll (`poll.rs`): each partition is queried from the cursor to the tail, page by page; what lies beyond is known then. Each
    /// of so many publishes has touched a partition or not.
    #[must_use]
    pub fn page(&self, publishes: u32) -> Units {
        let (size, partitions) = (self.record_batches.size(), self.record_batches.partitions);
        let share = self.record_batches.of_a_publish() / partitions;
        Units::reads(partitions * by_lot(publishes, share, |count| size.queried(count, POLL_PAGES)))
    }

    /// A poll that finds nothing costs a read of each partition.
    #[must_use]
    pub fn idle_poll(&self) -> Units {
        Units::reads(self.record_batches.partitions)
    }

    /// Commit (`commit.rs`): the subscription is read and written; of each partition the head is read for the lag, and where more
    /// than the head came meanwhile, which is a share of them, the first record batch beyond.
    #[must_use]
    pub fn commit(&self, lagging_share: f64) -> Units {
        let lag = self.record_batches.partitions * self.record_batches.read() * (1.0 + lagging_share);
        Units { reads: 1.0 + lag, writes: 1.0 }
    }

    /// A round of compaction (`compact.rs`) of one partition: the watermark and the log beyond it are read, the latest record of
    /// each key is put, and the watermark written. It begins with one record batch, and so many more come until it does.
    #[must_use]
    pub fn compaction(&self, further: f64, keys_each: f64) -> Units {
        let size = self.record_batches.size();
        let queried = by_chance(further, |count| size.queried(1 + count, COMPACTION_PAGES));
        let written = self.compacted.begun(WRITE_BYTES);
        Units { reads: 1.0 + queried, writes: (1.0 + further) * keys_each * written + 1.0 }
    }

    /// What a sample (`sample.rs`) reads of a stream with subscriptions: the subscriptions, the ends of its partitions, and the
    /// first record batch beyond each place where some of them stand behind.
    #[must_use]
    pub fn sampled(&self, places: f64) -> Units {
        let read = self.record_batches.read();
        Units::reads(1.0 + self.record_batches.partitions * read + places * read)
    }

    /// What a sweep (`sweep.rs`) reads of a stream: the watermark and what lies beyond, twice, because it looks for what is left
    /// and for a compactor that stands still; the definition; and the heads, which it keeps.
    #[must_use]
    pub fn swept(&self) -> Units {
        Units::reads(1.0 + self.record_batches.partitions * (4.0 + self.record_batches.read()))
    }
}

/// A round of the canary (`services/canary/src/round.rs`): the stream and the subscription are there; where the subscription
/// stands is read; an event is published with an Idempotency-Key, read by a cursor and committed; and what is given out next is
/// read. Three processes forget all that they knew within the minute.
#[must_use]
pub fn canary(stored: &Stored) -> Units {
    let created = Units::reads(1.0);
    let subscribed = Units::reads(2.0);
    let from_where_it_stands = Units::reads(1.0) + stored.idle_poll();
    let asked = stored.publish(true, 0.0) + stored.page(1) + stored.commit(0.0);
    let round = Uses { per_second: 1.0 / 60.0, evenly: true };
    let forgotten = (of_process(round) + of_key(round)) * 3.0 + of_subscription(round, false);
    created + subscribed + from_where_it_stands * 2.0 + asked + forgotten * (1.0 / round.per_second)
}

/// The reads of an hour's look at the API keys: one for each, and the clients' lists of them.
#[must_use]
pub fn keys_looked_at(keys: f64) -> Units {
    Units::reads(keys + 1.0)
}

/// The list of streams, which samples and sweeps begin with, and the note that a sweep ends with.
#[must_use]
pub fn keeper(sweep: bool) -> Units {
    Units { reads: 1.0 + f64::from(u8::from(sweep)), writes: f64::from(u8::from(sweep)) }
}
