//! How a subscription does: one pure function of what it left behind.
//!
//! The evidence is its last commits, the minute of its last poll, and what lies beyond its committed positions. No amount
//! of lag decides anything: a reader that is far behind and gains is well, one that is a single event behind and stands
//! still is not. How long a pause is too long depends on the pace of the reader itself. What is read from the table is
//! in `inspect` and `sample`.

use crate::answers::{Lag, Status};
use crate::clock::Timestamp;
use crate::limits;
use crate::store::KnownCommit;

/// However fast a reader usually is, a pause of less than this means nothing, in milliseconds.
const SHORTEST_PATIENCE_MS: u64 = 10 * 60_000;
/// Commits that show a pace: of fewer, one pause for another reason would be taken for it.
const COMMITS_OF_A_PACE: usize = 4;

/// From where on the order of ten commits is a trend: it is as marked in one of forty memories without any. Twice the same five
/// come to 20 at most.
const TREND: i32 = 23;
const _: () = assert!(limits::REMEMBERED_COMMITS == 10, "else another number is a trend");

/// What a subscription left behind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) now: Timestamp,
    /// What lies beyond its committed positions.
    pub(crate) lag: Lag,
    /// Whether some of that is past its retention.
    pub(crate) lost: bool,
    /// Whether a seek moved it back, and nothing was committed since.
    pub(crate) rewound: bool,
    /// When it was created, or last moved by a seek: nobody expects that it did anything before.
    pub(crate) begun_at: Timestamp,
    pub(crate) last_poll_at: Option<Timestamp>,
    /// Whether its committed positions are in compacted state: how much of the log lies beyond them is no progress then.
    pub(crate) in_snapshot: bool,
    /// Oldest first.
    pub(crate) commits: &'a [KnownCommit],
}

/// How a subscription does; the first rule that holds.
pub(crate) fn status(evidence: &Evidence<'_>) -> Status {
    let Evidence { now, lag, begun_at, .. } = *evidence;
    let patience = patience(evidence.commits);
    let is_recent = |at: Option<Timestamp>| now.since(at.unwrap_or(begun_at)) < patience;
    let polls = is_recent(evidence.last_poll_at);
    let commits = is_recent(evidence.commits.last().map(|commit| commit.at));
    if evidence.lost {
        Status::Lost
    } else if evidence.rewound && now.since(begun_at) < patience {
        // Later it has had the time to commit, and the rules below say what it did with it.
        Status::Rewind
    } else if lag.events == 0 {
        if polls || commits { Status::Ok } else { Status::Idle }
    } else if !polls && !commits {
        Status::Stop
    } else if !commits && lag.ms >= patience {
        // Before that there was nothing, or not for long, that it could have committed.
        Status::Stall
    } else if !evidence.in_snapshot && falls_behind(evidence.commits) {
        Status::Warn
    } else {
        Status::Ok
    }
}

/// For how long a reader may be silent: twice its usual pause between two commits. Who commits each night is no more dead
/// at noon than who commits each second is alive after an hour. The usual one is the median, so that a single outage is
/// not taken for a habit.
fn patience(commits: &[KnownCommit]) -> u64 {
    if commits.len() < COMMITS_OF_A_PACE {
        return SHORTEST_PATIENCE_MS;
    }
    let mut pauses: Vec<u64> = commits.windows(2).map(|pair| pair[1].at.since(pair[0].at)).collect();
    pauses.sort_unstable();
    SHORTEST_PATIENCE_MS.max(pauses[pauses.len() / 2].saturating_mul(2))
}

/// Whether a full memory of commits shows a reader that never caught up and loses ground: what they left has an upward trend
/// by the test of Mann and Kendall, which counts the pairs of commits of which the later left more, less those of which it left
/// less. However large the steps and the swings are, only their order counts. One that merely stays behind, or swings, is not
/// meant, nor one that was there between.
fn falls_behind(commits: &[KnownCommit]) -> bool {
    if commits.len() < limits::REMEMBERED_COMMITS || commits.iter().any(|commit| commit.lag_events == 0) {
        return false;
    }
    let pairs = (0..commits.len()).flat_map(|later| (0..later).map(move |earlier| (earlier, later)));
    let signs = pairs.map(|(earlier, later)| commits[later].lag_events.cmp(&commits[earlier].lag_events) as i32);
    signs.sum::<i32>() >= TREND
}

/// Adds a commit to those that are remembered. The last one always stays; those before it lie a minute apart, each with the
/// least that was left within its minute. So ten of them tell of ten minutes at least, and not of the one second in which a
/// fast reader met a burst.
pub(crate) fn remember(commits: &mut Vec<KnownCommit>, mut new: KnownCommit) {
    if let [.., before, last] = commits.as_slice()
        && last.at.since(before.at) < limits::REMEMBERED_COMMIT_SPACING_MS
    {
        new.lag_events = new.lag_events.min(last.lag_events);
        commits.pop();
    }
    commits.push(new);
    let surplus = commits.len().saturating_sub(limits::REMEMBERED_COMMITS);
    commits.drain(..surplus);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE_MS: u64 = 60_000;
    const HOUR_MS: u64 = 60 * MINUTE_MS;

    /// A reader of one partition, and everything that happens to it.
    #[derive(Clone, Debug)]
    struct Reader {
        now: Timestamp,
        begun_at: Timestamp,
        /// When each event was accepted.
        published: Vec<Timestamp>,
        committed: usize,
        commits: Vec<KnownCommit>,
        last_poll_at: Option<Timestamp>,
        rewound: bool,
        in_snapshot: bool,
    }

    impl Reader {
        fn new() -> Self {
            let now = Timestamp(1_790_000_000_000);
            Self {
                now,
                begun_at: now,
                published: Vec::new(),
                committed: 0,
                commits: Vec::new(),
                last_poll_at: None,
                rewound: false,
                in_snapshot: false,
            }
        }

        fn wait(&mut self, milliseconds: u64) {
            self.now = self.now.plus(milliseconds);
        }

        fn publish(&mut self, events: usize) {
            self.published.resize(self.published.len() + events, self.now);
        }

        fn poll(&mut self) {
            self.last_poll_at = Some(Timestamp(self.now.0 - self.now.0 % MINUTE_MS));
        }

        /// Polls, and commits up to so many events; a commit that moves nothing is not remembered.
        fn work(&mut self, events: usize) {
            self.poll();
            let reached = self.published.len().min(self.committed + events);
            if reached > self.committed {
                self.committed = reached;
                let lag_events = self.lag().events;
                remember(&mut self.commits, KnownCommit { at: self.now, lag_events });
                self.rewound = false;
            }
        }

        fn seek_back(&mut self) {
            (self.committed, self.begun_at, self.rewound) = (0, self.now, true);
            self.commits.clear();
        }

        fn lag(&self) -> Lag {
            let left = &self.published[self.committed..];
            Lag { events: left.len() as u64, ms: left.first().map_or(0, |first| self.now.since(*first)) }
        }

        fn status(&self) -> Status {
            status(&Evidence {
                now: self.now,
                lag: self.lag(),
                lost: false,
                rewound: self.rewound,
                begun_at: self.begun_at,
                last_poll_at: self.last_poll_at,
                in_snapshot: self.in_snapshot,
                commits: &self.commits,
            })
        }
    }

    /// Any life: what is published and committed, and the pause after it, again and again.
    fn life() -> impl Strategy<Value = Reader> {
        let step = (0..50_usize, 0..60_usize, prop_oneof![1..2_000_u64, 1..20 * MINUTE_MS, 1..30 * HOUR_MS]);
        prop::collection::vec(step, 0..40).prop_map(|steps| {
            let mut reader = Reader::new();
            for (published, committed, pause) in steps {
                reader.publish(published);
                reader.work(committed);
                reader.wait(pause);
            }
            reader
        })
    }

    fn any_evidence() -> impl Strategy<Value = (Reader, bool, bool)> {
        (life(), any::<bool>(), any::<bool>())
    }

    proptest! {
        #[test]
        fn who_has_read_everything_is_accused_of_nothing(mut reader in life(), silence in 0..1_000 * HOUR_MS) {
            reader.publish(1);
            reader.work(usize::MAX / 2);
            prop_assert_eq!(reader.status(), Status::Ok);
            reader.wait(silence);
            prop_assert!(matches!(reader.status(), Status::Ok | Status::Idle));
            reader.wait(1_000 * HOUR_MS);
            prop_assert_eq!(reader.status(), Status::Idle);
        }

        #[test]
        fn no_number_of_events_decides((reader, lost, rewound) in any_evidence(), factor in 1..1_000_000_u64) {
            let scaled: Vec<_> = reader
                .commits
                .iter()
                .map(|commit| KnownCommit { lag_events: commit.lag_events * factor, ..*commit })
                .collect();
            let lag = reader.lag();
            let evidence = Evidence {
                now: reader.now,
                lag,
                lost,
                rewound,
                begun_at: reader.begun_at,
                last_poll_at: reader.last_poll_at,
                in_snapshot: false,
                commits: &reader.commits,
            };
            let more = Evidence { lag: Lag { events: lag.events * factor, ..lag }, commits: &scaled, ..evidence };
            prop_assert_eq!(status(&more), status(&evidence));
        }

        #[test]
        fn what_retention_overtook_is_lost_whatever_else_it_does((reader, _, rewound) in any_evidence()) {
            let evidence = Evidence {
                now: reader.now,
                lag: reader.lag(),
                lost: true,
                rewound,
                begun_at: reader.begun_at,
                last_poll_at: reader.last_poll_at,
                in_snapshot: reader.in_snapshot,
                commits: &reader.commits,
            };
            prop_assert_eq!(status(&evidence), Status::Lost);
        }

        #[test]
        fn who_is_far_behind_and_gains_is_well(backlog in 5_000..20_000_usize, each_minute in prop::collection::vec((0..40_usize, 41..100_usize), 60)) {
            let mut reader = Reader::new();
            reader.publish(backlog);
            for (published, committed) in each_minute {
                reader.wait(MINUTE_MS);
                reader.publish(published);
                reader.work(committed);
                prop_assert_eq!(reader.status(), Status::Ok);
            }
        }

        #[test]
        fn who_only_polls_stalls_however_little_is_left(mut reader in life(), quiet in 0..200 * HOUR_MS, events in 1..1_000_usize) {
            reader.publish(1);
            reader.work(usize::MAX / 2);
            let patience = patience(&reader.commits);
            reader.wait(quiet);
            // However long there was nothing to commit, it is not accused the moment that something comes.
            reader.publish(events);
            for _ in 0..10 {
                reader.poll();
                prop_assert_eq!(reader.status(), Status::Ok);
                reader.wait(patience / 10);
            }
            reader.wait(10);
            reader.poll();
            prop_assert_eq!(reader.status(), Status::Stall);
            reader.work(1);
            prop_assert_ne!(reader.status(), Status::Stall);
        }

        #[test]
        fn who_is_silent_has_stopped_however_little_is_left(mut reader in life(), events in 1..1_000_usize) {
            reader.work(1);
            reader.publish(events);
            reader.wait(patience(&reader.commits) + MINUTE_MS);
            prop_assert_eq!(reader.status(), Status::Stop);
        }

        #[test]
        fn who_keeps_a_slow_pace_has_not_stopped(pause in MINUTE_MS..200 * HOUR_MS, outage in 1..20_u64, rounds in 4..30_usize) {
            let mut reader = Reader::new();
            for round in 0..rounds {
                reader.publish(10);
                // Once it is ill for long; that is not taken for its pace.
                reader.wait(if round == 2 { pause * outage } else { pause });
                reader.work(100);
            }
            reader.publish(1);
            reader.wait((2 * pause).max(SHORTEST_PATIENCE_MS) - 1);
            prop_assert_eq!(reader.status(), Status::Ok);
            reader.wait(1);
            prop_assert_eq!(reader.status(), Status::Stop);
        }

        #[test]
        fn who_loses_ground_is_warned_of_however_small_the_steps(
            backlog in 1..1_000_usize,
            each_minute in prop::collection::vec((1..5_usize, 1..50_usize), 12),
        ) {
            let mut reader = Reader::new();
            reader.publish(backlog + 1_000);
            for (lost, committed) in each_minute {
                // In several commits, between which the events come.
                for _ in 0..4 {
                    reader.wait(MINUTE_MS / 4);
                    reader.publish(committed + lost);
                    reader.work(committed);
                }
            }
            prop_assert_eq!(reader.status(), Status::Warn);
        }

        #[test]
        fn who_loses_ground_is_warned_of_however_it_swings(growth in 1..50_usize, swing in 0..=3_usize, beginning in 0..2_usize) {
            let mut reader = Reader::new();
            for round in beginning..beginning + 40 {
                reader.wait(MINUTE_MS);
                let wanted = growth * (round + round % 2 * swing) + 1;
                let left = reader.published.len() - reader.committed;
                reader.publish((wanted + 1).saturating_sub(left).max(1));
                reader.work(reader.published.len() - reader.committed - wanted);
                let known = round - beginning + 1;
                prop_assert_eq!(reader.status() == Status::Warn, known >= limits::REMEMBERED_COMMITS, "{}", known);
            }
        }

        #[test]
        fn a_burst_is_no_trend(bursts in prop::collection::vec(20..200_usize, 1..20)) {
            let mut reader = Reader::new();
            for burst in bursts {
                // Commits follow each other within milliseconds while more is published than it reads.
                for _ in 0..burst {
                    reader.publish(10);
                    reader.work(1);
                    reader.wait(3);
                    prop_assert_ne!(reader.status(), Status::Warn);
                }
                reader.work(usize::MAX / 2);
                reader.wait(MINUTE_MS);
                prop_assert_ne!(reader.status(), Status::Warn);
            }
        }

        #[test]
        fn who_caught_up_a_moment_ago_does_not_fall_behind(losses in prop::collection::vec(1..50_usize, 1..=10), swing in 1..50_usize) {
            let mut reader = Reader::new();
            for minute in 0..200 {
                reader.wait(MINUTE_MS / 2);
                if minute % losses.len() == 0 {
                    reader.publish(1);
                    reader.work(usize::MAX / 2);
                }
                // What it leaves at the end of a minute grows, although it was there a moment before.
                reader.wait(MINUTE_MS / 2);
                reader.publish(swing + losses[minute % losses.len()]);
                reader.work(swing.min(1));
                prop_assert_ne!(reader.status(), Status::Warn);
            }
        }

        #[test]
        fn who_is_there_once_a_minute_does_not_fall_behind(left in prop::collection::vec(1..50_usize, 15)) {
            let mut reader = Reader::new();
            let mut growing = 1;
            for more in left {
                growing += more;
                reader.publish(growing + 1);
                reader.work(1);
                prop_assert_eq!(reader.status(), Status::Ok);
                reader.wait(1_000);
                reader.work(usize::MAX / 2);
                reader.wait(MINUTE_MS - 1_000);
            }
        }

        #[test]
        fn who_was_moved_is_not_accused_at_once(mut reader in life(), events in 1..1_000_usize) {
            reader.seek_back();
            reader.committed = reader.published.len();
            reader.rewound = false;
            reader.publish(events);
            prop_assert_eq!(reader.status(), Status::Ok);
            reader.wait(SHORTEST_PATIENCE_MS);
            prop_assert_eq!(reader.status(), Status::Stop);
        }

        #[test]
        fn what_swings_is_no_trend(swing in prop::collection::vec(1..1_000_usize, 1..=5), height in 1..1_000_usize) {
            // Each round leaves as much as the round before the last five.
            let mut reader = Reader::new();
            reader.publish(1);
            for round in 0..40 {
                reader.wait(MINUTE_MS);
                let wanted = height + swing[round % swing.len()];
                let left = reader.published.len() - reader.committed;
                reader.publish((wanted + 1).saturating_sub(left).max(1));
                reader.work(reader.published.len() - reader.committed - wanted);
                prop_assert_eq!(reader.lag().events as usize, wanted);
                prop_assert_eq!(reader.status(), Status::Ok);
            }
        }

        #[test]
        fn who_was_moved_back_is_not_accused_at_once_and_hides_no_end(mut reader in life()) {
            reader.publish(1);
            reader.seek_back();
            prop_assert_eq!(reader.status(), Status::Rewind);
            reader.wait(SHORTEST_PATIENCE_MS - 1);
            prop_assert_eq!(reader.status(), Status::Rewind);
            let mut committing = reader.clone();
            committing.work(1);
            prop_assert_eq!(committing.status(), Status::Ok);
            reader.wait(1);
            prop_assert_eq!(reader.status(), Status::Stop);
            reader.poll();
            reader.wait(1);
            prop_assert_ne!(reader.status(), Status::Rewind);
        }

        #[test]
        fn a_long_bootstrap_does_not_fall_behind(published in prop::collection::vec(1..100_usize, 10..30)) {
            let mut reader = Reader::new();
            reader.in_snapshot = true;
            for events in published {
                reader.wait(MINUTE_MS);
                reader.publish(events);
                // Its pages are of compacted state: what lies in the log stays.
                let lag_events = reader.lag().events;
                remember(&mut reader.commits, KnownCommit { at: reader.now, lag_events });
                prop_assert_eq!(reader.status(), Status::Ok);
            }
        }

        #[test]
        fn what_is_remembered_spans_minutes_and_knows_the_last(pauses in prop::collection::vec((0..3 * MINUTE_MS, 0..100_u64), 1..200)) {
            let (mut commits, mut now) = (Vec::new(), Timestamp(0));
            for (pause, lag_events) in pauses {
                now = now.plus(pause);
                remember(&mut commits, KnownCommit { at: now, lag_events });
                prop_assert!(commits.len() <= limits::REMEMBERED_COMMITS);
                let last = commits.last().expect("one was put");
                prop_assert!(last.at == now && last.lag_events <= lag_events);
                let before = &commits[..commits.len() - 1];
                prop_assert!(before.windows(2).all(|pair| pair[1].at.since(pair[0].at) >= limits::REMEMBERED_COMMIT_SPACING_MS));
            }
        }
    }
}
