//! The deadline of a request: one time, fixed when the request comes, that every verb which works for it keeps.
//!
//! It travels with the task and not through the arguments of the verbs, so none can forget to hand it on. Whoever serves a
//! request sets it with [`Deadline::scope`]; work that belongs to no request, such as a sweep, has none. It ends what is
//! tried again and what waits; what is cut off in the middle is the business of whoever set it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::Timestamp;
use crate::limits;

tokio::task_local! {
    static CURRENT: Deadline;
}

/// When the answer to a request must be on its way.
#[derive(Clone, Debug)]
pub struct Deadline {
    ends_at: Timestamp,
    wrote: Arc<AtomicBool>,
}

impl Deadline {
    /// The answer must be on its way at this time.
    #[must_use]
    pub fn at(ends_at: Timestamp) -> Self {
        Self { ends_at, wrote: Arc::default() }
    }

    /// Runs work that keeps it.
    pub async fn scope<F: Future>(&self, work: F) -> F::Output {
        CURRENT.scope(self.clone(), work).await
    }

    /// Something is about to be sent to the store for it that may change it.
    pub(crate) fn note_write(&self) {
        self.wrote.store(true, Ordering::SeqCst);
    }

    /// Whether anything was sent to the store that may have changed it.
    #[must_use]
    pub fn may_have_written(&self) -> bool {
        self.wrote.load(Ordering::SeqCst)
    }
}

/// A time, or the last moment at which the current request may begin something if that is sooner.
pub(crate) fn within_request(time: Timestamp) -> Timestamp {
    let last = CURRENT.try_with(|current| Timestamp(current.ends_at.0.saturating_sub(limits::ANSWER_MS)));
    last.map_or(time, |last| time.min(last))
}

/// The one of the current request; none where there is no request.
pub(crate) fn current() -> Option<Deadline> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Something is about to be sent to the store that may change it.
pub(crate) fn note_write() {
    // Without a request there is nobody to tell.
    CURRENT.try_with(Deadline::note_write).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_shortens_what_would_last_longer_and_nothing_else() {
        let late = Timestamp(60_000);
        assert_eq!(within_request(late), late, "there is no request");
        note_write();
        let deadline = Deadline::at(Timestamp(10_000));
        let inside = async {
            assert_eq!(within_request(late), Timestamp(10_000 - limits::ANSWER_MS));
            assert_eq!(within_request(Timestamp(5_000)), Timestamp(5_000));
            assert!(!deadline.may_have_written());
            note_write();
        };
        deadline.scope(inside).await;
        assert!(deadline.may_have_written());
        assert_eq!(within_request(late), late, "the request is over");
    }
}
