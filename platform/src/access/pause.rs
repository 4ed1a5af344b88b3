//! When a refusal is told. To read an item takes longer than to find that there is none, and that would tell which ids exist;
//! so a refusal for which the store was asked is told when a pause is over that began before the store was asked.
//!
//! The pause is made at the [edge](crate::edge), where nothing is held up by it any more: the failure is counted, the request
//! told of, and its place free. So whoever leaves during the pause has guessed all the same.

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use ledger::Clock;

/// More than the store usually needs.
const PAUSE_MS: u64 = 25;

/// A pause that has begun, carried by an answer.
#[derive(Clone, Debug)]
pub(crate) struct Pause(Shared<BoxFuture<'static, ()>>);

impl Pause {
    /// Begins now.
    pub(super) fn begin(clock: &Clock) -> Self {
        Self(clock.sleep(PAUSE_MS).boxed().shared())
    }

    /// Waits until it is over.
    pub(crate) async fn over(self) {
        self.0.await;
    }
}
