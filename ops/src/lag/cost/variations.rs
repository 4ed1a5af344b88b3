//! What the bill would be if something were otherwise: what could be cut, and what the sum rests on.

use super::bill::Bill;
use super::figures::Figures;
use super::prices::EnvironmentPrices;
use super::work::Month;
use super::workload::{SECONDS, Volume, Workload};

/// A change.
pub struct Variation {
    /// What is otherwise.
    pub what: &'static str,
    change: fn(&mut Workload, &Volume),
    free: bool,
}

const fn when(what: &'static str, change: fn(&mut Workload, &Volume)) -> Variation {
    Variation { what, change, free: false }
}

/// All that are shown.
pub const ALL: [Variation; 12] = [
    when("as it is", |_, _| {}),
    when("no access log of the API", |workload, _| workload.environment.access_log = false),
    when("no recovery of the table", |workload, _| workload.environment.recovery = false),
    when("no canary", |workload, _| workload.environment.canary = false),
    Variation { what: "what each account has free is taken off", change: |_, _| {}, free: true },
    when("half of the events of a round are replaced in it", |workload, _| workload.last_of_key_share = 0.5),
    Variation { what: "both of these", change: |workload, _| workload.last_of_key_share = 0.5, free: true },
    when("no alarms, no dashboards, and no series for them", |workload, _| workload.environment.watched = false),
    when("the same, half are replaced, and nothing but our own lines is kept", |workload, _| {
        workload.environment.watched = false;
        workload.environment.recovery = false;
        workload.environment.canary = false;
        workload.environment.access_log = false;
        workload.last_of_key_share = 0.5;
    }),
    when("publishes carry an Idempotency-Key", |workload, _| workload.idempotency_keys = true),
    when("subscribers look every five seconds", |workload, volume| {
        let each_second = volume.events_per_month as f64 / (SECONDS * workload.busy_share);
        let come = (each_second * 5.0).max(1.0) as u32;
        workload.events_per_poll = workload.events_per_poll.min(come);
    }),
    when("subscribers are outside of AWS", |workload, _| workload.internet_share = 1.0),
];

impl Variation {
    /// What the bill comes to, then.
    #[must_use]
    pub fn dollars(&self, workload: &Workload, volume: &Volume, figures: &Figures, prices: &EnvironmentPrices) -> f64 {
        let mut changed = workload.clone();
        (self.change)(&mut changed, volume);
        Bill::of(&Month { workload: &changed, volume, figures }, prices, self.free).dollars()
    }
}
