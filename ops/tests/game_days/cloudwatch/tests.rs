//! That the alarms of these tests are judged as CloudWatch judges them.

use std::collections::BTreeMap;

use serde_json::json;

use super::metrics::SeriesName;
use super::*;

/// A minute, long ago.
const START: Timestamp = Timestamp(1_799_999_940_000);

fn series(metric: &str) -> SeriesName {
    SeriesName { namespace: "N".to_owned(), metric: metric.to_owned(), dimensions: BTreeMap::new() }
}

/// An alarm on the sum of the metric `M` in periods of so many seconds.
fn alarm(
    name: &str,
    seconds: u64,
    (needed, periods): (u32, u32),
    missing: &str,
    expression: &str,
) -> serde_json::Value {
    json!({
        "alarm_name": format!("x-{name}"), "severity": "page", "comparison_operator": "GreaterThanOrEqualToThreshold",
        "threshold": 1.0, "evaluation_periods": periods, "datapoints_to_alarm": needed, "treat_missing_data": missing,
        "metric_query": [
            { "id": "m", "return_data": false, "metric": {
                "namespace": "N", "metric_name": "M", "dimensions": {}, "period": seconds, "stat": "Sum" } },
            { "id": "value", "return_data": true, "expression": expression },
        ],
    })
}

fn watching(alarms: &[serde_json::Value], rules: &[(&str, &str)]) -> CloudWatch {
    let rule = |(name, rule): &(&str, &str)| json!({ "alarm_name": format!("x-{name}"), "severity": "page", "alarm_rule": rule });
    let rules: Vec<_> = rules.iter().map(rule).collect();
    CloudWatch::reading("x-", &json!({ "metric_alarms": alarms, "composite_alarms": rules }).to_string())
}

/// The states of an alarm after each of some minutes, with what the metric was in each, if anything.
fn states(watch: &mut CloudWatch, name: &str, minutes: &[Option<f64>]) -> Vec<State> {
    let minute = |(number, value): (u64, &Option<f64>)| {
        let begins = START.plus(number * MINUTE_MS);
        if let Some(value) = value {
            watch.metrics.put(series("M"), begins.plus(30_000), *value);
        }
        watch.judge(begins.plus(MINUTE_MS));
        watch.state(name)
    };
    (0..).zip(minutes).map(minute).collect()
}

const GOOD: Option<f64> = Some(0.0);
const BAD: Option<f64> = Some(1.0);

#[test]
fn so_many_of_the_last_periods_make_an_alarm() {
    use State::{Alarm, Ok};
    let mut watch = watching(&[alarm("a", 60, (2, 3), "notBreaching", "m")], &[]);
    let told = states(&mut watch, "a", &[BAD, GOOD, BAD, GOOD, GOOD]);
    assert_eq!(told, [Ok, Ok, Alarm, Ok, Ok]);
    let history: Vec<_> = watch.since(START).map(|change| (change.at.since(START) / MINUTE_MS, change.to)).collect();
    assert_eq!(history, [(1, Ok), (3, Alarm), (4, Ok)]);
    assert_eq!(watch.told("page", START), ["a"]);
}

#[test]
fn a_period_without_a_value_is_what_the_alarm_says() {
    use State::{Alarm, InsufficientData, Ok};
    for (missing, expected) in [
        ("breaching", [Alarm, Ok, Alarm]),
        ("notBreaching", [Ok, Ok, Ok]),
        ("ignore", [InsufficientData, Ok, Ok]),
        ("missing", [InsufficientData, Ok, InsufficientData]),
    ] {
        let mut watch = watching(&[alarm("a", 60, (1, 1), missing, "m")], &[]);
        assert_eq!(states(&mut watch, "a", &[None, GOOD, None]), expected, "{missing}");
    }
    // It stays as it is only while what is missing might change it.
    let mut watch = watching(&[alarm("a", 60, (2, 3), "ignore", "m")], &[]);
    let told = states(&mut watch, "a", &[BAD, None, BAD, None, None, None, GOOD, GOOD]);
    assert_eq!(told[1..], [InsufficientData, Alarm, Alarm, Alarm, Alarm, Alarm, Ok]);
}

#[test]
fn periods_end_at_each_minute() {
    let mut watch = watching(&[alarm("a", 300, (1, 1), "notBreaching", "m")], &[]);
    let mut minutes = vec![GOOD; 8];
    minutes[1] = BAD;
    let told = states(&mut watch, "a", &minutes);
    let alarms: Vec<_> =
        (1..).zip(told).filter(|(_, state)| *state == State::Alarm).map(|(minute, _)| minute).collect();
    assert_eq!(alarms, [2, 3, 4, 5, 6]);
}

#[test]
fn a_rule_of_two_needs_both() {
    let halves = [alarm("long", 180, (1, 1), "notBreaching", "m"), alarm("short", 60, (1, 1), "notBreaching", "m")];
    let mut watch = watching(&halves, &[("both", r#"ALARM("x-long") AND ALARM("x-short")"#)]);
    assert_eq!(states(&mut watch, "both", &[BAD, GOOD, BAD]), [State::Alarm, State::Ok, State::Alarm]);
    assert_eq!(watch.state("long"), State::Alarm);
}

#[test]
fn metric_math_is_what_cloudwatch_says_it_is() {
    let term = |id: &str| match id {
        "two" => Some(2.0),
        "zero" => Some(0.0),
        _ => None,
    };
    for (text, expected) in [
        ("two", Some(2.0)),
        ("silent", None),
        ("two + silent", None),
        ("FILL(silent, 0) + two", Some(2.0)),
        ("IF(FILL(silent, 0) >= 1, two / silent, 0)", Some(0.0)),
        ("IF(two >= 2, 100 * (two - 1) / two, 0)", Some(50.0)),
        ("MAX([100 * two / 4, FILL(silent, 0), 7])", Some(50.0)),
        ("two / zero", None),
    ] {
        assert_eq!(expression::value(text, term), expected, "{text}");
    }
}

#[test]
fn a_line_is_read_once_for_each_set_of_dimensions() {
    let line = json!({
        "service": "poll", "operation": "commit", "Requests": 1, "Latency": [3, 5],
        "_aws": { "Timestamp": START.0, "CloudWatchMetrics": [{
            "Namespace": "N", "Dimensions": [[], ["service"], ["service", "operation"]],
            "Metrics": [{ "Name": "Requests" }, { "Name": "Latency", "Unit": "Milliseconds" }],
        }] },
    });
    let mut metrics = Metrics::default();
    metrics.read(&line.to_string());
    let service = ("service".to_owned(), "poll".to_owned());
    for dimensions in [vec![], vec![service.clone()], vec![service, ("operation".to_owned(), "commit".to_owned())]] {
        let of = |metric: &str| SeriesName { dimensions: dimensions.iter().cloned().collect(), ..series(metric) };
        let within = |metric: &str, statistic| metrics.statistic(&of(metric), START, START.plus(1), statistic);
        assert_eq!(within("Requests", "Sum"), Some(1.0));
        assert_eq!(
            ["Sum", "Minimum", "Maximum", "SampleCount"].map(|statistic| within("Latency", statistic)),
            [8.0, 3.0, 5.0, 2.0].map(Some)
        );
        assert_eq!(metrics.statistic(&of("Latency"), START.plus(1), START.plus(9), "Sum"), None);
    }
}
