//! Time, from one place. Everything that needs the time or a pause takes it from a [`Clock`], so that a
//! test decides what time it is. It is wall time on purpose: a frozen Lambda stops its monotonic clock.
#![expect(clippy::disallowed_methods, reason = "this is the one file that reads the clock and sleeps")]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC. Displayed as RFC 3339 with milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This time and `milliseconds` more.
    #[must_use]
    pub fn plus(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `earlier` to this time; zero when it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whether it is less than `milliseconds` before `now`, and not after it: a clock that was set back makes nothing last
    /// longer.
    #[must_use]
    pub fn is_within(self, milliseconds: u64, now: Self) -> bool {
        self <= now && now.since(self) < milliseconds
    }

    /// Whole seconds since the epoch, as DynamoDB's time to live wants them.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Reads an RFC 3339 time with an offset. `None` when the text is no such time. What lies before 1970 is 1970:
    /// nothing was accepted before it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // The parser takes more than RFC 3339 does: a space for the T, hours alone as an offset, names of time zones.
        let (separator, offset) = (text.as_bytes().get(10)?, text.get(19..)?);
        let offset = offset.trim_start_matches(|digit: char| digit == '.' || digit.is_ascii_digit());
        let zoned = matches!(offset, "Z" | "z") || (offset.len() == 6 && offset.as_bytes()[3] == b':');
        if !zoned || !matches!(separator, b'T' | b't') {
            return None;
        }
        let time: jiff::Timestamp = text.parse().ok()?;
        Some(Self(u64::try_from(time.as_millisecond()).unwrap_or(0)))
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = i64::try_from(self.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        write!(formatter, "{:.3}", time.unwrap_or(jiff::Timestamp::MAX))
    }
}

/// What time it is. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicU64>),
    Simulated(Simulated),
}

/// Follows tokio's clock, which a simulation pauses, and leaps when it is told to.
#[derive(Clone, Debug)]
struct Simulated {
    start: Timestamp,
    origin: tokio::time::Instant,
    /// Milliseconds that were leapt over, by all clocks of a simulation at once.
    leapt: Arc<AtomicU64>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until [`Clock::advance`] is called.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicU64::new(start.0))))
    }

    /// A clock that starts at `start` and runs with tokio's time, paused time included. [`Clock::advance`] makes it leap
    /// as wall time does for whoever was frozen: no pause ends earlier for it.
    #[must_use]
    pub fn simulated(start: Timestamp) -> Self {
        Self(Source::Simulated(Simulated { start, origin: tokio::time::Instant::now(), leapt: Arc::default() }))
    }

    /// The clock of another machine in the same simulation, which goes ahead by so many milliseconds or, below zero,
    /// behind.
    ///
    /// # Panics
    /// On any other clock.
    #[must_use]
    pub fn skewed(&self, milliseconds: i64) -> Self {
        let Source::Simulated(simulated) = &self.0 else { panic!("only a simulated clock has others beside it") };
        let start = Timestamp(simulated.start.0.saturating_add_signed(milliseconds));
        Self(Source::Simulated(Simulated { start, ..simulated.clone() }))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                Timestamp(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
            }
            Source::Manual(now) => Timestamp(now.load(Ordering::SeqCst)),
            Source::Simulated(Simulated { start, origin, leapt }) => {
                let elapsed = u64::try_from(origin.elapsed().as_millis()).unwrap_or(u64::MAX);
                start.plus(elapsed).plus(leapt.load(Ordering::SeqCst))
            }
        }
    }

    /// Moves a manual clock forward, or all clocks of a simulation.
    ///
    /// # Panics
    /// On the machine's clock: only a test may move time.
    pub fn advance(&self, milliseconds: u64) {
        match &self.0 {
            Source::System => panic!("the machine's clock cannot be moved"),
            Source::Manual(now) | Source::Simulated(Simulated { leapt: now, .. }) => {
                now.fetch_add(milliseconds, Ordering::SeqCst);
            }
        }
    }

    /// Sets a manual clock back, as an operator or a time server may.
    ///
    /// # Panics
    /// On any other clock.
    pub fn set_back(&self, milliseconds: u64) {
        let Source::Manual(now) = &self.0 else { panic!("only a manual clock is set back") };
        now.fetch_sub(milliseconds, Ordering::SeqCst);
    }

    /// Does work until a time, and gives it up then: `None`. Work that is so late already is not begun and not gone on with,
    /// however the time passed: the process may have been frozen. A manual clock wakes nobody; on it work is given up when
    /// it is next looked at.
    pub async fn until<T>(&self, deadline: Timestamp, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        let left = Duration::from_millis(deadline.since(self.now()));
        let timer = (!matches!(self.0, Source::Manual(_))).then(|| tokio::time::sleep(left));
        let mut timer = std::pin::pin!(timer);
        std::future::poll_fn(|context| {
            if self.now() >= deadline {
                return Poll::Ready(None);
            }
            if let Poll::Ready(value) = work.as_mut().poll(context) {
                return Poll::Ready(Some(value));
            }
            match timer.as_mut().as_pin_mut() {
                Some(timer) => timer.poll(context).map(|()| None),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// A pause that begins now, whenever it is waited for. On a manual clock nothing else moves time, so whoever waits for it
    /// advances it to the end of the pause and only yields.
    pub fn sleep(&self, milliseconds: u64) -> impl Future<Output = ()> + Send + use<> {
        let ends_at = self.now().plus(milliseconds);
        let timer = match &self.0 {
            Source::Manual(_) => None,
            Source::System | Source::Simulated(_) => Some(tokio::time::sleep(Duration::from_millis(milliseconds))),
        };
        let clock = self.clone();
        async move {
            match timer {
                Some(timer) => timer.await,
                None => {
                    clock.advance(ends_at.since(clock.now()));
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}
