//! What Prometheus is told: the same numbers, by its rules for names and units.

use platform::telemetry::catalogue::{self, ALL, Kind, Unit};
use platform::telemetry::{Prometheus, prometheus_name};

#[test]
fn names_follow_the_rules_of_prometheus() {
    assert_eq!(prometheus_name(&catalogue::REQUESTS), "eventledger_requests_total");
    assert_eq!(prometheus_name(&catalogue::LATENCY), "eventledger_latency_seconds");
    assert_eq!(prometheus_name(&catalogue::INIT_MS), "eventledger_init_seconds");
    assert_eq!(prometheus_name(&catalogue::CONSUMER_LAG_SECONDS), "eventledger_consumer_lag_seconds");
    for metric in ALL {
        let name = prometheus_name(metric);
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
        let is_time = matches!(metric.unit, Unit::Milliseconds | Unit::Seconds);
        assert_eq!(name.trim_end_matches("_total").ends_with("_seconds"), is_time, "{name}");
    }
}

/// A recorder of the local server.
fn recorder() -> (impl metrics::Recorder, Prometheus) {
    Prometheus::recorder("local", &local::app::routes()).expect("the buckets are right")
}

#[test]
fn every_counter_is_there_before_its_first_count() {
    let (_, prometheus) = recorder();
    let text = prometheus.render();
    for metric in ALL.iter().filter(|metric| metric.kind == Kind::Counter) {
        let name = prometheus_name(metric);
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with(&format!("{name}{{"))).collect();
        assert!(!lines.is_empty() && lines.iter().all(|line| line.ends_with(" 0")), "{name}: {lines:?}");
    }
    for line in [
        r#"eventledger_panics_total{service="local"} 0"#,
        r#"eventledger_faults_total{service="local",operation="publish"} 0"#,
        r#"eventledger_faults_total{service="local",operation="sweep"} 0"#,
        r#"eventledger_auth_failures_total{reason="credential"} 0"#,
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn labels_are_the_dimensions_that_the_document_lists_however_much_a_call_says() {
    let (recorder, prometheus) = recorder();
    metrics::with_local_recorder(&recorder, || {
        metrics::counter!(catalogue::PANICS.name).increment(1);
        metrics::counter!(catalogue::PANICS.name, "service" => "local").increment(1);
        metrics::counter!(catalogue::FAULTS.name, "service" => "local", "operation" => "poll").increment(1);
        metrics::histogram!(catalogue::CONSUMER_LAG_EVENTS.name).record(3.0);
        metrics::gauge!(catalogue::CONSUMERS_BY_STATUS.name, "consumer_status" => "LOST").set(1.0);
    });
    let text = prometheus.render();
    for line in [
        r#"eventledger_panics_total{service="local"} 2"#,
        r#"eventledger_faults_total{service="local",operation="poll"} 1"#,
        r#"eventledger_consumer_lag_events_count{service="local"} 1"#,
        r#"eventledger_consumers_by_status{consumer_status="LOST"} 1"#,
    ] {
        assert_eq!(text.lines().filter(|known| *known == line).count(), 1, "{line}\nis not in\n{text}");
    }
}

#[tokio::test]
async fn what_is_not_known_any_more_does_not_seem_to_hold_on() {
    let (recorder, prometheus) = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let api = tests::Api::in_process().await;
    let app = api.app();
    let keep = |task| keeper::keep(app.ledger.clone(), keeper::Schedule { task });
    let shown = |name: &str| {
        let text = prometheus.render();
        let line = text.lines().find(|line| line.starts_with(name)).expect("the gauge is there");
        line.rsplit(' ').next().expect("a value").to_owned()
    };
    let (lost, expiring) =
        (r#"eventledger_consumers_by_status{consumer_status="LOST"}"#, "eventledger_keys_expiring_soon");
    keep(keeper::Task::Sample).await.expect("a sample");
    keep(keeper::Task::Sweep).await.expect("a sweep");
    assert_eq!([shown(lost), shown(expiring)], ["0", "0"]);
    app.engine().inject(embedded::Fault::any(embedded::FaultKind::ServerErrorBefore, 1_000));
    keep(keeper::Task::Sample).await.expect_err("a store that is away");
    keep(keeper::Task::Sweep).await.expect_err("a store that is away");
    assert_eq!([shown(lost), shown(expiring)], ["NaN", "NaN"]);
}

#[test]
fn times_of_days_have_buckets_of_days() {
    let (recorder, prometheus) = recorder();
    let day = 86_400.0;
    metrics::with_local_recorder(&recorder, || {
        for metric in ALL.iter().filter(|metric| metric.unit == Unit::Seconds) {
            metrics::histogram!(metric.name).record(1.5 * day);
        }
    });
    let text = prometheus.render();
    for name in ["eventledger_consumer_lag_seconds", "eventledger_retention_headroom_seconds"] {
        for (bound, count) in [("3600", 0), ("86400", 0), ("172800", 1), ("31536000", 1)] {
            let line = format!(r#"{name}_bucket{{service="local",le="{bound}"}} {count}"#);
            assert!(text.lines().any(|known| known == line), "{line}\nis not in\n{text}");
        }
    }
}

#[test]
fn times_become_seconds_and_all_have_their_meaning() {
    let (recorder, prometheus) = recorder();
    metrics::with_local_recorder(&recorder, || {
        metrics::counter!(catalogue::REQUESTS.name, "service" => "poll", "operation" => "commit").increment(2);
        metrics::histogram!(catalogue::LATENCY.name, "service" => "poll", "operation" => "commit").record(250.0);
    });
    let text = prometheus.render();
    for line in [
        "# HELP eventledger_requests_total Requests that were answered or whose client left before, and events that were handled.",
        "# TYPE eventledger_requests_total counter",
        r#"eventledger_requests_total{service="poll",operation="commit"} 2"#,
        "# TYPE eventledger_latency_seconds histogram",
        r#"eventledger_latency_seconds_bucket{service="poll",operation="commit",le="0.25"} 1"#,
        r#"eventledger_latency_seconds_bucket{service="poll",operation="commit",le="0.15"} 0"#,
        r#"eventledger_latency_seconds_sum{service="poll",operation="commit"} 0.25"#,
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\nis not in\n{text}");
    }
}
