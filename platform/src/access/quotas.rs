//! How much one API key may ask, and how often one address may guess.
//!
//! Both count on the ledger's clock, which is wall time: a monotonic clock stands still while a Lambda is frozen. They are
//! local to the process. A refused request had no effect, and one key's flood never spends another key's allowance.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http::{HeaderName, HeaderValue};
use ledger::Timestamp;

use crate::problem::{Code, Problem, Result};

/// Addresses that are remembered at once.
const ADDRESSES: usize = 10_000;
const MINUTE_MS: u64 = 60_000;

/// The allowances of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Requests that a key may make each second, in the long run.
    pub requests_per_second: NonZeroU32,
    /// Requests that a key may make at once.
    pub burst: NonZeroU32,
    /// Wrong credentials that an address may send each minute.
    pub failures_per_minute: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        const fn count(number: u32) -> NonZeroU32 {
            NonZeroU32::MIN.saturating_add(number - 1)
        }
        Self { requests_per_second: count(5_000), burst: count(10_000), failures_per_minute: 1_000 }
    }
}

#[derive(Clone, Debug)]
struct WallClock(ledger::Clock);

impl governor::clock::Clock for WallClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.now().0.saturating_mul(1_000_000))
    }
}

/// Requests, by API key.
#[derive(Debug)]
pub(super) struct Requests {
    quotas: Quotas,
    clock: WallClock,
    limiter: RateLimiter<String, DashMapStateStore<String>, WallClock, NoOpMiddleware<Nanos>>,
}

impl Requests {
    pub(super) fn new(quotas: Quotas, clock: ledger::Clock) -> Self {
        let clock = WallClock(clock);
        let quota = Quota::per_second(quotas.requests_per_second).allow_burst(quotas.burst);
        let limiter = RateLimiter::new(quota, DashMapStateStore::default(), clock.clone());
        Self { quotas, clock, limiter }
    }

    /// Spends one request of a key.
    pub(super) fn spend(&self, key_id: &str) -> Result<()> {
        self.limiter.check_key(&key_id.to_owned()).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            let window = self.quotas.burst.get().div_ceil(self.quotas.requests_per_second.get());
            limited("requests", self.quotas.burst.get(), window, u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
        })
    }
}

/// Wrong credentials, by address, in windows of a minute.
#[derive(Debug)]
pub(super) struct Failures {
    per_minute: u32,
    clock: ledger::Clock,
    windows: Mutex<HashMap<IpAddr, Window>>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Timestamp,
    failures: u32,
}

impl Failures {
    pub(super) fn new(quotas: Quotas, clock: ledger::Clock) -> Self {
        Self { per_minute: quotas.failures_per_minute, clock, windows: Mutex::default() }
    }

    /// Refuses an address that has failed too often, before anything is spent on its credential.
    pub(super) fn check(&self, address: IpAddr) -> Result<()> {
        let now = self.clock.now();
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        match windows.get(&address) {
            Some(window) if now.since(window.began) < MINUTE_MS && window.failures >= self.per_minute => {
                Err(limited("failures", self.per_minute, 60, MINUTE_MS - now.since(window.began)))
            }
            _ => Ok(()),
        }
    }

    /// Counts a failure.
    pub(super) fn count(&self, address: IpAddr) {
        let now = self.clock.now();
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= ADDRESSES {
            windows.retain(|_, window| now.since(window.began) < MINUTE_MS);
        }
        if windows.len() >= ADDRESSES {
            windows.clear();
        }
        let window = windows.entry(address).or_insert(Window { began: now, failures: 0 });
        if now.since(window.began) >= MINUTE_MS {
            *window = Window { began: now, failures: 0 };
        }
        window.failures = window.failures.saturating_add(1);
    }
}

fn limited(policy: &str, quota: u32, window_seconds: u32, wait_ms: u64) -> Problem {
    let seconds = wait_ms.div_ceil(1000).max(1);
    let header = |problem: Problem, name, text: String| match HeaderValue::try_from(text) {
        Ok(value) => problem.with_header(HeaderName::from_static(name), value),
        Err(_) => problem,
    };
    let problem = Problem::new(Code::RateLimited, "too many requests; nothing was done").with_retry_after(seconds);
    let problem = header(problem, "ratelimit-policy", format!("\"{policy}\";q={quota};w={window_seconds}"));
    header(problem, "ratelimit", format!("\"{policy}\";r=0;t={seconds}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotas() -> Quotas {
        let two = NonZeroU32::new(2).unwrap();
        Quotas { requests_per_second: NonZeroU32::MIN, burst: two, failures_per_minute: 2 }
    }

    #[test]
    fn one_flood_does_not_spend_the_allowance_of_another() {
        let clock = ledger::Clock::manual(Timestamp(1_800_000_000_000));
        let requests = Requests::new(quotas(), clock.clone());
        requests.spend("a").unwrap();
        requests.spend("a").unwrap();
        let refused = requests.spend("a").unwrap_err();
        let headers: Vec<_> =
            refused.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(
            headers,
            [("retry-after", "1"), ("ratelimit-policy", "\"requests\";q=2;w=2"), ("ratelimit", "\"requests\";r=0;t=1")]
        );
        requests.spend("b").unwrap();
        clock.advance(1_000);
        requests.spend("a").unwrap();
    }

    #[test]
    fn an_address_may_fail_a_few_times_each_minute() {
        let clock = ledger::Clock::manual(Timestamp(1_800_000_000_000));
        let failures = Failures::new(quotas(), clock.clone());
        let address = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..2 {
            failures.check(address).unwrap();
            failures.count(address);
        }
        assert_eq!(failures.check(address).unwrap_err().code(), Code::RateLimited);
        failures.check(IpAddr::from([192, 0, 2, 2])).unwrap();
        clock.advance(MINUTE_MS);
        failures.check(address).unwrap();
    }
}
