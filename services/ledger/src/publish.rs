//! Publish: appends a request's events, all of them or none.
//!
//! Each touched partition's next slot is put with the condition that it does not exist, so of several writers one wins
//! it. The put carries a batch id: when the condition fails, the id in the way tells one's own earlier attempt from
//! another writer. While the outcome of an attempt is unknown the very same slots are asked for again, never the next
//! ones. What needs more than one put, the receipt of an Idempotency-Key included, is one transaction.

use std::collections::BTreeMap;

use crate::answers::{Idempotency, PartitionId, PublishRequest, Published};
use crate::clock::Timestamp;
use crate::doorbell::Doorbell;
use crate::error::{Error, Result, ensure};
use crate::ledger::Ledger;
use crate::limits;
use crate::model::{Event, KeyHash, Position};
use crate::planted::{self, Bug, is_planted};
use crate::store::body::{self, Body};
use crate::store::{
    Attributes, Outcome, Pauses, Placement, Read, ReceiptItem, RecordBatch, Refusal, Store, StreamItem, Write,
};
use crate::usage;

/// The events of a request that go to one partition.
struct Lane {
    id: PartitionId,
    /// The request's record batches, without their places, each with its number of events.
    bodies: Vec<(Body, u64)>,
}

/// Rings for the partitions of a request when it ends.
struct Ringing<'a> {
    doorbell: &'a Doorbell,
    lanes: &'a [Lane],
}

impl Drop for Ringing<'_> {
    fn drop(&mut self) {
        self.lanes.iter().for_each(|lane| self.doorbell.ring(lane.id.clone()));
    }
}

/// A request, laid out.
struct Layout {
    lanes: Vec<Lane>,
    /// The partition of each event, in the order of the request.
    partitions: Vec<u16>,
    keyless_partition: u16,
}

/// Where one partition goes on.
#[derive(Clone, Copy)]
struct Head {
    next: Position,
    accepted_at: Timestamp,
    empty: bool,
    /// The slot of the head, when it is a stub that stays or may become one.
    released: Option<u64>,
}

/// What is written, and what each write of it is, in the same order.
struct Plan {
    writes: Vec<Write>,
    kinds: Vec<Kind>,
    placement: Placement,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    RecordBatch,
    UseMark,
    OldHead,
    Receipt,
}

/// What a refused plan means.
enum Verdict {
    /// An earlier attempt of ours had succeeded.
    Ours,
    /// Another writer took a slot.
    Lost,
    /// A receipt is in the way.
    Receipt(Option<ReceiptItem>),
    /// The partition was used before, and its head is gone.
    HeadLost,
    /// Only another transaction on the same receipt.
    Busy,
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
        if let Some(replayed) = self.replay_known(&stream, &request).await? {
            return Ok(replayed);
        }
        if stream.compactor_stalled {
            return Err(Error::CompactorStalled);
        }
        let layout = self.lay_out(&stream, &request);
        if request.expected_tail.is_some() && layout.lanes.len() > 1 {
            let detail = "`If-Match` names one tail, so all events of the request must go to one partition";
            return Err(Error::Refused { pointer: "/events", detail });
        }
        let turns = self.turns.take(layout.lanes.iter().map(|lane| lane.id.clone())).await;
        // Rung however this ends: also when nobody knows whether it was written, or waits for the answer any more.
        let _ringing = Ringing { doorbell: &self.doorbell, lanes: &layout.lanes };
        let published = self.append(&stream, &request, &layout, deadline).await;
        drop(turns);
        published
    }

    fn lay_out(&self, stream: &StreamItem, request: &PublishRequest) -> Layout {
        let count = stream.partition_count();
        let drawn = match request.idempotency {
            // Whoever asks again meets the same tails: else what is under way in one partition would be judged by another.
            Some(Idempotency { key: [a, b, c, d, ..], .. }) => u64::from(u32::from_be_bytes([a, b, c, d])),
            None => self.randomness.below(u64::from(count)),
        };
        let keyless_partition = u16::try_from(drawn % u64::from(count)).unwrap_or_default();
        let partitions = partitions(&request.events, count, keyless_partition);
        let mut grouped: BTreeMap<u16, Vec<Event>> = BTreeMap::new();
        for (event, partition) in request.events.iter().zip(&partitions) {
            grouped.entry(*partition).or_default().push(event.clone());
        }
        let lane = |(partition, events): (u16, Vec<Event>)| Lane {
            id: stream.partition(partition),
            bodies: body::split(&events),
        };
        Layout { lanes: grouped.into_iter().map(lane).collect(), partitions, keyless_partition }
    }

    /// Races for the next slots until the request is written, or surely is not.
    async fn append(
        &self,
        stream: &StreamItem,
        request: &PublishRequest,
        layout: &Layout,
        deadline: Timestamp,
    ) -> Result<Published> {
        let batch_id = self.randomness.bytes();
        let mut pauses = Pauses::new();
        for _ in 0..limits::SLOT_RACES {
            let heads =
                futures::future::try_join_all(layout.lanes.iter().map(|lane| self.read_head(stream, lane))).await?;
            if let (Some(expected), [head]) = (request.expected_tail, heads.as_slice())
                && (head.next.offset != expected || is_planted(Bug::ConditionsNeverHold))
            {
                // What moved the tail may have been this very request.
                if !is_planted(Bug::TailBeforeReceipt)
                    && let Some(replayed) = self.replay_known(stream, request).await?
                {
                    return Ok(replayed);
                }
                return Err(Error::TailMismatch { expected, tail: head.next.offset });
            }
            let plan = self.plan(stream, request, layout, &heads, batch_id);
            let placement = plan.placement;
            let refusals = match self.store.race(plan.writes, deadline).await? {
                Outcome::Applied => {
                    if is_planted(Bug::ReceiptAfterTheBatch) {
                        self.put_receipt(stream, request.idempotency, batch_id, &placement).await?;
                    }
                    return Ok(published(&placement, &layout.partitions, false));
                }
                Outcome::Refused { refusals, .. } => refusals,
            };
            match verdict(&plan.kinds, &refusals, batch_id)? {
                Verdict::Ours if is_planted(Bug::FailedConditionIsAFailure) => return Err(Error::Contention),
                Verdict::Ours => return Ok(published(&placement, &layout.partitions, false)),
                Verdict::Lost => {
                    usage::note(|usage| usage.slot_conflicts += 1);
                    self.store.pause(&mut pauses).await;
                }
                Verdict::HeadLost => return Err(Error::HeadLost),
                Verdict::Busy => return Err(Error::IdempotencyInProgress),
                Verdict::Receipt(found) => {
                    let (Some(receipt), Some(idempotency)) = (found, request.idempotency) else {
                        return Err(Error::IdempotencyInProgress);
                    };
                    return self.replay(stream, request, idempotency, &receipt).await;
                }
            }
            if self.clock.now() >= deadline {
                break;
            }
        }
        Err(Error::Contention)
    }

    async fn read_head(&self, stream: &StreamItem, lane: &Lane) -> Result<Head> {
        let records = lane.bodies.iter().map(|(_, count)| count).sum();
        if let Some(next) = planted::reserved(&lane.id, lane.bodies.len() as u64, records) {
            return Ok(Head { next, accepted_at: Timestamp(0), empty: next == Position::START, released: None });
        }
        let Some(head) = self.store.head(&lane.id).await? else {
            return Ok(Head { next: Position::START, accepted_at: Timestamp(0), empty: true, released: None });
        };
        if !is_planted(Bug::OffsetsBeginAgain) {
            self.trust_head(&head)?;
        }
        // A sweep may reduce it to a stub that stays, at any moment by its own clock.
        let expired = stream.is_expired(head.accepted_at, self.clock.now().plus(limits::CLOCK_SKEW_MS));
        let released = (head.deletable_at.is_none() || expired).then_some(head.slot);
        Ok(Head { next: head.next(), accepted_at: head.accepted_at, empty: false, released })
    }

    /// The writes that append the request after these heads.
    fn plan(
        &self,
        stream: &StreamItem,
        request: &PublishRequest,
        layout: &Layout,
        heads: &[Head],
        batch_id: [u8; 16],
    ) -> Plan {
        let now = self.clock.now();
        let mut base_offsets = Vec::with_capacity(heads.len());
        let (mut writes, mut kinds) = (Vec::new(), Vec::new());
        for (lane, head) in layout.lanes.iter().zip(heads) {
            base_offsets.push((lane.id.partition, head.next.offset));
            let mut next = head.next;
            // Times do not decrease along the slots, whatever the clocks of the writers say.
            let accepted_at = now.max(head.accepted_at);
            for (body, count) in &lane.bodies {
                let batch = RecordBatch {
                    slot: next.slot,
                    base_offset: next.offset,
                    count: *count,
                    write_start: head.next,
                    accepted_at,
                    batch_id,
                    traceparent: request.traceparent,
                    body: Some(body.clone()),
                    deletable_at: Some(stream.deletable_at(accepted_at)),
                };
                next = batch.next();
                writes.push(batch.put(&lane.id));
                kinds.push(Kind::RecordBatch);
            }
            if let Some(slot) = head.released {
                // It must not outlive what comes after it, or it would be taken for the head again.
                writes.push(Store::release_head(&lane.id, slot, stream.deletable_at(accepted_at)));
                kinds.push(Kind::OldHead);
            }
            if head.empty {
                writes.push(Store::use_partition(&lane.id, stream.stream.definition.compaction));
                kinds.push(Kind::UseMark);
            }
        }
        let placement = Placement { keyless_partition: layout.keyless_partition, base_offsets };
        if let Some(idempotency) = request.idempotency.filter(|_| !is_planted(Bug::ReceiptAfterTheBatch)) {
            let receipt = ReceiptItem::new(idempotency, batch_id, placement.clone(), now);
            writes.push(receipt.put(stream.incarnation(), idempotency.key, now));
            kinds.push(Kind::Receipt);
        }
        Plan { writes, kinds, placement }
    }

    /// Puts a receipt by itself, as nobody should.
    async fn put_receipt(
        &self,
        stream: &StreamItem,
        idempotency: Option<Idempotency>,
        batch_id: [u8; 16],
        placement: &Placement,
    ) -> Result<()> {
        let (Some(idempotency), now) = (idempotency, self.clock.now()) else { return Ok(()) };
        let receipt = ReceiptItem::new(idempotency, batch_id, placement.clone(), now);
        self.store.settle_one(receipt.put(stream.incarnation(), idempotency.key, now)).await?;
        Ok(())
    }
}

/// The partition of each event: by its key, or the one drawn for the events of this request that have none.
pub(crate) fn partitions(events: &[Event], count: u16, keyless_partition: u16) -> Vec<u16> {
    let partition =
        |event: &Event| event.key.as_ref().map_or(keyless_partition, |key| KeyHash::of(key).partition(count));
    events.iter().map(partition).collect()
}

/// The place of each event: each partition's events follow each other from its first offset.
pub(crate) fn published(placement: &Placement, partitions: &[u16], replayed: bool) -> Published {
    let mut next: BTreeMap<u16, u64> = placement.base_offsets.iter().copied().collect();
    let place = |partition: &u16| {
        let offset = next.entry(*partition).or_default();
        *offset += 1;
        (*partition, *offset - 1)
    };
    Published { places: partitions.iter().map(place).collect(), replayed }
}

/// What refused writes mean. Whatever carries our batch id was written by us: the whole request was.
fn verdict(kinds: &[Kind], refusals: &[Refusal], batch_id: [u8; 16]) -> Result<Verdict> {
    ensure!(kinds.len() == refusals.len(), "a transaction gives a reason for each of its writes");
    let conditions = || {
        kinds.iter().zip(refusals).filter_map(|(kind, refusal)| match refusal {
            Refusal::Condition(item) => Some((*kind, item.as_ref())),
            Refusal::None | Refusal::Conflict => None,
        })
    };
    let is_ours = |item: &Attributes| item.optional_bytes("batch_id") == Some(batch_id.as_slice());
    if !is_planted(Bug::FailedConditionIsALostRace) && conditions().any(|(_, item)| item.is_some_and(is_ours)) {
        return Ok(Verdict::Ours);
    }
    if let Some((_, item)) = conditions().find(|(kind, _)| *kind == Kind::Receipt) {
        return Ok(Verdict::Receipt(item.map(ReceiptItem::read).transpose()?));
    }
    let is = |wanted: Kind, refused: fn(&Refusal) -> bool| {
        kinds.iter().zip(refusals).any(|(kind, refusal)| *kind == wanted && refused(refusal))
    };
    if is(Kind::Receipt, |refusal| matches!(refusal, Refusal::Conflict)) {
        return Ok(Verdict::Busy);
    }
    // Another transaction on a slot is another writer who is about to win it; only when nobody is there the head is lost.
    let raced = is(Kind::RecordBatch, |refusal| !matches!(refusal, Refusal::None));
    let used = is(Kind::UseMark, |refusal| matches!(refusal, Refusal::Condition(_)));
    Ok(if used && !raced { Verdict::HeadLost } else { Verdict::Lost })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_lost_only_when_nobody_is_about_to_write_it() {
        let kinds = [Kind::RecordBatch, Kind::UseMark];
        let used = || Refusal::Condition(None);
        let of = |refusals: [Refusal; 2]| verdict(&kinds, &refusals, [1; 16]).expect("a verdict");
        assert!(matches!(of([Refusal::None, used()]), Verdict::HeadLost));
        assert!(matches!(of([Refusal::Conflict, used()]), Verdict::Lost));
        assert!(matches!(of([Refusal::Condition(None), used()]), Verdict::Lost));
    }
}
