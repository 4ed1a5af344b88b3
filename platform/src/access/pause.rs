//! When a refusal is told. To read an item takes longer than to find that there is none, and that would tell which ids exist;
//! so a refusal for which the store was asked is told when a pause is over that began before the store was asked.
//!
//! The pause is made at the [edge](crate::edge), where nothing is held up by it any more: the failure is counted, the request
//! told of, and its place free. So whoever leaves during the pause has guessed all the same.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use ledger::Clock;

/// More than the store usually needs.
const PAUSE_MS: u64 = 25;

/// A pause that has begun, carried by an answer.
#[derive(Clone)]
pub(crate) struct Pause(Arc<Mutex<Option<Rest>>>);

/// What is left of it.
type Rest = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Pause {
    /// Begins now.
    pub(super) fn begin(clock: &Clock) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::pin(clock.sleep(PAUSE_MS))))))
    }

    /// Waits until it is over.
    pub(crate) async fn over(self) {
        let pause = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(pause) = pause {
            pause.await;
        }
    }
}

impl fmt::Debug for Pause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pause")
    }
}
