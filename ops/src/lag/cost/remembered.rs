//! What processes ask of the table beside the work: what they forget of keys, streams and subscriptions they read again, what is
//! noted of their use they write, and quotas they lease.

use ledger::limits;
use platform::access::{Quotas, Tier};

use super::sizes::by_chance;
use super::units::Units;

/// For how long a process remembers an API key, and the epoch of all keys (`platform/src/access/known.rs`); streams and
/// subscriptions are in `limits::CACHE_MS`. What it forgot it reads again when it is used next. In milliseconds.
const KEY_MS: f64 = 59_000.0;
const EPOCH_MS: f64 = 4_000.0;

/// How often something is used.
#[derive(Clone, Copy, Debug)]
pub struct Uses {
    /// In a second.
    pub per_second: f64,
    /// Whether one comes as long after the other each time, or by chance.
    pub evenly: bool,
}

impl Uses {
    /// How often a second something is read again that is remembered for so many milliseconds: when it is used next.
    fn again(self, milliseconds: f64) -> f64 {
        let (seconds, uses) = (milliseconds / 1_000.0, self.per_second);
        if uses <= 0.0 {
            0.0
        } else if self.evenly {
            uses / (seconds * uses).ceil()
        } else {
            1.0 / (seconds + 1.0 / uses)
        }
    }

    /// So many times as many.
    #[must_use]
    pub fn times(self, count: f64) -> Self {
        Self { per_second: self.per_second * count, ..self }
    }
}

/// What a process reads in a second because it forgets, whoever asks so often: the epoch, and the stream.
#[must_use]
pub fn of_process(requests: Uses) -> Units {
    Units::reads(requests.again(EPOCH_MS) + requests.again(limits::CACHE_MS as f64))
}

/// What it reads in a second of an API key that is used so often, and the note of the hour in which it is.
#[must_use]
pub fn of_key(requests: Uses) -> Units {
    Units { reads: requests.again(KEY_MS), writes: requests.again(limits::HOUR_MS as f64) }
}

/// What it reads in a second of a subscription that is polled so often, unless commits have just read it; and the notes of the
/// minute of its last poll: one or two a minute, because that it was noted is remembered for half of one.
#[must_use]
pub fn of_subscription(polls: Uses, commits: bool) -> Units {
    let remembered = limits::CACHE_MS as f64;
    let cached_polls = remembered / 1_000.0 * polls.per_second;
    let reads = match commits {
        true if cached_polls >= 1.0 => 0.0,
        true => polls.per_second,
        false => polls.again(remembered),
    };
    Units { reads, writes: polls.per_second.min(1_000.0 / remembered) }
}

/// What one process leases of the two quotas of an API key in a second, when so many requests and events come in each: one
/// write a lease (`platform/src/access/share.rs`). The first of a window are free, and as many after each lease; one brings as
/// much as was granted, or a quarter of what the window before took.
#[must_use]
pub fn leased(requests: f64, events: f64) -> Units {
    let quotas = Quotas::default();
    let tier = quotas.of(Tier::default());
    let seconds = limits::QUOTA_WINDOW_MS as f64 / 1_000.0;
    let leases = |per_second: u32, asked: f64| {
        let window = f64::from(per_second) * seconds;
        let free = (window / 1_000.0).floor().max((window / 10.0).min(10.0)).max(1.0);
        // So many are granted before each lease, and so many by it.
        let (mut granted, mut leases) = (free, 0.0);
        while granted < asked {
            granted += granted.max(asked / 4.0).min(window / 16.0) + free;
            leases += 1.0;
        }
        leases
    };
    let each_window = by_chance(requests * seconds, |count| {
        let asked = f64::from(count);
        let events = if requests > 0.0 { asked * events / requests } else { 0.0 };
        leases(tier.requests.per_second.get(), asked) + leases(tier.events.per_second.get(), events)
    });
    Units::writes(each_window / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_are_few_and_none_for_who_asks_little() {
        assert!(leased(1.0, 1.0).writes < 1e-9);
        // Of a thousand requests fifty are free; leases bring 250, 350 and 750, each with fifty more. Of a thousand events 250 are
        // free; leases bring 250 and 750.
        let window = leased(100.0, 100.0).writes * 10.0;
        assert!((window - 5.0).abs() < 1e-9, "{window}");
    }
}
