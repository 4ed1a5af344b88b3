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

#[test]
fn times_become_seconds_and_all_have_their_meaning() {
    let (recorder, prometheus) = Prometheus::recorder().expect("the buckets are right");
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
