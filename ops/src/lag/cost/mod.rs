//! Cost: what an environment costs in a month, computed from a workload and published prices; arithmetic alone, so no table is
//! opened and nobody is asked.
//!
//! [`workload`] says what is published and read, [`work`] and [`watching`] what that makes happen, [`units`], [`sizes`] and
//! [`remembered`] what DynamoDB bills for it, [`bill`] what all of it comes to at the [`prices`] of a day, [`others`] what others
//! take. What neither a workload nor a price list has is in [`figures`]. `ops/cost` has the files, and the tables made of them.

pub mod bill;
pub mod figures;
pub mod others;
pub mod prices;
pub mod remembered;
mod rows;
pub mod sizes;
pub mod units;
pub mod variations;
pub mod watching;
pub mod work;
pub mod workload;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::options::{Common, Format};
use crate::output::{Output, say};
use bill::Bill;
use figures::Figures;
use prices::Prices;
use rows::{BillRow, LineRow, PriceRow, VariationRow};
use variations::Variation;
use work::Month;
use workload::Workload;

/// Computes what an environment costs in a month.
#[derive(Clone, Debug, clap::Args)]
pub struct Cost {
    /// What is published and read, as in ops/cost/scenarios/single.json; the built-in scenarios when it is not given
    #[arg(long, value_name = "FILE")]
    workload: Option<PathBuf>,
    /// Prices, as in ops/cost/prices/us-east-1.json, which are used when it is not given
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// What is shown of it
    #[arg(long, value_name = "WHAT", default_value = "bills")]
    show: Show,
    /// Take off what each account has free, as if it had nothing else
    #[arg(long)]
    free: bool,
}

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Show {
    /// The sum of each volume, its largest line, and what others take
    Bills,
    /// Every line of each volume
    Lines,
    /// What it would be if something were otherwise
    Variations,
    /// The prices, where they are published, and whether they were verified
    Prices,
}

impl Cost {
    pub(super) fn run(self, common: &Common) -> Result<Exit> {
        let figures = Figures::built_in()?;
        let prices = Prices::read(self.prices.as_deref())?;
        let workloads = Workload::read(self.workload.as_deref(), &figures.assumed)?;
        let output = Output::new(common.output);
        say(&format!("list prices of {}, read on {}, in US dollars without taxes", prices.region, prices.read_on));
        let months = workloads
            .iter()
            .flat_map(|workload| workload.volumes.iter().map(|volume| Month { workload, volume, figures: &figures }));
        let bill = |month: &Month<'_>| Bill::of(month, &prices.environment, self.free);
        match self.show {
            Show::Bills => {
                let rows: Vec<_> = months.map(|month| BillRow::of(&month, &bill(&month), &prices.others)).collect();
                say("of it, `always` is there also when nothing is published or read");
                say("? rests on a price that was not verified; --show prices tells which, and where each is published");
                output.rows("bills", &rows)?;
            }
            Show::Lines => {
                let rows: Vec<_> = months
                    .flat_map(|month| {
                        let bill = bill(&month);
                        let sum = (common.output == Format::Table).then(|| LineRow::sum(&month, &bill));
                        LineRow::all(&month, &bill).into_iter().chain(sum)
                    })
                    .collect();
                say("* is the largest line of its bill; ? rests on a price that was not verified");
                output.rows("lines", &rows)?;
            }
            Show::Variations => {
                let vary =
                    |variation: &Variation| VariationRow::of(variation, &workloads, &figures, &prices.environment);
                output.rows("variations", &variations::ALL.iter().flat_map(vary).collect::<Vec<_>>())?;
            }
            Show::Prices => output.rows("prices", &prices.named().map(PriceRow::of).collect::<Vec<_>>())?,
        }
        Ok(Exit::Done)
    }
}

/// Reads a file that says something, or what is built in for it.
fn read<T: DeserializeOwned>(what: &str, file: Option<&Path>, built_in: &str) -> Result<T> {
    let (name, text) = match file {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| Failure::file("read", file, &error))?;
            (file.display().to_string(), text)
        }
        None => (format!("what is built in as {what}"), built_in.to_owned()),
    };
    serde_json::from_str(&text).map_err(|error| Failure::Failed(format!("{name} does not read as {what}: {error}")))
}
