//! What is shown, as rows.

use serde::Serialize;

use super::bill::{Bill, Line};
use super::figures::Figures;
use super::others::{self, Other};
use super::prices::{EnvironmentPrices, OtherPrices, Price};
use super::variations::Variation;
use super::work::Month;
use super::workload::Workload;
use crate::output::Row;

/// Dollars, for people: cents where they matter.
fn dollars(amount: f64) -> String {
    if amount >= 100.0 { format!("{amount:.0}") } else { format!("{amount:.2}") }
}

/// A number, for people: as many digits as it has, but for whole millions.
fn short(number: f64) -> String {
    let millions = number / 1_000_000.0;
    if millions >= 1.0 && millions.fract() == 0.0 { format!("{millions}M") } else { number.to_string() }
}

/// Which bill it is, for people.
fn named(workload: &str, events: u64) -> String {
    format!("{workload} {}", short(events as f64))
}

/// Marks what rests on a price that was not verified.
fn marked(text: String, verified: bool) -> String {
    if verified { text } else { text + " ?" }
}

/// The bill of a volume, beside what others take.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BillRow {
    workload: String,
    events_per_month: u64,
    dollars: f64,
    verified: bool,
    always_dollars: f64,
    target_dollars: Option<f64>,
    largest_line: String,
    largest_line_dollars: f64,
    others: Vec<OtherRow>,
}

#[derive(Clone, Debug, Serialize)]
struct OtherRow {
    name: &'static str,
    dollars: f64,
    verified: bool,
}

impl BillRow {
    pub(super) fn of(month: &Month<'_>, bill: &Bill<'_>, prices: &OtherPrices) -> Self {
        let largest = bill.largest();
        let other = |Other { name, dollars, verified }: Other| OtherRow { name, dollars, verified };
        Self {
            workload: month.workload.name.clone(),
            events_per_month: month.volume.events_per_month,
            dollars: bill.dollars(),
            verified: bill.lines.iter().all(|line| line.price.verified || line.dollars == 0.0),
            always_dollars: bill.always(),
            target_dollars: month.volume.target_dollars,
            largest_line: format!("{} {}", largest.service, largest.what),
            largest_line_dollars: largest.dollars,
            others: others::all(month, prices).map(other).into(),
        }
    }
}

impl Row for BillRow {
    const COLUMNS: &'static [&'static str] =
        &["bill", "dollars", "always", "target", "largest line", "Kinesis", "by shards", "MSK", "WarpStream"];

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![
            named(&self.workload, self.events_per_month),
            marked(dollars(self.dollars), self.verified),
            dollars(self.always_dollars),
            self.target_dollars.map_or_else(String::new, short),
            self.largest_line.clone(),
        ];
        cells.extend(self.others.iter().map(|other| marked(dollars(other.dollars), other.verified)));
        cells
    }
}

/// A line of a bill.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LineRow {
    workload: String,
    events_per_month: u64,
    service: &'static str,
    what: String,
    quantity: f64,
    unit: String,
    price_dollars: f64,
    price_per: f64,
    dollars: f64,
    largest: bool,
    verified: bool,
}

impl LineRow {
    /// The lines of a bill.
    pub(super) fn all(month: &Month<'_>, bill: &Bill<'_>) -> Vec<Self> {
        let largest = bill.largest();
        let row = |line: &Line<'_>| Self {
            workload: month.workload.name.clone(),
            events_per_month: month.volume.events_per_month,
            service: line.service,
            what: line.what.clone(),
            quantity: line.quantity,
            unit: line.price.unit.clone(),
            price_dollars: line.price.dollars,
            price_per: line.price.per,
            dollars: line.dollars,
            largest: std::ptr::eq(line, largest),
            verified: line.price.verified,
        };
        bill.lines.iter().map(row).collect()
    }

    /// What they come to, for people: who reads lines otherwise adds them up.
    pub(super) fn sum(month: &Month<'_>, bill: &Bill<'_>) -> Self {
        Self {
            workload: month.workload.name.clone(),
            events_per_month: month.volume.events_per_month,
            service: "",
            what: "sum".to_owned(),
            quantity: f64::NAN,
            unit: String::new(),
            price_dollars: f64::NAN,
            price_per: f64::NAN,
            dollars: bill.dollars(),
            largest: false,
            verified: true,
        }
    }
}

impl Row for LineRow {
    const COLUMNS: &'static [&'static str] = &["bill", "service", "what", "quantity", "price", "dollars", "note"];

    fn cells(&self) -> Vec<String> {
        let digits = if self.quantity >= 1_000.0 { 0 } else { 2 };
        let (quantity, price) = if self.quantity.is_nan() {
            (String::new(), String::new())
        } else {
            let price = format!("{} / {} {}", self.price_dollars, short(self.price_per), self.unit);
            (format!("{:.digits$}", self.quantity), price.replace("/ 1 ", "/ "))
        };
        let marks = [(self.largest, "*"), (!self.verified, "?")];
        vec![
            named(&self.workload, self.events_per_month),
            self.service.to_owned(),
            self.what.clone(),
            quantity,
            price,
            dollars(self.dollars),
            marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect(),
        ]
    }
}

/// A bill that would be otherwise.
#[derive(Clone, Debug, Serialize)]
pub(super) struct VariationRow {
    workload: String,
    events_per_month: u64,
    what: &'static str,
    dollars: f64,
}

impl VariationRow {
    /// Of each volume of some workloads.
    pub(super) fn of(
        variation: &Variation,
        workloads: &[Workload],
        figures: &Figures,
        prices: &EnvironmentPrices,
    ) -> Vec<Self> {
        let volumes =
            workloads.iter().flat_map(|workload| workload.volumes.iter().map(move |volume| (workload, volume)));
        let row = |(workload, volume): (&Workload, &super::workload::Volume)| Self {
            workload: workload.name.clone(),
            events_per_month: volume.events_per_month,
            what: variation.what,
            dollars: variation.dollars(workload, volume, figures, prices),
        };
        volumes.map(row).collect()
    }
}

impl Row for VariationRow {
    const COLUMNS: &'static [&'static str] = &["if", "bill", "dollars"];

    fn cells(&self) -> Vec<String> {
        vec![self.what.to_owned(), named(&self.workload, self.events_per_month), dollars(self.dollars)]
    }
}

/// A price.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PriceRow {
    name: &'static str,
    #[serde(flatten)]
    price: Price,
}

impl PriceRow {
    pub(super) fn of((name, price): (&'static str, &Price)) -> Self {
        Self { name, price: price.clone() }
    }
}

impl Row for PriceRow {
    const COLUMNS: &'static [&'static str] = &["name", "dollars", "for", "free", "source", "verified"];

    fn cells(&self) -> Vec<String> {
        let Price { dollars, per, unit, free, source, verified, .. } = &self.price;
        vec![
            self.name.to_owned(),
            dollars.to_string(),
            format!("{} {unit}", short(*per)),
            short(*free),
            source.clone(),
            if *verified { "yes" } else { "no" }.to_owned(),
        ]
    }
}
