//! What one process may grant of a quota that many processes share: a state machine without time, store or locks of its
//! own, so that a test can drive any number of them through any interleaving.
//!
//! In each window a process leases tokens from the shared count, and grants what it leased. It may also grant a few that
//! it has not leased yet: [`free`] of them as long as the store answers, so that those who ask little never cause a call,
//! and [`blind`] while it does not. The next lease makes up for them. So in a window of quota *q*, *n* processes of which *m*
//! met a store that did not answer grant at most `q + n · free(q) + m · blind(q)`, whatever is lost or late.

use ledger::{Lease, LeaseRequest, Timestamp, limits};

/// How long after a lease failed none is asked for.
const SILENCE_MS: u64 = 1_000;
/// No lease takes more than such a part of a window.
const LARGEST_PART: u64 = 16;

/// How much a process may grant before it has leased anything: a thousandth, of small quotas up to ten.
pub(super) const fn free(capacity: u64) -> u64 {
    let thousandth = capacity / 1_000;
    let few = if capacity / 10 < 10 { capacity / 10 } else { 10 };
    let most = if thousandth > few { thousandth } else { few };
    if most == 0 { 1 } else { most }
}

/// How much a process may grant while the store does not answer.
pub(super) const fn blind(capacity: u64) -> u64 {
    let part = capacity / LARGEST_PART;
    if part > free(capacity) { part } else { free(capacity) }
}

/// A process's part in one quota.
#[derive(Debug)]
pub(super) struct Share {
    capacity: u64,
    window: u64,
    /// Leased, and not granted yet.
    left: u64,
    /// Granted, and not leased yet.
    unleased: u64,
    /// How much of the window is leased, to anyone, as far as it is known here. It only grows.
    leased: u64,
    granted: u64,
    granted_in_the_window_before: u64,
    failed_at: Option<Timestamp>,
}

/// What comes of asking for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// They are granted.
    Granted {
        /// Because the store does not answer.
        blindly: bool,
    },
    /// They are not, and will not be in this window.
    Refused,
    /// It depends on a lease.
    Ask(Ask),
}

/// A lease to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    window: u64,
    tokens: u64,
    /// How many of the tokens were granted already.
    made_up_for: u64,
    capacity: u64,
}

impl Ask {
    pub(super) fn request<'a>(&self, key_id: &'a str, quota: &'a str) -> LeaseRequest<'a> {
        let ends = Timestamp((self.window + 1).saturating_mul(limits::QUOTA_WINDOW_MS));
        let forgotten_at = ends.plus(limits::HOUR_MS);
        LeaseRequest { key_id, quota, window: self.window, tokens: self.tokens, capacity: self.capacity, forgotten_at }
    }
}

impl Share {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            capacity,
            window: 0,
            left: 0,
            unleased: 0,
            leased: 0,
            granted: 0,
            granted_in_the_window_before: 0,
            failed_at: None,
        }
    }

    /// The quota is another from now on. What was granted and leased in this window stays granted and leased.
    pub(super) fn resize(&mut self, capacity: u64) {
        self.capacity = capacity;
    }

    /// Grants tokens, or says why not.
    pub(super) fn take(&mut self, now: Timestamp, cost: u64) -> Step {
        self.turn_to(now);
        let missing = cost.saturating_sub(self.left);
        if missing == 0 {
            self.left -= cost;
            self.granted += cost;
            return Step::Granted { blindly: false };
        }
        let needed = self.unleased + missing;
        if needed > self.room() {
            return Step::Refused;
        }
        let blindly = self.failed_at.is_some_and(|at| at.is_within(SILENCE_MS, now));
        if needed <= free(self.capacity) || (blindly && needed <= blind(self.capacity)) {
            self.left = 0;
            self.unleased = needed;
            self.granted += cost;
            return Step::Granted { blindly };
        }
        if blindly {
            return Step::Refused;
        }
        let tokens = (self.unleased + missing.max(self.foreseen())).min(self.room());
        Step::Ask(Ask { window: self.window, tokens, made_up_for: self.unleased, capacity: self.capacity })
    }

    /// Hears what came of a lease; none when nobody knows. A lease of a window that is over is nobody's.
    pub(super) fn hear(&mut self, now: Timestamp, ask: &Ask, answer: Option<Lease>) {
        self.turn_to(now);
        let Some(lease) = answer else {
            self.failed_at = Some(now);
            return;
        };
        self.failed_at = None;
        if ask.window != self.window {
            return;
        }
        self.leased = self.leased.max(lease.leased);
        if lease.granted {
            self.unleased = self.unleased.saturating_sub(ask.made_up_for);
            self.left += ask.tokens - ask.made_up_for;
        }
    }

    /// How much may still be granted in this window, as far as it is known here, and the milliseconds until it ends.
    pub(super) fn remaining(&mut self, now: Timestamp) -> (u64, u64) {
        self.turn_to(now);
        let ends = Timestamp((self.window + 1).saturating_mul(limits::QUOTA_WINDOW_MS));
        ((self.room() + self.left).saturating_sub(self.unleased), ends.since(now))
    }

    /// Whether nothing of it is of use any more.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        number(now).abs_diff(self.window) > 1
    }

    fn room(&self) -> u64 {
        self.capacity.saturating_sub(self.leased)
    }

    /// How much will be asked before the window ends, if it goes on as it did: as much again, or a good part of what the
    /// window before needed. A lease that is larger than its use keeps tokens from the other processes.
    fn foreseen(&self) -> u64 {
        let largest = (self.capacity / LARGEST_PART).max(1);
        self.granted.max(self.granted_in_the_window_before / 4).min(largest)
    }

    /// Begins a new window when it is time to. A clock that is set back a little does not begin the last one again.
    fn turn_to(&mut self, now: Timestamp) {
        let number = number(now);
        if number <= self.window && self.window - number <= 1 {
            return;
        }
        let before = if number == self.window + 1 { self.granted } else { 0 };
        let failed_at = self.failed_at;
        *self = Self { window: number, granted_in_the_window_before: before, failed_at, ..Self::new(self.capacity) };
    }
}

fn number(now: Timestamp) -> u64 {
    now.0 / limits::QUOTA_WINDOW_MS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const START: u64 = 1_800_000_000_000;

    /// The shared count, as the table keeps it.
    #[derive(Default)]
    struct Count(BTreeMap<u64, u64>);

    impl Count {
        fn lease(&mut self, ask: &Ask) -> Lease {
            let leased = self.0.entry(ask.window).or_default();
            let granted = *leased + ask.tokens <= ask.capacity;
            if granted {
                *leased += ask.tokens;
            }
            Lease { granted, leased: *leased }
        }
    }

    /// A process that asks one thing after the other, and the number of leases it asked for.
    fn take(share: &mut Share, count: &mut Count, now: Timestamp, cost: u64) -> (bool, u32) {
        for leases in 0..4 {
            match share.take(now, cost) {
                Step::Granted { .. } => return (true, leases),
                Step::Refused => return (false, leases),
                Step::Ask(ask) => share.hear(now, &ask, Some(count.lease(&ask))),
            }
        }
        panic!("nobody else leases here, and yet it did not end")
    }

    #[test]
    fn one_process_alone_grants_the_whole_quota_with_few_leases() {
        for capacity in [1, 9, 50, 1_000, 50_000, 200_000] {
            let (mut share, mut count) = (Share::new(capacity), Count::default());
            for (window, most_leases) in [(0, 30), (1, 22)] {
                let now = Timestamp(START + window * limits::QUOTA_WINDOW_MS);
                let taken = (0..capacity + 100).map(|_| take(&mut share, &mut count, now, 1));
                let (granted, leases) =
                    taken.fold((0, 0), |(sum, calls), (yes, more)| (sum + u64::from(yes), calls + more));
                assert_eq!(granted, capacity);
                assert!(leases <= most_leases, "{leases} leases for {capacity}");
            }
        }
    }

    #[test]
    fn who_asks_little_causes_no_lease() {
        let (mut share, now) = (Share::new(50_000), Timestamp(START));
        for _ in 0..free(50_000) {
            assert_eq!(share.take(now, 1), Step::Granted { blindly: false });
        }
        assert!(matches!(share.take(now, 1), Step::Ask(_)));
    }

    #[test]
    fn a_store_that_does_not_answer_leaves_a_bounded_share_and_is_asked_once_a_second() {
        let (mut share, now) = (Share::new(1_600), Timestamp(START));
        let (mut granted, mut asked) = (0, 0);
        for millisecond in 0..9_000 {
            let now = now.plus(millisecond);
            loop {
                match share.take(now, 1) {
                    Step::Ask(ask) => {
                        asked += 1;
                        share.hear(now, &ask, None);
                    }
                    Step::Granted { .. } => break granted += 1,
                    Step::Refused => break,
                }
            }
        }
        assert_eq!((granted, asked), (blind(1_600), 9));
    }

    #[test]
    fn a_request_that_is_too_large_leaves_the_rest_to_smaller_ones() {
        let (mut share, mut count, now) = (Share::new(1_000), Count::default(), Timestamp(START));
        assert!(take(&mut share, &mut count, now, 900).0);
        assert!(!take(&mut share, &mut count, now, 200).0);
        assert!(take(&mut share, &mut count, now, 100).0);
        assert_eq!(take(&mut share, &mut count, now, 1), (false, 0), "what is known to be leased is not asked for");
    }

    #[test]
    fn another_quota_forgets_nothing_that_was_granted() {
        let (mut share, mut count, now) = (Share::new(50_000), Count::default(), Timestamp(START));
        for _ in 0..free(50_000) {
            assert!(take(&mut share, &mut count, now, 1).0);
        }
        share.resize(1_000);
        let granted = free(50_000) + (0..2_000).map(|_| u64::from(take(&mut share, &mut count, now, 1).0)).sum::<u64>();
        assert_eq!(granted, 1_000);
    }

    #[derive(Clone, Debug)]
    enum Event {
        Take {
            process: usize,
            cost: u64,
        },
        /// A lease that was asked for reaches the store.
        Reach {
            process: usize,
        },
        /// Its process hears of it, or of nothing.
        Hear {
            process: usize,
            lost: bool,
        },
        Pass {
            milliseconds: u64,
        },
        /// A process's clock is set, ahead or back.
        Set {
            process: usize,
            ahead_ms: u64,
        },
    }

    fn event(processes: usize, largest: u64) -> impl Strategy<Value = Event> {
        let process = 0..processes;
        prop_oneof![
            8 => (process.clone(), 1..=largest).prop_map(|(process, cost)| Event::Take { process, cost }),
            4 => process.clone().prop_map(|process| Event::Reach { process }),
            4 => (process.clone(), prop::bool::weighted(0.2))
                .prop_map(|(process, lost)| Event::Hear { process, lost }),
            1 => (process, 0..3_000_u64).prop_map(|(process, ahead_ms)| Event::Set { process, ahead_ms }),
            1 => (0..4_000_u64).prop_map(|milliseconds| Event::Pass { milliseconds }),
        ]
    }

    /// A process with its skew, the lease it waits for with the cost it is for, and what became of that at the store.
    struct Process {
        share: Share,
        ahead_ms: u64,
        waiting: Option<(Ask, u64, Option<Lease>)>,
    }

    #[derive(Default)]
    struct Seen {
        granted: BTreeMap<u64, u64>,
        failed: BTreeMap<u64, Vec<usize>>,
    }

    fn play(processes: &mut [Process], count: &mut Count, seen: &mut Seen, now: Timestamp, event: &Event) {
        let (number, cost) = match *event {
            Event::Pass { .. } => return,
            Event::Set { process, ahead_ms } => {
                processes[process].ahead_ms = ahead_ms;
                return;
            }
            Event::Reach { process } => {
                if let Some((ask, _, answer @ None)) = &mut processes[process].waiting {
                    *answer = Some(count.lease(ask));
                }
                return;
            }
            Event::Take { process, cost } => (process, cost),
            Event::Hear { process: number, lost } => {
                let process = &mut processes[number];
                let Some((ask, cost, answer)) = process.waiting.take() else { return };
                let here = now.plus(process.ahead_ms);
                let answer = answer.filter(|_| !lost);
                process.share.hear(here, &ask, answer);
                if answer.is_none() {
                    // It may grant blindly for a second, which may begin another window.
                    let window = process.share.window;
                    seen.failed.entry(window).or_default().push(number);
                    seen.failed.entry(window + 1).or_default().push(number);
                }
                (number, cost)
            }
        };
        let process = &mut processes[number];
        match process.share.take(now.plus(process.ahead_ms), cost) {
            Step::Granted { .. } => *seen.granted.entry(process.share.window).or_default() += cost,
            Step::Ask(ask) if process.waiting.is_none() => process.waiting = Some((ask, cost, None)),
            // It waits for its turn, and is as if it came later.
            Step::Ask(_) | Step::Refused => {}
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever the interleaving, whatever is lost and whoever's clock is wrong: what all grant in a window stays
        /// within the quota and the stated error.
        #[test]
        fn all_together_stay_within_the_quota_and_the_stated_error(
            capacity in prop_oneof![1..=60_u64, 1_000..=4_000_u64],
            skews in prop::collection::vec(0..3_000_u64, 1..12),
            largest in 1..=40_u64,
            seed in prop::collection::vec(event(12, 40), 50..800),
        ) {
            let mut processes: Vec<Process> = skews
                .iter()
                .map(|&ahead_ms| Process { share: Share::new(capacity), ahead_ms, waiting: None })
                .collect();
            let (mut count, mut seen, mut now) = (Count::default(), Seen::default(), Timestamp(START));
            let existing = processes.len();
            for event in &seed {
                let event = match event.clone() {
                    Event::Take { process, cost } => Event::Take { process: process % existing, cost: cost.min(largest) },
                    Event::Reach { process } => Event::Reach { process: process % existing },
                    Event::Set { process, ahead_ms } => Event::Set { process: process % existing, ahead_ms },
                    Event::Hear { process, lost } => Event::Hear { process: process % existing, lost },
                    pass @ Event::Pass { milliseconds } => {
                        now = now.plus(milliseconds);
                        pass
                    }
                };
                play(&mut processes, &mut count, &mut seen, now, &event);
            }
            for (window, granted) in &seen.granted {
                let mut failed = seen.failed.get(window).cloned().unwrap_or_default();
                failed.sort_unstable();
                failed.dedup();
                let (all, failed) = (existing as u64, failed.len() as u64);
                let bound = capacity + all * free(capacity) + failed * blind(capacity);
                prop_assert!(*granted <= bound, "{granted} of {capacity} by {all}, of which {failed} failed");
                prop_assert!(count.0.get(window).is_none_or(|leased| *leased <= capacity));
            }
        }
    }
}
