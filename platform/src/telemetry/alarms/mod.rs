//! Every alarm there is, as data: what it looks at, when it goes off and why then, and who is told. The JSON that
//! infrastructure code reads is [`rendered`](render()) from it, and each alarm has a page of its name in `runbooks/`.
//!
//! What is promised to clients is watched by how fast the promise is used up, over two windows at once: the long one says
//! that it matters, the short one that it goes on. Only the pair is told to anybody, its halves are silent.

mod consumers;
mod doors;
mod objectives;
mod parts;
mod render;

use serde::{Deserialize, Serialize};

use super::series::Series;

pub use render::{Rendered, render};

/// How strictly an environment is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strictness {
    /// Somebody is woken, and thresholds are those of a system that others live off.
    Strict,
    /// Nobody is woken: whoever works in the environment looks at it in the morning.
    Lenient,
}

impl Strictness {
    /// The one of two values that holds.
    #[must_use]
    pub fn of<T>(self, strict: T, lenient: T) -> T {
        match self {
            Self::Strict => strict,
            Self::Lenient => lenient,
        }
    }
}

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody is woken.
    Page,
    /// Somebody looks at it within a working day.
    Ticket,
    /// Nobody: it is a half of another alarm.
    None,
}

/// One alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// Its name, and that of its page in `runbooks/`.
    pub name: &'static str,
    /// What it means that it goes off.
    pub meaning: &'static str,
    /// Who is told.
    pub severity: Severity,
    /// The dashboard to look at.
    pub dashboard: &'static str,
    /// Why its thresholds are what they are.
    pub why: &'static str,
    /// When it goes off.
    pub rule: Rule,
}

/// When an alarm goes off.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// When a condition holds.
    One(Condition),
    /// When both hold, in a long window and in a short one.
    Both {
        /// It matters.
        long: Condition,
        /// It goes on.
        short: Condition,
    },
}

impl Rule {
    /// Its conditions.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let (first, second) = match self {
            Self::One(condition) => (condition, None),
            Self::Both { long, short } => (long, Some(short)),
        };
        std::iter::once(first).chain(second)
    }
}

/// A value that is computed for each period, and what it must not be. CloudWatch looks each minute at the periods that end then.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The series, by the ids that the expression has for them; at most ten, which is CloudWatch's limit for an alarm.
    pub terms: Vec<(String, Series)>,
    /// The value, in CloudWatch's metric math.
    pub expression: String,
    /// What the value is, for people, with its unit.
    pub value: &'static str,
    /// How the value must be to the threshold for the condition to hold.
    pub comparison: Comparison,
    /// The threshold.
    pub threshold: f64,
    /// Length of a period in seconds, a multiple of 60.
    pub period_seconds: u32,
    /// Of how many periods, the last ones.
    pub periods: u32,
    /// In so many of them it must be.
    pub needed: u32,
    /// What a period without a value counts as.
    pub missing: Missing,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// At the threshold or above.
    AtLeast,
    /// Above the threshold.
    Above,
    /// Below the threshold.
    Below,
}

impl Comparison {
    /// As CloudWatch spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtLeast => "GreaterThanOrEqualToThreshold",
            Self::Above => "GreaterThanThreshold",
            Self::Below => "LessThanThreshold",
        }
    }
}

/// What a period without a value counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// One in which all was well: what counts only trouble is silent without it.
    Good,
    /// One in which it was not: silence is the trouble.
    Bad,
    /// None: the alarm stays as it is.
    Ignored,
}

impl Missing {
    /// As CloudWatch spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "notBreaching",
            Self::Bad => "breaching",
            Self::Ignored => "ignore",
        }
    }
}

/// Every alarm of an environment that is watched so. In a lenient one nobody is woken.
#[must_use]
pub fn all(strictness: Strictness) -> Vec<Alarm> {
    let rooms = [objectives::alarms, parts::alarms, consumers::alarms, doors::alarms];
    let mut alarms: Vec<Alarm> = rooms.iter().flat_map(|room| room(strictness)).collect();
    if strictness == Strictness::Lenient {
        for alarm in alarms.iter_mut().filter(|alarm| alarm.severity == Severity::Page) {
            alarm.severity = Severity::Ticket;
        }
    }
    alarms
}

/// A sum of series in which those that are silent count nothing, under ids that begin so.
fn sum(id: &str, series: impl IntoIterator<Item = Series>) -> (Vec<(String, Series)>, String) {
    let terms: Vec<_> = series.into_iter().enumerate().map(|(number, one)| (format!("{id}{number}"), one)).collect();
    let filled: Vec<_> = terms.iter().map(|(id, _)| format!("FILL({id}, 0)")).collect();
    let expression = format!("({})", filled.join(" + "));
    (terms, expression)
}
