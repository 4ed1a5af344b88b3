//! The table, as it stands in terminals and documents alike.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use super::{Report, Row};
use crate::statistics::Measure;
use crate::system::System;

const COLUMNS: [&str; 7] = ["workload", "setting", "system", "measured", "p50, ms", "p99, ms", "to EventLedger"];

/// The machine, the versions, what must be known, and the table.
pub(crate) fn text(report: &Report) -> String {
    let Report { date, command, commit, machine, systems, remarks, seconds, runs, .. } = report;
    let versions: Vec<String> = systems.iter().map(|system| format!("{}: {}", system.name, system.version)).collect();
    let mut text = format!(
        "`{command}` at {date}, commit {commit}: {runs} runs of {seconds} s of each, their median (and the lowest and highest)\n"
    );
    let line = |text: &mut String, line: &str| writeln!(text, "- {line}").expect("a String takes everything");
    line(&mut text, &machine.line());
    line(&mut text, &versions.join("; "));
    remarks.iter().for_each(|remark| line(&mut text, remark));
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(COLUMNS);
    for row in &report.findings.rows {
        table.add_row(cells(row, &report.findings.rows));
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{text}\n{table}")
}

/// A row in one line, while others are not measured yet.
pub(crate) fn line(row: &Row) -> String {
    let [workload, setting, system, measured, p50, p99, _] = cells(row, &[]);
    let of = |name: &str, time: String| if time.is_empty() { time } else { format!(", {name} {time} ms") };
    format!("{workload}, {setting}, {system}: {measured}{}{}", of("p50", p50), of("p99", p99))
}

fn cells(row: &Row, all: &[Row]) -> [String; 7] {
    let value = row.value.as_ref().map(|value| with_spread(value, value.unit)).unwrap_or_default();
    let time = |time: &Option<Measure>| time.as_ref().map(|time| with_spread(time, "")).unwrap_or_default();
    let ratio = ratio(row, all).map(|ratio| format!("{ratio:.2} ×")).unwrap_or_default();
    [row.workload.to_owned(), row.setting.clone(), row.system.clone(), value, time(&row.p50), time(&row.p99), ratio]
}

/// How much another system does of what EventLedger does.
fn ratio(row: &Row, all: &[Row]) -> Option<f64> {
    let is_its =
        |ours: &&Row| System::is_ours(&ours.system) && (ours.workload, &ours.setting) == (row.workload, &row.setting);
    let (value, ours) = (row.value.as_ref()?, all.iter().find(is_its)?.value.as_ref()?);
    (row.is_comparable && !System::is_ours(&row.system) && ours.median > 0.0).then_some(value.median / ours.median)
}

/// The median, and in brackets how far the runs lie apart, where there are several.
fn with_spread(measure: &Measure, unit: &str) -> String {
    let median = format!("{} {unit}", number(measure.median)).trim_end().to_owned();
    match measure.runs.len() {
        1 => median,
        _ => format!("{median} ({} to {})", number(measure.lowest), number(measure.highest)),
    }
}

/// With three digits, or all that stand before the point, in groups of three.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, rest) = text.split_once('.').map_or((text, String::new()), |(whole, rest)| (whole, format!(".{rest}")));
    format!("{sign}{}{rest}", grouped(whole))
}

/// How many there are, with thousands apart.
pub(crate) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

fn grouped(digits: &str) -> String {
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        let shown = [0.0, 0.0123, 1.5, 42.0, 123.4, 1_234.5, 1_234_567.0, -4_321.0].map(number);
        assert_eq!(shown, ["0.000", "0.012", "1.50", "42.0", "123", "1,234", "1,234,567", "-4,321"]);
    }

    #[test]
    fn the_table_compares_and_says_what_it_is_of() {
        let text = text(&report("scale"));
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("`just bench --runs 3` at 2026-01-31T12:00:00.000Z, commit abc: 3 runs"),
            "{text}"
        );
        for told in ["2 cores of A processor, 8 GB", "EventLedger: eventledger 0.1.0", "not on PATH, not measured"] {
            assert!(text.contains(told), "{told}: {text}");
        }
        let cells = |line: &str| -> Vec<String> {
            line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        let (ours, other) = (cells(lines[lines.len() - 2]), cells(lines[lines.len() - 1]));
        assert_eq!(ours[2..], ["EventLedger", "12,000 requests/s (6,000 to 18,000)", "0.250", "", ""]);
        assert_eq!(other[2..], ["Other", "3,000 requests/s (1,500 to 4,500)", "0.250", "", "0.25 ×"]);
    }

    #[test]
    fn what_cannot_be_compared_is_not() {
        let mut report = report("scale");
        report.findings.rows[1].is_comparable = false;
        assert!(!text(&report).contains('×'));
        report.findings.rows[1].is_comparable = true;
        report.findings.rows[0].setting = "another".to_owned();
        assert!(!text(&report).contains('×'));
    }
}
