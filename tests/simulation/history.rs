//! What happened, as its clients saw it: each request with when it began and ended by the true time, and what it came to.
//! Cursors are kept opened, because the checker may know what clients may not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger::model::Incarnation;
use ledger::model::cursor::Payload;

/// From when to when, in milliseconds of the true time. What never ended, ended at the end of time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) begun: u64,
    pub(crate) ended: u64,
}

/// What a request's store calls touched, also after its client had given up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched {
    /// The lives of streams whose logs it tried to write.
    pub(crate) logs_written: BTreeSet<Incarnation>,
    /// The lives whose compacted state it read.
    pub(crate) states_read: BTreeSet<Incarnation>,
    /// Each write that it tried: operation, first partition key, and what an update does.
    pub(crate) writes: Vec<(String, String, String)>,
    /// How many calls it made.
    pub(crate) calls: u64,
    /// Whether a write of a log took effect and its answer was lost.
    pub(crate) lost_a_reply: bool,
    /// Whether it is an operator's, who has rights of its own.
    pub(crate) by_an_operator: bool,
    /// Whether its process had others at the same time: then what any of them touched is here.
    pub(crate) shared: bool,
}

/// Shared between a request and the calls that it makes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts(Arc<Mutex<Touched>>);

impl Facts {
    /// Of what an operator does, with tools and rights of its own.
    pub(crate) fn of_an_operator() -> Self {
        let facts = Self::default();
        facts.change(|touched| touched.by_an_operator = true);
        facts
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Touched)) {
        change(&mut self.lock());
    }

    /// Whether it is the very same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn get(&self) -> Touched {
        self.lock().clone()
    }

    pub(crate) fn is_of_an_operator(&self) -> bool {
        self.lock().by_an_operator
    }

    fn lock(&self) -> MutexGuard<'_, Touched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request that wants to change something came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome<T> {
    Done(T),
    /// Refused, with the promise that it had no effect; the problem's code.
    Nothing(String),
    /// Nobody knows.
    Unknown,
}

impl<T> Outcome<T> {
    /// Whether it was done, as far as anybody knows.
    pub(crate) fn may_have_happened(&self) -> bool {
        !matches!(self, Self::Nothing(_))
    }

    pub(crate) fn done(&self) -> Option<&T> {
        match self {
            Self::Done(value) => Some(value),
            _ => None,
        }
    }
}

/// An event as its publisher sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Told apart from every other event of the run.
    pub(crate) id: u64,
    pub(crate) key: Option<String>,
    pub(crate) tombstone: bool,
}

/// One attempt to publish.
#[derive(Clone, Debug)]
pub(crate) struct Publish {
    pub(crate) span: Span,
    pub(crate) client: u64,
    pub(crate) events: Vec<Sent>,
    pub(crate) idempotency_key: Option<String>,
    /// The offset that had to be the tail.
    pub(crate) expected_tail: Option<u64>,
    /// The offset that was told to be the tail instead.
    pub(crate) told_tail: Option<u64>,
    /// Partition and offset of each event, and whether it was a replay.
    pub(crate) outcome: Outcome<(Vec<(u16, u64)>, bool)>,
    pub(crate) facts: Facts,
}

/// A record as a reader saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) partition: u16,
    pub(crate) offset: u64,
    pub(crate) id: u64,
    pub(crate) key: Option<String>,
    pub(crate) tombstone: bool,
    pub(crate) published_at: u64,
}

/// A page.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) span: Span,
    /// Who read, since its last restart.
    pub(crate) reader: String,
    pub(crate) subscription: Option<String>,
    /// The cursor that was sent.
    pub(crate) from: Option<Payload>,
    /// The cursor that came back.
    pub(crate) to: Payload,
    pub(crate) records: Vec<Seen>,
    pub(crate) snapshot: bool,
    pub(crate) caught_up: bool,
    /// What the reader built so far, where it builds state and was told that it is the state of one moment.
    pub(crate) state: Option<BTreeMap<String, u64>>,
}

/// A 410 for an expired position.
#[derive(Clone, Debug)]
pub(crate) struct Expired {
    pub(crate) span: Span,
    /// The cursor that was sent.
    pub(crate) from: Option<Payload>,
    pub(crate) lost_events: u64,
    pub(crate) earliest: Payload,
}

/// A commit.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) span: Span,
    pub(crate) cursor: Payload,
    pub(crate) outcome: Outcome<bool>,
}

/// A subscription that was created or sought: the beginning of a generation.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) span: Span,
    pub(crate) name: String,
    pub(crate) start: String,
    /// The cursor that it was to be moved to.
    pub(crate) target: Option<Payload>,
    pub(crate) seek: bool,
    /// Where it begins.
    pub(crate) outcome: Outcome<Payload>,
}

/// The end of a subscription, as somebody asked for it; or that it was said to be absent.
#[derive(Clone, Debug)]
pub(crate) struct Unsubscribe {
    pub(crate) span: Span,
    pub(crate) name: String,
    pub(crate) outcome: Outcome<()>,
}

/// A create of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Create {
    pub(crate) span: Span,
    /// Which life, of how many partitions, and whether this create began it.
    pub(crate) outcome: Outcome<(Incarnation, u64, bool)>,
}

/// A delete of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Delete {
    pub(crate) span: Span,
    pub(crate) outcome: Outcome<()>,
}

/// The latest record of a key, or that there is none.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    pub(crate) span: Span,
    pub(crate) key: String,
    pub(crate) found: Option<Seen>,
    pub(crate) facts: Facts,
}

/// How far a stream went.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) span: Span,
    pub(crate) incarnation: Incarnation,
    /// Of each partition head, tail and watermark.
    pub(crate) partitions: Vec<[u64; 3]>,
}

/// What can be said of an API key, by the true time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyLife {
    /// From when on every service takes it.
    pub(crate) works_from: u64,
    /// Until when every service takes it.
    pub(crate) works_until: u64,
    /// From when on none does.
    pub(crate) dead_from: u64,
}

/// A request with an API key that changes, and what could be said of the key when it began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyUse {
    pub(crate) span: Span,
    pub(crate) taken: bool,
    pub(crate) life: KeyLife,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) publishes: Vec<Publish>,
    pub(crate) reads: Vec<Read>,
    pub(crate) expired: Vec<Expired>,
    pub(crate) commits: Vec<Commit>,
    pub(crate) placed: Vec<Placed>,
    /// The cursors that were given out for each subscription, as they were.
    pub(crate) cursors: BTreeMap<String, Vec<String>>,
    pub(crate) unsubscribes: Vec<Unsubscribe>,
    /// When a subscription was said not to exist, and which.
    pub(crate) absent: Vec<(Span, String)>,
    /// When the stream was said to be absent, or another than it was.
    pub(crate) absent_streams: Vec<Span>,
    pub(crate) creates: Vec<Create>,
    pub(crate) deletes: Vec<Delete>,
    pub(crate) lookups: Vec<Lookup>,
    pub(crate) described: Vec<Described>,
    pub(crate) key_uses: Vec<KeyUse>,
    /// The stream beside that of the run, once it is filled.
    pub(crate) neighbour: Option<Incarnation>,
    /// What a fault-free reader read of the log of each life: per partition, by offset.
    pub(crate) truth: BTreeMap<Incarnation, Vec<BTreeMap<u64, Seen>>>,
    /// The lives that were read to their end when everything had come to rest.
    pub(crate) complete: BTreeSet<Incarnation>,
    /// What was found wrong while the run went on.
    pub(crate) anomalies: Vec<String>,
}
