//! What the usage plans of a REST edge counted, by client and key.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::Serialize;

use super::mirror::gateway::{Gateway, Usage as Counted};
use super::mirror::must_have_usage_plans;
use super::mirror::steps::Edge;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::options::Common;
use crate::output::{Row, say};
use crate::time::Duration;

const DAY_MS: u64 = 86_400_000;
/// AWS tells no more at once.
const MOST_DAYS: u64 = 90;

/// Tells how many requests each key made.
#[derive(Clone, Debug, clap::Args)]
pub struct Usage {
    /// How far to look back, in days of UTC with today as the last; 90d at most
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = days)]
    since: Days,
}

/// A number of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Days(u8);

fn days(text: &str) -> std::result::Result<Days, String> {
    let Duration(ms) = text.parse()?;
    let days = ms.div_ceil(DAY_MS);
    let told = u8::try_from(days).ok().filter(|_| days <= MOST_DAYS);
    told.map(Days).ok_or_else(|| format!("AWS tells {MOST_DAYS} days at most"))
}

/// The requests of a key on a day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct UsageRow {
    day: String,
    client: Option<String>,
    id: String,
    plan: String,
    requests: i64,
    /// Of the plan's quota, where it has one.
    remaining: Option<i64>,
}

impl Row for UsageRow {
    const COLUMNS: &'static [&'static str] = &["day", "client", "id", "plan", "requests", "remaining"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.day.clone(),
            self.client.clone().unwrap_or_else(|| "unknown".to_owned()),
            self.id.clone(),
            self.plan.clone(),
            self.requests.to_string(),
            self.remaining.map_or_else(String::new, |requests| requests.to_string()),
        ]
    }
}

impl Usage {
    pub(super) async fn run(self, common: &Common, desk: &Desk) -> Result<Exit> {
        must_have_usage_plans(common, desk)?;
        let gateway = Gateway::open(&desk.environment).await;
        let (first, today) = self.period(desk.ledger.clock().now())?;
        let keys = desk.ledger.list_api_keys().await?;
        let clients = keys.into_iter().map(|key| (key.id, key.client)).collect();
        let edge = gateway.read().await?;
        let mut all = Vec::new();
        for (tier, plan) in &edge.plans {
            let counted = gateway.usage(plan, first, today).await?;
            all.extend(rows(&edge, &clients, &gateway.names.plan(*tier), plan.has_quota, first, &counted));
        }
        all.sort();
        desk.output.rows("api_key_usage", &all)?;
        let silent = edge.usage_ids.keys().filter(|id| !all.iter().any(|row| row.id == **id)).count();
        if silent > 0 {
            say(&format!("{silent} of {} usage ids made no request since {first}", edge.usage_ids.len()));
        }
        Ok(Exit::Done)
    }

    /// The first day and the last one.
    fn period(&self, now: ledger::Timestamp) -> Result<(Date, Date)> {
        let unknown = |_| Failure::Failed(format!("{now} is on no day"));
        let now = Timestamp::from_millisecond(i64::try_from(now.0).unwrap_or(i64::MAX)).map_err(unknown)?;
        let today = TimeZone::UTC.to_datetime(now).date();
        let first = today.checked_sub(Span::new().days(i64::from(self.since.0) - 1)).map_err(unknown)?;
        Ok((first, today))
    }
}

/// What was counted in a plan, day by day, by our own ids. Days without a request are left out.
fn rows(
    edge: &Edge,
    clients: &BTreeMap<String, String>,
    plan: &str,
    has_quota: bool,
    first: Date,
    counted: &Counted,
) -> Vec<UsageRow> {
    let of_key = |(id, gateway_id): (&String, &String)| {
        let days = counted.get(gateway_id).into_iter().flatten();
        let row = |(day, told): (Date, &Vec<i64>)| {
            // What was used, and what was left.
            let (requests, remaining) = (*told.first()?, told.get(1).copied());
            (requests > 0).then(|| UsageRow {
                day: day.to_string(),
                client: clients.get(id).cloned(),
                id: id.clone(),
                plan: plan.to_owned(),
                requests,
                remaining: remaining.filter(|_| has_quota),
            })
        };
        first.series(Span::new().days(1)).zip(days).filter_map(row).collect::<Vec<_>>()
    };
    edge.usage_ids.iter().map(|(id, known)| (id, &known.gateway_id)).flat_map(of_key).collect()
}

#[cfg(test)]
mod tests {
    use super::super::mirror::steps::UsageId;
    use super::*;

    #[test]
    fn what_was_counted_is_told_by_our_ids_and_days() {
        let usage_id =
            |gateway_id: &str| UsageId { gateway_id: gateway_id.to_owned(), is_enabled: true, plans: [].into() };
        let known = [("ours".to_owned(), usage_id("58v93i1885")), ("gone".to_owned(), usage_id("0a"))];
        let edge = Edge { usage_ids: known.into(), ..Edge::default() };
        let clients = [("ours".to_owned(), "billing".to_owned())].into();
        let counted = [
            ("58v93i1885".to_owned(), vec![vec![137, 999_863], vec![0, 999_863], vec![84, 999_779]]),
            ("0a".to_owned(), vec![vec![1, 9]]),
            ("foreign".to_owned(), vec![vec![5, 5]]),
        ];
        let told = rows(&edge, &clients, "plan", true, "2026-02-27".parse().unwrap(), &counted.into());
        let told: Vec<_> = told
            .iter()
            .map(|row| (row.day.as_str(), row.id.as_str(), row.client.as_deref(), row.requests, row.remaining))
            .collect();
        assert_eq!(
            told,
            [
                ("2026-02-27", "gone", None, 1, Some(9)),
                ("2026-02-27", "ours", Some("billing"), 137, Some(999_863)),
                ("2026-03-01", "ours", Some("billing"), 84, Some(999_779)),
            ]
        );
    }

    #[test]
    fn the_period_ends_today_and_is_no_longer_than_aws_tells() {
        let period = |text: &str, now| Usage { since: days(text).unwrap() }.period(ledger::Timestamp(now)).unwrap();
        let date = |text: &str| text.parse::<Date>().unwrap();
        // 2026-03-01T23:59:59.999Z, and the next millisecond.
        let last = 1_772_409_599_999;
        assert_eq!(period("7d", last), (date("2026-02-23"), date("2026-03-01")));
        assert_eq!(period("1h", last + 1), (date("2026-03-02"), date("2026-03-02")));
        assert_eq!((days("90d").unwrap(), days("91d").is_err(), days("300d").is_err()), (Days(90), true, true));
    }
}
