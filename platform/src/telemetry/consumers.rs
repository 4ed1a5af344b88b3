//! The metrics of a sample of all subscriptions. What a status means is the ledger's; what an alarm makes of it, the
//! catalogue's readers'.

use ledger::{ConsumersSample, Status};

use super::catalogue::{self, Dimension};

/// Records a sample. One that is not complete is recorded as far as it goes and does not count as a run, so that whoever
/// watches the runs learns of it. Whom it saw that is not well is told all the same: there are so many at least. But where it
/// saw none, nothing is known: whom it did not see may be lost, and a zero would call the alarm off.
pub fn record(sample: &ConsumersSample) {
    for consumer in &sample.consumers {
        metrics::histogram!(catalogue::CONSUMER_LAG_EVENTS.name).record(rounded(consumer.lag.events));
        metrics::histogram!(catalogue::CONSUMER_LAG_SECONDS.name).record(seconds(consumer.lag.ms));
        if let Some(headroom_ms) = consumer.headroom_ms {
            metrics::histogram!(catalogue::RETENTION_HEADROOM_SECONDS.name).record(seconds(headroom_ms));
            let percent = 100.0 * rounded(headroom_ms) / rounded(consumer.retention_ms);
            metrics::histogram!(catalogue::RETENTION_HEADROOM_PERCENT.name).record(percent);
        }
        if consumer.status < Status::Ok {
            // Metrics cannot name it without a series for each; a line of the log can.
            tracing::info!(
                stream = consumer.stream.as_str(),
                subscription = consumer.subscription.as_str(),
                status = consumer.status.as_str(),
                lag_events = consumer.lag.events,
                lag_ms = consumer.lag.ms,
                "a consumer is not well"
            );
        }
    }
    for status in Status::ALL {
        let count = sample.consumers.iter().filter(|consumer| consumer.status == status).count();
        let is_known = sample.complete || (count > 0 && status < Status::Ok);
        // Also when it is zero: else the last number would seem to hold on.
        set(status, if is_known { rounded(count as u64) } else { catalogue::UNKNOWN });
    }
    if sample.complete {
        if sample.consumers.iter().all(|consumer| consumer.headroom_ms.is_none()) {
            // Else the last one that waited would seem to wait for ever.
            metrics::histogram!(catalogue::RETENTION_HEADROOM_PERCENT.name).record(100.0);
        }
        metrics::counter!(catalogue::SAMPLER_RUNS.name).increment(1);
    }
}

/// Records that there is no sample: how many there are of a status is unknown from now on.
pub fn record_none() {
    Status::ALL.into_iter().for_each(|status| set(status, catalogue::UNKNOWN));
}

fn set(status: Status, count: f64) {
    metrics::gauge!(catalogue::CONSUMERS_BY_STATUS.name, Dimension::ConsumerStatus.as_str() => status.as_str())
        .set(count);
}

#[expect(clippy::cast_precision_loss, reason = "metrics are numbers of this kind, and nobody counts beyond 2^53")]
fn rounded(count: u64) -> f64 {
    count as f64
}

fn seconds(milliseconds: u64) -> f64 {
    rounded(milliseconds) / 1_000.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ledger::model::{StreamName, SubscriptionName};
    use ledger::{ConsumerSample, Lag, limits};
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;

    fn consumer(status: Status, events: u64, ms: u64, headroom_ms: Option<u64>) -> ConsumerSample {
        ConsumerSample {
            stream: StreamName::parse("orders").unwrap(),
            subscription: SubscriptionName::parse("billing").unwrap(),
            status,
            lag: Lag { events, ms },
            headroom_ms,
            retention_ms: limits::HOUR_MS,
        }
    }

    /// Name, labels and value of everything that a sample records.
    fn recorded(sample: &ConsumersSample) -> BTreeMap<(String, String), DebugValue> {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        metrics::with_local_recorder(&recorder, || record(sample));
        let read = |(key, _, _, value): (metrics_util::CompositeKey, _, _, DebugValue)| {
            let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            ((key.key().name().to_owned(), labels.join(",")), value)
        };
        snapshotter.snapshot().into_vec().into_iter().map(read).collect()
    }

    #[test]
    fn every_status_is_counted_also_the_empty_ones() {
        let consumers = vec![
            consumer(Status::Stop, 5, 2_500, Some(90_000)),
            consumer(Status::Stop, 7, 1_000, Some(0)),
            consumer(Status::Ok, 0, 0, None),
        ];
        let recorded = recorded(&ConsumersSample { consumers, complete: true });
        for status in Status::ALL {
            let count = match status {
                Status::Stop => 2.0,
                Status::Ok => 1.0,
                _ => 0.0,
            };
            let key = ("ConsumersByStatus".to_owned(), format!("consumer_status={}", status.as_str()));
            assert_eq!(recorded.get(&key), Some(&DebugValue::Gauge(count.into())), "{status:?}");
        }
        let histogram = |name: &str| recorded.get(&(name.to_owned(), String::new()));
        let values = |values: &[f64]| DebugValue::Histogram(values.iter().map(|value| (*value).into()).collect());
        assert_eq!(histogram("ConsumerLagEvents"), Some(&values(&[5.0, 7.0, 0.0])));
        assert_eq!(histogram("ConsumerLagSeconds"), Some(&values(&[2.5, 1.0, 0.0])));
        assert_eq!(histogram("RetentionHeadroomSeconds"), Some(&values(&[90.0, 0.0])));
        assert_eq!(histogram("RetentionHeadroomPercent"), Some(&values(&[2.5, 0.0])));
        assert_eq!(histogram("SamplerRuns"), Some(&DebugValue::Counter(1)));
    }

    #[test]
    fn a_sample_that_is_not_complete_is_no_run() {
        let consumers = vec![consumer(Status::Warn, 1, 1_000, Some(1))];
        let recorded = recorded(&ConsumersSample { consumers, complete: false });
        assert!(recorded.contains_key(&("ConsumerLagEvents".to_owned(), String::new())));
        assert!(!recorded.contains_key(&("SamplerRuns".to_owned(), String::new())));
        // Who was not looked at may be lost: a zero would call the alarm off. Whom it saw is there whatever it missed.
        for status in Status::ALL {
            let key = ("ConsumersByStatus".to_owned(), format!("consumer_status={}", status.as_str()));
            let count = if status == Status::Warn { 1.0 } else { f64::NAN };
            assert_eq!(recorded.get(&key), Some(&DebugValue::Gauge(count.into())), "{status:?}");
        }
    }

    #[test]
    fn where_nobody_waits_all_of_the_retention_is_left_if_everybody_was_seen() {
        let percent = ("RetentionHeadroomPercent".to_owned(), String::new());
        for (complete, told) in [(true, Some(&DebugValue::Histogram(vec![100.0.into()]))), (false, None)] {
            let consumers = vec![consumer(Status::Ok, 0, 0, None)];
            assert_eq!(recorded(&ConsumersSample { consumers, complete }).get(&percent), told, "{complete}");
        }
    }
}
