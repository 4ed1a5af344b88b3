//! What was found, with everything that one must know to believe it: machine, date, versions, and the command that asks for it
//! again. The same is shown as a table, kept as JSON and drawn.

pub(crate) mod document;
pub(crate) mod plot;
pub(crate) mod table;

use std::path::Path;

use serde::Serialize;

use crate::client::Result;
use crate::machine::Machine;
use crate::statistics::Measure;
use crate::workbench::Workbench;

/// Changes when who reads the JSON must change.
const SCHEMA_VERSION: u32 = 1;

/// What can be asked for; each has its place in the document.
pub(crate) const SUBJECTS: [&str; 3] = ["throughput and latency", "scale", "compaction"];

/// Everything that a run has to tell.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    schema_version: u32,
    /// When it began.
    pub(crate) date: String,
    /// What was asked for.
    pub(crate) subject: &'static str,
    /// The command that does the same.
    pub(crate) command: String,
    /// The commit of the working folder.
    pub(crate) commit: String,
    /// What was measured on.
    pub(crate) machine: Machine,
    /// What was measured, and its version.
    pub(crate) systems: Vec<Measured>,
    /// What must be known of the figures.
    pub(crate) remarks: Vec<String>,
    /// Seconds of each run.
    pub(crate) seconds: f64,
    /// Runs of each.
    pub(crate) runs: u32,
    /// The figures.
    pub(crate) findings: Findings,
}

/// A system that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// What it says that it is.
    pub(crate) version: String,
}

/// The figures.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Findings {
    /// As a table.
    pub(crate) rows: Vec<Row>,
    /// As pictures.
    pub(crate) charts: Vec<Chart>,
}

/// What was measured of a system under a load.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// What was done.
    pub(crate) workload: &'static str,
    /// How.
    pub(crate) setting: String,
    /// By which system.
    pub(crate) system: String,
    /// How much of it.
    pub(crate) value: Option<Measure>,
    /// What half of the requests took at the most.
    pub(crate) p50: Option<Measure>,
    /// What 99 of a hundred took at the most.
    pub(crate) p99: Option<Measure>,
    /// Whether the values of two systems say which one does more.
    pub(crate) is_comparable: bool,
}

/// Lines over one axis.
#[derive(Debug, Serialize)]
pub(crate) struct Chart {
    /// What it shows.
    pub(crate) title: String,
    /// What goes across.
    pub(crate) x: String,
    /// What goes up.
    pub(crate) y: String,
    /// How that goes across.
    pub(crate) scale: Scale,
    /// The lines.
    pub(crate) lines: Vec<Line>,
}

/// How an axis goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scale {
    /// In equal steps.
    Linear,
    /// Each step times the same.
    Logarithmic,
}

/// A line of a chart.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    /// What it is of.
    pub(crate) name: String,
    /// Its points, from left to right.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Line {
    /// A line without points.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), points: Vec::new() }
    }

    /// Goes on to the median of a measure, if there is one.
    pub(crate) fn add(&mut self, x: f64, measure: Option<&Measure>) {
        self.points.extend(measure.map(|measure| (x, measure.median)));
    }
}

impl Findings {
    /// Notes a row, and tells it at once: a long run may end before its end.
    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("{}", table::line(&row));
        self.rows.push(row);
    }
}

impl Report {
    /// Joins what was found with what it was found on.
    pub(crate) fn new(bench: &Workbench, subject: &'static str, findings: Findings) -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let mut remarks = bench.machine.doubts();
        if bench.quick {
            remarks.push("A quick run: it shows that everything works, and its figures mean nothing.".to_owned());
        }
        remarks.extend(bench.absent.iter().cloned());
        let measured = |system: &crate::system::System| Measured { name: system.name, version: system.version.clone() };
        Self {
            schema_version: SCHEMA_VERSION,
            date: bench.date.clone(),
            subject,
            command: format!("just bench {}", arguments.join(" ")).trim_end().to_owned(),
            commit: bench.commit.clone(),
            machine: bench.machine.clone(),
            systems: bench.systems.iter().map(measured).collect(),
            remarks,
            seconds: bench.window.measured.as_secs_f64(),
            runs: bench.runs,
            findings,
        }
    }
}

/// Writes a file, and names it where that fails.
pub(crate) fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()).into())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A report of two systems, of which the second does a quarter of the first.
    pub(crate) fn report(subject: &'static str) -> Report {
        let row = |system: &str, rate: f64| Row {
            workload: "publish",
            setting: "16 connections".to_owned(),
            system: system.to_owned(),
            value: Measure::of("requests/s", [rate, rate * 1.5, rate * 0.5]),
            p50: Measure::of("ms", [0.25]),
            p99: None,
            is_comparable: true,
        };
        let points = vec![(1.0, 100.0), (16.0, 12_000.0)];
        let line = Line { name: "EventLedger".to_owned(), points };
        let chart = Chart {
            title: "Publishes".to_owned(),
            x: "connections".to_owned(),
            y: "requests/s".to_owned(),
            scale: Scale::Logarithmic,
            lines: vec![line],
        };
        Report {
            schema_version: SCHEMA_VERSION,
            date: "2026-01-31T12:00:00.000Z".to_owned(),
            subject,
            command: "just bench --runs 3".to_owned(),
            commit: "abc".to_owned(),
            machine: Machine {
                cores: 2,
                model: "A processor".to_owned(),
                memory_megabytes: 8_000,
                linux: "6.1".to_owned(),
                file_system: "ext4".to_owned(),
                sync_ms: 0.5,
                load_before: 0.0,
            },
            systems: vec![Measured { name: "EventLedger", version: "eventledger 0.1.0".to_owned() }],
            remarks: vec!["Other: not on PATH, not measured.".to_owned()],
            seconds: 8.0,
            runs: 3,
            findings: Findings { rows: vec![row("EventLedger", 12_000.0), row("Other", 3_000.0)], charts: vec![chart] },
        }
    }

    #[test]
    fn the_json_has_every_run_and_what_it_was_measured_on() {
        let json = serde_json::to_value(report("scale")).unwrap();
        assert_eq!(json["machine"]["model"], "A processor");
        assert_eq!(json["systems"][0]["version"], "eventledger 0.1.0");
        let value = &json["findings"]["rows"][0]["value"];
        assert_eq!(value["runs"], serde_json::json!([12_000.0, 18_000.0, 6_000.0]));
        assert_eq!((&value["median"], &value["unit"]), (&12_000.0.into(), &"requests/s".into()));
        assert_eq!(json["findings"]["rows"][0]["p99"], serde_json::Value::Null);
        assert_eq!(json["findings"]["charts"][0]["lines"][0]["points"][1], serde_json::json!([16.0, 12_000.0]));
    }
}
