//! A dashboard as a picture: what its panels are and what a quiet day looks like on them. The values are made up, and the
//! picture says so.

use std::error::Error;

use platform::telemetry::alarms::Strictness;
use platform::telemetry::dashboards::{Dashboard, Panel};
use platform::telemetry::series::Series;
use plotters::prelude::*;

/// Panels beside each other, and the size of one in points.
const BESIDE: usize = 3;
const SIZE: (u32, u32) = (400, 230);
/// The line of text above them.
const TITLE: u32 = 44;
/// Minutes that are shown.
const MINUTES: u32 = 180;
const FONT: &str = "sans-serif";
const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
];

/// Draws it as SVG, the same each time.
pub(super) fn draw(dashboard: &Dashboard) -> Result<String, Box<dyn Error>> {
    let rows = u32::try_from(dashboard.panels.len().div_ceil(BESIDE))?;
    let size = (SIZE.0 * u32::try_from(BESIDE)?, TITLE + rows * SIZE.1);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE)?;
        let (title, panels) = area.split_vertically(TITLE);
        let heading = format!("{}: {} (made-up values)", dashboard.name, dashboard.question);
        title.draw_text(&heading, &(FONT, 20).into_text_style(&title), (12, 12))?;
        let places = panels.split_evenly((rows as usize, BESIDE));
        for (panel, place) in dashboard.panels.iter().zip(&places) {
            draw_panel(panel, place)?;
        }
        area.present()?;
    }
    Ok(text + "\n")
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw_panel(panel: &Panel, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
    let lines: Vec<(&str, Vec<f64>)> =
        panel.lines.iter().map(|(label, series)| (*label, sample(panel, label, series))).collect();
    let threshold = panel.threshold(Strictness::Strict);
    let most = lines.iter().flat_map(|(_, values)| values).copied().chain(threshold).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, (FONT, 14))
        .margin(8)
        .x_label_area_size(18)
        .y_label_area_size(56)
        .build_cartesian_2d(0..MINUTES, 0.0..most * 1.15)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .x_labels(4)
        .x_label_formatter(&|minute| format!("{}:{:02}", 9 + minute / 60, minute % 60))
        .y_labels(4)
        .y_label_formatter(&|value| number(*value))
        .y_desc(panel.unit)
        .axis_desc_style((FONT, 11))
        .label_style((FONT, 10))
        .draw()?;
    for ((label, values), colour) in lines.into_iter().zip(COLOURS.iter().cycle()) {
        let colour = *colour;
        let drawn = chart.draw_series(LineSeries::new((0..).zip(values), colour.stroke_width(1)))?;
        drawn.label(label).legend(move |(x, y)| PathElement::new([(x, y), (x + 10, y)], colour));
    }
    if let (Some(alarm), Some(threshold)) = (panel.alarm, threshold) {
        let line = LineSeries::new([(0, threshold), (MINUTES, threshold)], RED.stroke_width(1));
        chart.draw_series(line)?.label(alarm).legend(|(x, y)| PathElement::new([(x, y), (x + 10, y)], RED));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .label_font((FONT, 10))
        .background_style(WHITE.mix(0.8))
        .draw()?;
    Ok(())
}

/// As short as an axis has room for.
fn number(value: f64) -> String {
    match value {
        1_000_000.0.. => format!("{:.1}M", value / 1_000_000.0),
        1_000.0.. => format!("{:.1}k", value / 1_000.0),
        10.0.. => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}

/// A value for each minute: a level of the line's own that comes and goes through the day; one for what is done each minute;
/// nothing for what counts trouble.
fn sample(panel: &Panel, label: &str, series: &Series) -> Vec<f64> {
    if matches!(panel.unit, "rounds" | "samples") {
        return vec![1.0; MINUTES as usize];
    }
    let seed = panel.title.bytes().chain(label.bytes()).fold(7_u64, |seed, byte| seed * 31 % 9_973 + u64::from(byte));
    let level = level(panel, series) * (0.6 + seed as f64 % 100.0 / 125.0);
    let wave = |minute: u32| {
        let turn = f64::from(minute) / f64::from(MINUTES) * std::f64::consts::TAU;
        let jitter = ((u64::from(minute) * 7_919 + seed * 104_729) % 1_000) as f64 / 1_000.0;
        level * (1.0 + 0.25 * (turn + seed as f64).sin() + 0.2 * (jitter - 0.5))
    };
    (0..MINUTES).map(wave).collect()
}

/// About how large a value of a panel is on a quiet day.
fn level(panel: &Panel, series: &Series) -> f64 {
    match (panel.unit, panel.alarm) {
        ("percent", _) => 65.0,
        ("milliseconds", Some(_)) => 900.0,
        ("milliseconds", None) => 40.0,
        ("seconds", _) if panel.title == "Time until the first loss" => 1_100_000.0,
        ("seconds", _) => 25.0,
        ("events" | "polls" | "units" | "calls" | "invocations", _) => 1_200.0,
        ("bytes", _) => 700_000.0,
        ("requests", _) if panel.title == "Requests" => 1_500.0,
        ("subscriptions" | "failures" | "panics" | "keys" | "attempts" | "spans" | "leases", _) => 0.0,
        _ if series.statistic == platform::telemetry::series::Statistic::Sum => 2.0,
        _ => 0.0,
    }
}
