//! Spends the quotas of API keys, in this order: first what this process may give at once, which costs nothing to ask
//! (`governor`, on the ledger's clock, because a monotonic one stands still while a Lambda is frozen), then its
//! [`Share`] of what all processes may give together. Each key has accounts of its own, so one key's flood never spends
//! another key's allowance.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::clock::{Clock as _, Reference};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use ledger::{Ledger, Timestamp};

use super::caller::Caller;
use super::quotas::{Allowance, Measure, Quotas};
use super::share::{Ask, Share, Step};
use super::standing::Standing;
use crate::telemetry::catalogue;

/// Accounts that are kept although nobody used them lately.
const ACCOUNTS: usize = 10_000;
/// A clock that is set back by so little only makes those wait who have spent all.
const SET_BACK_MS: u64 = 1_000;
/// Leases that one request may ask for: others may take between what is known to be left and what is asked for.
const LEASES: u32 = 3;

#[derive(Clone, Debug)]
struct WallClock(ledger::Clock);

impl governor::clock::Clock for WallClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.now().0.saturating_mul(1_000_000))
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, WallClock, StateInformationMiddleware>;

/// The accounts of all keys that this process knows.
#[derive(Debug)]
pub(super) struct Meter {
    ledger: Ledger,
    quotas: Quotas,
    accounts: Mutex<HashMap<(String, Measure), Arc<Account>>>,
}

/// What this process may give of one quota of one key.
#[derive(Debug)]
struct Account {
    allowance: Allowance,
    limiter: Limiter,
    used_at: AtomicU64,
    books: Arc<Books>,
}

/// What the process took of what all may give; it outlives a limiter.
#[derive(Debug)]
struct Books {
    share: Mutex<Share>,
    /// Whoever asks for a lease holds it, so that the others wait for what it brings.
    leasing: tokio::sync::Mutex<()>,
}

impl Account {
    fn new(allowance: Allowance, clock: WallClock) -> Self {
        let share = Mutex::new(Share::new(allowance.of_window()));
        Self::with_books(allowance, clock, Arc::new(Books { share, leasing: tokio::sync::Mutex::default() }))
    }

    /// The account goes on with another limiter, because its allowance or the time is another one.
    fn renewed(&self, allowance: Allowance, clock: WallClock) -> Self {
        self.share().resize(allowance.of_window());
        Self::with_books(allowance, clock, Arc::clone(&self.books))
    }

    fn with_books(allowance: Allowance, clock: WallClock, books: Arc<Books>) -> Self {
        let used_at = AtomicU64::new(clock.0.now().0);
        let quota = Quota::per_second(allowance.per_second).allow_burst(allowance.burst);
        Self { allowance, limiter: RateLimiter::direct_with_clock(quota, clock).with_middleware(), used_at, books }
    }

    /// Whether the clock was set back so far since the account was last used that its limiter would refuse everything until
    /// the clock is where it was. It is told that it is used now.
    fn is_of_another_time(&self, now: Timestamp) -> bool {
        let used_at = self.used_at.swap(now.0, Ordering::Relaxed);
        used_at.saturating_sub(now.0) > SET_BACK_MS
    }

    fn share(&self) -> MutexGuard<'_, Share> {
        self.books.share.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter {
    pub(super) fn new(ledger: Ledger, quotas: Quotas) -> Self {
        Self { ledger, quotas, accounts: Mutex::default() }
    }

    /// Spends so much of a key's quota, and tells how it stands afterwards.
    pub(super) async fn spend(&self, caller: &Caller, measure: Measure, cost: NonZeroU32) -> Standing {
        let allowance = self.quotas.of(caller.tier()).of(measure);
        let account = self.account(caller.key_id(), measure, allowance);
        let clock = WallClock(self.ledger.clock().clone());
        let standing = |account: &Account, granted, at_once: u64, wait_ms: Option<u64>| {
            let (of_window, ends_ms) = account.share().remaining(self.now());
            Standing {
                measure,
                quota: allowance.of_window(),
                granted,
                remaining: at_once.min(of_window),
                reset_ms: wait_ms.unwrap_or(ends_ms),
            }
        };
        let at_once = match account.limiter.check_n(cost) {
            Ok(Ok(snapshot)) => snapshot.remaining_burst_capacity(),
            Ok(Err(until)) => {
                let wait = until.earliest_possible().duration_since(clock.now());
                return standing(&account, false, 0, Some(wait.as_u64().div_ceil(1_000_000)));
            }
            // More than it may ever ask at once.
            Err(_) => return standing(&account, false, 0, None),
        };
        let granted = self.draw(&account, caller.key_id(), measure, u64::from(cost.get())).await;
        standing(&account, granted, if granted { at_once.into() } else { 0 }, None)
    }

    /// Takes from the process's share, and leases more for it when that is not enough.
    async fn draw(&self, account: &Account, key_id: &str, measure: Measure, cost: u64) -> bool {
        let first = account.share().take(self.now(), cost);
        if let Some(decided) = decided(first) {
            return decided;
        }
        let _turn = account.books.leasing.lock().await;
        for _ in 0..LEASES {
            let step = account.share().take(self.now(), cost);
            let Step::Ask(ask) = step else { return decided(step).unwrap_or_default() };
            self.lease(account, key_id, measure, &ask).await;
        }
        let last = account.share().take(self.now(), cost);
        decided(last).unwrap_or_default()
    }

    async fn lease(&self, account: &Account, key_id: &str, measure: Measure, ask: &Ask) {
        let answer = self.ledger.lease(&ask.request(key_id, measure.as_str())).await;
        match &answer {
            Ok(lease) if lease.granted => {}
            Ok(_) => metrics::counter!(catalogue::LEASE_DENIED.name).increment(1),
            Err(error) => tracing::warn!(%error, key_id, quota = measure.as_str(), "a rate limit fails open"),
        }
        account.share().hear(self.now(), ask, answer.ok());
    }

    fn account(&self, key_id: &str, measure: Measure, allowance: Allowance) -> Arc<Account> {
        let clock = || WallClock(self.ledger.clock().clone());
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        // Not before: who waited for the lock would seem to be of another time.
        let now = self.now();
        if accounts.len() >= ACCOUNTS {
            accounts.retain(|_, account| !account.share().is_idle(now));
        }
        let account =
            accounts.entry((key_id.to_owned(), measure)).or_insert_with(|| Arc::new(Account::new(allowance, clock())));
        // The key changed its tier, or the clock was set back.
        if account.allowance != allowance || account.is_of_another_time(now) {
            *account = Arc::new(account.renewed(allowance, clock()));
        }
        Arc::clone(account)
    }

    fn now(&self) -> Timestamp {
        self.ledger.clock().now()
    }
}

/// Whether it is granted; none when that depends on a lease.
fn decided(step: Step) -> Option<bool> {
    match step {
        Step::Granted { blindly } => {
            if blindly {
                metrics::counter!(catalogue::RATE_LIMIT_FAIL_OPEN.name).increment(1);
            }
            Some(true)
        }
        Step::Refused => Some(false),
        Step::Ask(_) => None,
    }
}
