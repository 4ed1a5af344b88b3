//! Alarms on subscriptions, and on the sampler that looks at them.

use super::{Alarm, Comparison, Condition, Missing, Rule, Severity, Strictness};
use crate::telemetry::catalogue::{self, Dimension};
use crate::telemetry::series::{Series, Statistic, ours};

const MINUTE: u32 = 60;

pub(super) fn alarms(strictness: Strictness) -> Vec<Alarm> {
    vec![consumer_lost(), consumer_stopped(strictness), retention_at_risk(strictness), sampler_dead(strictness)]
}

fn status(status: &'static [(Dimension, &'static str)]) -> Series {
    Series::ours(catalogue::CONSUMERS_BY_STATUS, status, Statistic::Maximum)
}

fn consumer_lost() -> Alarm {
    Alarm {
        name: "consumer-lost",
        meaning: "Events expired before a subscription had committed them: it has missed them for good.",
        severity: Severity::Page,
        dashboard: "streams",
        why: "There is no good number of them but none. Two samples of five, because a reader that is moved on at that moment is \
              seen once. It is the same in every environment.",
        rule: Rule::One(Condition {
            terms: vec![("lost".to_owned(), status(&[(Dimension::ConsumerStatus, "LOST")]))],
            expression: "lost".to_owned(),
            value: "subscriptions that lost events",
            comparison: Comparison::AtLeast,
            threshold: 1.0,
            period_seconds: MINUTE,
            periods: 5,
            needed: 2,
            // Without a sample nothing is known, and nothing has ended; `sampler-dead` tells.
            missing: Missing::Ignored,
        }),
    }
}

fn consumer_stopped(strictness: Strictness) -> Alarm {
    let status = |id: &str, status_of| (id.to_owned(), status(status_of));
    Alarm {
        name: "consumer-stopped",
        meaning: "A subscription neither polls nor commits any more, or polls and does not commit, while events wait for it.",
        severity: Severity::Ticket,
        dashboard: "streams",
        why: "The status follows the reader's own pace already, and allows for twice its usual pause and ten minutes at least; a \
              quarter of an hour more is a deployment of theirs. Whether anything gets lost by it is `retention-at-risk`'s to say. In \
              a lenient environment, where readers are often left alone, it takes six hours.",
        rule: Rule::One(Condition {
            terms: vec![
                status("stopped", &[(Dimension::ConsumerStatus, "STOP")]),
                status("stalled", &[(Dimension::ConsumerStatus, "STALL")]),
            ],
            expression: "stopped + stalled".to_owned(),
            value: "subscriptions that do not go on",
            comparison: Comparison::AtLeast,
            threshold: 1.0,
            period_seconds: strictness.of(MINUTE, 1_800),
            periods: strictness.of(15, 12),
            needed: strictness.of(15, 12),
            missing: Missing::Ignored,
        }),
    }
}

fn retention_at_risk(strictness: Strictness) -> Alarm {
    Alarm {
        name: "retention-at-risk",
        meaning: "The first event that a subscription has not committed expires soon; then it is lost to it.",
        severity: Severity::Page,
        dashboard: "streams",
        why: "A fifth of the retention is three days of the usual fifteen: time for the owner to mend a reader over a weekend. Of a \
              stream that keeps events for an hour it is twelve minutes, and no more would help. In a lenient environment a tenth is \
              enough. Three samples of five, because the one that is just about to be committed counts too.",
        rule: Rule::One(Condition {
            terms: vec![("left".to_owned(), ours!(RETENTION_HEADROOM_PERCENT, "keeper", Minimum))],
            expression: "left".to_owned(),
            value: "what is left of the retention, in percent",
            comparison: Comparison::Below,
            threshold: strictness.of(20.0, 10.0),
            period_seconds: MINUTE,
            periods: 5,
            needed: 3,
            // A sample that saw all tells 100 where nobody waits; without one nothing is known, and nothing has ended.
            missing: Missing::Ignored,
        }),
    }
}

fn sampler_dead(strictness: Strictness) -> Alarm {
    Alarm {
        name: "sampler-dead",
        meaning: "Nobody looks at subscriptions any more, or not at all of them: the other alarms on consumers are blind.",
        severity: Severity::Page,
        dashboard: "streams",
        why: "A sample is due each minute, and one that does not see all subscriptions does not count. Three in a row may be a \
              deployment; ten are not, and a stream that keeps events for an hour can lose some in the rest of it. Where nobody is \
              woken, half an hour is early enough.",
        rule: Rule::One(Condition {
            terms: vec![("runs".to_owned(), ours!(SAMPLER_RUNS, "keeper", Sum))],
            expression: "FILL(runs, 0)".to_owned(),
            value: "samples of all subscriptions",
            comparison: Comparison::Below,
            threshold: 1.0,
            period_seconds: MINUTE,
            periods: strictness.of(10, 30),
            needed: strictness.of(10, 30),
            missing: Missing::Bad,
        }),
    }
}
