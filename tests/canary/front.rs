//! What stands between the canary and the services, and meddles with one request of a round.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use canary::{Canary, Step};
use ledger::{Clock, Randomness};
use serde_json::Value;

/// What no sentence may repeat.
pub(crate) const SECRET: &str = "nightingale";
/// The steps, in the order of their requests.
pub(crate) const STEPS: [Step; 7] = [
    Step::CreateStream,
    Step::CreateSubscription,
    Step::Begin,
    Step::Publish,
    Step::Read,
    Step::Commit,
    Step::LookAgain,
];

/// What is done to a request.
pub(crate) enum Meddling {
    /// It is answered so, and no service sees it.
    Answer(u16, Value),
    /// A service answers it, and this changes the answer.
    Edit(fn(&mut Value)),
    /// Another round runs before it.
    Round(Canary, Clock, Randomness),
}

/// A router with something before it that meddles with the request of a step.
pub(crate) fn meddled(router: Router, step: Step, meddling: Meddling) -> Router {
    let at = STEPS.iter().position(|one| *one == step).expect("a step");
    let shared = Arc::new((AtomicUsize::new(0), meddling));
    router.layer(from_fn(move |request: Request, next: Next| {
        let shared = Arc::clone(&shared);
        async move {
            let (asked, meddling) = &*shared;
            if asked.fetch_add(1, Ordering::SeqCst) == at {
                meddle(meddling, request, next).await
            } else {
                next.run(request).await
            }
        }
    }))
}

async fn meddle(meddling: &Meddling, request: Request, next: Next) -> Response {
    match meddling {
        Meddling::Answer(status, body) => {
            Response::builder().status(*status).body(Body::from(body.to_string())).expect("an answer")
        }
        Meddling::Edit(edit) => {
            let (mut head, body) = next.run(request).await.into_parts();
            let bytes = to_bytes(body, usize::MAX).await.expect("an answer ends well");
            let mut body = serde_json::from_slice(&bytes).expect("answers are JSON");
            edit(&mut body);
            head.headers.remove("content-length");
            Response::from_parts(head, Body::from(body.to_string()))
        }
        Meddling::Round(canary, clock, randomness) => {
            canary.round(clock, randomness).await.expect("the other round is right too");
            next.run(request).await
        }
    }
}
