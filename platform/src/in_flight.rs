//! A bound on the requests that a process is at work on, so that more of them than it can bear are refused at once and not
//! all of them late.
//!
//! Polls that wait have a bound of their own: they hold next to nothing, and however many of them there are, a publish must
//! get through. Of either, one API key has half at most, so that it cannot keep out all others. A Lambda has one request at a
//! time and needs none of this.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Extensions, Method};
use tokio::sync::Semaphore;

use crate::problem::{Code, Problem, Result};

/// How many requests a process takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// Those that work.
    pub working: usize,
    /// Polls that may wait for events.
    pub waiting: usize,
}

/// What is left of it.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    working: Arc<Kind>,
    waiting: Arc<Kind>,
}

/// Places of one kind. A request that has one carries its kind, until it is known whose it is.
#[derive(Debug)]
struct Kind {
    free: Semaphore,
    /// How many of them one API key may have.
    share: usize,
    /// How many each API key has, by its id; who has none is not in it.
    held: Mutex<HashMap<String, usize>>,
}

impl Places {
    pub(crate) fn new(bound: InFlight) -> Self {
        Self { working: Kind::new(bound.working), waiting: Kind::new(bound.waiting) }
    }
}

impl Kind {
    fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { free: Semaphore::new(places), share: places.div_ceil(2), held: Mutex::default() })
    }
}

/// Lets a request through while there is a place for it.
pub(crate) async fn pass(State(places): State<Places>, mut request: Request, next: Next) -> Response {
    let kind = if may_wait(&request) { places.waiting } else { places.working };
    let Ok(_place) = kind.free.try_acquire() else {
        let detail = "the server is at work on as many requests as it takes at once; nothing was done";
        return Problem::new(Code::Unavailable, detail).into_response();
    };
    request.extensions_mut().insert(Arc::clone(&kind));
    next.run(request).await
}

/// The place of a request, which counts for its API key as long as this is kept.
#[derive(Debug)]
pub(crate) struct Held {
    kind: Arc<Kind>,
    key_id: String,
}

/// Counts the place that a request has for its API key; there is nothing to count where places are not bounded.
///
/// # Errors
/// 429 when the key has its share already.
pub(crate) fn hold(request: &Extensions, key_id: &str) -> Result<Option<Held>> {
    let Some(kind) = request.get::<Arc<Kind>>() else { return Ok(None) };
    let mut held = kind.held.lock().unwrap_or_else(PoisonError::into_inner);
    let count = held.entry(key_id.to_owned()).or_default();
    if *count >= kind.share {
        let detail = "the API key has as many requests at work as it may have at once; nothing was done";
        return Err(Problem::new(Code::RateLimited, detail));
    }
    *count += 1;
    Ok(Some(Held { kind: Arc::clone(kind), key_id: key_id.to_owned() }))
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.kind.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.key_id) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.key_id);
            }
        }
    }
}

/// Whether it asks to wait. What it says exactly is read later; here it only chooses between two bounds. Who answers GET
/// answers HEAD too, after the same wait.
fn may_wait(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let waits = |(name, value): (_, std::borrow::Cow<'_, str>)| name == "wait" && value != "0";
    matches!(*request.method(), Method::GET | Method::HEAD) && form_urlencoded::parse(query.as_bytes()).any(waits)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use http::StatusCode;
    use tokio::sync::Notify;
    use tower::ServiceExt;

    use super::*;

    /// A router with a place for one request of each kind, whose handler lasts until it is let go.
    fn router(end: &Arc<Notify>) -> Router {
        let end = Arc::clone(end);
        let handler = move || async move { end.notified().await };
        let places = Places::new(InFlight { working: 1, waiting: 1 });
        Router::new().route("/", get(handler).post(|| async {}).route_layer(from_fn_with_state(places, pass)))
    }

    fn send(router: &Router, method: &str, target: &str) -> tokio::task::JoinHandle<Response> {
        let request = Request::builder().method(method).uri(target).body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request);
        tokio::spawn(async { answer.await.unwrap() })
    }

    #[tokio::test]
    async fn what_is_too_much_is_refused_at_once_and_told_when_to_come_back() {
        let end = Arc::new(Notify::new());
        let router = router(&end);
        let first = send(&router, "GET", "/");
        tokio::task::yield_now().await;
        let refused = send(&router, "POST", "/").await.unwrap();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        let problem = refused.extensions().get::<Problem>().unwrap();
        assert_eq!(problem.code(), Code::Unavailable);
        assert_eq!(problem.code().retry_after_seconds(), Some(1));
        end.notify_one();
        assert_eq!(first.await.unwrap().status(), StatusCode::OK);
        assert_eq!(send(&router, "POST", "/").await.unwrap().status(), StatusCode::OK, "its place is free again");
    }

    #[tokio::test]
    async fn polls_that_wait_take_no_place_from_those_that_work() {
        let end = Arc::new(Notify::new());
        let router = router(&end);
        // HEAD is answered by whoever answers GET, and waits like it.
        let waiting = send(&router, "HEAD", "/?limit=5&wait=20");
        tokio::task::yield_now().await;
        for method in ["GET", "HEAD"] {
            assert_eq!(send(&router, method, "/?wait=1").await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        }
        for work in ["/", "/?wait=20"] {
            assert_eq!(send(&router, "POST", work).await.unwrap().status(), StatusCode::OK);
        }
        let working = send(&router, "GET", "/?wait=0");
        tokio::task::yield_now().await;
        assert_eq!(send(&router, "POST", "/").await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        end.notify_waiters();
        assert_eq!(waiting.await.unwrap().status(), StatusCode::OK);
        assert_eq!(working.await.unwrap().status(), StatusCode::OK);
    }
}
