//! How often one address may guess. Counted in this process only, in windows of a minute on the ledger's clock, and
//! looked at before anything is spent on a credential that the process does not know.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use http::{HeaderName, HeaderValue};
use ledger::Timestamp;

use crate::problem::{Code, Problem, Result};

/// Addresses that are remembered at once.
const ADDRESSES: usize = 10_000;
const MINUTE_MS: u64 = 60_000;

/// Wrong credentials, by address.
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
    pub(super) fn new(per_minute: u32, clock: ledger::Clock) -> Self {
        Self { per_minute, clock, windows: Mutex::default() }
    }

    /// Refuses an address that has failed too often.
    pub(super) fn check(&self, address: IpAddr) -> Result<()> {
        let now = self.clock.now();
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        match windows.get(&address) {
            Some(window) if now.since(window.began) < MINUTE_MS && window.failures >= self.per_minute => {
                Err(limited(self.per_minute, MINUTE_MS - now.since(window.began)))
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

fn limited(quota: u32, wait_ms: u64) -> Problem {
    let seconds = wait_ms.div_ceil(1000).max(1);
    let header = |problem: Problem, name, text: String| match HeaderValue::try_from(text) {
        Ok(value) => problem.with_header(HeaderName::from_static(name), value),
        Err(_) => problem,
    };
    let problem = Problem::new(Code::RateLimited, "too many requests; nothing was done").with_retry_after(seconds);
    let problem = header(problem, "ratelimit-policy", format!("\"failures\";q={quota};w=60"));
    header(problem, "ratelimit", format!("\"failures\";r=0;t={seconds}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_fail_a_few_times_each_minute() {
        let clock = ledger::Clock::manual(Timestamp(1_800_000_000_000));
        let failures = Failures::new(2, clock.clone());
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
