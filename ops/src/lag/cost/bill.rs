//! The bill: what a month's work comes to at some prices, line by line, and what is there whether anything happens or not.

use ledger::limits;
use platform::telemetry::alarms::{self, Rule, Strictness};
use platform::telemetry::dashboards;

use super::prices::{EnvironmentPrices, Price};
use super::work::{Month, Part, Work};
use super::workload::HOURS;

/// A GB, as AWS counts them.
const GB: f64 = 1_073_741_824.0;
const DAY_HOURS: f64 = 24.0;

/// One line.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// The service that takes the money.
    pub service: &'static str,
    /// What for.
    pub what: String,
    /// How many units.
    pub quantity: f64,
    /// What a unit costs.
    pub price: &'a Price,
    /// What the line costs.
    pub dollars: f64,
    /// Whether it is there also when nothing is published or read.
    pub always: bool,
}

/// All lines, and which is the largest.
#[derive(Clone, Debug)]
pub struct Bill<'a> {
    /// In the order of the services.
    pub lines: Vec<Line<'a>>,
}

impl<'a> Bill<'a> {
    /// Makes it. What each account has free is taken off, if it is meant to be.
    #[must_use]
    pub fn of(month: &Month<'_>, prices: &'a EnvironmentPrices, free: bool) -> Self {
        let mut lines = of_work(month, prices);
        lines.extend(of_what_is_kept(month, prices));
        if month.workload.environment.watched {
            lines.extend(of_watching(month, prices).into_iter().map(|line| Line { always: true, ..line }));
        }
        charge(&mut lines, free);
        Self { lines }
    }

    /// What it comes to.
    #[must_use]
    pub fn dollars(&self) -> f64 {
        self.lines.iter().map(|line| line.dollars).sum()
    }

    /// What of it is there also when nothing is published or read.
    #[must_use]
    pub fn always(&self) -> f64 {
        self.lines.iter().filter(|line| line.always).map(|line| line.dollars).sum()
    }

    /// The largest line.
    #[must_use]
    pub fn largest(&self) -> &Line<'a> {
        let largest = self.lines.iter().max_by(|one, other| one.dollars.total_cmp(&other.dollars));
        largest.expect("a bill has lines")
    }
}

/// Puts the dollars to the lines: lines of one price share its free units and its steps, in their order.
fn charge(lines: &mut [Line<'_>], free: bool) {
    for index in 0..lines.len() {
        let (before, line) = lines.split_at_mut(index);
        let line = &mut line[0];
        let same = |other: &&Line<'_>| std::ptr::eq(other.price, line.price);
        let used: f64 = before.iter().filter(same).map(|other| other.quantity).sum();
        let paid = |units: f64| line.price.of((units - if free { line.price.free } else { 0.0 }).max(0.0));
        line.dollars = paid(used + line.quantity) - paid(used);
    }
}

fn line<'a>(service: &'static str, what: impl Into<String>, quantity: f64, price: &'a Price) -> Line<'a> {
    Line { service, what: what.into(), quantity, price, dollars: 0.0, always: false }
}

/// What happens, by service and by whose work it is.
fn of_work<'a>(month: &Month<'_>, prices: &'a EnvironmentPrices) -> Vec<Line<'a>> {
    type OfWork = fn(&Work) -> f64;
    let gigabytes_of_memory = f64::from(month.workload.environment.memory_megabytes) / 1_024.0;
    let of_each: [(&'static str, &str, OfWork, &'a Price, f64); 7] = [
        ("DynamoDB", "writes", |work| work.units.writes, &prices.write_unit, 1.0),
        ("DynamoDB", "reads", |work| work.units.reads, &prices.read_unit, 1.0),
        ("API Gateway", "requests", |work| work.requests, &prices.api_request, 1.0),
        ("Lambda", "invocations", |work| work.invocations, &prices.invocation, 1.0),
        ("Lambda", "compute", |work| work.compute_ms, &prices.compute, gigabytes_of_memory / 1_000.0),
        ("CloudWatch", "log lines", |work| work.log_bytes, &prices.log_ingestion, 1.0 / GB),
        ("CloudWatch", "access lines", |work| work.access_bytes, &prices.seldom_log_ingestion, 1.0 / GB),
    ];
    let work = month.work();
    let mut lines = Vec::new();
    for (service, what, of, price, factor) in of_each {
        for part in Part::ALL {
            let of_part = work.iter().filter(|work| work.part == part);
            let quantity: f64 = of_part.map(|work| work.times * of(work)).sum::<f64>() * factor;
            if quantity > 0.0 {
                let of_part = line(service, format!("{what}: {}", part.as_str()), quantity, price);
                lines.push(Line { always: part == Part::Watching, ..of_part });
            }
        }
    }
    lines
}

/// What the table and the logs keep, and what leaves AWS.
fn of_what_is_kept<'a>(month: &Month<'_>, prices: &'a EnvironmentPrices) -> Vec<Line<'a>> {
    let (workload, assumed) = (month.workload, &month.figures.assumed);
    let events = month.volume.events_per_month as f64;
    let stored = month.stored();
    // Time to live deletes a record batch when the grace after its retention is over.
    let kept_hours = f64::from(workload.retention_hours) + limits::GRACE_MS as f64 / limits::HOUR_MS as f64;
    let publishes = events / f64::from(workload.events_per_publish);
    let record_batches = publishes * stored.record_batches.of_a_publish();
    let item = |bytes: f64| bytes + assumed.stored_item_bytes.value;
    let log = record_batches * kept_hours / HOURS * item(stored.record_batches.size().bytes);
    let state = events * workload.keys_share * item(stored.compacted.bytes);
    let table = (log + state) / GB;
    let work = month.work();
    let written: f64 = work.iter().map(|work| work.times * (work.log_bytes + work.access_bytes)).sum();
    let kept_days = f64::from(workload.environment.log_retention_days);
    let lines_kept = written * assumed.archived_share.value * kept_days * DAY_HOURS / HOURS / GB;
    let answered: f64 = work.iter().map(|work| work.times * work.answered_bytes).sum();
    let mut lines = vec![line("DynamoDB", "table", table, &prices.table_storage)];
    if workload.environment.recovery {
        lines.push(line("DynamoDB", "recovery to any second", table, &prices.table_recovery));
    }
    lines.push(line("CloudWatch", "log lines kept", lines_kept, &prices.log_storage));
    lines.push(line("Data transfer", "out to the internet", answered * workload.internet_share / GB, &prices.data_out));
    lines
}

/// What watches, whether anything happens or not.
fn of_watching<'a>(month: &Month<'_>, prices: &'a EnvironmentPrices) -> Vec<Line<'a>> {
    let measured = &month.figures.measured;
    let mut lines = vec![line("CloudWatch", "custom metrics", measured.custom_metrics, &prices.custom_metric)];
    let (metrics, composite) = alarms();
    lines.push(line("CloudWatch", "metrics of alarms", metrics, &prices.alarm_metric));
    lines.push(line("CloudWatch", "alarms made of two", composite, &prices.composite_alarm));
    lines.push(line("CloudWatch", "dashboards", dashboards::all().len() as f64, &prices.dashboard));
    lines
}

/// The metrics that alarms look at, each time one does, and the alarms that are made of two others, by the catalogue.
#[must_use]
pub fn alarms() -> (f64, f64) {
    let all = alarms::all(Strictness::Strict);
    let metrics = all.iter().flat_map(|alarm| alarm.rule.conditions()).map(|condition| condition.terms.len());
    let composite = all.iter().filter(|alarm| matches!(alarm.rule, Rule::Both { .. }));
    (metrics.sum::<usize>() as f64, composite.count() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::prices::Prices;
    use super::*;

    #[test]
    fn lines_of_one_price_share_what_is_free_and_its_steps() {
        let prices = Prices::read(None).unwrap().environment;
        let charged = |quantities: [f64; 2], price: &Price, free: bool| {
            let mut lines = quantities.map(|quantity| line("it", "that", quantity, price));
            charge(&mut lines, free);
            lines.map(|line| (line.dollars * 100.0).round() / 100.0)
        };
        assert_eq!(charged([2.0, 4.0], &prices.dashboard, false), [6.0, 12.0]);
        assert_eq!(charged([2.0, 4.0], &prices.dashboard, true), [0.0, 9.0]);
        assert_eq!(charged([299e6, 11e6], &prices.api_request, false), [299.0, 10.0]);
    }

    #[test]
    fn alarms_are_those_of_the_environments() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../environments/prod/alarms.json");
        let rendered: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let queries = rendered["metric_alarms"].as_array().unwrap().iter();
        let queries = queries.flat_map(|alarm| alarm["metric_query"].as_array().unwrap());
        let metrics = queries.filter(|query| query.get("metric").is_some()).count() as f64;
        assert_eq!(alarms(), (metrics, rendered["composite_alarms"].as_array().unwrap().len() as f64));
    }
}
