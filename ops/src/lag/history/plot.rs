//! A history as text, within a hundred columns: bars of eighths of a letter over an axis of time. The axis is broken where
//! nothing was measured, so that nobody takes a gap for a zero.

use super::axes::{Scale, marks};
use super::{LineOfValues, Measured};
use crate::time::short;

const COLUMNS: usize = 100;
/// Letters of a mark of time, with the pause after it.
const MARK: usize = 7;
/// How high the bars of a single line are, in letters.
const HIGH: usize = 10;
const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws it.
pub(super) fn plot(measured: &Measured) -> String {
    let is_time = measured.subject.is_time();
    let scale = |line: &LineOfValues| Scale::to(line.present().fold(0.0, f64::max), is_time);
    let height = if measured.lines.len() > 1 { 1 } else { HIGH };
    let panels: Vec<Panel<'_>> = measured.lines.iter().map(|line| Panel { line, scale: scale(line), height }).collect();
    let margin = panels.iter().flat_map(Panel::labels).map(|label| label.chars().count()).max().unwrap_or(0);
    // Every period has as many letters as all can have.
    let thick = (COLUMNS.saturating_sub(margin + 2) / measured.grid.slots).max(1);
    let mut text = measured.title() + "\n\n";
    for panel in &panels {
        text += &panel.draw(margin, thick);
    }
    text += &times(measured, margin, thick);
    text += "\n";
    text += &measured.summary();
    text
}

/// The bars of a line.
struct Panel<'a> {
    line: &'a LineOfValues,
    scale: Scale,
    height: usize,
}

impl Panel<'_> {
    /// What stands beside each row of bars, and beside the axis.
    fn labels(&self) -> Vec<String> {
        let label = |row: usize| match row {
            0 => match self.line.status {
                Some(status) => format!("{status} {}", self.scale.label(self.scale.top)),
                None => self.scale.label(self.scale.top),
            },
            row if row * 2 == self.height => self.scale.label(self.scale.top / 2.0),
            row if row == self.height => self.scale.label(0.0),
            _ => String::new(),
        };
        (0..=self.height).map(label).collect()
    }

    fn draw(&self, margin: usize, thick: usize) -> String {
        let mut text = String::new();
        for (row, label) in self.labels().into_iter().enumerate() {
            let is_axis = row == self.height;
            let edge = if label.is_empty() {
                '│'
            } else if is_axis {
                '┼'
            } else {
                '┤'
            };
            let letter = |value: &Option<f64>| match value {
                None => ' ',
                Some(_) if is_axis => '─',
                Some(value) => self.letter(*value, row),
            };
            let bars: String =
                self.line.values.iter().flat_map(|value| std::iter::repeat_n(letter(value), thick)).collect();
            text += format!("{label:>margin$} {edge}{bars}").trim_end();
            text.push('\n');
        }
        text
    }

    /// The part of a value's bar that is in a row.
    fn letter(&self, value: f64, row: usize) -> char {
        let eighths = value / self.scale.top * (self.height * EIGHTHS.len()) as f64;
        // What is not nothing is seen.
        let eighths = if value > 0.0 { (eighths.round() as usize).max(1) } else { 0 };
        let below = (self.height - 1 - row) * EIGHTHS.len();
        match eighths.saturating_sub(below) {
            0 => ' ',
            part => EIGHTHS[part.min(EIGHTHS.len()) - 1],
        }
    }
}

/// The line of marks below the axis.
fn times(measured: &Measured, margin: usize, thick: usize) -> String {
    let mut line = String::new();
    for (slot, mark) in marks(measured, MARK.div_ceil(thick)) {
        let column = margin + 2 + slot * thick;
        let mark = format!("╵{mark}");
        if column + mark.chars().count() <= COLUMNS {
            line += &" ".repeat(column.saturating_sub(line.chars().count()));
            line += &mark;
        }
    }
    line + "\n"
}

impl Measured {
    /// The worst and the last value of each line that has any, and how much was not measured.
    fn summary(&self) -> String {
        let exact =
            |value: f64| if self.subject.is_time() { short((value * 1_000.0) as u64) } else { value.to_string() };
        let told = |line: &LineOfValues| {
            let worst = line.present().reduce(|one, other| self.subject.worse(one, other))?;
            let at = line.values.iter().position(|value| *value == Some(worst))?;
            let last = line.values.iter().rev().copied().flatten().next()?;
            let silent = line.values.iter().filter(|value| value.is_none()).count();
            let name = line.status.map_or_else(String::new, |status| format!("{status}: "));
            let (worst, at, last) = (exact(worst), super::minute(self.grid.time(at)), exact(last));
            let which = self.subject.which();
            Some(format!(
                "{name}{which} {worst} at {at}, last {last}, {silent} of {} periods without a value\n",
                self.grid.slots
            ))
        };
        self.lines.iter().filter_map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::subject::Subject;
    use super::super::tests::{line, measured};
    use super::plot;
    use expect_test::expect;

    #[test]
    fn a_gap_is_no_zero() {
        let values = |slot: usize| match slot {
            0..=9 => Some(0.0),
            10..=19 => Some((slot - 9) as f64 * 45.0),
            20..=22 => None,
            30 => Some(12.0),
            _ => Some((31 - slot) as f64 * 60.0),
        };
        expect![[r#"
            ConsumerLagSeconds of prod, highest of each 1m, 2026-01-31 11:30 to 2026-01-31 12:01 UTC

            10m ┤
                │
                │                                                         ▄▄▄         ███
                │                                                      ▆▆▆███         ██████
                │                                                ▂▂▂█████████         █████████
             5m ┤                                             ▄▄▄████████████         ████████████
                │                                          ▆▆▆███████████████         ███████████████
                │                                    ▂▂▂█████████████████████         ██████████████████
                │                                 ▄▄▄████████████████████████         █████████████████████
                │                              ▆▆▆███████████████████████████         █████████████████████▂▂▂
              0 ┼────────────────────────────────────────────────────────────         ────────────────────────
                 ╵11:30         ╵11:35         ╵11:40         ╵11:45         ╵11:50         ╵11:55

            highest 8m at 2026-01-31 11:53, last 12s, 3 of 31 periods without a value
        "#]]
        .assert_eq(&plot(&measured(Subject::LagSeconds, vec![line(None, values)])));
    }

    #[test]
    fn each_status_has_its_own_bars() {
        let stopped = line(Some("STOP"), |slot| (slot != 7).then_some(if slot > 20 { 3.0 } else { 0.0 }));
        let well = line(Some("OK"), |slot| (slot != 7).then_some(if slot > 20 { 37.0 } else { 40.0 }));
        let lost = line(Some("LOST"), |_| None);
        expect![[r#"
            ConsumersByStatus of prod, highest of each 1m, 2026-01-31 11:30 to 2026-01-31 12:01 UTC

            LOST 2 ┤
                 0 ┼
            STOP 4 ┤                                          ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆
                 0 ┼──────────────  ──────────────────────────────────────────────
             OK 40 ┤██████████████  ██████████████████████████▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇
                 0 ┼──────────────  ──────────────────────────────────────────────
                    ╵11:30    ╵11:35    ╵11:40    ╵11:45    ╵11:50    ╵11:55    ╵12:00

            STOP: highest 3 at 2026-01-31 11:51, last 3, 1 of 31 periods without a value
            OK: highest 40 at 2026-01-31 11:30, last 37, 1 of 31 periods without a value
        "#]]
        .assert_eq(&plot(&measured(Subject::Status, vec![lost, stopped, well])));
    }

    #[test]
    fn the_least_headroom_is_the_worst() {
        let values = |slot: usize| Some(86_400.0 * 6.0 - 3_600.0 * slot as f64);
        let text = plot(&measured(Subject::Headroom, vec![line(None, values)]));
        assert!(text.contains("lowest 4d at 2026-01-31 12:00, last 4d, 0 of 31"), "{text}");
    }
}
