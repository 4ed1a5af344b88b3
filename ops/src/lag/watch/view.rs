//! What is watched: the rows of the last look, how lag went over the looks before, and where in it somebody is. No terminal
//! is known here, and no clock.

use std::collections::{BTreeMap, VecDeque};

use ledger::Timestamp;

use super::super::observe::Seen;
use super::super::report::{LagRow, rows};
use super::screen::Press;
use crate::failure::Result;

/// Looks that are remembered.
pub(super) const LOOKS: usize = 60;

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// A subscription, all its partitions together.
    Subscriptions,
    /// A subscription in a partition.
    Partitions,
}

/// Stream, subscription, and partition where rows tell them apart.
type Place = (String, String, Option<u16>);

/// What is watched.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) environment: String,
    pub(super) every_ms: u64,
    pub(super) of: Rows,
    /// Those of the last look, worst first.
    pub(super) rows: Vec<LagRow>,
    pub(super) looked_at: Timestamp,
    /// What the last look could not see, and why.
    pub(super) trouble: Vec<String>,
    pub(super) is_paused: bool,
    /// The first row that is shown.
    pub(super) top: usize,
    last: Option<Seen>,
    trends: BTreeMap<Place, VecDeque<Option<u64>>>,
}

impl View {
    pub(super) fn new(environment: &str, every_ms: u64, of: Rows) -> Self {
        Self {
            environment: environment.to_owned(),
            every_ms,
            of,
            rows: Vec::new(),
            looked_at: Timestamp(0),
            trouble: Vec::new(),
            is_paused: false,
            top: 0,
            last: None,
            trends: BTreeMap::new(),
        }
    }

    /// Takes in a look. One that failed leaves what the last one saw, and says so.
    pub(super) fn take(&mut self, at: Timestamp, look: Result<Seen>) {
        let seen = match look {
            Ok(seen) => seen,
            Err(failure) => {
                self.trouble = vec![failure.to_string()];
                self.trends.values_mut().for_each(|trend| remember(trend, None));
                return;
            }
        };
        self.rows = match self.of {
            Rows::Partitions => rows(self.last.as_ref(), &seen),
            Rows::Subscriptions => together(rows(self.last.as_ref(), &seen)),
        };
        let rank = |row: &LagRow| (std::cmp::Reverse(row.lag_ms), std::cmp::Reverse(row.lag_events));
        self.rows.sort_by(|one, other| {
            let by_name = || {
                (&one.stream, &one.subscription, one.partition).cmp(&(
                    &other.stream,
                    &other.subscription,
                    other.partition,
                ))
            };
            one.status.cmp(&other.status).then_with(|| rank(one).cmp(&rank(other))).then_with(by_name)
        });
        self.follow(seen.is_complete());
        self.looked_at = at;
        self.trouble.clone_from(&seen.left_out);
        self.last = Some(seen);
    }

    /// Continues each trend. Who is gone loses it, and who only could not be looked at has a gap.
    fn follow(&mut self, is_complete: bool) {
        let mut now: BTreeMap<Place, u64> = self.rows.iter().map(|row| (self.place(row), row.lag_events)).collect();
        self.trends.retain(|place, _| !is_complete || now.contains_key(place));
        for (place, trend) in &mut self.trends {
            remember(trend, now.remove(place));
        }
        self.trends.extend(now.into_iter().map(|(place, lag)| (place, VecDeque::from([Some(lag)]))));
    }

    fn place(&self, row: &LagRow) -> Place {
        let partition = (self.of == Rows::Partitions).then_some(row.partition);
        (row.stream.clone(), row.subscription.clone(), partition)
    }

    /// The lag of a row at the last looks, newest first; a gap where it was not seen.
    pub(super) fn trend(&self, row: &LagRow) -> impl Iterator<Item = Option<u64>> {
        self.trends.get(&self.place(row)).into_iter().flatten().rev().copied()
    }

    /// Does what somebody wants, of whom so many rows are seen.
    pub(super) fn press(&mut self, press: Press, visible: usize) {
        let last = self.rows.len().saturating_sub(visible);
        let page = isize::try_from(visible.max(1)).unwrap_or(isize::MAX);
        match press {
            Press::Move(lines) => self.top = self.top.min(last).saturating_add_signed(lines).min(last),
            Press::Page(pages) => self.press(Press::Move(pages.saturating_mul(page)), visible),
            Press::Pause => self.is_paused = !self.is_paused,
            Press::Leave | Press::Redraw => {}
        }
    }
}

fn remember(trend: &mut VecDeque<Option<u64>>, lag: Option<u64>) {
    if trend.len() == LOOKS {
        trend.pop_front();
    }
    trend.push_back(lag);
}

/// One row for all partitions of a subscription.
fn together(rows: Vec<LagRow>) -> Vec<LagRow> {
    let mut whole: Vec<LagRow> = Vec::new();
    for row in rows {
        match whole.last_mut() {
            Some(last) if last.stream == row.stream && last.subscription == row.subscription => add(last, &row),
            _ => whole.push(row),
        }
    }
    whole
}

fn add(whole: &mut LagRow, part: &LagRow) {
    let sum = |one: Option<f64>, other: Option<f64>| one.zip(other).map(|(one, other)| one + other);
    whole.committed += part.committed;
    whole.tail += part.tail;
    whole.lag_events += part.lag_events;
    whole.lag_ms = whole.lag_ms.max(part.lag_ms);
    whole.in_per_second = sum(whole.in_per_second, part.in_per_second);
    whole.out_per_second = sum(whole.out_per_second, part.out_per_second);
    // It has caught up when all its partitions have.
    whole.eta_ms = whole.eta_ms.zip(part.eta_ms).map(|(one, other)| one.max(other));
    whole.headroom_ms = [whole.headroom_ms, part.headroom_ms].into_iter().flatten().min();
}
