//! What several runs came to: the median of them, and how far they lie apart. And the times of many requests.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::client::Result;

/// A figure, measured in each of several runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Measure {
    /// What it is counted in.
    pub(crate) unit: &'static str,
    /// One value of each run, in their order.
    pub(crate) runs: Vec<f64>,
    /// The median of them.
    pub(crate) median: f64,
    /// The lowest.
    pub(crate) lowest: f64,
    /// The highest.
    pub(crate) highest: f64,
}

impl Measure {
    /// Takes one value of each run; none where there was no run.
    pub(crate) fn of(unit: &'static str, runs: impl IntoIterator<Item = f64>) -> Option<Self> {
        let runs: Vec<f64> = runs.into_iter().collect();
        let mut sorted = runs.clone();
        sorted.sort_by(f64::total_cmp);
        let (lowest, highest) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 };
        Some(Self { unit, runs, median, lowest, highest })
    }
}

/// How long requests took.
#[derive(Clone, Debug)]
pub(crate) struct Times(Histogram<u64>);

impl Times {
    /// From a microsecond to two minutes, to three digits.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1_000, 120_000_000_000, 3)?))
    }

    /// Notes one; what is longer than two minutes counts as that.
    pub(crate) fn note(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// How many were noted.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// So many of a hundred took no longer than this, in milliseconds.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        self.0.value_at_percentile(percent) as f64 / 1e6
    }

    /// Joins those of another run.
    pub(crate) fn join(&mut self, other: &Self) -> Result<()> {
        Ok(self.0.add(&other.0)?)
    }
}

/// By how much a value grows with each step of another, by the method of least squares; 0 where there is nothing to tell.
pub(crate) fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (x, y) =
        (points.iter().map(|(x, _)| x).sum::<f64>() / count, points.iter().map(|(_, y)| y).sum::<f64>() / count);
    let joint: f64 = points.iter().map(|(a, b)| (a - x) * (b - y)).sum();
    let own: f64 = points.iter().map(|(a, _)| (a - x) * (a - x)).sum();
    if own > 0.0 { joint / own } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle_or_between_the_two_there() {
        let odd = Measure::of("ms", [9.0, 1.0, 4.0]).unwrap();
        assert_eq!((odd.median, odd.lowest, odd.highest, odd.runs), (4.0, 1.0, 9.0, vec![9.0, 1.0, 4.0]));
        assert_eq!(Measure::of("ms", [9.0, 1.0, 4.0, 6.0]).unwrap().median, 5.0);
        assert_eq!(Measure::of("ms", []), None);
    }

    #[test]
    fn percentiles_are_of_all_that_was_noted() {
        let (mut fast, mut slow) = (Times::new().unwrap(), Times::new().unwrap());
        (1..=99).for_each(|time| fast.note(Duration::from_millis(time)));
        slow.note(Duration::from_secs(1_000));
        fast.join(&slow).unwrap();
        assert_eq!(fast.count(), 100);
        for (percent, milliseconds) in [(50.0, 50.0), (99.0, 99.0), (100.0, 120_000.0)] {
            let found = fast.percentile(percent);
            assert!((found / milliseconds - 1.0).abs() < 0.002, "{percent}: {found}");
        }
    }

    #[test]
    fn a_slope_is_that_of_the_line_through_the_points() {
        let line: Vec<(f64, f64)> = (0..10).map(|x| (f64::from(x), 3.0 - 2.0 * f64::from(x))).collect();
        assert!((slope(&line) + 2.0).abs() < 1e-9);
        assert_eq!((slope(&[]), slope(&[(1.0, 5.0)])), (0.0, 0.0));
    }
}
