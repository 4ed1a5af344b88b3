//! Alarms on the parts: the canary, the functions, the store and the compactor. Most of them are tickets, because what they
//! mean for clients is told by the objectives; they say where to look.

use super::{Alarm, Comparison, Condition, Missing, Rule, Severity, Strictness, sum};
use crate::functions::{FUNCTIONS, Function};
use crate::telemetry::series::{Series, Statistic, ours};

const FIVE_MINUTES: u32 = 300;
const HOUR: u32 = 3_600;
/// How old the youngest compacted record may be; who bootstraps follows the log for the rest.
const BEHIND_MS: f64 = 600_000.0;

pub(super) fn alarms(strictness: Strictness) -> Vec<Alarm> {
    vec![
        canary_failing(strictness),
        functions_failing(strictness),
        functions_throttled(),
        functions_timing_out(),
        store_throttled(strictness),
        partition_hot(strictness),
        compactor_behind(),
        compactor_poisoned(),
        sweeper_dead(),
    ]
}

fn canary_failing(strictness: Strictness) -> Alarm {
    let (terms, expression) = sum("rounds", [ours!(CANARY_ROUNDS, "canary", Sum)]);
    Alarm {
        name: "canary-failing",
        meaning: "A client that publishes, polls and commits each minute has not got through for some minutes.",
        severity: Severity::Page,
        dashboard: "overview",
        why: "A round is due each minute. One that fails may be a deployment or a cold start; none in five minutes means that \
              nobody gets through, however few requests there are. Where nobody is woken, fifteen minutes are early enough.",
        rule: Rule::One(Condition {
            terms,
            expression,
            value: "rounds of the canary that were right",
            comparison: Comparison::Below,
            threshold: 1.0,
            period_seconds: FIVE_MINUTES,
            periods: strictness.of(1, 3),
            needed: strictness.of(1, 3),
            missing: Missing::Bad,
        }),
    }
}

fn of_functions(metric: &'static str, statistic: Statistic) -> impl Iterator<Item = Series> {
    FUNCTIONS.iter().map(move |function| Series::function(function.service, metric, statistic))
}

fn functions_failing(strictness: Strictness) -> Alarm {
    let (terms, expression) = sum("errors", of_functions("Errors", Statistic::Sum));
    Alarm {
        name: "functions-failing",
        meaning: "Lambdas end without an answer: they crash, run out of memory or time, or an event was not handled.",
        severity: Severity::Ticket,
        dashboard: "overview",
        why: "Requests that fail are answered by us with 500 and are no errors of a Lambda, so in good times there are none. An \
              event that fails once comes again by itself; five in five minutes, twice in a quarter of an hour, do not pass.",
        rule: Rule::One(Condition {
            terms,
            expression,
            value: "invocations that ended with an error",
            comparison: Comparison::AtLeast,
            threshold: strictness.of(5.0, 10.0),
            period_seconds: FIVE_MINUTES,
            periods: 3,
            needed: 2,
            missing: Missing::Good,
        }),
    }
}

fn functions_throttled() -> Alarm {
    let (terms, expression) = sum("throttles", of_functions("Throttles", Statistic::Sum));
    Alarm {
        name: "functions-throttled",
        meaning: "AWS does not start Lambdas, because the account or the function has too many running.",
        severity: Severity::Ticket,
        dashboard: "overview",
        why: "Each is a request that was answered 503 by the gateway, or an event that waits. A burst of new processes may meet a \
              few; ten in five minutes, twice in a quarter of an hour, mean that the concurrency is too small. It is the same in \
              every environment, because the environments of an account share its concurrency.",
        rule: Rule::One(Condition {
            terms,
            expression,
            value: "invocations that AWS did not start",
            comparison: Comparison::AtLeast,
            threshold: 10.0,
            period_seconds: FIVE_MINUTES,
            periods: 3,
            needed: 2,
            missing: Missing::Good,
        }),
    }
}

fn functions_timing_out() -> Alarm {
    let (terms, shares): (Vec<_>, Vec<_>) = FUNCTIONS
        .iter()
        .map(|Function { service, timeout_s, .. }| {
            let id = format!("longest_{service}");
            let share = format!("100 * FILL({id}, 0) / {}", timeout_s * 1_000);
            ((id, Series::function(service, "Duration", Statistic::Maximum)), share)
        })
        .unzip();
    Alarm {
        name: "functions-timing-out",
        meaning: "Lambdas run until AWS ends them, and tell nothing of what they did.",
        severity: Severity::Ticket,
        dashboard: "overview",
        why: "Whatever we run ends itself half a second before its time is over, and says so. What takes all of its time was ended by \
              AWS, without a line, and an event may be handled by halves. Once in five minutes, twice in a quarter of an hour, is no \
              accident. It is the same in every environment.",
        rule: Rule::One(Condition {
            terms,
            expression: format!("MAX([{}])", shares.join(", ")),
            value: "longest run, in percent of the time that AWS gives it",
            comparison: Comparison::AtLeast,
            threshold: 100.0,
            period_seconds: FIVE_MINUTES,
            periods: 3,
            needed: 2,
            missing: Missing::Good,
        }),
    }
}

fn store_throttled(strictness: Strictness) -> Alarm {
    let (terms, expression) = sum("throttles", [ours!(DYNAMO_THROTTLES, Sum)]);
    Alarm {
        name: "store-throttled",
        meaning: "DynamoDB refuses calls, because the table or a part of it is asked for more than it gives.",
        severity: Severity::Ticket,
        dashboard: "machinery",
        why: "An on-demand table doubles its capacity by itself within minutes, and what it refuses meanwhile is tried again. As many \
              as one a second for ten minutes do not go away: a partition is hot, or a limit of the account is met.",
        rule: Rule::One(Condition {
            terms,
            expression,
            value: "attempts that DynamoDB throttled",
            comparison: Comparison::AtLeast,
            threshold: strictness.of(300.0, 1_500.0),
            period_seconds: FIVE_MINUTES,
            periods: 2,
            needed: 2,
            missing: Missing::Good,
        }),
    }
}

fn partition_hot(strictness: Strictness) -> Alarm {
    let terms = vec![
        ("lost".to_owned(), ours!(SLOT_CONFLICTS, Sum)),
        ("publishes".to_owned(), ours!(LATENCY, "publish", "publish", Number)),
    ];
    Alarm {
        name: "partition-hot",
        meaning: "So many publishers write to the same partition at once that they lose races for its next slot.",
        severity: Severity::Ticket,
        dashboard: "streams",
        why: "A lost race costs a read and a write more, and a publish that loses eight is refused with `contention`. One lost race \
              for each publish is half of what the partition could take; 50 of them in five minutes are no accident. In a lenient \
              environment load tests may go twice as far.",
        rule: Rule::One(Condition {
            terms,
            expression: "IF(FILL(lost, 0) >= 50, FILL(lost, 0) / publishes, 0)".to_owned(),
            value: "lost races for each publish",
            comparison: Comparison::AtLeast,
            threshold: strictness.of(1.0, 2.0),
            period_seconds: FIVE_MINUTES,
            periods: 3,
            needed: 2,
            missing: Missing::Good,
        }),
    }
}

fn compactor_behind() -> Alarm {
    let terms = vec![
        ("published".to_owned(), ours!(EVENTS_PUBLISHED, Sum)),
        ("woken".to_owned(), ours!(REQUESTS, "compactor", Sum)),
        ("failed".to_owned(), ours!(FAULTS, "compactor", Sum)),
        ("delay".to_owned(), ours!(COMPACTOR_DELAY, "compactor", Maximum)),
    ];
    Alarm {
        name: "compactor-behind",
        meaning: "Compacted state falls behind the log, or nothing compacts at all.",
        severity: Severity::Ticket,
        dashboard: "machinery",
        why: "Who bootstraps reads compacted state and then the log behind it, so ten minutes cost them a few pages. The keeper's \
              sweep compacts each hour what nobody rang for, and publishing stops only after three and a half days, so nobody need \
              be woken. When events come and nobody is woken for them, or whoever is woken fails, that counts as the ten minutes. It is \
              the same in every environment.",
        rule: Rule::One(Condition {
            terms,
            expression: format!(
                "IF(FILL(published, 0) > 0, IF(FILL(woken, 0) > FILL(failed, 0), FILL(delay, 0), {BEHIND_MS}), FILL(delay, 0))"
            ),
            value: "age of the youngest record that the compactor caught up to, in milliseconds",
            comparison: Comparison::AtLeast,
            threshold: BEHIND_MS,
            period_seconds: FIVE_MINUTES,
            periods: 3,
            needed: 3,
            missing: Missing::Good,
        }),
    }
}

fn compactor_poisoned() -> Alarm {
    let (terms, expression) = sum("poisoned", [ours!(COMPACTOR_POISON, Sum)]);
    Alarm {
        name: "compactor-poisoned",
        meaning: "A partition is not compacted any more, because something stored in it cannot be read.",
        severity: Severity::Ticket,
        dashboard: "machinery",
        why: "It does not heal by itself, so one is enough. Nothing is lost: what is not compacted is not deleted, readers stop \
              before the record, and publishing to the stream stops once what is not compacted is three and a half days old. It is the same in every environment.",
        rule: Rule::One(Condition {
            terms,
            expression,
            value: "compactions that failed at what cannot be read",
            comparison: Comparison::AtLeast,
            threshold: 1.0,
            period_seconds: FIVE_MINUTES,
            periods: 1,
            needed: 1,
            missing: Missing::Good,
        }),
    }
}

fn sweeper_dead() -> Alarm {
    let terms = vec![
        ("swept".to_owned(), ours!(REQUESTS, "keeper", "sweep", Sum)),
        ("failed".to_owned(), ours!(FAULTS, "keeper", "sweep", Sum)),
    ];
    Alarm {
        name: "sweeper-dead",
        meaning: "No sweep of the keeper has come to its end for three hours: what heals and tidies by itself does not.",
        severity: Severity::Ticket,
        dashboard: "machinery",
        why: "A sweep is due each hour, and one may fail or be late. Nothing is lost before days have passed: heads are kept for six \
              days, and deletion is put off as long. But what looks at API keys each hour is blind meanwhile. It is the same in every \
              environment, and the time after which `/health` says so too.",
        rule: Rule::One(Condition {
            terms,
            expression: "FILL(swept, 0) - FILL(failed, 0)".to_owned(),
            value: "sweeps that came to their end",
            comparison: Comparison::Below,
            threshold: 1.0,
            period_seconds: HOUR,
            periods: 3,
            needed: 3,
            missing: Missing::Bad,
        }),
    }
}
