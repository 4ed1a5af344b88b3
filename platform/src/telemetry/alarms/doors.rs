//! Alarms on the doors: API keys, quotas, and whether what is told of the house can be believed.

use super::{Alarm, Comparison, Condition, Missing, Rule, Severity, Strictness, sum};
use crate::telemetry::series::{ASKED, Series, Statistic, ours};

const FIVE_MINUTES: u32 = 300;
const HOUR: u32 = 3_600;

pub(super) fn alarms(strictness: Strictness) -> Vec<Alarm> {
    vec![
        auth_failures(strictness),
        api_key_expiring(),
        admin_key_minted(),
        limiter_open(strictness),
        telemetry_broken(),
    ]
}

fn auth_failures(strictness: Strictness) -> Alarm {
    let (terms, expression) = sum("refused", [ours!(AUTH_FAILURES, Sum)]);
    Alarm {
        name: "auth-failures",
        meaning: "Many credentials are refused: somebody guesses, a revoked key is still in use, or a deployment has a wrong one.",
        severity: Severity::Ticket,
        dashboard: "overview",
        why: "A client with a dead key that repeats each second comes to almost 300 in five minutes, and its owner should hear of it today. \
              Guessing 256 bits leads nowhere, and an address that guesses is kept out after a thousand a minute. In a lenient \
              environment people try things out.",
        rule: Rule::One(Condition {
            terms,
            expression,
            value: "credentials that were refused",
            comparison: Comparison::AtLeast,
            threshold: strictness.of(200.0, 1_000.0),
            period_seconds: FIVE_MINUTES,
            periods: 2,
            needed: 2,
            missing: Missing::Good,
        }),
    }
}

fn hourly(id: &str, series: Series, value: &'static str) -> Condition {
    Condition {
        terms: vec![(id.to_owned(), series)],
        expression: id.to_owned(),
        value,
        comparison: Comparison::AtLeast,
        threshold: 1.0,
        period_seconds: HOUR,
        periods: 1,
        needed: 1,
        // The keeper looks each hour, and not to the second.
        missing: Missing::Ignored,
    }
}

fn api_key_expiring() -> Alarm {
    Alarm {
        name: "api-key-expiring",
        meaning: "An API key without a successor expires within two weeks; then its client is locked out.",
        severity: Severity::Ticket,
        dashboard: "overview",
        why: "Two weeks are time to make a successor, hand it over and see it used. One key is one client that stands still. It is \
              the same in every environment.",
        rule: Rule::One(hourly(
            "expiring",
            ours!(KEYS_EXPIRING_SOON, "keeper", Maximum),
            "API keys that expire within two weeks",
        )),
    }
}

fn admin_key_minted() -> Alarm {
    Alarm {
        name: "admin-key-minted",
        meaning: "Somebody made an API key that may manage API keys.",
        severity: Severity::Page,
        dashboard: "overview",
        why: "It happens a few times a year, and whoever does it knows that the alarm will ask. One that nobody knows of is somebody \
              else's. It is looked for in every environment alike.",
        rule: Rule::One(hourly(
            "minted",
            ours!(ADMIN_KEYS_MINTED, "keeper", Maximum),
            "API keys that may manage API keys, made since the last look",
        )),
    }
}

fn limiter_open(strictness: Strictness) -> Alarm {
    let (terms, expression) = sum("admitted", [ours!(RATE_LIMIT_FAIL_OPEN, Sum)]);
    Alarm {
        name: "limiter-open",
        meaning: "Quotas are not kept across processes, because the store does not answer those who ask it for their share.",
        severity: Severity::Ticket,
        dashboard: "overview",
        why: "Requests are admitted from a bounded share of each process meanwhile, a sixteenth of the quota, so it can wait for the \
              day. Single ones are lost replies; a hundred in five minutes, twice in a quarter of an hour, are an outage.",
        rule: Rule::One(Condition {
            terms,
            expression,
            value: "requests that were admitted without asking",
            comparison: Comparison::AtLeast,
            threshold: strictness.of(100.0, 500.0),
            period_seconds: FIVE_MINUTES,
            periods: 3,
            needed: 2,
            missing: Missing::Good,
        }),
    }
}

fn telemetry_broken() -> Alarm {
    let invocations = ASKED.iter().map(|(service, _)| Series::function(service, "Invocations", Statistic::Sum));
    let (mut terms, started) = sum("started", invocations);
    let (told, all) = sum("told", [ours!(REQUESTS, Sum)]);
    terms.extend(told);
    Alarm {
        name: "telemetry-broken",
        meaning: "Lambdas run and tell nothing of it: whatever else happens, no alarm on our own metrics goes off.",
        severity: Severity::Page,
        dashboard: "overview",
        why: "Each invocation tells one line, so the numbers of AWS and ours are the same but for what ends between two periods. When \
              half is missing of ten or more for a quarter of an hour, lines are not written, not taken or not read. It is the same \
              in every environment.",
        rule: Rule::One(Condition {
            terms,
            expression: format!("IF({started} >= 10, 100 * ({started} - {all}) / {started}, 0)"),
            value: "invocations that told nothing, in percent",
            comparison: Comparison::AtLeast,
            threshold: 50.0,
            period_seconds: FIVE_MINUTES,
            periods: 3,
            needed: 3,
            missing: Missing::Good,
        }),
    }
}
