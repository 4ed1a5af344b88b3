//! Axes: where a scale of values ends, at which times there is a mark, and what is written beside them.

use ledger::Timestamp;

use super::Measured;
use crate::time::short;

/// Ends of a scale of seconds. Half of each is as round.
const TIMES: [f64; 16] = [
    2.0, 4.0, 10.0, 20.0, 60.0, 120.0, 240.0, 600.0, 1_200.0, 3_600.0, 7_200.0, 14_400.0, 43_200.0, 86_400.0,
    172_800.0, 345_600.0,
];
const DAY_SECONDS: f64 = 86_400.0;
/// Pauses between two marks of time, in milliseconds: minutes, hours, days.
const PAUSES: [u64; 17] = [
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    10_800_000,
    14_400_000,
    21_600_000,
    43_200_000,
    86_400_000,
    172_800_000,
    604_800_000,
    1_209_600_000,
    2_419_200_000,
    7_257_600_000,
    14_515_200_000,
];
const DAY_MS: u64 = 86_400_000;

/// A scale of values from zero on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    /// Where it ends.
    pub(super) top: f64,
    is_time: bool,
}

impl Scale {
    /// The shortest round one that holds all values up to this one.
    pub(super) fn to(most: f64, is_time: bool) -> Self {
        let tens = |unit: f64| {
            let powers = (0..20).map(move |power| unit * 10_f64.powi(power));
            powers.flat_map(|power| [2.0 * power, 4.0 * power, 10.0 * power])
        };
        let top = if is_time {
            TIMES.into_iter().chain(tens(DAY_SECONDS)).find(|top| *top >= most)
        } else {
            tens(1.0).find(|top| *top >= most)
        };
        Self { top: top.unwrap_or(most), is_time }
    }

    /// A value of it in few letters: its end and the half of it are exact.
    pub(super) fn label(&self, value: f64) -> String {
        if self.is_time {
            return if value == 0.0 { "0".to_owned() } else { short((value * 1_000.0) as u64) };
        }
        let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
        let (unit, name) = units.into_iter().find(|(unit, _)| value >= *unit).unwrap_or((1.0, ""));
        format!("{}{name}", value / unit)
    }
}

/// Where there are marks of time, and what is written there: as many as there is room for, if each takes so many periods and
/// more.
pub(super) fn marks(measured: &Measured, room: usize) -> Vec<(usize, String)> {
    let grid = &measured.grid;
    let fits = |pause: &u64| pause.is_multiple_of(grid.step_ms) && *pause >= grid.step_ms * room as u64;
    let pause = PAUSES.into_iter().find(fits).unwrap_or(grid.step_ms * room as u64);
    let at = |slot: usize| grid.time(slot).0.is_multiple_of(pause).then(|| (slot, mark(grid.time(slot), pause)));
    (0..grid.slots).filter_map(at).collect()
}

/// The hour, or the day where it begins.
fn mark(time: Timestamp, pause: u64) -> String {
    let text = time.to_string();
    let is_day = pause >= DAY_MS || time.0.is_multiple_of(DAY_MS);
    let part = if is_day { text.get(5..10) } else { text.get(11..16) };
    part.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_where_halves_are_round() {
        let told = |most: f64, is_time: bool| {
            let scale = Scale::to(most, is_time);
            [scale.label(scale.top), scale.label(scale.top / 2.0), scale.label(0.0)].join(" ")
        };
        let times = [0.0, 3.0, 61.0, 5_000.0, 90_000.0, 400_000.0, 9e6].map(|most| told(most, true));
        assert_eq!(times, ["2s 1s 0", "4s 2s 0", "2m 1m 0", "2h 1h 0", "2d 1d 0", "10d 5d 0", "200d 100d 0"]);
        let counts = [0.0, 3.0, 7.0, 150.0, 1_900.0, 12_000.0, 3e6].map(|most| told(most, false));
        assert_eq!(counts, ["2 1 0", "4 2 0", "10 5 0", "200 100 0", "2k 1k 0", "20k 10k 0", "4M 2M 0"]);
    }
}
