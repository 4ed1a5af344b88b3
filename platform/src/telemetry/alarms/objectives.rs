//! Alarms on what is promised to clients: that requests are answered, and in time. Each promise leaves a budget, the share of
//! requests that may fail it in a month; an alarm goes off when the budget is used up so many times faster than it may be.

use super::{Alarm, Comparison, Condition, Missing, Rule, Severity, Strictness};
use crate::telemetry::series::{Series, ours};

/// A promise.
struct Objective {
    /// Names of its alarms, the fast one and the slow one.
    names: [&'static str; 2],
    /// What they mean.
    meanings: [&'static str; 2],
    dashboard: &'static str,
    /// What counts the requests that fail it, and all of them.
    bad: Series,
    all: Series,
    /// The share of requests that may fail it, in percent.
    budget: f64,
    value: &'static str,
}

/// Fewer bad requests in a window than this are chance, whatever their share.
const CHANCE: u32 = 5;

/// A budget for a month that is used up in two days, and one that is used up in five; as in chapter 5 of Google's book "The
/// Site Reliability Workbook".
const FAST: (f64, u32, u32) = (14.4, 3_600, 300);
const SLOW: (f64, u32, u32) = (6.0, 21_600, 1_800);

const WHY_FAST: &str = "14.4 times the budget uses up a month of it in two days, 2 % of it in the hour that the long window looks \
     at; whoever comes within minutes saves the rest. Below five bad requests in a window it is chance. In a lenient environment \
     the thresholds are twice as high, because its few requests are those of people who try things out.";
const WHY_SLOW: &str = "6 times the budget uses up a month of it in five days, 5 % of it in the six hours that the long window \
     looks at: too slow to wake anybody, too fast to leave. Below five bad requests in a window it is chance. In a lenient \
     environment the thresholds are twice as high.";

const OBJECTIVES: &[Objective] = &[
    Objective {
        names: ["availability-fast-burn", "availability-slow-burn"],
        meanings: [
            "Requests fail by a fault of ours, so many that the month's budget of 0.1 % lasts two days.",
            "Requests fail by a fault of ours, so many that the month's budget of 0.1 % lasts five days.",
        ],
        dashboard: "overview",
        bad: ours!(FAULTS, Sum),
        all: ours!(REQUESTS, Sum),
        budget: 0.1,
        value: "requests answered with 500 and above, in percent",
    },
    Objective {
        names: ["publish-latency-fast-burn", "publish-latency-slow-burn"],
        meanings: [
            "Publishes take longer than 250 ms, so many that the month's budget of 1 % lasts two days.",
            "Publishes take longer than 250 ms, so many that the month's budget of 1 % lasts five days.",
        ],
        dashboard: "streams",
        bad: ours!(SLOW_REQUESTS, "publish", "publish", Sum),
        // Each answer has one; whose client left has none, and was neither fast nor slow.
        all: ours!(LATENCY, "publish", "publish", Number),
        budget: 1.0,
        value: "publishes that took longer than 250 ms, in percent",
    },
    Objective {
        names: ["poll-latency-fast-burn", "poll-latency-slow-burn"],
        meanings: [
            "Polls take longer than 300 ms beside their wait, so many that the month's budget of 1 % lasts two days.",
            "Polls take longer than 300 ms beside their wait, so many that the month's budget of 1 % lasts five days.",
        ],
        dashboard: "streams",
        bad: ours!(SLOW_REQUESTS, "poll", "poll", Sum),
        all: ours!(LATENCY, "poll", "poll", Number),
        budget: 1.0,
        value: "polls that took longer than 300 ms beside their wait, in percent",
    },
    Objective {
        names: ["commit-latency-fast-burn", "commit-latency-slow-burn"],
        meanings: [
            "Commits take longer than 150 ms, so many that the month's budget of 1 % lasts two days.",
            "Commits take longer than 150 ms, so many that the month's budget of 1 % lasts five days.",
        ],
        dashboard: "streams",
        bad: ours!(SLOW_REQUESTS, "poll", "commit", Sum),
        all: ours!(LATENCY, "poll", "commit", Number),
        budget: 1.0,
        value: "commits that took longer than 150 ms, in percent",
    },
];

pub(super) fn alarms(strictness: Strictness) -> Vec<Alarm> {
    OBJECTIVES.iter().flat_map(|objective| objective.alarms(strictness)).collect()
}

impl Objective {
    fn alarms(&self, strictness: Strictness) -> [Alarm; 2] {
        let [fast, slow] = self.names;
        let alarm = |name, meaning, severity, why, (factor, long, short): (f64, u32, u32)| Alarm {
            name,
            meaning,
            severity,
            dashboard: self.dashboard,
            why,
            rule: Rule::Both {
                long: self.burns(factor, long, strictness),
                short: self.burns(factor, short, strictness),
            },
        };
        [
            alarm(fast, self.meanings[0], Severity::Page, WHY_FAST, FAST),
            alarm(slow, self.meanings[1], Severity::Ticket, WHY_SLOW, SLOW),
        ]
    }

    fn burns(&self, factor: f64, window_seconds: u32, strictness: Strictness) -> Condition {
        Condition {
            terms: vec![("bad".to_owned(), self.bad), ("all".to_owned(), self.all)],
            expression: format!("IF(FILL(bad, 0) >= {CHANCE}, 100 * FILL(bad, 0) / FILL(all, 0), 0)"),
            value: self.value,
            comparison: Comparison::AtLeast,
            // In whole thousandths: a product of such numbers is not quite one.
            threshold: (self.budget * factor * strictness.of(1.0, 2.0) * 1_000.0).round() / 1_000.0,
            period_seconds: window_seconds,
            periods: 1,
            needed: 1,
            // Without requests nothing fails; that nobody can ask is the canary's to find.
            missing: Missing::Good,
        }
    }
}
