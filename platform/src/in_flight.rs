//! A bound on the requests that a process is at work on, so that more of them than it can bear are refused at once and not
//! all of them late.
//!
//! Polls that wait have a bound of their own: they hold next to nothing, and however many of them there are, a publish must
//! get through. A place is given back when the client has taken the answer, because until then it is in memory; so those that
//! waited need another place for an answer that is not small, of which there are fewer. Of each kind one API key has half at
//! most, so that it cannot keep out all others. A Lambda has one request at a time and needs none of this.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{Extensions, Method};
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Code, Problem, Result};
use crate::telemetry::note;

/// Bytes of an answer that are handed to a connection at once, and of the answers for which those that waited need no other
/// place.
const PIECE_BYTES: usize = 64 * 1024;

/// How many requests a process takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// Those that work.
    pub working: usize,
    /// Polls that may wait for events.
    pub waiting: usize,
    /// Large answers to those.
    pub answering: usize,
}

/// What is left of it.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    working: Arc<Kind>,
    waiting: Arc<Kind>,
    answering: Arc<Kind>,
}

/// Places of one kind. A request that has one carries its kind, until it is known whose it is.
#[derive(Debug)]
struct Kind {
    free: Arc<Semaphore>,
    /// How many of them one API key may have.
    share: usize,
    /// How many each API key has, by its id; who has none is not in it.
    held: Mutex<HashMap<String, usize>>,
}

impl Places {
    pub(crate) fn new(bound: InFlight) -> Self {
        let InFlight { working, waiting, answering } = bound;
        Self { working: Kind::new(working), waiting: Kind::new(waiting), answering: Kind::new(answering) }
    }
}

impl Kind {
    fn new(places: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(places));
        Arc::new(Self { free, share: places.div_ceil(2), held: Mutex::default() })
    }

    fn take(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().map_err(|_| {
            let detail = "the server is at work on as many requests as it takes at once; nothing was done";
            Problem::new(Code::Unavailable, detail)
        })
    }

    fn hold(self: &Arc<Self>, key_id: &str) -> Result<Held> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(key_id.to_owned()).or_default();
        if *count >= self.share {
            note("limited_by", "in_flight");
            let detail = "the API key has as many requests at work as it may have at once; nothing was done";
            return Err(Problem::new(Code::RateLimited, detail));
        }
        *count += 1;
        Ok(Held { kind: Arc::clone(self), key_id: key_id.to_owned() })
    }
}

/// Lets a request through while there is a place for it.
pub(crate) async fn pass<A: Future<Output = Response>>(
    places: &Places,
    mut request: Request,
    next: impl FnOnce(Request) -> A,
) -> Response {
    let waits = may_wait(&request);
    let kind = if waits { &places.waiting } else { &places.working };
    let place = match kind.take() {
        Ok(place) => place,
        Err(problem) => return problem.into_response(),
    };
    request.extensions_mut().insert(Arc::clone(kind));
    let mut answer = next(request).await;
    let held = answer.extensions_mut().remove::<Arc<Held>>();
    if !waits || answer.body().size_hint().lower() <= PIECE_BYTES as u64 {
        return answer.map(|body| KeptBody::wrap(body, (place, held)));
    }
    let hold = |held: &Arc<Held>| places.answering.hold(&held.key_id);
    match places.answering.take().and_then(|place| Ok((place, held.as_ref().map(hold).transpose()?))) {
        Ok(kept) => answer.map(|body| KeptBody::wrap(body, kept)),
        Err(problem) => problem.into_response(),
    }
}

/// The place of a request, which counts for its API key as long as this is kept.
#[derive(Debug)]
pub(crate) struct Held {
    kind: Arc<Kind>,
    key_id: String,
}

/// Counts the place that a request has for its API key, to be kept with its [answer](answered); there is nothing to count where
/// places are not bounded.
///
/// # Errors
/// 429 when the key has its share already.
pub(crate) fn hold(request: &Extensions, key_id: &str) -> Result<Option<Held>> {
    request.get::<Arc<Kind>>().map(|kind| kind.hold(key_id)).transpose()
}

/// Has the place counted until the answer was taken.
pub(crate) fn answered(mut answer: Response, held: Option<Held>) -> Response {
    if let Some(held) = held {
        answer.extensions_mut().insert(Arc::new(held));
    }
    answer
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

/// A body that keeps something until the last of its bytes is gone, from the connection's memory too. It hands them out in
/// pieces, so that a connection takes no more of them than its client does.
struct KeptBody<T> {
    body: Body,
    rest: Bytes,
    kept: Arc<T>,
}

/// Bytes that keep it.
struct KeptBytes<T>(Bytes, #[expect(dead_code, reason = "it is only kept")] Arc<T>);

impl<T> AsRef<[u8]> for KeptBytes<T> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<T: Send + Sync + 'static> KeptBody<T> {
    fn wrap(body: Body, kept: T) -> Body {
        Body::new(Self { body, rest: Bytes::new(), kept: Arc::new(kept) })
    }
}

impl<T: Send + Sync + 'static> HttpBody for KeptBody<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(context))
                .map(|frame| frame.map(Frame::into_data))
            {
                Some(Ok(Ok(bytes))) => self.rest = Bytes::from_owner(KeptBytes(bytes, Arc::clone(&self.kept))),
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (of_body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(of_body.lower() + rest);
        hint
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
    use axum::extract::State;
    use axum::middleware::{Next, from_fn_with_state};
    use axum::routing::get;
    use http::StatusCode;
    use http_body_util::BodyExt;
    use tokio::sync::Notify;
    use tower::ServiceExt;

    use super::*;

    async fn bounded(State(places): State<Places>, request: Request, next: Next) -> Response {
        pass(&places, request, |request| next.run(request)).await
    }

    #[tokio::test]
    async fn a_place_is_free_when_the_answer_was_taken() {
        let places = Places::new(InFlight { working: 1, waiting: 2, answering: 1 });
        let large = async || "a".repeat(3 * PIECE_BYTES);
        let route = get(large).post(async || ()).route_layer(from_fn_with_state(places, bounded));
        let router = Router::new().route("/", route);
        // Who waited takes no place of those that work, but one of the few for large answers.
        for target in ["/", "/?wait=1"] {
            let status = async |target| send(&router, "GET", target).await.unwrap().status();
            let mut body = send(&router, "GET", target).await.unwrap().into_body();
            let mut pieces = Vec::new();
            while let Some(frame) = body.frame().await {
                pieces.push(frame.unwrap().into_data().unwrap());
                assert_eq!(status(target).await, StatusCode::SERVICE_UNAVAILABLE, "{target}");
            }
            assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [PIECE_BYTES; 3]);
            drop(body);
            assert_eq!(status(target).await, StatusCode::SERVICE_UNAVAILABLE, "they are still in memory");
            pieces.truncate(1);
            assert_eq!(status(target).await, StatusCode::SERVICE_UNAVAILABLE, "a part keeps all");
            let other = if target == "/" { "/?wait=1" } else { "/" };
            assert_eq!(status(other).await, StatusCode::OK);
            drop(pieces);
            assert_eq!(status(target).await, StatusCode::OK);
        }
    }

    /// A router with a place for one request of each kind, whose handler lasts until it is let go.
    fn router(end: &Arc<Notify>) -> Router {
        let end = Arc::clone(end);
        let handler = move || async move { end.notified().await };
        let places = Places::new(InFlight { working: 1, waiting: 1, answering: 1 });
        Router::new().route("/", get(handler).post(|| async {}).route_layer(from_fn_with_state(places, bounded)))
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
