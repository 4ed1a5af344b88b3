//! Where in traces the events of a record batch were published: those who share a write have each a trace of their own.

use std::collections::VecDeque;

use super::trace_parent::TraceParent;

/// The producer of each event of a record batch, in runs: most often there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Producers(VecDeque<(u64, Option<TraceParent>)>);

impl Producers {
    /// One producer of so many events.
    pub(crate) fn one(count: u64, traceparent: Option<TraceParent>) -> Self {
        Self([(count, traceparent)].into())
    }

    /// Adds the producer of the next events.
    pub(crate) fn add(&mut self, count: u64, traceparent: Option<TraceParent>) {
        match self.0.back_mut() {
            Some((known, last)) if *last == traceparent => *known += count,
            _ => self.0.push_back((count, traceparent)),
        }
    }

    /// Takes the producers of the first events.
    pub(crate) fn take(&mut self, mut count: u64) -> Self {
        let mut taken = Self::default();
        while count > 0
            && let Some((run, traceparent)) = self.0.front_mut()
        {
            let part = count.min(*run);
            taken.add(part, *traceparent);
            (*run, count) = (*run - part, count - part);
            if *run == 0 {
                self.0.pop_front();
            }
        }
        taken
    }

    /// The runs: how many events, and by whom.
    pub(crate) fn runs(&self) -> impl ExactSizeIterator<Item = (u64, Option<TraceParent>)> {
        self.0.iter().copied()
    }

    /// Of how many events it tells.
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum, (run, _)| sum.saturating_add(*run))
    }

    /// Of each event.
    pub(crate) fn of_each(&self) -> impl Iterator<Item = Option<TraceParent>> {
        self.0.iter().flat_map(|(run, traceparent)| (0..*run).map(|_| *traceparent))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_those_of_the_single_events(of in prop::collection::vec(0..3u8, 0..40), at in any::<prop::sample::Index>()) {
            let producer = |number: u8| {
                let parse = || TraceParent::parse(&format!("00-{number:032x}-{number:016x}-01"));
                (number > 0).then(|| parse().expect("a traceparent"))
            };
            let mut producers = Producers::default();
            of.iter().for_each(|number| producers.add(1, producer(*number)));
            let wanted: Vec<_> = of.iter().map(|number| producer(*number)).collect();
            prop_assert_eq!(producers.of_each().collect::<Vec<_>>(), wanted.clone());
            prop_assert!(producers.runs().zip(producers.runs().skip(1)).all(|(one, next)| one.1 != next.1));
            let first = at.index(of.len() + 1);
            let taken = producers.take(first as u64);
            prop_assert_eq!(taken.count(), first as u64);
            prop_assert_eq!(taken.of_each().chain(producers.of_each()).collect::<Vec<_>>(), wanted);
        }
    }
}
