//! Group commit: the publishers of one process that append to one partition at the same time share a write.
//!
//! While one write is under way, whoever comes joins the next, and it is written when its turn comes: nobody waits for a
//! timer, and who comes alone writes alone. A write is seen through by one of its members, which the others only wait for;
//! when that one's client is gone, another goes on where it stopped. Each member is told its own answer.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures::future::BoxFuture;
use tokio::sync::oneshot::{Receiver, Sender, channel};

use crate::answers::{PartitionId, Published};
use crate::clock::Timestamp;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::limits;
use crate::model::Event;
use crate::publish::Asked;
use crate::store::StreamItem;

/// A request that takes part in a write.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) asked: Asked,
    /// When its verb gives up.
    pub(crate) deadline: Timestamp,
    /// Who is to hear that something is about to be written for it.
    request: Option<Deadline>,
    tell: Sender<Result<Published>>,
}

impl Member {
    /// A member, and where it is told its answer.
    pub(crate) fn new(
        asked: Asked,
        deadline: Timestamp,
        request: Option<Deadline>,
    ) -> (Self, Receiver<Result<Published>>) {
        let (tell, told) = channel();
        (Self { asked, deadline, request, tell }, told)
    }

    /// Tells it its answer. Its client may be gone.
    pub(crate) fn tell(self, answer: Result<Published>) {
        self.tell.send(answer).ok();
    }

    /// Whether its client left before anything was done for it.
    pub(crate) fn is_gone(&self) -> bool {
        self.tell.is_closed()
    }

    /// Something is about to be sent to the store for it.
    pub(crate) fn note_write(&self) {
        self.request.iter().for_each(Deadline::note_write);
    }

    /// Whether others may share its write: what goes to several partitions would make the writes of each wait for the others,
    /// and what expects a tail would have to be told one that is not durable yet.
    fn may_share(&self) -> bool {
        self.asked.lanes.len() == 1 && self.asked.expected_tail.is_none()
    }
}

/// Who takes part in a write that has not begun, and what they have together: no more than one request may have, so that
/// readers and the store's limits need not know that it is shared.
#[derive(Debug, Default)]
struct Waiting {
    members: Vec<Member>,
    events: usize,
    bytes: usize,
    /// The Idempotency-Keys. Each is there once: of two alike, one waits for what the other comes to.
    keys: BTreeSet<[u8; 32]>,
}

impl Waiting {
    /// Takes one more, or gives it back.
    fn admit(&mut self, member: Member) -> Option<Member> {
        let all = || member.asked.lanes.values().flatten();
        let (events, bytes) = (self.events + all().count(), self.bytes + all().map(Event::stored_bytes).sum::<usize>());
        let key = member.asked.idempotency.map(|idempotency| idempotency.key);
        let has_room = events <= limits::EVENTS_PER_REQUEST
            && bytes <= limits::BODY_BYTES
            && key.is_none_or(|key| self.keys.len() < limits::RECEIPTS_PER_WRITE && !self.keys.contains(&key));
        // What one request may have is never too much.
        if !self.members.is_empty() && !has_room {
            return Some(member);
        }
        (self.events, self.bytes) = (events, bytes);
        self.keys.extend(key);
        self.members.push(member);
        None
    }
}

/// The members of a write; none once it has begun.
#[derive(Clone, Debug)]
pub(crate) struct Members(Arc<Mutex<Option<Waiting>>>);

impl Members {
    fn first(member: Member) -> Self {
        let mut waiting = Waiting::default();
        // Nobody is there, so it is admitted.
        waiting.admit(member);
        Self(Arc::new(Mutex::new(Some(waiting))))
    }

    /// Takes one more, or gives it back.
    fn admit(&self, member: Member) -> Option<Member> {
        match lock(&self.0).as_mut() {
            Some(waiting) => waiting.admit(member),
            None => Some(member),
        }
    }

    /// The write begins: nobody can join it any more.
    pub(crate) fn close(&self) -> Vec<Member> {
        lock(&self.0).take().unwrap_or_default().members
    }
}

/// A write that is shared.
pub(crate) struct Group {
    members: Members,
    /// The write, for whoever of the members has it; none when it is done.
    work: tokio::sync::Mutex<Option<BoxFuture<'static, ()>>>,
}

impl Group {
    fn begin(ledger: &Ledger, stream: StreamItem, member: Member) -> Arc<Self> {
        let partitions = member.asked.lanes.keys().map(|partition| stream.partition(*partition)).collect();
        let members = Members::first(member);
        let work = Box::pin(ledger.clone().write_together(stream, partitions, members.clone()));
        Arc::new(Self { members, work: tokio::sync::Mutex::new(Some(work)) })
    }

    /// Waits for an answer, and does the work as long as no other member does.
    pub(crate) async fn see_through(self: Arc<Self>, mut told: Receiver<Result<Published>>) -> Result<Published> {
        let answer = tokio::select! {
            biased;
            answer = &mut told => answer,
            mut work = self.work.lock() => {
                if let Some(under_way) = work.as_mut() {
                    under_way.await;
                    *work = None;
                }
                drop(work);
                told.await
            }
        };
        answer.unwrap_or_else(|_| Err(Error::broken("a write tells each of its members what it came to")))
    }
}

/// The writes that can still be joined, by the partition that they go to.
#[derive(Clone, Default)]
pub(crate) struct Groups(Arc<Mutex<HashMap<PartitionId, Weak<Group>>>>);

impl std::fmt::Debug for Groups {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Groups")
    }
}

impl Groups {
    /// Joins the next write of the member's partition, or begins one.
    pub(crate) fn join(&self, ledger: &Ledger, stream: StreamItem, mut member: Member) -> Arc<Group> {
        let shared = member.may_share().then(|| member.asked.lanes.keys().next()).flatten();
        let Some(partition) = shared.map(|partition| stream.partition(*partition)) else {
            return Group::begin(ledger, stream, member);
        };
        let mut open = lock(&self.0);
        if let Some(group) = open.get(&partition).and_then(Weak::upgrade) {
            match group.members.admit(member) {
                None => return group,
                Some(back) => member = back,
            }
        }
        // Forget those that were written, now and then.
        if open.len().is_power_of_two() {
            open.retain(|_, group| group.strong_count() > 0);
        }
        let group = Group::begin(ledger, stream, member);
        open.insert(partition, Arc::downgrade(&group));
        group
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
