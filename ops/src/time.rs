//! Times and durations as people type and read them.

use jiff::{Span, SpanRelativeTo, Unit};
use ledger::Timestamp;

/// A duration of at least a second, in milliseconds, as in `7d`, `12h` or `90m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Duration(pub(crate) u64);

impl std::str::FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no duration of a second or more; write one as in 7d, 12h or 90m");
        let span: Span = text.parse().map_err(|_| wrong())?;
        let days_are_24_hours = SpanRelativeTo::days_are_24_hours();
        let ms = span.total((Unit::Millisecond, days_are_24_hours)).map_err(|_| wrong())?;
        // A hundred years: what is longer is a slip of the hand, and no time that could be shown.
        if (1_000.0..=100.0 * 365.0 * 86_400_000.0).contains(&ms) { Ok(Self(ms as u64)) } else { Err(wrong()) }
    }
}

/// A point in time, as RFC 3339 has it.
pub(crate) fn parse(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| format!("`{text}` is no time; write one as in 2026-01-31T12:00:00Z"))
}

/// The longest unit in which a duration is at least one, rounded down, as in `3d` or `45s`.
pub(crate) fn short(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let (unit, name) = units.into_iter().find(|(unit, _)| ms >= *unit).unwrap_or((1, "ms"));
    format!("{}{name}", ms / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<Duration>().ok().map(|duration| duration.0);
        assert_eq!(read("7d"), Some(7 * 86_400_000));
        assert_eq!(read("12h"), Some(12 * 3_600_000));
        assert_eq!(read("1h 30m"), Some(90 * 60_000));
        assert_eq!(read("1w"), Some(7 * 86_400_000));
        for wrong in ["", "7", "-1d", "0s", "500ms", "soon", "1y", "99999d"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_are_shown_in_their_longest_unit() {
        assert_eq!(
            [0, 999, 45_000, 90_000, 7_200_000, 260_000_000].map(short),
            ["0ms", "999ms", "45s", "1m", "2h", "3d"]
        );
    }
}
