//! The history: how lag, headroom and status went, from the metrics that the keeper leaves in CloudWatch each minute. The
//! table knows only how it is now, and is not asked.
//!
//! What is asked for is in `subject`, the times it is asked for in `grid`, CloudWatch in `fetch`. What came back is drawn as
//! text by `plot` and as a picture by `picture`, both pure, with the axes of `axes`.

mod axes;
mod fetch;
mod grid;
mod picture;
mod plot;
mod subject;

use std::path::PathBuf;

use ledger::Clock;
use serde::Serialize;

use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::file;
use crate::options::{Common, Format};
use crate::output::{Output, Row, print, say};
use crate::time::{Duration, short};
use grid::Grid;
use subject::Subject;

/// Shows how it went.
#[derive(Clone, Debug, clap::Args)]
pub struct History {
    /// What of it
    #[arg(long, value_enum, value_name = "METRIC", default_value = "lag-seconds")]
    metric: Subject,
    /// How far to look back, as in 24h
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    since: Duration,
    /// Draw it into a new file, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// What was measured, over the times of a grid.
#[derive(Clone, Debug)]
struct Measured {
    environment: String,
    subject: Subject,
    grid: Grid,
    /// One, or one for each status.
    lines: Vec<LineOfValues>,
}

/// The values of a metric with certain dimensions, one for each time of the grid; none where nothing was measured.
#[derive(Clone, Debug, PartialEq)]
struct LineOfValues {
    /// The status, where lines are told apart by it.
    status: Option<&'static str>,
    values: Vec<Option<f64>>,
}

/// A value of a metric.
#[derive(Clone, Debug, Serialize)]
struct Point {
    /// When its period began.
    time: String,
    metric: &'static str,
    status: Option<&'static str>,
    value: f64,
}

impl Row for Point {
    const COLUMNS: &'static [&'static str] = &["time", "metric", "status", "value"];

    fn cells(&self) -> Vec<String> {
        let status = self.status.unwrap_or_default();
        vec![self.time.clone(), self.metric.to_owned(), status.to_owned(), self.value.to_string()]
    }
}

impl History {
    pub(super) async fn run(self, common: &Common) -> Result<Exit> {
        if common.backend.is_some() {
            let what = "a local table has no history of its metrics, which are in CloudWatch";
            return Err(Failure::Refused(format!("{what}; use `report`, or let Prometheus keep what `serve` tells")));
        }
        let Some(name) = &common.env else {
            return Err(Failure::Usage("name an environment with --env, as in --env dev".to_owned()));
        };
        if let Some(file) = &self.svg {
            file::must_be_new(file)?;
        }
        let environment = Environment::read(&common.environments, name)?;
        let grid = Grid::of(Clock::system().now(), self.since.0)?;
        let region = environment.settings.region.clone();
        let namespace = platform::telemetry::catalogue::namespace(name);
        say(&format!("{name}: CloudWatch, namespace {namespace}, region {region}"));
        let client = fetch::client(region).await;
        let lines = fetch::fetch(&client, &namespace, self.metric, &grid).await?;
        self.tell(common.output, &Measured { environment: environment.name, subject: self.metric, grid, lines })?;
        Ok(Exit::Done)
    }

    fn tell(&self, format: Format, measured: &Measured) -> Result<()> {
        let (points, output) = (measured.points(), Output::new(format));
        if let Some(file) = &self.svg {
            file::write_new(file, &picture::picture(measured)?)?;
            say(&format!("wrote {}", file.display()));
        }
        match format {
            Format::Table if points.is_empty() => {
                let (metric, since) = (self.metric.metric().name, short(self.since.0));
                let why =
                    "does the keeper run, was there anything to measure, and are these credentials of its account?";
                say(&format!("CloudWatch has nothing of {metric} for the last {since}: {why}"));
                Ok(())
            }
            Format::Table => print(&plot::plot(measured)),
            Format::Json | Format::Csv => output.rows("points", &points),
        }
    }
}

impl Measured {
    /// Every value that there is, by time.
    fn points(&self) -> Vec<Point> {
        let at = |slot: usize| {
            let point = move |line: &LineOfValues| {
                let value = line.values.get(slot).copied().flatten()?;
                let (time, metric) = (self.grid.time(slot).to_string(), self.subject.metric().name);
                Some(Point { time, metric, status: line.status, value })
            };
            self.lines.iter().filter_map(point)
        };
        (0..self.grid.slots).flat_map(at).collect()
    }

    /// What it is, in a line.
    fn title(&self) -> String {
        let (metric, each) = (self.subject.metric().name, short(self.grid.step_ms));
        let (from, to) = (self.grid.time(0), self.grid.end());
        let which = self.subject.which();
        format!("{metric} of {}, {which} of each {each}, {} to {} UTC", self.environment, minute(from), minute(to))
    }

    /// The largest value there is.
    fn most(&self) -> f64 {
        self.lines.iter().flat_map(LineOfValues::present).fold(0.0, f64::max)
    }
}

impl LineOfValues {
    fn present(&self) -> impl Iterator<Item = f64> {
        self.values.iter().copied().flatten()
    }
}

/// A time to the minute, as in `2026-01-31 12:00`.
fn minute(time: ledger::Timestamp) -> String {
    time.to_string().chars().take(16).map(|letter| if letter == 'T' { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::Timestamp;

    /// Half an hour before noon to noon, a minute each, of which the keeper was silent for three.
    pub(super) fn measured(subject: Subject, lines: Vec<LineOfValues>) -> Measured {
        let noon = Timestamp::parse("2026-01-31T12:00:30Z").unwrap();
        Measured { environment: "prod".to_owned(), subject, grid: Grid::of(noon, 30 * 60_000).unwrap(), lines }
    }

    pub(super) fn line(status: Option<&'static str>, value: impl Fn(usize) -> Option<f64>) -> LineOfValues {
        LineOfValues { status, values: (0..31).map(value).collect() }
    }

    #[test]
    fn what_was_not_measured_is_no_point() {
        let line = line(None, |slot| (slot < 2 || slot == 30).then_some(slot as f64 + 0.5));
        let points = measured(Subject::LagSeconds, vec![line]).points();
        let told: Vec<_> = points.iter().map(|point| point.cells().join(" ")).collect();
        let expected = [
            "2026-01-31T11:30:00.000Z ConsumerLagSeconds  0.5",
            "2026-01-31T11:31:00.000Z ConsumerLagSeconds  1.5",
            "2026-01-31T12:00:00.000Z ConsumerLagSeconds  30.5",
        ];
        assert_eq!(told, expected);
    }
}
