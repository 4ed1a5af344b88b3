//! The charts of a report as one picture, two beside each other.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

use super::{Chart, Scale};
use crate::client::Result;

const BESIDE: usize = 2;
/// The size of one in points.
const SIZE: (u32, u32) = (560, 320);
const FONT: &str = "sans-serif";
const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
];

/// Draws them as SVG.
pub(crate) fn picture(charts: &[Chart]) -> Result<String> {
    let rows = charts.len().div_ceil(BESIDE).max(1);
    let size = (SIZE.0 * u32::try_from(BESIDE)?, SIZE.1 * u32::try_from(rows)?);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE)?;
        for (chart, place) in charts.iter().zip(&area.split_evenly((rows, BESIDE))) {
            let across = range(chart.lines.iter().flat_map(|line| &line.points).map(|(x, _)| *x), chart.scale);
            match chart.scale {
                Scale::Linear => draw(chart, place, across)?,
                Scale::Logarithmic => draw(chart, place, across.log_scale())?,
            }
        }
        area.present()?;
    }
    Ok(text + "\n")
}

/// From the least to the most, and never empty.
fn range(values: impl Iterator<Item = f64>, scale: Scale) -> Range<f64> {
    let (least, most) = values.fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(value), most.max(value)));
    match scale {
        _ if least > most => 1.0..10.0,
        Scale::Logarithmic if least == most => least..least * 10.0,
        Scale::Linear if least == most => least..least + 1.0,
        _ => least..most,
    }
}

fn draw<X>(chart: &Chart, area: &DrawingArea<SVGBackend<'_>, Shift>, across: X) -> Result<()>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let most = chart.lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y).fold(0.0, f64::max);
    let top = if most > 0.0 { most * 1.25 } else { 1.0 };
    let mut drawn = ChartBuilder::on(area)
        .caption(&chart.title, (FONT, 16))
        .margin(10)
        .margin_right(24)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(across, 0.0..top)?;
    let number = |value: &f64| short(*value);
    drawn
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(8)
        .x_label_formatter(&number)
        .y_labels(5)
        .y_label_formatter(&number)
        .x_desc(&chart.x)
        .y_desc(&chart.y)
        .label_style((FONT, 11))
        .axis_desc_style((FONT, 12))
        .draw()?;
    for (line, colour) in chart.lines.iter().zip(COLOURS.into_iter().cycle()) {
        let series = LineSeries::new(line.points.iter().copied(), colour.stroke_width(2).filled()).point_size(2);
        let key = move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour.stroke_width(2));
        drawn.draw_series(series)?.label(&line.name).legend(key);
    }
    drawn
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font((FONT, 11))
        .background_style(WHITE.mix(0.8))
        .draw()?;
    Ok(())
}

/// As short as an axis has room for.
fn short(value: f64) -> String {
    match value {
        1_000_000.0.. => format!("{}M", super::table::number(value / 1_000_000.0)),
        10_000.0.. => format!("{:.0}k", value / 1_000.0),
        1_000.0.. => format!("{:.1}k", value / 1_000.0),
        10.0.. => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::super::{Line, Scale};
    use super::*;

    #[test]
    fn each_chart_has_its_title_its_axes_and_a_line_for_each_series() {
        let mut charts = report("scale").findings.charts;
        charts[0].lines.push(Line { name: "Other".to_owned(), points: vec![(1.0, 90.0), (4.0, 95.0), (16.0, 9.0)] });
        let text = picture(&charts).unwrap();
        for told in ["Publishes", "connections", "requests/s", "EventLedger", "Other"] {
            assert!(text.contains(told), "{told}: {text}");
        }
        let of = |colour: RGBColor| format!("stroke=\"#{:02X}{:02X}{:02X}\"", colour.0, colour.1, colour.2);
        let lines =
            |colour| text.lines().filter(|line| line.starts_with("<polyline") && line.contains(&of(colour))).count();
        // The line, and its key.
        assert_eq!((lines(COLOURS[0]), lines(COLOURS[1]), lines(COLOURS[2])), (2, 2, 0));
    }

    #[test]
    fn there_is_a_picture_of_one_point_and_of_none() {
        for (scale, points) in
            [(Scale::Logarithmic, vec![(5.0, 1.0)]), (Scale::Linear, vec![(0.0, 0.0)]), (Scale::Linear, vec![])]
        {
            let mut charts = report("scale").findings.charts;
            (charts[0].scale, charts[0].lines[0].points) = (scale, points);
            assert!(picture(&charts).unwrap().contains("Publishes"));
        }
        assert!(picture(&[]).unwrap().starts_with("<svg"));
    }
}
