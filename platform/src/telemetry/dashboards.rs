//! Every dashboard there is, as data: its panels, what each shows and what it is good for. The JSON that CloudWatch takes is
//! rendered from it. What goes off when is in `alarms`, whose thresholds are drawn as lines.
//!
//! Each is paid for, so what one person looks at together is one: what clients get, the way of events, and what works behind.

use serde_json::{Map, Value, json};

use super::alarms::{self, Strictness};
use super::catalogue::{self, Dimension, Metric};
use crate::functions::{FUNCTIONS, Function};

use super::series::{ASKED, Place, Series, Statistic, UNASKED, ours, sums};

/// Columns of a dashboard of CloudWatch.
const COLUMNS: usize = 24;
/// Panels beside each other.
const BESIDE: usize = 3;
/// Rows that a panel takes, and the line of text above them.
const HEIGHT: usize = 6;
const TEXT_HEIGHT: usize = 2;
/// Seconds that a point stands for.
const PERIOD: u32 = 60;

/// A dashboard.
#[derive(Clone, Debug)]
pub struct Dashboard {
    /// Its name, and that of its picture in `runbooks/dashboards/`.
    pub name: &'static str,
    /// What it answers.
    pub question: &'static str,
    /// What it shows.
    pub panels: Vec<Panel>,
}

/// A panel of a dashboard.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What it shows.
    pub title: &'static str,
    /// What its values are.
    pub unit: &'static str,
    /// Its lines, with what they are called.
    pub lines: Vec<(&'static str, Series)>,
    /// Whose threshold is drawn, where it is of the same unit and one series.
    pub alarm: Option<&'static str>,
}

impl Panel {
    fn new(title: &'static str, unit: &'static str, lines: impl IntoIterator<Item = (&'static str, Series)>) -> Self {
        Self { title, unit, lines: lines.into_iter().collect(), alarm: None }
    }

    fn under(self, alarm: &'static str) -> Self {
        Self { alarm: Some(alarm), ..self }
    }

    /// The threshold that is drawn.
    #[must_use]
    pub fn threshold(&self, strictness: Strictness) -> Option<f64> {
        let name = self.alarm?;
        let found = alarms::all(strictness).into_iter().find(|alarm| alarm.name == name)?;
        found.rule.conditions().next().map(|condition| condition.threshold)
    }
}

/// Every dashboard.
#[must_use]
pub fn all() -> Vec<Dashboard> {
    let dashboard = |name, question, panels: [Vec<Panel>; 2]| Dashboard { name, question, panels: panels.concat() };
    vec![
        dashboard("overview", "Do clients get what they ask for, and who is refused?", [clients(), access()]),
        dashboard(
            "streams",
            "Do publishers get their events in and subscriptions theirs out, how fast, and does anybody lose some?",
            [writers(), readers()],
        ),
        dashboard(
            "machinery",
            "Is compacted state up to date, is the house kept tidy, and does DynamoDB answer?",
            [compaction(), store()],
        ),
    ]
}

fn asked(metric: Metric) -> impl Iterator<Item = (&'static str, Series)> {
    sums(metric, ASKED)
}

fn functions(metric: &'static str, title: &'static str) -> Panel {
    let lines =
        FUNCTIONS.iter().map(|Function { service, .. }| (*service, Series::function(service, metric, Statistic::Sum)));
    Panel { title, unit: "invocations", lines: lines.collect(), alarm: None }
}

fn clients() -> Vec<Panel> {
    vec![
        Panel::new("Requests", "requests", [("all", ours!(REQUESTS, Sum))]),
        Panel::new("Faults of ours", "requests", asked(catalogue::FAULTS)),
        Panel::new("Errors of clients", "requests", asked(catalogue::CLIENT_ERRORS)),
        Panel::new("Rounds of the canary", "rounds", [("right", ours!(CANARY_ROUNDS, "canary", Sum))])
            .under("canary-failing"),
        functions("Errors", "Errors of Lambdas"),
        functions("Throttles", "Lambdas that were not started"),
        Panel::new("Cold starts", "starts", [("all", ours!(COLD_STARTS, Sum))]),
        Panel::new("Panics", "panics", [("all", ours!(PANICS, Sum))]),
        functions("Invocations", "Invocations, as AWS counts them"),
    ]
}

fn writers() -> Vec<Panel> {
    vec![
        Panel::new("Events published", "events", [("events", ours!(EVENTS_PUBLISHED, Sum))]),
        Panel::new("Bytes published", "bytes", [("bytes", ours!(BYTES_PUBLISHED, Sum))]),
        Panel::new(
            "Time of a publish",
            "milliseconds",
            [
                ("half", ours!(LATENCY, "publish", "publish", Median)),
                ("99 of 100", ours!(LATENCY, "publish", "publish", P99)),
            ],
        ),
        Panel::new(
            "Slower than promised",
            "requests",
            [
                ("publish", ours!(SLOW_REQUESTS, "publish", "publish", Sum)),
                ("poll", ours!(SLOW_REQUESTS, "poll", "poll", Sum)),
                ("commit", ours!(SLOW_REQUESTS, "poll", "commit", Sum)),
            ],
        ),
        Panel::new("Lost races for a slot", "races", [("lost", ours!(SLOT_CONFLICTS, Sum))]),
        Panel::new("Answered from their receipt", "requests", [("repeated", ours!(DUPLICATE_PUBLISHES, Sum))]),
    ]
}

fn readers() -> Vec<Panel> {
    let status =
        |of: &'static [(Dimension, &'static str)]| Series::ours(catalogue::CONSUMERS_BY_STATUS, of, Statistic::Maximum);
    vec![
        Panel::new(
            "Subscriptions that are not well",
            "subscriptions",
            [
                ("LOST", status(&[(Dimension::ConsumerStatus, "LOST")])),
                ("STOP", status(&[(Dimension::ConsumerStatus, "STOP")])),
                ("STALL", status(&[(Dimension::ConsumerStatus, "STALL")])),
                ("WARN", status(&[(Dimension::ConsumerStatus, "WARN")])),
            ],
        ),
        Panel::new("Furthest behind", "seconds", [("age", ours!(CONSUMER_LAG_SECONDS, "keeper", Maximum))]),
        Panel::new("Furthest behind", "events", [("events", ours!(CONSUMER_LAG_EVENTS, "keeper", Maximum))]),
        Panel::new(
            "Retention that is left",
            "percent",
            [("least", ours!(RETENTION_HEADROOM_PERCENT, "keeper", Minimum))],
        )
        .under("retention-at-risk"),
        Panel::new(
            "Time until the first loss",
            "seconds",
            [("least", ours!(RETENTION_HEADROOM_SECONDS, "keeper", Minimum))],
        ),
        Panel::new("Samples of all subscriptions", "samples", [("complete", ours!(SAMPLER_RUNS, "keeper", Sum))])
            .under("sampler-dead"),
        Panel::new("Events read", "events", [("events", ours!(EVENTS_DELIVERED, Sum))]),
        Panel::new(
            "Time of a poll and of a commit",
            "milliseconds",
            [
                ("poll, 99 of 100", ours!(LATENCY, "poll", "poll", P99)),
                ("commit, 99 of 100", ours!(LATENCY, "poll", "commit", P99)),
            ],
        ),
        Panel::new("Commits that met another", "commits", [("conflicts", ours!(COMMIT_CONFLICTS, Sum))]),
        Panel::new("Polls that found nothing", "polls", [("empty", ours!(EMPTY_POLLS, Sum))]),
    ]
}

fn compaction() -> Vec<Panel> {
    vec![
        Panel::new("How far behind", "milliseconds", [("delay", ours!(COMPACTOR_DELAY, "compactor", Maximum))])
            .under("compactor-behind"),
        Panel::new(
            "What cannot be read",
            "failures",
            [
                ("compactor", ours!(COMPACTOR_POISON, "compactor", Sum)),
                ("keeper", ours!(COMPACTOR_POISON, "keeper", Sum)),
            ],
        )
        .under("compactor-poisoned"),
        Panel::new("Times it was woken", "events", [("woken", ours!(REQUESTS, "compactor", Sum))]),
        Panel::new("Events published", "events", [("events", ours!(EVENTS_PUBLISHED, Sum))]),
        Panel::new("Sweeps of the keeper", "sweeps", [("sweeps", ours!(REQUESTS, "keeper", "sweep", Sum))]),
        Panel::new(
            "Events that were not handled",
            "events",
            [("compactor", ours!(FAULTS, "compactor", Sum)), ("keeper", ours!(FAULTS, "keeper", Sum))],
        ),
    ]
}

fn access() -> Vec<Panel> {
    let refused = |of: &'static [(Dimension, &'static str)]| Series::ours(catalogue::AUTH_FAILURES, of, Statistic::Sum);
    vec![
        Panel::new(
            "Credentials that were refused",
            "credentials",
            [
                ("none", refused(&[(Dimension::Reason, "missing")])),
                ("unknown or wrong", refused(&[(Dimension::Reason, "credential")])),
                ("malformed", refused(&[(Dimension::Reason, "malformed")])),
                ("revoked", refused(&[(Dimension::Reason, "revoked")])),
                ("expired", refused(&[(Dimension::Reason, "expired")])),
                ("grace over", refused(&[(Dimension::Reason, "grace_over")])),
                ("of another environment", refused(&[(Dimension::Reason, "environment")])),
                ("too early", refused(&[(Dimension::Reason, "too_early")])),
            ],
        ),
        Panel::new("Over their quota", "requests", asked(catalogue::THROTTLED)),
        Panel::new("Admitted without asking", "requests", asked(catalogue::RATE_LIMIT_FAIL_OPEN)),
        Panel::new("Quotas that were used up", "leases", [("all", ours!(LEASE_DENIED, Sum))]),
        Panel::new("Old keys in use", "requests", [("all", ours!(KEY_USE_DURING_GRACE, Sum))]),
        Panel::new(
            "API keys",
            "keys",
            [
                ("expire soon", ours!(KEYS_EXPIRING_SOON, "keeper", Maximum)),
                ("may manage keys, new", ours!(ADMIN_KEYS_MINTED, "keeper", Maximum)),
            ],
        ),
    ]
}

fn store() -> Vec<Panel> {
    let services = |metric: Metric| asked(metric).chain(sums(metric, UNASKED));
    vec![
        // As AWS counts them, for nothing. Whose they are, lines say.
        Panel::new("Write units", "units", [("all", Series::table("ConsumedWriteCapacityUnits", Statistic::Sum))]),
        Panel::new("Read units", "units", [("all", Series::table("ConsumedReadCapacityUnits", Statistic::Sum))]),
        Panel::new("Calls", "calls", [("all", ours!(DYNAMO_CALLS, Sum))]),
        Panel::new("Attempts that were throttled", "attempts", services(catalogue::DYNAMO_THROTTLES)),
        Panel::new("Attempts after the first", "attempts", services(catalogue::DYNAMO_RETRIES)),
        Panel::new(
            "Time of a call",
            "milliseconds",
            [
                ("publish, 99 of 100", ours!(DYNAMO_LATENCY, "publish", "publish", P99)),
                ("poll, 99 of 100", ours!(DYNAMO_LATENCY, "poll", "poll", P99)),
            ],
        ),
        Panel::new(
            "Throttled, as the table counts them",
            "attempts",
            [
                ("reads", Series::table("ReadThrottleEvents", Statistic::Sum)),
                ("writes", Series::table("WriteThrottleEvents", Statistic::Sum)),
            ],
        ),
        Panel::new(
            "Throttled because a part of the table is hot",
            "attempts",
            [
                ("reads", Series::table("ReadKeyRangeThroughputThrottleEvents", Statistic::Sum)),
                ("writes", Series::table("WriteKeyRangeThroughputThrottleEvents", Statistic::Sum)),
            ],
        ),
        Panel::new("Spans that nobody took", "spans", [("all", ours!(SPANS_LOST, Sum))]),
    ]
}

/// The dashboards of an environment, by their names in CloudWatch, as it takes their bodies. The same input gives the same
/// bytes.
#[must_use]
pub fn render(place: &Place<'_>, strictness: Strictness) -> Value {
    let named = |dashboard: &Dashboard| {
        (format!("eventledger-{}-{}", place.environment, dashboard.name), body(dashboard, place, strictness))
    };
    Value::Object(all().iter().map(named).collect::<Map<_, _>>())
}

fn body(dashboard: &Dashboard, place: &Place<'_>, strictness: Strictness) -> Value {
    let text = format!("**{}** Each alarm has a page of its name in `runbooks/`.", dashboard.question);
    let heading = json!({
        "type": "text", "x": 0, "y": 0, "width": COLUMNS, "height": TEXT_HEIGHT,
        "properties": { "markdown": text },
    });
    let width = COLUMNS / BESIDE;
    let panels = dashboard.panels.iter().enumerate().map(|(number, panel)| {
        json!({
            "type": "metric",
            "x": number % BESIDE * width,
            "y": TEXT_HEIGHT + number / BESIDE * HEIGHT,
            "width": width,
            "height": HEIGHT,
            "properties": properties(panel, place, strictness),
        })
    });
    json!({ "widgets": std::iter::once(heading).chain(panels).collect::<Vec<_>>() })
}

fn properties(panel: &Panel, place: &Place<'_>, strictness: Strictness) -> Value {
    let line = |(label, series): &(&str, Series)| {
        let (namespace, name) = series.name(place);
        let mut line = vec![json!(namespace), json!(name)];
        line.extend(series.dimensions(place).into_iter().flat_map(|(name, value)| [json!(name), json!(value)]));
        line.push(json!({ "label": label, "stat": series.statistic.as_str() }));
        Value::Array(line)
    };
    let mut properties = json!({
        "title": panel.title,
        "view": "timeSeries",
        "region": place.region,
        "period": PERIOD,
        "metrics": panel.lines.iter().map(line).collect::<Vec<_>>(),
        "yAxis": { "left": { "label": panel.unit, "min": 0, "showUnits": false } },
    });
    if let (Some(alarm), Some(threshold)) = (panel.alarm, panel.threshold(strictness)) {
        properties["annotations"] = json!({ "horizontal": [{ "label": alarm, "value": threshold }] });
    }
    properties
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::telemetry::series::Source;

    /// So many dashboards of so many metrics an account has for nothing, and looks at with ease.
    const FREE: (usize, usize) = (3, 50);

    #[test]
    fn dashboards_are_as_many_and_as_large_as_an_account_has_for_nothing() {
        assert!(all().len() <= FREE.0);
        for dashboard in all() {
            let metrics: usize = dashboard.panels.iter().map(|panel| panel.lines.len()).sum();
            assert!(metrics <= FREE.1, "{}: {metrics}", dashboard.name);
        }
    }

    #[test]
    fn every_metric_is_shown_somewhere_or_made_of_what_is() {
        let shown: BTreeSet<_> = all()
            .iter()
            .flat_map(|dashboard| &dashboard.panels)
            .flat_map(|panel| &panel.lines)
            .filter_map(|(_, series)| match series.source {
                Source::Ours(metric, _) => Some(metric.name),
                _ => None,
            })
            .collect();
        let hidden: Vec<_> =
            catalogue::ALL.iter().map(|metric| metric.name).filter(|name| !shown.contains(name)).collect();
        // How long a start took is told by the cold starts' requests themselves, and units are shown as AWS counts them.
        assert_eq!(hidden, ["InitMs", "ConsumedReadUnits", "ConsumedWriteUnits"]);
    }

    #[test]
    fn every_line_of_an_alarm_is_drawn_at_its_threshold() {
        for panel in all().iter().flat_map(|dashboard| &dashboard.panels).filter(|panel| panel.alarm.is_some()) {
            assert!(
                panel.threshold(Strictness::Strict).is_some(),
                "{}: there is no alarm {:?}",
                panel.title,
                panel.alarm
            );
        }
    }
}
