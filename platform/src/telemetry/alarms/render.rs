//! The alarms of an environment as infrastructure code and CloudWatch take them: a list of metric alarms and a list of those
//! that are made of two, with members named as the AWS provider of OpenTofu names them.

use serde::Serialize;

use super::{Alarm, Condition, Rule, Severity, Strictness, all};
use crate::telemetry::series::{Place, Series};

/// The version of the document. It grows when a member goes or changes its meaning.
const SCHEMA_VERSION: u32 = 1;

/// All alarms of an environment.
#[derive(Clone, Debug, Serialize)]
pub struct Rendered {
    schema_version: u32,
    /// Those on metrics.
    pub metric_alarms: Vec<MetricAlarm>,
    /// Those that are made of two others.
    pub composite_alarms: Vec<CompositeAlarm>,
}

/// An alarm on metrics.
#[derive(Clone, Debug, Serialize)]
pub struct MetricAlarm {
    /// Its name in CloudWatch.
    pub alarm_name: String,
    alarm_description: String,
    /// Who is told.
    pub severity: Severity,
    comparison_operator: &'static str,
    threshold: f64,
    evaluation_periods: u32,
    datapoints_to_alarm: u32,
    treat_missing_data: &'static str,
    metric_query: Vec<MetricQuery>,
}

/// A series of an alarm, or what is computed of them.
#[derive(Clone, Debug, Serialize)]
struct MetricQuery {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'static str>,
    return_data: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<MetricOfQuery>,
}

#[derive(Clone, Debug, Serialize)]
struct MetricOfQuery {
    namespace: String,
    metric_name: &'static str,
    dimensions: serde_json::Map<String, serde_json::Value>,
    period: u32,
    stat: &'static str,
}

/// An alarm that is made of two others.
#[derive(Clone, Debug, Serialize)]
pub struct CompositeAlarm {
    /// Its name in CloudWatch.
    pub alarm_name: String,
    alarm_description: String,
    /// Who is told.
    pub severity: Severity,
    alarm_rule: String,
}

/// Renders the alarms of an environment. The same input gives the same bytes.
#[must_use]
pub fn render(place: &Place<'_>, strictness: Strictness) -> Rendered {
    let mut rendered =
        Rendered { schema_version: SCHEMA_VERSION, metric_alarms: Vec::new(), composite_alarms: Vec::new() };
    for alarm in all(strictness) {
        let name = format!("eventledger-{}-{}", place.environment, alarm.name);
        match &alarm.rule {
            Rule::One(condition) => {
                rendered.metric_alarms.push(metric_alarm(place, name, &alarm, alarm.severity, condition));
            }
            Rule::Both { long, short } => {
                let halves = [("long", long), ("short", short)].map(|(which, condition)| {
                    let half = format!("{name}-{which}");
                    rendered.metric_alarms.push(metric_alarm(place, half.clone(), &alarm, Severity::None, condition));
                    format!("ALARM(\"{half}\")")
                });
                rendered.composite_alarms.push(CompositeAlarm {
                    alarm_name: name,
                    alarm_description: description(&alarm),
                    severity: alarm.severity,
                    alarm_rule: halves.join(" AND "),
                });
            }
        }
    }
    rendered
}

/// What whoever is told reads first.
fn description(alarm: &Alarm) -> String {
    format!("{} What to do: runbooks/{}.md. Dashboard: {}.", alarm.meaning, alarm.name, alarm.dashboard)
}

fn metric_alarm(
    place: &Place<'_>,
    alarm_name: String,
    alarm: &Alarm,
    severity: Severity,
    condition: &Condition,
) -> MetricAlarm {
    MetricAlarm {
        alarm_name,
        alarm_description: description(alarm),
        severity,
        comparison_operator: condition.comparison.as_str(),
        threshold: condition.threshold,
        evaluation_periods: condition.periods,
        datapoints_to_alarm: condition.needed,
        treat_missing_data: condition.missing.as_str(),
        metric_query: queries(place, condition),
    }
}

fn queries(place: &Place<'_>, condition: &Condition) -> Vec<MetricQuery> {
    let query = |(id, series): &(String, Series)| {
        let (namespace, metric_name) = series.name(place);
        let dimensions = series.dimensions(place).into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        // A condition on one series as it is needs no expression.
        let is_value = *id == condition.expression;
        MetricQuery {
            id: id.clone(),
            expression: None,
            label: is_value.then_some(condition.value),
            return_data: is_value,
            metric: Some(MetricOfQuery {
                namespace,
                metric_name,
                dimensions: dimensions.collect(),
                period: condition.period_seconds,
                stat: series.statistic.as_str(),
            }),
        }
    };
    let mut queries: Vec<_> = condition.terms.iter().map(query).collect();
    if !queries.iter().any(|query| query.return_data) {
        queries.push(MetricQuery {
            id: "value".to_owned(),
            expression: Some(condition.expression.clone()),
            label: Some(condition.value),
            return_data: true,
            metric: None,
        });
    }
    queries
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::telemetry::dashboards;

    const PLACE: Place<'_> = Place { environment: "dev", region: "eu-central-1", table: "eventledger-dev" };
    /// Of an alarm on metric math, says the reference of CloudWatch.
    const MOST_TERMS: usize = 10;
    /// What an alarm looks back at, at the most, where its period is an hour or longer, and else.
    const LONGEST_SECONDS: (u32, u32) = (7 * 86_400, 86_400);

    #[test]
    fn alarms_are_what_cloudwatch_takes() {
        for alarm in [Strictness::Strict, Strictness::Lenient].into_iter().flat_map(all) {
            for condition in alarm.rule.conditions() {
                let (name, seconds) = (alarm.name, condition.period_seconds);
                assert!(condition.terms.len() <= MOST_TERMS, "{name}");
                assert!(seconds > 0 && seconds % 60 == 0, "{name}");
                assert!(condition.needed >= 1 && condition.needed <= condition.periods, "{name}");
                let longest = if seconds >= 3_600 { LONGEST_SECONDS.0 } else { LONGEST_SECONDS.1 };
                assert!(seconds * condition.periods <= longest, "{name}");
                for (id, _) in &condition.terms {
                    assert!(id.starts_with(|first: char| first.is_ascii_lowercase()), "{name}: {id}");
                    assert!(condition.expression.contains(id.as_str()), "{name} does not use {id}");
                }
            }
        }
    }

    #[test]
    fn every_alarm_has_its_own_name_a_reason_and_a_dashboard() {
        let alarms = all(Strictness::Strict);
        let names: BTreeSet<_> = alarms.iter().map(|alarm| alarm.name).collect();
        assert_eq!(names.len(), alarms.len());
        for alarm in &alarms {
            assert!(alarm.meaning.ends_with('.') && alarm.why.ends_with('.'), "{}", alarm.name);
            let known = dashboards::all().into_iter().any(|dashboard| dashboard.name == alarm.dashboard);
            assert!(known, "{}: there is no dashboard {}", alarm.name, alarm.dashboard);
            assert_ne!(alarm.severity, Severity::None, "{}", alarm.name);
        }
    }

    #[test]
    fn nobody_is_woken_for_a_lenient_environment() {
        assert!(all(Strictness::Strict).iter().any(|alarm| alarm.severity == Severity::Page));
        assert!(all(Strictness::Lenient).iter().all(|alarm| alarm.severity == Severity::Ticket));
    }

    #[test]
    fn what_is_told_is_a_pair_and_its_halves_are_silent() {
        let rendered = render(&PLACE, Strictness::Strict);
        assert!(!rendered.composite_alarms.is_empty());
        for pair in &rendered.composite_alarms {
            for which in ["long", "short"] {
                let half = format!("{}-{which}", pair.alarm_name);
                let found = rendered.metric_alarms.iter().find(|alarm| alarm.alarm_name == half).unwrap();
                assert_eq!(found.severity, Severity::None);
                assert!(pair.alarm_rule.contains(&format!("ALARM(\"{half}\")")), "{}", pair.alarm_rule);
            }
        }
    }
}
