//! Lag as Prometheus reads it. Each look is rendered by a recorder of its own, so that who is gone leaves nothing behind.

use ledger::{Observation, PartitionObservation, Status};
use metrics::{Label, describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusBuilder;

use super::observe::Seen;

const LAG_EVENTS: &str = "eventledger_lag_events";
const LAG_SECONDS: &str = "eventledger_lag_seconds";
const COMMITTED: &str = "eventledger_committed_offset";
const TAIL: &str = "eventledger_tail_offset";
const HEADROOM: &str = "eventledger_retention_headroom_seconds";
const STATUS: &str = "eventledger_consumer_status";
const COMPLETE: &str = "eventledger_lag_complete";

/// What each says to whoever is on call.
const MEANINGS: [(&str, &str); 7] = [
    (LAG_EVENTS, "Events of the partition that the subscription has not committed."),
    (LAG_SECONDS, "Age of the first of them."),
    (COMMITTED, "First offset of the partition that the subscription has not committed."),
    (TAIL, "First offset of the partition that is not written."),
    (HEADROOM, "Time until the first event that is not committed expires; absent where nothing can."),
    (STATUS, "1 for the status that the subscription has, 0 for the others."),
    (COMPLETE, "1 when all subscriptions were looked at, 0 when some could not be, which are absent."),
];

/// The text format of Prometheus.
pub(super) fn render(seen: &Seen) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        MEANINGS.into_iter().for_each(|(name, meaning)| describe_gauge!(name, meaning));
        seen.observations.iter().for_each(record);
        gauge!(COMPLETE).set(f64::from(u8::from(seen.is_complete())));
    });
    recorder.handle().render()
}

fn record(seen: &Observation) {
    let labels = |more: (&'static str, String)| {
        let names = [("stream", seen.stream.to_string()), ("subscription", seen.subscription.to_string()), more];
        names.map(|(name, value)| Label::new(name, value)).to_vec()
    };
    for status in Status::ALL {
        let labels = labels(("status", status.as_str().to_owned()));
        gauge!(STATUS, labels).set(f64::from(u8::from(status == seen.status)));
    }
    for one in &seen.partitions {
        record_partition(one, &labels(("partition", one.partition.to_string())));
    }
}

fn record_partition(one: &PartitionObservation, labels: &[Label]) {
    let set = |name: &'static str, value: f64| gauge!(name, labels.to_vec()).set(value);
    set(LAG_EVENTS, number(one.lag.events));
    set(LAG_SECONDS, number(one.lag.ms) / 1_000.0);
    set(COMMITTED, number(one.committed));
    set(TAIL, number(one.tail));
    if let Some(headroom_ms) = one.headroom_ms {
        set(HEADROOM, number(headroom_ms) / 1_000.0);
    }
}

/// Metrics are numbers of this kind, and nobody counts beyond 2^53.
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_told_by_one_number() {
        let seen = Seen { observations: Vec::new(), left_out: vec!["orders was left out".to_owned()] };
        let told = |seen: &Seen| render(seen).lines().filter(|line| !line.starts_with('#')).collect::<String>();
        assert_eq!(told(&seen), "eventledger_lag_complete 0");
        assert_eq!(told(&Seen::default()), "eventledger_lag_complete 1");
    }
}
