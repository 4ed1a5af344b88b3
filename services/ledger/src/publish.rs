//! Publish: appends a request's events, all of them or none.
//!
//! Here a request is laid out: which of its events go to which partition. Requests of one process that go to the same partition
//! at the same time share a write ([`group`](crate::group)), and what is shared is written in [`append`](crate::append).

use std::collections::BTreeMap;

use crate::answers::{Idempotency, PublishRequest, Published};
use crate::deadline;
use crate::error::{Error, Result};
use crate::group::Member;
use crate::ledger::Ledger;
use crate::model::{Event, KeyHash, TraceParent};
use crate::store::{Placement, StreamItem};

/// A request, laid out.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) expected_tail: Option<u64>,
    pub(crate) traceparent: Option<TraceParent>,
    /// The partition of each event by its key, in the order of the request; none for an event without one.
    partitions: Vec<Option<u16>>,
    /// Where those without a key go.
    pub(crate) keyless_partition: u16,
    /// The events of each partition that it touches, in the order of the request.
    pub(crate) lanes: BTreeMap<u16, Vec<Event>>,
}

impl Ledger {
    /// Appends events. When this returns, they are durable and every reader sees them.
    ///
    /// # Errors
    /// With the promise that nothing was written: `StreamNotFound`, `TailMismatch`, `Refused`, `IdempotencyKeyReused`,
    /// `IdempotencyInProgress`, `Contention`, `HeadLost`, `CompactorStalled`, `Unavailable`. `OutcomeUnknown` leaves it
    /// open: the same request with the same Idempotency-Key finds out.
    pub async fn publish(&self, request: PublishRequest) -> Result<Published> {
        // From here on, so that a process that thaws in between writes nothing for a client that has long given up.
        let deadline = self.store.deadline();
        let stream = self.stream(&request.stream).await?;
        let asked = self.lay_out(&stream, request);
        if let Some(replayed) = self.replay_known(&stream, &asked).await? {
            return Ok(replayed);
        }
        if stream.compactor_stalled {
            return Err(Error::CompactorStalled);
        }
        if asked.expected_tail.is_some() && asked.lanes.len() > 1 {
            let detail = "`If-Match` names one tail, so all events of the request must go to one partition";
            return Err(Error::Refused { pointer: "/events", detail });
        }
        let (member, told) = Member::new(asked, deadline, deadline::current());
        self.groups.join(self, stream, member).see_through(told).await
    }

    fn lay_out(&self, stream: &StreamItem, request: PublishRequest) -> Asked {
        let count = stream.partition_count();
        let drawn = match request.idempotency {
            // Whoever asks again meets the same tails: else what is under way in one partition would be judged by another.
            Some(Idempotency { key: [a, b, c, d, ..], .. }) => u64::from(u32::from_be_bytes([a, b, c, d])),
            None => self.randomness.below(u64::from(count)),
        };
        let keyless_partition = u16::try_from(drawn % u64::from(count)).unwrap_or_default();
        let of_key = |event: &Event| event.key.as_ref().map(|key| KeyHash::of(key).partition(count));
        let partitions: Vec<_> = request.events.iter().map(of_key).collect();
        let mut lanes: BTreeMap<u16, Vec<Event>> = BTreeMap::new();
        for (event, partition) in request.events.into_iter().zip(&partitions) {
            lanes.entry(partition.unwrap_or(keyless_partition)).or_default().push(event);
        }
        let PublishRequest { idempotency, expected_tail, traceparent, .. } = request;
        Asked { idempotency, expected_tail, traceparent, partitions, keyless_partition, lanes }
    }
}

impl Asked {
    /// The place of each event: each partition's events follow each other from its first offset. None when the placement is
    /// not one of this request.
    pub(crate) fn published(&self, placement: &Placement, replayed: bool) -> Option<Published> {
        let mut next: BTreeMap<u16, u64> = placement.base_offsets.iter().copied().collect();
        let mut place = |partition: u16| {
            let offset = next.get_mut(&partition)?;
            *offset += 1;
            Some((partition, *offset - 1))
        };
        let partitions = self.partitions.iter().map(|partition| partition.unwrap_or(placement.keyless_partition));
        Some(Published { places: partitions.map(&mut place).collect::<Option<_>>()?, replayed })
    }
}
