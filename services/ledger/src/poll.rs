//! Poll: the next records after a position, from compacted state or from the log. Changes nothing that a reader could
//! notice; only the minute of a subscription's last poll is noted, and how many bootstraps it began.

use crate::answers::{EventPage, Lag, PageRequest, ReadFrom};
use crate::clock::Timestamp;
use crate::deadline::within_request;
use crate::error::{Error, Expired, Restart, Result};
use crate::ledger::Ledger;
use crate::limits;
use crate::log::Lane;
use crate::model::cursor::{Cursor, CursorUse, Payload};
use crate::model::{Phase, Position, Progress, Record, StreamName, SubscriptionName};
use crate::planted::{Bug, is_planted};
use crate::store::{Outcome, StreamItem};
use crate::{trace, usage};

/// Without a doorbell a waiting poll looks again this often, in milliseconds: waiting longer in a Lambda costs as much
/// as polling that often.
const LOOK_AGAIN_MS: u64 = 700;
/// The first and the longest pause that an idle reader is told to make.
const POLL_AFTER_MS: std::ops::RangeInclusive<u64> = 200..=5_000;
const MINUTE_MS: u64 = 60_000;

impl Ledger {
    /// Reads a stream without a subscription.
    ///
    /// # Errors
    /// `StreamNotFound`, `InvalidCursor`, `StreamRecreated`, `PositionExpired`, `Unavailable`.
    pub async fn read_events(&self, name: &StreamName, from: ReadFrom, page: PageRequest) -> Result<EventPage> {
        let mut stream = self.stream(name).await?;
        let payload = match from {
            ReadFrom::Start(start) => {
                let progress = self.start(&stream, start).await?;
                Payload::new(CursorUse::Events, stream.incarnation(), progress, self.clock.now())
            }
            ReadFrom::Cursor(cursor) => {
                let payload = self.open_cursor(&mut stream, &cursor).await?;
                if payload.used_for != CursorUse::Events {
                    return Err(Error::InvalidCursor);
                }
                payload
            }
        };
        self.wait_for_page(&stream, payload, page).await
    }

    /// Reads on for a subscription: from its committed positions, or from a cursor ahead of them.
    ///
    /// # Errors
    /// As [`Ledger::read_events`], and `SubscriptionNotFound`, `GenerationMismatch`, `CompactionGap`.
    pub async fn poll(
        &self,
        name: &StreamName,
        subscription: &SubscriptionName,
        cursor: Option<Cursor>,
        page: PageRequest,
    ) -> Result<EventPage> {
        let mut stream = self.stream(name).await?;
        let payload = match cursor {
            None => {
                let item = self.subscription(&stream, subscription).await?;
                let used_for = CursorUse::subscription(subscription, item.generation);
                Payload::new(used_for, stream.incarnation(), item.progress.clone(), item.verified_at)
            }
            Some(cursor) => {
                let payload = self.open_cursor(&mut stream, &cursor).await?;
                self.check_use(&stream, subscription, &payload).await?;
                payload
            }
        };
        self.note_poll(&stream, subscription).await?;
        let page = self.wait_for_page(&stream, payload, page).await?;
        if is_planted(Bug::PollsCommit) {
            self.commit(name, subscription, page.cursor.clone()).await.ok();
        }
        Ok(page)
    }

    /// Reads a page, and while it is empty and the request may wait, again after each ring of the doorbell.
    async fn wait_for_page(&self, stream: &StreamItem, payload: Payload, request: PageRequest) -> Result<EventPage> {
        let until = within_request(self.clock.now().plus(request.wait_ms));
        let mut listener = (request.wait_ms > 0).then(|| self.doorbell.listen(stream.incarnation()));
        loop {
            let page = self.page(stream, &payload, request.limit).await?;
            let left = until.since(self.clock.now());
            let Some(listener) = listener.as_mut().filter(|_| page.records.is_empty() && page.caught_up && left > 0)
            else {
                return Ok(page);
            };
            if self.doorbell.is_closed() {
                return Ok(page);
            }
            let pause = if self.settings.alone { left } else { left.min(LOOK_AGAIN_MS) };
            let began = self.clock.now();
            tokio::select! {
                () = listener.ring() => {}
                () = self.clock.sleep(pause) => {}
            }
            let waited_ms = self.clock.now().since(began);
            usage::note(|usage| usage.waited_ms += waited_ms);
        }
    }

    async fn page(&self, stream: &StreamItem, payload: &Payload, limit: u32) -> Result<EventPage> {
        if payload.progress.in_snapshot() {
            self.snapshot_page(stream, payload, limit).await
        } else {
            self.log_page(stream, payload, limit).await
        }
    }

    /// A page of the log.
    async fn log_page(&self, stream: &StreamItem, payload: &Payload, limit: u32) -> Result<EventPage> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let positions = &payload.progress.positions;
        let read = |(partition, position): (_, &Position)| {
            let (partition, position) = (stream.partition(partition), *position);
            async move { self.read_lane(stream, &partition, position, limit, payload.verified_at).await }
        };
        let lanes = futures::future::try_join_all((0..).zip(positions).map(read)).await?;
        let lost_events: u64 = lanes.iter().map(|lane| lane.lost_events).sum();
        if lost_events > 0 {
            // Who built state and goes on here has missed something where it was lost: it is the state of one moment no more.
            let bootstrap = payload.progress.bootstrap;
            let incomplete = |lane: &Lane| bootstrap > 0 && lane.lost_events > 0;
            let after = lanes.iter().zip(payload.progress.places());
            let after = after.map(|(lane, (_, target))| (lane.start, if incomplete(lane) { u64::MAX } else { target }));
            let (positions, targets) = after.unzip();
            let progress = Progress { bootstrap, phase: Phase::Live { targets }, positions }.settled();
            let earliest = self.seal(stream, payload.used_for.clone(), progress);
            let restart = self.restart_from(stream, payload.used_for.clone(), earliest);
            return Err(Error::PositionExpired(Box::new(Expired { lost_events, restart })));
        }
        let now = self.clock.now();
        // A gap at a position says that it could be read once; whether it still can is not known.
        let verified_at = if lanes.iter().any(|lane| lane.stopped_at_gap) { payload.verified_at } else { now };
        let mixed = mix(lanes, positions, limit);
        let lag = self.lag_after(stream, &mixed, now).await?;
        let at_end = |(next, end): (&Position, &LaneEnd)| end.complete && *next == end.position;
        let caught_up = mixed.next.iter().zip(&mixed.ends).all(at_end) || is_planted(Bug::AlwaysCaughtUp);
        let phase = payload.progress.phase.clone();
        let progress = Progress { bootstrap: payload.progress.bootstrap, phase, positions: mixed.next }.settled();
        Ok(self.event_page(stream, payload, Found { records: mixed.records, progress, caught_up, lag }, verified_at))
    }

    /// Puts a page together with its cursor, which says when it was seen to be readable.
    pub(crate) fn event_page(
        &self,
        stream: &StreamItem,
        payload: &Payload,
        found: Found,
        verified_at: Timestamp,
    ) -> EventPage {
        trace::link(found.records.iter().map(|record| record.traceparent));
        let mut next = Payload::new(payload.used_for.clone(), stream.incarnation(), found.progress, verified_at);
        next.empty_polls = if found.records.is_empty() { payload.empty_polls.saturating_add(1) } else { 0 };
        let hint = POLL_AFTER_MS.start() << u32::from(next.empty_polls.min(8));
        EventPage {
            cursor: next.seal(&stream.cursor_key),
            snapshot: payload.progress.in_snapshot(),
            records: found.records,
            caught_up: found.caught_up,
            in_snapshot: next.progress.in_snapshot(),
            consistent: next.progress.is_consistent(),
            lag: found.lag,
            poll_after_ms: if found.caught_up { hint.min(*POLL_AFTER_MS.end()) } else { 0 },
        }
    }

    /// What lies beyond a page: the lanes know unless they were cut, then the tail is asked.
    async fn lag_after(&self, stream: &StreamItem, mixed: &Mixed, now: Timestamp) -> Result<Lag> {
        let tail = |(partition, end): (u16, &LaneEnd)| {
            let (partition, complete, position) = (stream.partition(partition), end.complete, end.position);
            async move { if complete { Ok(position) } else { self.tail(&partition).await } }
        };
        let tails = futures::future::try_join_all((0..).zip(&mixed.ends).map(tail)).await?;
        let events = tails.iter().zip(&mixed.next).map(|(tail, next)| tail.offset.saturating_sub(next.offset)).sum();
        let oldest = mixed.ends.iter().filter_map(|end| end.first_unread_at).min();
        Ok(Lag { events, ms: oldest.map_or(0, |time| now.since(time)) })
    }

    /// Notes that a subscription polled, once a minute, and finds out whether it still exists.
    async fn note_poll(&self, stream: &StreamItem, name: &SubscriptionName) -> Result<()> {
        let now = self.clock.now();
        let minute = Timestamp(now.0 - now.0 % MINUTE_MS);
        let known = (stream.incarnation(), name.clone());
        if self.noted_polls.get(&known, now) == Some(minute) {
            return Ok(());
        }
        let epoch = self.noted_polls.epoch();
        match self.store.note_poll(stream.incarnation(), name, minute, now.plus(limits::NOTE_MS)).await {
            Ok(Outcome::Applied) => self.noted_polls.put(known, minute, now, epoch),
            Ok(Outcome::Refused { .. }) => return Err(Error::SubscriptionNotFound),
            // Polling must go on when a note cannot be written.
            Err(error) => tracing::warn!(%error, "the minute of a poll was not noted"),
        }
        Ok(())
    }

    /// Seals progress as verified now.
    pub(crate) fn seal(&self, stream: &StreamItem, used_for: CursorUse, progress: Progress) -> Cursor {
        self.seal_at(stream, used_for, progress, self.clock.now())
    }

    /// Seals progress as verified at a time.
    pub(crate) fn seal_at(
        &self,
        stream: &StreamItem,
        used_for: CursorUse,
        progress: Progress,
        verified_at: Timestamp,
    ) -> Cursor {
        Payload::new(used_for, stream.incarnation(), progress, verified_at).seal(&stream.cursor_key)
    }

    /// What a cursor says of this subscription, in whichever of its generations; none when it is for something else.
    ///
    /// # Errors
    /// `StreamNotFound`, `InvalidCursor`, `StreamRecreated`, `Unavailable`.
    pub(crate) async fn progress_of(
        &self,
        stream: &StreamName,
        subscription: &SubscriptionName,
        cursor: &Cursor,
    ) -> Result<Option<Progress>> {
        let mut stream = self.stream(stream).await?;
        let Payload { used_for, progress, .. } = self.open_cursor(&mut stream, cursor).await?;
        let is_its_own = matches!(used_for, CursorUse::Subscription { name, .. } if name == subscription.as_str());
        Ok(is_its_own.then_some(progress))
    }

    /// Where a reader of an earlier life of the stream can start.
    pub(crate) async fn restart(&self, stream: &StreamItem, used_for: &CursorUse) -> Result<Restart> {
        // Without a subscription of that name in this life only a plain read can go on.
        let (mut used_for, mut bootstrap, named) = (CursorUse::Events, 0, used_for);
        if let CursorUse::Subscription { name, .. } = named {
            let name = SubscriptionName::parse(name.clone()).ok_or(Error::InvalidCursor)?;
            if let Some(item) = self.store.subscription(stream.incarnation(), &name).await? {
                used_for = CursorUse::subscription(&name, item.generation);
                // Else its commits would count for nothing beside the bootstrap that the subscription went on from. One whose
                // snapshot is not read to its end yet is not ended by what others read.
                bootstrap = if item.progress.in_snapshot() { 0 } else { item.progress.bootstrap };
            }
        }
        let Progress { positions, .. } = self.start(stream, crate::StartFrom::Earliest).await?;
        // What expired in this life, the bootstrap had and this reader never sees: as after an expiry.
        let incomplete = |position: &Position| bootstrap > 0 && *position != Position::START;
        let targets = positions.iter().map(|position| if incomplete(position) { u64::MAX } else { 0 }).collect();
        let progress = Progress { bootstrap, phase: Phase::Live { targets }, positions }.settled();
        let earliest = self.seal(stream, used_for.clone(), progress);
        Ok(self.restart_from(stream, used_for, earliest))
    }

    /// Where a reader can start again: at the earliest place, or with a bootstrap where there is compacted state.
    fn restart_from(&self, stream: &StreamItem, used_for: CursorUse, earliest: Cursor) -> Restart {
        let subscription = match &used_for {
            CursorUse::Subscription { name, .. } => Some(name.clone()),
            CursorUse::Events | CursorUse::Compacted => None,
        };
        let compaction = stream.stream.definition.compaction;
        let bootstrap = compaction.then(|| self.seal(stream, used_for, Progress::bootstrap()));
        Restart { earliest, bootstrap, subscription }
    }
}

/// Whether a cursor is of this subscription, as it is since its last seek.
pub(crate) fn check_use(payload: &Payload, subscription: &SubscriptionName, generation: u64) -> Result<()> {
    match &payload.used_for {
        CursorUse::Subscription { name, .. } if name != subscription.as_str() => Err(Error::InvalidCursor),
        CursorUse::Subscription { generation: given, .. } if *given == generation => Ok(()),
        CursorUse::Subscription { .. } => Err(Error::GenerationMismatch),
        CursorUse::Events | CursorUse::Compacted => Err(Error::InvalidCursor),
    }
}

/// What a page is made of.
pub(crate) struct Found {
    pub(crate) records: Vec<Record>,
    pub(crate) progress: Progress,
    pub(crate) caught_up: bool,
    pub(crate) lag: Lag,
}

/// The records of a page, drawn from all lanes.
struct Mixed {
    records: Vec<Record>,
    /// Per lane, after its last record in the page.
    next: Vec<Position>,
    ends: Vec<LaneEnd>,
}

/// How far a lane was read, beyond what the page took of it.
struct LaneEnd {
    position: Position,
    complete: bool,
    first_unread_at: Option<Timestamp>,
}

/// Takes a record of each lane in turn until the page is full. Who comes first changes as the reader goes on, so that a
/// page smaller than the number of lanes starves none.
fn mix(lanes: Vec<Lane>, positions: &[Position], limit: usize) -> Mixed {
    let count = lanes.len();
    let read: u64 = positions.iter().map(|position| position.offset).sum();
    let first = usize::try_from(read % count.max(1) as u64).unwrap_or_default();
    let mut mixed = Mixed { records: Vec::new(), next: Vec::with_capacity(count), ends: Vec::with_capacity(count) };
    let mut queues = Vec::with_capacity(count);
    for lane in lanes {
        mixed.next.push(lane.start);
        mixed.ends.push(LaneEnd { position: lane.end(), complete: lane.complete, first_unread_at: None });
        queues.push(lane.records.into_iter().peekable());
    }
    let (mut bytes, mut full, mut turn, mut idle) = (0, false, first, 0);
    while !full && idle < count {
        let lane = turn % count;
        turn += 1;
        let Some((record, _)) = queues[lane].peek() else {
            idle += 1;
            continue;
        };
        idle = 0;
        bytes += record.event.payload_bytes();
        full = mixed.records.len() == limit || (bytes > limits::PAGE_BYTES && !mixed.records.is_empty());
        if !full && let Some((record, next)) = queues[lane].next() {
            mixed.records.push(record);
            mixed.next[lane] = next;
        }
        if is_planted(Bug::PagesSkip)
            && mixed.records.len() == 3
            && let Some((_, next)) = queues[lane].next()
        {
            mixed.next[lane] = next;
        }
    }
    for (end, queue) in mixed.ends.iter_mut().zip(&mut queues) {
        end.first_unread_at = queue.peek().map(|(record, _)| record.published_at);
    }
    mixed
}
