//! A bound on the requests that a process is at work on, so that more of them than it can bear are refused at once and not
//! all of them late.
//!
//! Polls that wait have a bound of their own: they hold next to nothing, and however many of them there are, a publish must
//! get through. A Lambda has one request at a time and needs none of this.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Method;
use tokio::sync::Semaphore;

use crate::problem::{Code, Problem};

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
    working: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Places {
    pub(crate) fn new(bound: InFlight) -> Self {
        Self { working: Arc::new(Semaphore::new(bound.working)), waiting: Arc::new(Semaphore::new(bound.waiting)) }
    }
}

/// Lets a request through while there is a place for it.
pub(crate) async fn pass(State(places): State<Places>, request: Request, next: Next) -> Response {
    let kind = if may_wait(&request) { &places.waiting } else { &places.working };
    let Ok(_place) = kind.try_acquire() else {
        let detail = "the server is at work on as many requests as it takes at once; nothing was done";
        return Problem::new(Code::Unavailable, detail).into_response();
    };
    next.run(request).await
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
