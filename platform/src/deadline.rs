//! The deadline of a request: it gets its answer before whoever asked, or whoever runs the process, gives up.
//!
//! One time is fixed when the request comes. The verbs keep it ([`ledger::Deadline`]) and know best what became of what they
//! tried; what does not end by itself is cut off here, with the most that can honestly be said of its effect.

use std::future::Future;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use ledger::{Deadline, Ledger, Timestamp, limits};

use crate::problem::{Code, Problem};

/// When the process is killed, for requests that come with such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KilledAt(pub Timestamp);

/// Between what was done and the end of the process, in milliseconds: the answer must get out, and the metrics with it.
const MARGIN_MS: u64 = 500;
/// What of that is left to the answer itself.
const ANSWER_MARGIN_MS: u64 = 200;

impl KilledAt {
    /// When everything must be done.
    #[must_use]
    pub fn done_by(self) -> Timestamp {
        Timestamp(self.0.0.saturating_sub(MARGIN_MS))
    }

    /// When nothing may hold up the answer any more.
    #[must_use]
    pub fn answered_by(self) -> Timestamp {
        Timestamp(self.0.0.saturating_sub(ANSWER_MARGIN_MS))
    }
}

/// Gives a request its deadline, and an answer when it comes.
pub(crate) async fn pass<A: Future<Output = Response>>(
    ledger: &Ledger,
    request: Request,
    next: impl FnOnce(Request) -> A,
) -> Response {
    let latest = ledger.clock().now().plus(limits::REQUEST_MS);
    let killed_at = request.extensions().get::<KilledAt>();
    let ends_at = killed_at.map_or(latest, |killed_at| latest.min(killed_at.done_by()));
    let changes_nothing = request.method().is_safe();
    let deadline = Deadline::at(ends_at);
    let answer = ledger.clock().until(ends_at, deadline.scope(next(request))).await;
    answer.unwrap_or_else(|| late(changes_nothing || !deadline.may_have_written()).into_response())
}

fn late(changed_nothing: bool) -> Problem {
    if changed_nothing {
        Problem::new(Code::Unavailable, "the time for the request was over before it was answered; nothing was done")
    } else {
        let detail = "the time for the request was over before it was known whether it was done; repeat it with the same \
                      `Idempotency-Key`, or read first";
        Problem::new(Code::OutcomeUnknown, detail)
    }
}
