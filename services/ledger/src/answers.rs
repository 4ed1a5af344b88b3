//! What the verbs take and give: plain values between the handlers and the ledger.

use crate::clock::Timestamp;
use crate::model::cursor::Cursor;
use crate::model::{
    Event, Incarnation, PartitionCount, Record, RetentionHours, StreamName, SubscriptionName, TraceParent,
};

/// What a stream is to be; the same again is the same stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamDefinition {
    /// Its name.
    pub name: StreamName,
    /// How many partitions.
    pub partition_count: PartitionCount,
    /// How long events can be read.
    pub retention_hours: RetentionHours,
    /// Whether compacted state is kept.
    pub compaction: bool,
}

/// A stream as it is defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// What it was created as.
    pub definition: StreamDefinition,
    /// Which life of the name.
    pub incarnation: Incarnation,
    /// When this life began.
    pub created_at: Timestamp,
}

/// Something that exists now, and whether this call made it.
#[derive(Clone, Debug)]
pub struct Created<T> {
    /// What exists.
    pub value: T,
    /// False when it existed before, with the same definition.
    pub new: bool,
}

/// One page of a listing.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// The items, in the order of their names.
    pub items: Vec<T>,
    /// Pass it as `after` to get the next page; absent on the last.
    pub next: Option<String>,
}

/// A stream and how far its log goes.
#[derive(Clone, Debug)]
pub struct StreamDescription {
    /// The stream.
    pub stream: Stream,
    /// Readable events in all partitions.
    pub events: u64,
    /// Each partition.
    pub partitions: Vec<PartitionDescription>,
}

/// How far the log of a partition goes, in offsets.
#[derive(Clone, Copy, Debug)]
pub struct PartitionDescription {
    /// Which.
    pub partition: u16,
    /// Oldest readable offset; the tail when there is none.
    pub head: u64,
    /// First unwritten offset.
    pub tail: u64,
    /// First offset that is not in compacted state.
    pub watermark: u64,
}

/// A request to publish. All of it is appended, or none.
#[derive(Clone, Debug)]
pub struct PublishRequest {
    /// To which stream.
    pub stream: StreamName,
    /// What, in the publisher's order; at least one, at most [`crate::limits::EVENTS_PER_REQUEST`].
    pub events: Vec<Event>,
    /// Makes repeating the request harmless.
    pub idempotency: Option<Idempotency>,
    /// Append only if this is the tail of the one partition that the events go to.
    pub expected_tail: Option<u64>,
    /// Where in a trace it is published; kept with the events for their readers.
    pub traceparent: Option<TraceParent>,
}

/// An Idempotency-Key and what it was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Hash of the caller's identity and the key, which it is scoped by.
    pub key: [u8; 32],
    /// Hash of the request's body and of its other parts that matter.
    pub body: [u8; 32],
}

/// What was appended, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Partition and offset of each event.
    pub places: Vec<(u16, u64)>,
    /// Whether this answers an earlier request with the same Idempotency-Key.
    pub replayed: bool,
}

/// Where reading starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartFrom {
    /// The oldest readable event.
    Earliest,
    /// After the last event.
    Latest,
    /// The compacted state, then the log.
    Compacted,
    /// The first event accepted at or after a time.
    Timestamp(Timestamp),
}

/// Where a seek moves a subscription.
#[derive(Clone, Debug)]
pub enum SeekTo {
    /// To a start point.
    Start(StartFrom),
    /// To a cursor of this subscription, of any generation.
    Cursor(Cursor),
}

/// Where a page of events begins.
#[derive(Clone, Debug)]
pub enum ReadFrom {
    /// At a start point.
    Start(StartFrom),
    /// Where an earlier page ended.
    Cursor(Cursor),
}

/// How much of a page, and how long to wait for it.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest {
    /// Most records.
    pub limit: u32,
    /// How long to wait while there is none.
    pub wait_ms: u64,
}

/// The records a reader gets.
#[derive(Clone, Debug)]
pub struct EventPage {
    /// The records, in order within each partition.
    pub records: Vec<Record>,
    /// Whether the records are compacted state and not the log.
    pub snapshot: bool,
    /// Where to go on.
    pub cursor: Cursor,
    /// Whether no acknowledged event lay beyond the cursor when the poll began.
    pub caught_up: bool,
    /// Whether the next page is compacted state.
    pub in_snapshot: bool,
    /// Whether what was built so far is the state of one moment.
    pub consistent: bool,
    /// What lies beyond the cursor.
    pub lag: Lag,
    /// When to poll again.
    pub poll_after_ms: u64,
}

/// How far behind the tail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Events between the position and the tail.
    pub events: u64,
    /// Age of the first of them in milliseconds; 0 when there is none.
    pub ms: u64,
}

/// A subscription and how it does.
#[derive(Clone, Debug)]
pub struct SubscriptionDescription {
    /// Its name.
    pub name: SubscriptionName,
    /// The stream it reads.
    pub stream: StreamName,
    /// Where it was created to start.
    pub start_from: StartFrom,
    /// Whether its committed positions are in compacted state.
    pub in_snapshot: bool,
    /// Its committed positions.
    pub cursor: Cursor,
    /// Changes with each seek.
    pub generation: u64,
    /// How it does.
    pub status: Status,
    /// What lies beyond the committed positions.
    pub lag: Lag,
    /// When it was created.
    pub created_at: Timestamp,
    /// When positions were last committed.
    pub last_commit_at: Option<Timestamp>,
    /// When it last polled, to the minute.
    pub last_poll_at: Option<Timestamp>,
}

/// How a subscription does, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Retention overtook it: events were lost to it.
    Lost,
    /// It was moved back a moment ago, and has not committed since.
    Rewind,
    /// There are events, and it neither polls nor commits.
    Stop,
    /// There were events all the time, it polls, and its commits do not move.
    Stall,
    /// It moves, never catches up, and falls behind.
    Warn,
    /// It keeps up.
    Ok,
    /// There is nothing to read, and it does not ask.
    Idle,
}

impl Status {
    /// Every status, worst first.
    pub const ALL: [Self; 7] = [Self::Lost, Self::Rewind, Self::Stop, Self::Stall, Self::Warn, Self::Ok, Self::Idle];

    /// As it is spelled in answers and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "LOST",
            Self::Rewind => "REWIND",
            Self::Stop => "STOP",
            Self::Stall => "STALL",
            Self::Warn => "WARN",
            Self::Ok => "OK",
            Self::Idle => "IDLE",
        }
    }
}

/// What the table knows of the system's own health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// When a sweep last came to its end; absent before the first one.
    pub swept_at: Option<Timestamp>,
}

/// How all subscriptions do, at one time.
#[derive(Clone, Debug, Default)]
pub struct ConsumersSample {
    /// Those that could be looked at.
    pub consumers: Vec<ConsumerSample>,
    /// Whether that is all of them.
    pub complete: bool,
}

/// How one subscription does.
#[derive(Clone, Debug)]
pub struct ConsumerSample {
    /// The stream it reads.
    pub stream: StreamName,
    /// Its name.
    pub subscription: SubscriptionName,
    /// How it does.
    pub status: Status,
    /// What lies beyond its committed positions.
    pub lag: Lag,
    /// Until the first of that expires, in milliseconds, 0 when it has; absent when nothing that it needs can expire.
    pub headroom_ms: Option<u64>,
    /// How long events of its stream can be read, in milliseconds.
    pub retention_ms: u64,
}

/// The answer to a commit.
#[derive(Clone, Copy, Debug)]
pub struct Committed {
    /// Whether the committed positions moved.
    pub advanced: bool,
    /// What lies beyond them.
    pub lag: Lag,
}

/// One page of compacted state.
#[derive(Clone, Debug)]
pub struct CompactedPage {
    /// The latest record of each key.
    pub records: Vec<Record>,
    /// Where to go on; absent on the last page.
    pub cursor: Option<Cursor>,
}

/// How far a partition is compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// Which partition.
    pub partition: u16,
    /// First offset that is not in compacted state.
    pub watermark: u64,
}

/// A partition of a life of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionId {
    /// Which stream.
    pub incarnation: Incarnation,
    /// Which of its partitions.
    pub partition: u16,
}

/// An API key as it is stored; the secret is not.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ApiKey {
    /// Twelve base62 characters.
    pub id: String,
    /// SHA-256 of the secret.
    pub secret_hash: [u8; 32],
    /// Who uses it.
    pub client: String,
    /// What it allows, as `<action>:<stream or prefix*>[:<subscription or prefix*>]`.
    pub scopes: Vec<String>,
    /// Whether it can be used.
    pub state: ApiKeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Before this it cannot be used.
    pub not_before: Option<Timestamp>,
    /// From then on it cannot be used.
    pub expires_at: Option<Timestamp>,
    /// How much it may ask; what a name means is decided by `platform`. Stored in an attribute of its own.
    #[serde(skip)]
    pub tier: String,
    /// The last hour in which it was used, as far as it was noted. Stored in an attribute of its own.
    #[serde(skip)]
    pub last_used_at: Option<Timestamp>,
}

/// Whether a key can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiKeyState {
    /// It can.
    Active,
    /// It can until its grace ends; it has a successor.
    Grace {
        /// The end.
        until: Timestamp,
    },
    /// It never can again.
    Revoked,
}

/// A request for tokens of a quota that many processes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRequest<'a> {
    /// Whose quota.
    pub key_id: &'a str,
    /// Which of its quotas.
    pub quota: &'a str,
    /// The number of the window in which the tokens can be used.
    pub window: u64,
    /// How many tokens are asked for.
    pub tokens: u64,
    /// How many tokens the window has in all.
    pub capacity: u64,
    /// When nobody can be interested in the window any more.
    pub forgotten_at: Timestamp,
}

/// The answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Whether the tokens were given, all of them.
    pub granted: bool,
    /// How many tokens of the window are leased, to anyone, these included.
    pub leased: u64,
}
