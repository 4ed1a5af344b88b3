//! What CloudWatch is told of each metric. It charges for every series, so it is told those that an alarm or a dashboard looks at
//! and no others. The numbers of the others are members of the lines all the same, where a query finds them, and Prometheus has
//! all of them.

use super::catalogue::Dimension;
use super::series::{ASKED, Dimensions, UNASKED};

/// Series of a metric: of what has one of these labels, told apart by these dimensions and by no others. By none, it is their sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// What the series are told apart by.
    pub by: &'static [Dimension],
    /// What is told at all.
    pub of: &'static [Dimensions],
}

impl Told {
    const fn sum(of: &'static [Dimensions]) -> Self {
        Self { by: &[], of }
    }

    const fn by_service(of: &'static [Dimensions]) -> Self {
        Self { by: &[Dimension::Service], of }
    }

    const fn by_operation(of: &'static [Dimensions]) -> Self {
        Self { by: &[Dimension::Service, Dimension::Operation], of }
    }

    /// Whether something with these labels is told.
    pub fn has<'a>(&self, label: impl Fn(Dimension) -> Option<&'a str>) -> bool {
        self.of.iter().any(|labels| labels.iter().all(|(dimension, value)| label(*dimension) == Some(*value)))
    }

    /// The series, each by the values of its dimensions.
    #[must_use]
    pub fn series(&self) -> Vec<Dimensions> {
        if self.by.is_empty() { vec![&[]] } else { self.of.to_vec() }
    }
}

const ADMIN: Dimensions = ASKED[0].1;
const PUBLISH: Dimensions = ASKED[1].1;
const POLL: Dimensions = ASKED[2].1;
const COMPACTOR: Dimensions = UNASKED[0].1;
const KEEPER: Dimensions = UNASKED[1].1;
const AUTHORIZER: Dimensions = UNASKED[2].1;
const CANARY: Dimensions = &[(Dimension::Service, "canary")];

/// The services that clients ask, and those that ask the store.
const CLIENTS: &[Dimensions] = &[ADMIN, PUBLISH, POLL];
const ASKING_THE_STORE: &[Dimensions] = &[ADMIN, PUBLISH, POLL, COMPACTOR, KEEPER, AUTHORIZER];
const EVERYBODY: &[Dimensions] = &[ADMIN, PUBLISH, POLL, COMPACTOR, KEEPER, AUTHORIZER, CANARY];
const COMPACTING: &[Dimensions] = &[COMPACTOR, KEEPER];

const PUBLISHES: Dimensions = &[(Dimension::Service, "publish"), (Dimension::Operation, "publish")];
const POLLS: Dimensions = &[(Dimension::Service, "poll"), (Dimension::Operation, "poll")];
const COMMITS: Dimensions = &[(Dimension::Service, "poll"), (Dimension::Operation, "commit")];
const SWEEPS: Dimensions = &[(Dimension::Service, "keeper"), (Dimension::Operation, "sweep")];

/// Credentials that somebody may have guessed. Who forgets the key, or whose key is from before its time, guesses nothing.
const GUESSES: &[Dimensions] = &[
    &[(Dimension::Reason, "malformed")],
    &[(Dimension::Reason, "environment")],
    &[(Dimension::Reason, "credential")],
    &[(Dimension::Reason, "revoked")],
    &[(Dimension::Reason, "grace_over")],
    &[(Dimension::Reason, "expired")],
];

/// All of a metric that one service tells.
pub(super) const OF_PUBLISH: &[Told] = &[Told::sum(&[PUBLISH])];
pub(super) const OF_POLL: &[Told] = &[Told::sum(&[POLL])];
pub(super) const OF_COMPACTOR: &[Told] = &[Told::by_service(&[COMPACTOR])];
pub(super) const OF_KEEPER: &[Told] = &[Told::by_service(&[KEEPER])];
pub(super) const OF_CANARY: &[Told] = &[Told::by_service(&[CANARY])];

/// Only the log says how much it is, and of whom.
pub(super) const NOTHING: &[Told] = &[];
pub(super) const ALL_OF_CLIENTS: &[Told] = &[Told::sum(CLIENTS)];
pub(super) const ALL_OF_STORE: &[Told] = &[Told::sum(ASKING_THE_STORE)];
pub(super) const ALL_OF_EVERYBODY: &[Told] = &[Told::sum(EVERYBODY)];
pub(super) const EACH_OF_CLIENTS: &[Told] = &[Told::by_service(CLIENTS)];
pub(super) const EACH_OF_STORE: &[Told] = &[Told::by_service(ASKING_THE_STORE)];
pub(super) const CLIENTS_AND_EACH: &[Told] = &[Told::sum(CLIENTS), Told::by_service(CLIENTS)];
pub(super) const STORE_AND_EACH: &[Told] = &[Told::sum(ASKING_THE_STORE), Told::by_service(ASKING_THE_STORE)];
pub(super) const COMPACTING_AND_EACH: &[Told] = &[Told::sum(COMPACTING), Told::by_service(COMPACTING)];

/// Of what clients ask the sum, and whether compactor and keeper are at work.
pub(super) const REQUESTS: &[Told] =
    &[Told::sum(CLIENTS), Told::by_service(&[COMPACTOR]), Told::by_operation(&[SWEEPS])];
pub(super) const FAULTS: &[Told] =
    &[Told::sum(CLIENTS), Told::by_service(&[ADMIN, PUBLISH, POLL, COMPACTOR, KEEPER]), Told::by_operation(&[SWEEPS])];
/// What has an objective.
pub(super) const PROMISED: &[Told] = &[Told::by_operation(&[PUBLISHES, POLLS, COMMITS])];
pub(super) const PUBLISHES_AND_POLLS: &[Told] = &[Told::by_operation(&[PUBLISHES, POLLS])];

/// The sum of guesses, and each reason.
pub(super) const REASONS: &[Told] = &[
    Told::sum(GUESSES),
    Told {
        by: &[Dimension::Reason],
        of: &[
            &[(Dimension::Reason, "missing")],
            &[(Dimension::Reason, "malformed")],
            &[(Dimension::Reason, "environment")],
            &[(Dimension::Reason, "credential")],
            &[(Dimension::Reason, "revoked")],
            &[(Dimension::Reason, "grace_over")],
            &[(Dimension::Reason, "too_early")],
            &[(Dimension::Reason, "expired")],
        ],
    },
];
/// Who is not well.
pub(super) const STATUSES: &[Told] = &[Told {
    by: &[Dimension::ConsumerStatus],
    of: &[
        &[(Dimension::ConsumerStatus, "LOST")],
        &[(Dimension::ConsumerStatus, "STOP")],
        &[(Dimension::ConsumerStatus, "STALL")],
        &[(Dimension::ConsumerStatus, "WARN")],
    ],
}];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::alarms::{self, Strictness};
    use super::super::series::{Series, Source};
    use super::super::{catalogue, dashboards};
    use super::*;

    type Named = (&'static str, Vec<(&'static str, &'static str)>);

    fn named(metric: &'static str, dimensions: Dimensions) -> Named {
        (metric, dimensions.iter().map(|(dimension, value)| (dimension.as_str(), *value)).collect())
    }

    #[test]
    fn cloudwatch_is_told_what_somebody_looks_at_and_nothing_else() {
        let alarms: Vec<_> = [Strictness::Strict, Strictness::Lenient].into_iter().flat_map(alarms::all).collect();
        let conditions = alarms.iter().flat_map(|alarm| alarm.rule.conditions());
        let of_alarms = conditions.flat_map(|condition| &condition.terms).map(|(_, series)| series);
        let dashboards = dashboards::all();
        let panels = dashboards.iter().flat_map(|dashboard| &dashboard.panels);
        let shown = panels.flat_map(|panel| &panel.lines).map(|(_, series)| series);
        let ours = |series: &Series| match series.source {
            Source::Ours(metric, dimensions) => Some(named(metric.name, dimensions)),
            Source::Function { .. } | Source::Table { .. } => None,
        };
        let looked_at: BTreeSet<Named> = of_alarms.chain(shown).filter_map(ours).collect();
        let told: BTreeSet<Named> = catalogue::ALL
            .iter()
            .flat_map(|metric| metric.told.iter().map(move |told| (metric.name, told)))
            .flat_map(|(name, told)| told.series().into_iter().map(move |series| named(name, series)))
            .collect();
        let blind: Vec<_> = looked_at.difference(&told).collect();
        assert!(blind.is_empty(), "somebody looks at what CloudWatch is not told: {blind:?}");
        let wasted: Vec<_> = told.difference(&looked_at).collect();
        assert!(wasted.is_empty(), "CloudWatch is told, and paid for, what nobody looks at: {wasted:?}");
    }

    #[test]
    fn what_is_told_is_told_apart_by_labels_of_its_own() {
        for metric in catalogue::ALL {
            for told in metric.told {
                assert!(told.by.iter().all(|dimension| metric.labels.contains(dimension)), "{}", metric.name);
                for labels in told.of {
                    let names: Vec<_> = labels.iter().map(|(dimension, _)| *dimension).collect();
                    assert!(told.by.is_empty() || told.by == names, "{}: {labels:?}", metric.name);
                    assert!(names.iter().all(|name| metric.labels.contains(name)), "{}: {labels:?}", metric.name);
                }
            }
        }
    }

    #[test]
    fn a_sum_is_of_what_it_names() {
        let of = |service: &'static str| {
            Told::sum(CLIENTS).has(|dimension| (dimension == Dimension::Service).then_some(service))
        };
        assert!(of("poll") && !of("keeper"));
    }
}
