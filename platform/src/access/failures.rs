//! How often one network may guess. Counted in this process only, in windows of a minute on the ledger's clock, and
//! looked at before anything is spent on a credential that the process does not know.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderName, HeaderValue};
use ledger::Timestamp;

use crate::problem::{Code, Problem, Result};
use crate::telemetry::note;

/// Networks that are remembered at once.
const NETWORKS: usize = 10_000;
const MINUTE_MS: u64 = 60_000;

/// Wrong credentials, by the network that they came from.
#[derive(Debug)]
pub(super) struct Failures {
    per_minute: u32,
    clock: ledger::Clock,
    windows: Mutex<HashMap<Network, Window>>,
}

/// What one customer of a provider has: an address of IPv4, or the 64 bits of IPv6 behind which each has as many addresses
/// as it likes (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Network(IpAddr);

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Timestamp,
    failures: u32,
}

impl Network {
    fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            address @ IpAddr::V4(_) => address,
        })
    }
}

impl Window {
    /// A clock that was set back ends it.
    fn lasts(&self, now: Timestamp) -> bool {
        self.began.is_within(MINUTE_MS, now)
    }
}

impl Failures {
    pub(super) fn new(per_minute: u32, clock: ledger::Clock) -> Self {
        Self { per_minute, clock, windows: Mutex::default() }
    }

    /// Refuses an address whose network has failed too often.
    pub(super) fn check(&self, address: IpAddr) -> Result<()> {
        let now = self.clock.now();
        match self.windows().get(&Network::of(address)) {
            Some(window) if window.lasts(now) && window.failures >= self.per_minute => {
                Err(limited(self.per_minute, MINUTE_MS - now.since(window.began)))
            }
            _ => Ok(()),
        }
    }

    /// A guess from an address. It counts when it is dropped, also by somebody who did not wait for what comes of it.
    pub(super) fn guess(&self, address: IpAddr) -> Guess<'_> {
        Guess { failures: self, address, counts: true }
    }

    fn count(&self, address: IpAddr) {
        let now = self.clock.now();
        let mut windows = self.windows();
        if windows.len() >= NETWORKS {
            windows.retain(|_, window| window.lasts(now));
        }
        if windows.len() >= NETWORKS {
            // Who may guess no more this minute stays so, however many networks others have.
            windows.retain(|_, window| window.failures >= self.per_minute);
        }
        let window = windows.entry(Network::of(address)).or_insert(Window { began: now, failures: 0 });
        if !window.lasts(now) {
            *window = Window { began: now, failures: 0 };
        }
        window.failures = window.failures.saturating_add(1);
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<Network, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A credential that is being looked at.
#[derive(Debug)]
pub(super) struct Guess<'a> {
    failures: &'a Failures,
    address: IpAddr,
    counts: bool,
}

impl Guess<'_> {
    /// It was taken, or nobody knows.
    pub(super) fn was_none(mut self) {
        self.counts = false;
    }
}

impl Drop for Guess<'_> {
    fn drop(&mut self) {
        if self.counts {
            self.failures.count(self.address);
        }
    }
}

fn limited(quota: u32, wait_ms: u64) -> Problem {
    let seconds = wait_ms.div_ceil(1000).max(1);
    let header = |problem: Problem, name, text: String| match HeaderValue::try_from(text) {
        Ok(value) => problem.with_header(HeaderName::from_static(name), value),
        Err(_) => problem,
    };
    note("limited_by", "failures");
    let detail = "too many wrong API keys came from this address; nothing was done";
    let problem = Problem::new(Code::RateLimited, detail).with_retry_after(seconds);
    let problem = header(problem, "ratelimit-policy", format!("\"failures\";q={quota};w=60"));
    header(problem, "ratelimit", format!("\"failures\";r=0;t={seconds}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn may_fail_twice() -> (Failures, ledger::Clock) {
        let clock = ledger::Clock::manual(NOW);
        (Failures::new(2, clock.clone()), clock)
    }

    fn fail_twice(failures: &Failures, address: IpAddr) {
        for _ in 0..2 {
            failures.check(address).unwrap();
            failures.count(address);
        }
        assert_eq!(failures.check(address).unwrap_err().code(), Code::RateLimited);
    }

    #[test]
    fn an_address_may_fail_a_few_times_each_minute() {
        let (failures, clock) = may_fail_twice();
        let address = IpAddr::from([192, 0, 2, 1]);
        fail_twice(&failures, address);
        failures.check(IpAddr::from([192, 0, 2, 2])).unwrap();
        clock.advance(MINUTE_MS);
        failures.check(address).unwrap();
    }

    #[test]
    fn the_addresses_of_one_network_fail_together() {
        let (failures, _clock) = may_fail_twice();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        fail_twice(&failures, address("2001:db8:0:1::1"));
        failures.check(address("2001:db8:0:1:ffff::2")).unwrap_err();
        failures.check(address("2001:db8:0:2::1")).unwrap();
        fail_twice(&failures, address("192.0.2.1"));
        failures.check(address("::ffff:192.0.2.1")).unwrap_err();
    }

    #[test]
    fn who_guessed_too_often_is_not_forgotten_because_of_many_others() {
        let (failures, _clock) = may_fail_twice();
        let address = IpAddr::from([192, 0, 2, 1]);
        fail_twice(&failures, address);
        for number in 0..=2 * NETWORKS as u32 {
            failures.count(IpAddr::from((0x0a00_0000 + number).to_be_bytes()));
        }
        failures.check(address).unwrap_err();
        assert!(failures.windows().len() <= NETWORKS + 1);
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nobody_out() {
        let (failures, clock) = may_fail_twice();
        let address = IpAddr::from([192, 0, 2, 1]);
        fail_twice(&failures, address);
        clock.set_back(1);
        failures.check(address).unwrap();
    }
}
