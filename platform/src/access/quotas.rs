//! How much the holder of an API key may ask: quotas of requests and of events, by the key's tier.
//!
//! Data only; [`share`](super::share) divides a quota among processes, and [`meter`](super::meter) spends it.

use std::num::NonZeroU32;

use ledger::limits;

/// Seconds of the window that a quota is counted in.
pub(super) const WINDOW_SECONDS: u64 = limits::QUOTA_WINDOW_MS / 1000;

/// What an API key is allowed, as its record names it. A name that is unknown here counts as the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// For what runs beside the work.
    Small,
    /// For a team.
    #[default]
    Standard,
    /// For a system that lives off the ledger.
    Large,
}

impl Tier {
    /// Every tier.
    pub const ALL: [Self; 3] = [Self::Small, Self::Standard, Self::Large];

    /// As records of keys spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Standard => "standard",
            Self::Large => "large",
        }
    }

    /// Reads what a record says.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.as_str() == text)
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Measure {
    /// Every request.
    Requests,
    /// Every event of a publish.
    Events,
}

impl Measure {
    /// As header fields and items of the table spell it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Events => "events",
        }
    }
}

/// So much and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// In the long run, each second.
    pub per_second: NonZeroU32,
    /// At once, of one process.
    pub burst: NonZeroU32,
}

impl Allowance {
    /// This many each second, and this many at once.
    ///
    /// # Panics
    /// When either is zero.
    #[must_use]
    pub const fn new(per_second: u32, burst: u32) -> Self {
        let (Some(per_second), Some(burst)) = (NonZeroU32::new(per_second), NonZeroU32::new(burst)) else {
            panic!("an allowance is not zero")
        };
        Self { per_second, burst }
    }

    /// How much a window has, for all processes together.
    pub(super) fn of_window(self) -> u64 {
        u64::from(self.per_second.get()) * WINDOW_SECONDS
    }
}

/// What a tier allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierQuotas {
    /// Requests.
    pub requests: Allowance,
    /// Events that are published.
    pub events: Allowance,
}

impl TierQuotas {
    pub(super) fn of(&self, measure: Measure) -> Allowance {
        match measure {
            Measure::Requests => self.requests,
            Measure::Events => self.events,
        }
    }
}

/// What a process allows its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// The holder of a key of [`Tier::Small`].
    pub small: TierQuotas,
    /// The holder of a key of [`Tier::Standard`].
    pub standard: TierQuotas,
    /// The holder of a key of [`Tier::Large`].
    pub large: TierQuotas,
    /// Wrong credentials that an address may send each minute.
    pub failures_per_minute: u32,
}

impl Quotas {
    /// The same for every tier.
    #[must_use]
    pub const fn uniform(requests: Allowance, events: Allowance) -> Self {
        let tier = TierQuotas { requests, events };
        Self { small: tier, standard: tier, large: tier, failures_per_minute: FAILURES_PER_MINUTE }
    }

    /// What a tier allows.
    #[must_use]
    pub fn of(&self, tier: Tier) -> &TierQuotas {
        match tier {
            Tier::Small => &self.small,
            Tier::Standard => &self.standard,
            Tier::Large => &self.large,
        }
    }
}

const FAILURES_PER_MINUTE: u32 = 1_000;

impl Default for Quotas {
    fn default() -> Self {
        let tier = |requests, events| TierQuotas { requests, events };
        Self {
            small: tier(Allowance::new(100, 200), Allowance::new(1_000, 2_000)),
            standard: tier(Allowance::new(5_000, 10_000), Allowance::new(25_000, 50_000)),
            large: tier(Allowance::new(20_000, 40_000), Allowance::new(100_000, 200_000)),
            failures_per_minute: FAILURES_PER_MINUTE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tier_has_room_for_the_largest_request() {
        for tier in Tier::ALL {
            let largest = u32::try_from(limits::EVENTS_PER_REQUEST).unwrap();
            assert!(Quotas::default().of(tier).events.burst.get() >= largest, "{tier:?}");
            assert_eq!(Tier::parse(tier.as_str()), Some(tier));
        }
    }
}
