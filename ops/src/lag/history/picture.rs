//! A history as a picture, for what is written about an incident afterwards. A line ends where nothing was measured, and goes on
//! after it.

use plotters::prelude::*;

use super::axes::{Scale, marks};
use super::{LineOfValues, Measured};
use crate::failure::{Failure, Result};

const SIZE: (u32, u32) = (960, 400);
/// What stands beside axes and lines.
const LETTERS: (&str, u32) = ("sans-serif", 15);
/// Marks of time for which there is room.
const MARKS: usize = 10;
/// Of a single line, and then of each status, worst first.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0xb0, 0x1e, 0x28),
    RGBColor(0xe0, 0x7b, 0x00),
    RGBColor(0x7a, 0x2f, 0x8f),
    RGBColor(0xc2, 0x5b, 0x8a),
    RGBColor(0xb5, 0x9a, 0x00),
    RGBColor(0x2e, 0x7d, 0x32),
    RGBColor(0x75, 0x75, 0x75),
];

/// Draws it as SVG.
pub(super) fn picture(measured: &Measured) -> Result<String> {
    let mut text = String::new();
    draw(measured, &mut text).map_err(|error| Failure::Failed(format!("the picture cannot be drawn: {error}")))?;
    Ok(text)
}

fn draw(measured: &Measured, text: &mut String) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let grid = &measured.grid;
    let scale = Scale::to(measured.most(), measured.subject.is_time());
    let times = marks(measured, grid.slots.div_ceil(MARKS));
    let slots: Vec<usize> = times.iter().map(|(slot, _)| *slot).collect();
    let values = [0.0, scale.top / 2.0, scale.top].map(thousandths);
    let across = (0..grid.slots.saturating_sub(1)).with_key_points(slots);
    let up = (0..thousandths(scale.top)).with_key_points(values.to_vec());
    let mut chart = ChartBuilder::on(&area)
        .caption(measured.title(), ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(28)
        .y_label_area_size(56)
        .build_cartesian_2d(across, up)?;
    let time = |slot: &usize| {
        let mark = times.iter().find(|(known, _)| known == slot);
        mark.map_or_else(String::new, |(_, mark)| mark.clone())
    };
    let value = |value: &u64| scale.label(*value as f64 / 1_000.0);
    let mut mesh = chart.configure_mesh();
    mesh.x_label_formatter(&time)
        .y_label_formatter(&value)
        .light_line_style(TRANSPARENT)
        .label_style(LETTERS)
        .draw()?;
    for (line, colour) in measured.lines.iter().zip(COLOURS) {
        for (number, run) in runs(line).into_iter().enumerate() {
            // One value alone is no line, and yet there.
            let size = u32::from(run.len() == 1) * 2;
            let series = LineSeries::new(run, colour.stroke_width(2).filled()).point_size(size);
            let drawn = chart.draw_series(series)?;
            if let Some(status) = line.status.filter(|_| number == 0) {
                let key = move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2));
                drawn.label(status).legend(key);
            }
        }
    }
    if measured.lines.len() > 1 {
        let mut keys = chart.configure_series_labels();
        keys.label_font(LETTERS)
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .draw()?;
    }
    area.present()?;
    Ok(())
}

/// Marks are known only to whole numbers.
fn thousandths(value: f64) -> u64 {
    (value * 1_000.0).round() as u64
}

/// The values that follow one another without a gap.
fn runs(line: &LineOfValues) -> Vec<Vec<(usize, u64)>> {
    let mut runs = vec![Vec::new()];
    for (slot, value) in line.values.iter().enumerate() {
        match (value, runs.last_mut()) {
            (Some(value), Some(run)) => run.push((slot, thousandths(*value))),
            _ => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

#[cfg(test)]
mod tests {
    use super::super::subject::Subject;
    use super::super::tests::{line, measured};
    use super::*;

    #[test]
    fn a_gap_parts_a_line_in_two() {
        let drawn = |gap: usize| {
            let values = |slot: usize| (slot != gap).then_some(60.0 * slot as f64);
            let text = picture(&measured(Subject::LagSeconds, vec![line(None, values)])).unwrap();
            let colour = format!("stroke=\"#{:02X}{:02X}{:02X}\"", COLOURS[0].0, COLOURS[0].1, COLOURS[0].2);
            let lines = text.lines().filter(|line| line.starts_with("<polyline") && line.contains(&colour)).count();
            (lines, text)
        };
        let (whole, text) = drawn(99);
        assert_eq!((whole, drawn(15).0), (1, 2));
        for label in ["ConsumerLagSeconds of prod", "1h", "30m", "11:40"] {
            assert!(text.contains(label), "{label}: {text}");
        }
    }
}
