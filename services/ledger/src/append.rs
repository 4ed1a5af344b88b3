//! Appending: the writes that publish requests come to.
//!
//! Each touched partition's next slot is put with the condition that it does not exist, so of several writers one wins
//! it. The put carries a batch id: when the condition fails, the id in the way tells one's own earlier attempt from
//! another writer. While the outcome of an attempt is unknown the very same slots are asked for again, never the next
//! ones. What needs more than one put, the receipts of Idempotency-Keys included, is one transaction.
//!
//! A receipt that is in the way concerns its request alone: it leaves, and the others go on without it.

use std::collections::BTreeMap;

use crate::answers::{PartitionId, Published};
use crate::clock::Timestamp;
use crate::doorbell::Doorbell;
use crate::error::{Error, Result, ensure};
use crate::group::{Member, Members};
use crate::ledger::Ledger;
use crate::limits;
use crate::model::{Event, Position, Producers};
use crate::planted::{self, Bug, is_planted};
use crate::store::body::{self, Body};
use crate::store::{
    Attributes, Outcome, Pauses, Placement, Read, ReceiptItem, RecordBatch, Refusal, Store, StreamItem, Write,
};
use crate::usage;

/// The events of all members that go to one partition.
struct Lane {
    id: PartitionId,
    /// The record batches, without their places.
    parts: Vec<Part>,
}

/// A record batch without its place.
struct Part {
    body: Body,
    count: u64,
    producers: Producers,
}

/// Rings for partitions when whatever is done to them ends.
struct Ringing<'a> {
    doorbell: &'a Doorbell,
    partitions: &'a [PartitionId],
}

impl Drop for Ringing<'_> {
    fn drop(&mut self) {
        self.partitions.iter().for_each(|partition| self.doorbell.ring(partition.clone()));
    }
}

/// Where one partition goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
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
    /// Of each member.
    placements: Vec<Placement>,
    /// Where each partition will go on.
    heads: Vec<Head>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    RecordBatch,
    UseMark,
    OldHead,
    /// Of the member of this number.
    Receipt(usize),
}

/// What a refused plan means.
enum Verdict {
    /// An earlier attempt of ours had succeeded.
    Ours,
    /// Another writer took a slot.
    Lost,
    /// Receipts of these members are in the way.
    Receipts(Vec<(usize, Option<ReceiptItem>)>),
    /// The partition was used before, and its head is gone.
    HeadLost,
    /// Only other transactions on the receipts of these members.
    Busy(Vec<usize>),
}

/// How a race ended.
enum Raced {
    /// All of it is written: the placement of each member.
    Written(Vec<Placement>),
    /// Nothing is, because another writer was faster.
    Lost,
    /// Nothing is, and these members have their answers.
    Answered(BTreeMap<usize, Result<Published>>),
}

impl Ledger {
    /// Writes what requests have come to when their turn on its partitions comes, and tells each its answer.
    pub(crate) async fn write_together(self, stream: StreamItem, partitions: Vec<PartitionId>, members: Members) {
        let mut turns = self.turns.take(&partitions).await;
        let now = self.clock.now();
        let members = members.close().into_iter().filter(|member| !member.is_gone());
        let (members, late): (Vec<_>, Vec<_>) = members.partition(|member| member.deadline > now);
        for member in late {
            member.tell(Err(Error::Unavailable("the time for the request was over before its turn".into())));
        }
        // What nobody waits for any more is not begun, and what one waits for no longer is not tried again for others.
        let Some(deadline) = members.iter().map(|member| member.deadline).min() else { return };
        // Rung however this ends: also when nobody knows whether it was written, or waits for the answer any more.
        let _ringing = Ringing { doorbell: &self.doorbell, partitions: &partitions };
        let mut known: Vec<Option<Head>> = turns.iter_mut().map(|turn| turn.take()).collect();
        self.append(&stream, &partitions, members, &mut known, deadline).await;
        if self.settings.alone {
            turns.iter_mut().zip(known).for_each(|(turn, head)| **turn = head);
        }
    }

    /// Races for the next slots until the requests are written, or surely are not. `known` are the heads, as far as they are
    /// known before and after.
    async fn append(
        &self,
        stream: &StreamItem,
        partitions: &[PartitionId],
        mut members: Vec<Member>,
        known: &mut [Option<Head>],
        deadline: Timestamp,
    ) {
        let mut lanes = lanes(partitions, &members);
        let mut batch_id = self.randomness.bytes();
        let mut pauses = Pauses::new();
        for _ in 0..limits::SLOT_RACES {
            match self.race(stream, &members, &lanes, batch_id, known, deadline).await {
                Ok(Raced::Written(placements)) => {
                    return members.into_iter().zip(placements).for_each(|(member, placement)| {
                        let published = member.asked.published(&placement, false);
                        member
                            .tell(published.ok_or_else(|| Error::broken("what is written has a place for each event")));
                    });
                }
                Ok(Raced::Lost) => {
                    usage::note(|usage| usage.slot_conflicts += 1);
                    self.store.pause(&mut pauses).await;
                }
                Ok(Raced::Answered(mut answers)) => {
                    let left =
                        members.into_iter().enumerate().filter_map(|(number, member)| match answers.remove(&number) {
                            Some(answer) => {
                                member.tell(answer);
                                None
                            }
                            None => Some(member),
                        });
                    members = left.collect();
                    if members.is_empty() {
                        return;
                    }
                    lanes = self::lanes(partitions, &members);
                    batch_id = self.randomness.bytes();
                }
                Err(error) => return fail(members, &error),
            }
            if self.clock.now() >= deadline {
                break;
            }
        }
        fail(members, &Error::Contention);
    }

    /// One race for the next slots.
    async fn race(
        &self,
        stream: &StreamItem,
        members: &[Member],
        lanes: &[Lane],
        batch_id: [u8; 16],
        known: &mut [Option<Head>],
        deadline: Timestamp,
    ) -> Result<Raced> {
        let heads = known.iter_mut().zip(lanes).map(|(known, lane)| self.go_on(stream, lane, known.take()));
        let heads = futures::future::try_join_all(heads).await?;
        if let ([only], [head]) = (members, heads.as_slice())
            && let Some(answer) = self.misses_its_tail(stream, only, head.next.offset).await
        {
            return Ok(Raced::Answered([(0, answer)].into()));
        }
        let plan = self.plan(stream, members, lanes, &heads, batch_id);
        members.iter().for_each(Member::note_write);
        let verdict = match self.store.race(plan.writes, deadline).await? {
            Outcome::Applied => Verdict::Ours,
            Outcome::Refused { refusals, .. } => {
                let verdict = verdict(&plan.kinds, &refusals, batch_id)?;
                if matches!(verdict, Verdict::Ours) && is_planted(Bug::FailedConditionIsAFailure) {
                    return Err(Error::Contention);
                }
                verdict
            }
        };
        Ok(match verdict {
            Verdict::Ours => {
                if is_planted(Bug::ReceiptAfterTheBatch) {
                    self.put_receipts(stream, members, batch_id, &plan.placements).await?;
                }
                known.iter_mut().zip(plan.heads).for_each(|(known, head)| *known = Some(head));
                Raced::Written(plan.placements)
            }
            Verdict::Lost => Raced::Lost,
            Verdict::HeadLost => return Err(Error::HeadLost),
            Verdict::Busy(numbers) => {
                Raced::Answered(numbers.into_iter().map(|number| (number, Err(Error::IdempotencyInProgress))).collect())
            }
            Verdict::Receipts(found) => {
                let mut answers = BTreeMap::new();
                for (number, receipt) in found {
                    answers.insert(number, self.replay_found(stream, &members[number], receipt).await);
                }
                Raced::Answered(answers)
            }
        })
    }

    /// Answers a member whose receipt is in the way.
    async fn replay_found(
        &self,
        stream: &StreamItem,
        member: &Member,
        receipt: Option<ReceiptItem>,
    ) -> Result<Published> {
        match (receipt, member.asked.idempotency) {
            (Some(receipt), Some(idempotency)) => self.replay(stream, &member.asked, idempotency, &receipt).await,
            _ => Err(Error::IdempotencyInProgress),
        }
    }

    /// Answers a member that expects another tail; none where it is as it should be.
    async fn misses_its_tail(&self, stream: &StreamItem, member: &Member, tail: u64) -> Option<Result<Published>> {
        let expected = member.asked.expected_tail?;
        if tail == expected && !is_planted(Bug::ConditionsNeverHold) {
            return None;
        }
        // What moved the tail may have been this very request.
        if !is_planted(Bug::TailBeforeReceipt)
            && let Some(replayed) = self.replay_known(stream, &member.asked).await.transpose()
        {
            return Some(replayed);
        }
        Some(Err(Error::TailMismatch { expected, tail }))
    }

    /// Where a lane goes on: after the head that is known, or after the one that is read.
    async fn go_on(&self, stream: &StreamItem, lane: &Lane, known: Option<Head>) -> Result<Head> {
        // A sweep may reduce an expired head to a stub that stays, at any moment by its own clock.
        let expires = |accepted_at| stream.is_expired(accepted_at, self.clock.now().plus(limits::CLOCK_SKEW_MS));
        let records = lane.parts.iter().map(|part| part.count).sum();
        if let Some(next) = planted::reserved(&lane.id, lane.parts.len() as u64, records) {
            return Ok(Head { next, accepted_at: Timestamp(0), empty: next == Position::START, released: None });
        }
        if let Some(known) = known.filter(|known| !expires(known.accepted_at)) {
            return Ok(known);
        }
        let Some(head) = self.store.head(&lane.id).await? else {
            return Ok(Head { next: Position::START, accepted_at: Timestamp(0), empty: true, released: None });
        };
        if !is_planted(Bug::OffsetsBeginAgain) {
            self.trust_head(&head)?;
        }
        let released = (head.deletable_at.is_none() || expires(head.accepted_at)).then_some(head.slot);
        Ok(Head { next: head.next(), accepted_at: head.accepted_at, empty: false, released })
    }

    /// The writes that append what members have come to after these heads.
    fn plan(
        &self,
        stream: &StreamItem,
        members: &[Member],
        lanes: &[Lane],
        heads: &[Head],
        batch_id: [u8; 16],
    ) -> Plan {
        let now = self.clock.now();
        let mut plan = Plan { writes: Vec::new(), kinds: Vec::new(), placements: Vec::new(), heads: Vec::new() };
        for (lane, head) in lanes.iter().zip(heads) {
            // Times do not decrease along the slots, whatever the clocks of the writers say.
            let accepted_at = now.max(head.accepted_at);
            let mut next = head.next;
            for Part { body, count, producers } in &lane.parts {
                let batch = RecordBatch {
                    slot: next.slot,
                    base_offset: next.offset,
                    count: *count,
                    write_start: head.next,
                    accepted_at,
                    batch_id,
                    producers: producers.clone(),
                    body: Some(body.clone()),
                    deletable_at: Some(stream.deletable_at(accepted_at)),
                };
                next = batch.next();
                plan.add(Kind::RecordBatch, batch.put(&lane.id));
            }
            if let Some(slot) = head.released {
                // It must not outlive what comes after it, or it would be taken for the head again.
                plan.add(Kind::OldHead, Store::release_head(&lane.id, slot, stream.deletable_at(accepted_at)));
            }
            if head.empty {
                plan.add(Kind::UseMark, Store::use_partition(&lane.id, stream.stream.definition.compaction));
            }
            plan.heads.push(Head { next, accepted_at, empty: false, released: None });
        }
        plan.placements = placements(members, lanes, heads);
        if !is_planted(Bug::ReceiptAfterTheBatch) {
            for (number, (member, placement)) in members.iter().zip(plan.placements.clone()).enumerate() {
                if let Some(idempotency) = member.asked.idempotency {
                    let receipt = ReceiptItem::new(idempotency, batch_id, placement, now);
                    plan.add(Kind::Receipt(number), receipt.put(stream.incarnation(), idempotency.key, now));
                }
            }
        }
        plan
    }

    /// Puts receipts by themselves, as nobody should.
    async fn put_receipts(
        &self,
        stream: &StreamItem,
        members: &[Member],
        batch_id: [u8; 16],
        placements: &[Placement],
    ) -> Result<()> {
        let now = self.clock.now();
        for (member, placement) in members.iter().zip(placements) {
            if let Some(idempotency) = member.asked.idempotency {
                let receipt = ReceiptItem::new(idempotency, batch_id, placement.clone(), now);
                self.store.settle_one(receipt.put(stream.incarnation(), idempotency.key, now)).await?;
            }
        }
        Ok(())
    }
}

impl Plan {
    fn add(&mut self, kind: Kind, write: Write) {
        self.kinds.push(kind);
        self.writes.push(write);
    }
}

/// Tells everybody that it failed.
fn fail(members: Vec<Member>, error: &Error) {
    members.into_iter().for_each(|member| member.tell(Err(error.repeated())));
}

/// The record batches of all members, for each partition.
fn lanes(partitions: &[PartitionId], members: &[Member]) -> Vec<Lane> {
    let lane = |id: &PartitionId| {
        let (mut events, mut producers): (Vec<&Event>, _) = (Vec::new(), Producers::default());
        for member in members {
            if let Some(lane) = member.asked.lanes.get(&id.partition) {
                events.extend(lane);
                producers.add(lane.len() as u64, member.asked.traceparent);
            }
        }
        let part = |(body, count)| Part { body, count, producers: producers.take(count) };
        Lane { id: id.clone(), parts: body::split(&events).into_iter().map(part).collect() }
    };
    partitions.iter().map(lane).collect()
}

/// Where the events of each member go: each member's follow those of the one before it.
fn placements(members: &[Member], lanes: &[Lane], heads: &[Head]) -> Vec<Placement> {
    let mut next: BTreeMap<u16, u64> =
        lanes.iter().zip(heads).map(|(lane, head)| (lane.id.partition, head.next.offset)).collect();
    let placement = |member: &Member| {
        let base_offsets = member.asked.lanes.iter().map(|(partition, events)| {
            let next = next.entry(*partition).or_default();
            let base = *next;
            if !is_planted(Bug::SharedPlaces) {
                *next += events.len() as u64;
            }
            (*partition, base)
        });
        Placement { keyless_partition: member.asked.keyless_partition, base_offsets: base_offsets.collect() }
    };
    members.iter().map(placement).collect()
}

/// What refused writes mean. Whatever carries our batch id was written by us: all of it was.
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
    let mut receipts = Vec::new();
    for (kind, item) in conditions() {
        if let Kind::Receipt(number) = kind {
            receipts.push((number, item.map(ReceiptItem::read).transpose()?));
        }
    }
    if !receipts.is_empty() {
        return Ok(Verdict::Receipts(receipts));
    }
    let of = |refused: fn(&Refusal) -> bool| {
        kinds.iter().zip(refusals).filter(move |(_, refusal)| refused(refusal)).map(|(kind, _)| *kind)
    };
    let busy = of(|refusal| matches!(refusal, Refusal::Conflict)).filter_map(|kind| match kind {
        Kind::Receipt(number) => Some(number),
        _ => None,
    });
    let busy: Vec<_> = busy.collect();
    if !busy.is_empty() {
        return Ok(Verdict::Busy(busy));
    }
    // Another transaction on a slot is another writer who is about to win it; only when nobody is there the head is lost.
    let raced = of(|refusal| !matches!(refusal, Refusal::None)).any(|kind| kind == Kind::RecordBatch);
    let used = of(|refusal| matches!(refusal, Refusal::Condition(_))).any(|kind| kind == Kind::UseMark);
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
