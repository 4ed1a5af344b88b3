//! CloudWatch, as far as alarms go: it reads metrics out of lines of the log, and judges the alarms of an environment by them
//! each minute, from the JSON that infrastructure code hands to AWS.
//!
//! It follows the reference of CloudWatch: an alarm looks at the periods that end now, asks for so many of the last ones, and
//! says for itself what a period without a value is. What it leaves out is what AWS does beyond the time of the alarm, such as
//! lines that come late.

mod alarm;
mod expression;
mod metrics;
mod tests;

use std::collections::BTreeMap;

use ledger::Timestamp;
use platform::telemetry::alarms::{self, Strictness};
use platform::telemetry::series::Place;
use serde::Deserialize;

use alarm::MetricAlarm;
pub(crate) use metrics::Metrics;

pub(crate) const MINUTE_MS: u64 = 60_000;

/// What CloudWatch says of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Ok,
    Alarm,
    InsufficientData,
}

/// That an alarm changed its state.
#[derive(Clone, Debug)]
pub(crate) struct Transition {
    pub(crate) at: Timestamp,
    pub(crate) alarm: String,
    pub(crate) to: State,
}

/// Metrics, and the alarms on them.
#[derive(Debug)]
pub(crate) struct CloudWatch {
    pub(crate) metrics: Metrics,
    prefix: String,
    alarms: Alarms,
    states: BTreeMap<String, State>,
    history: Vec<Transition>,
}

/// The document that infrastructure code reads.
#[derive(Debug, Deserialize)]
struct Alarms {
    metric_alarms: Vec<MetricAlarm>,
    composite_alarms: Vec<CompositeAlarm>,
}

#[derive(Debug, Deserialize)]
struct CompositeAlarm {
    alarm_name: String,
    severity: String,
    alarm_rule: String,
}

impl CloudWatch {
    /// With the alarms of an environment that is watched strictly.
    pub(crate) fn of(place: &Place<'_>) -> Self {
        let rendered = alarms::render(place, Strictness::Strict);
        let prefix = format!("eventledger-{}-", place.environment);
        Self::reading(&prefix, &serde_json::to_string(&rendered).expect("alarms are written as JSON"))
    }

    /// With the alarms of a document.
    fn reading(prefix: &str, document: &str) -> Self {
        let alarms: Alarms = serde_json::from_str(document).expect("alarms as AWS takes them");
        let names = alarms.metric_alarms.iter().map(|alarm| &alarm.alarm_name);
        let names = names.chain(alarms.composite_alarms.iter().map(|alarm| &alarm.alarm_name));
        // As they are when they are made.
        let states = names.map(|name| (name.clone(), State::InsufficientData)).collect();
        Self { metrics: Metrics::default(), prefix: prefix.to_owned(), alarms, states, history: Vec::new() }
    }

    /// Judges all alarms at the end of a minute.
    pub(crate) fn judge(&mut self, at: Timestamp) {
        let judged = self.alarms.metric_alarms.iter();
        let judged: Vec<_> = judged
            .map(|alarm| (alarm.alarm_name.clone(), alarm.judge(&self.metrics, at, self.states[&alarm.alarm_name])))
            .collect();
        for (name, state) in judged {
            self.note(at, name, state);
        }
        let composed = self.alarms.composite_alarms.iter();
        let composed: Vec<_> =
            composed.map(|alarm| (alarm.alarm_name.clone(), self.compose(&alarm.alarm_rule))).collect();
        for (name, state) in composed {
            self.note(at, name, state);
        }
    }

    /// The state of an alarm, by the name of its page.
    pub(crate) fn state(&self, alarm: &str) -> State {
        self.states[&format!("{}{alarm}", self.prefix)]
    }

    /// The alarms that are in a state.
    pub(crate) fn in_state(&self, state: State) -> impl Iterator<Item = &str> {
        self.states.iter().filter(move |(_, is)| **is == state).map(|(name, _)| name.as_str())
    }

    /// What changed since a time, oldest first, by the names of their pages.
    pub(crate) fn since(&self, time: Timestamp) -> impl Iterator<Item = &Transition> {
        self.history.iter().filter(move |transition| transition.at > time)
    }

    /// Those that went off since a time of which somebody is told so.
    pub(crate) fn told(&self, severity: &str, since: Timestamp) -> Vec<&str> {
        let went_off = self.since(since).filter(|transition| transition.to == State::Alarm);
        let mut names: Vec<&str> = went_off
            .map(|transition| transition.alarm.as_str())
            .filter(|name| self.severity(name) == severity)
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn severity(&self, alarm: &str) -> &str {
        let name = format!("{}{alarm}", self.prefix);
        let metric = self.alarms.metric_alarms.iter().find(|alarm| alarm.alarm_name == name);
        let composite = self.alarms.composite_alarms.iter().find(|alarm| alarm.alarm_name == name);
        let severity = metric.map(|alarm| &alarm.severity).or(composite.map(|alarm| &alarm.severity));
        severity.expect("an alarm")
    }

    fn note(&mut self, at: Timestamp, name: String, to: State) {
        let alarm = name.strip_prefix(&self.prefix).expect("the name of an environment's alarm").to_owned();
        if self.states.insert(name, to) != Some(to) {
            self.history.push(Transition { at, alarm, to });
        }
    }

    /// A rule of the form `ALARM("one") AND ALARM("other")`.
    fn compose(&self, rule: &str) -> State {
        let is_alarm = |term: &str| {
            let name = term.trim().strip_prefix("ALARM(\"").and_then(|rest| rest.strip_suffix("\")"));
            self.states[name.unwrap_or_else(|| panic!("{term} is no term of a rule"))] == State::Alarm
        };
        if rule.split(" AND ").all(is_alarm) { State::Alarm } else { State::Ok }
    }
}
