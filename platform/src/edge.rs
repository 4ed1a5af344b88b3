//! The outermost layer: gives each request its id, turns problems into documents, says how quotas stand, and has each request
//! told of.
//!
//! A fault of ours gets a second line with its causes.

use std::any::Any;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Uri, header};
use http_body::Frame;
use ledger::Ledger;
use serde_json::Map;
use tracing::Instrument;

use crate::access::{Pause, Standings};
use crate::headers::Traced;
use crate::problem::{Code, Problem, RequestContext};
use crate::telemetry::{self, Begun, InvocationId, InvocationSpan, Outcome, Route, Telemetry};
use crate::{deadline, url};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request that could not be read well enough to be handed on. It is answered and told like every other, and nobody else
/// is asked.
#[derive(Clone, Debug)]
pub(crate) struct Refused(pub(crate) Problem);

/// Wraps everything else.
pub(crate) async fn pass(
    State((ledger, teller)): State<(Ledger, Telemetry)>,
    mut request: Request,
    next: Next,
) -> Response {
    let refused = request.extensions_mut().remove::<Refused>();
    let request_id = ledger.randomness().hex_id();
    let path = request.uri().path().to_owned();
    let route = Route::new(request.method(), request.extensions().get().map(MatchedPath::as_str));

    let connected = request.extensions().get::<ConnectInfo<SocketAddr>>().is_some();
    let invocation = request.extensions_mut().remove::<InvocationId>();
    let traced = InvocationSpan::of_request(Traced::read(request.headers()).0, &route, invocation.as_ref());
    let trace_id = traced.trace_id();
    let (mut request, read) = watch_body(request);
    let standings = Standings::default();
    request.extensions_mut().insert(standings.clone());
    let span = tracing::info_span!(
        "request",
        service = teller.service(),
        request_id,
        trace_id,
        sampled = telemetry::is_sampled(&request_id).then_some(true)
    );
    // The router takes an empty segment for a name.
    let is_no_route = path.len() > 1 && path.split('/').skip(1).any(str::is_empty);
    let work = async {
        match refused {
            Some(Refused(problem)) => problem.into_response(),
            None if is_no_route => route_not_found(request.uri().clone()).await.into_response(),
            None => deadline::pass(&ledger, request, |request| next.run(request)).await,
        }
    };
    let judge = |mut response: Response| {
        standings.describe(response.headers_mut());
        let context = RequestContext { request_id: &request_id, path: &path };
        let problem = response.extensions_mut().remove::<Problem>();
        if let Some(problem) = &problem {
            problem.log();
            response = problem.respond(response, context);
        }
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        if connected && !read.load(Ordering::Relaxed) {
            // What is left of the body would be taken for the next request.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let (status, code) = (response.status().as_u16(), problem.map(|problem| problem.code().as_str()));
        (response, Outcome { status, code })
    };
    let mut properties = Map::new();
    properties.insert("request_id".to_owned(), request_id.as_str().into());
    if let Some(trace_id) = &trace_id {
        properties.insert("trace_id".to_owned(), trace_id.as_str().into());
    }
    let begun = Begun { operation: "unknown", span: traced, route: Some(route), properties };
    let mut response = teller.invocation(ledger.clock(), begun, work, judge).instrument(span).await;
    if let Some(pause) = response.extensions_mut().remove::<Pause>() {
        pause.over().await;
    }
    response
}

/// The request, and whether its body was read to its end.
fn watch_body(request: Request) -> (Request, Arc<AtomicBool>) {
    let read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
    let watcher = Arc::clone(&read);
    let request = request.map(|body| Body::new(WatchedBody { body, read: watcher }));
    (request, read)
}

/// A body that notes when it was read to its end.
struct WatchedBody {
    body: Body,
    read: Arc<AtomicBool>,
}

impl http_body::Body for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.read.store(true, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// What a panic becomes; its message is for the log.
pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Response {
    Problem::internal(telemetry::count_panic(&*payload)).into_response()
}

/// No such route. Whatever was wrong with the URL beside that is worse.
pub(crate) async fn route_not_found(uri: Uri) -> Problem {
    let missing = Problem::new(Code::RouteNotFound, "there is no such route; `GET /openapi.json` lists them all");
    url::check(&uri).err().unwrap_or(missing)
}

/// The route exists, but not for this method; the router adds `Allow`.
pub(crate) async fn method_not_allowed(uri: Uri) -> Problem {
    let unknown =
        Problem::new(Code::MethodNotAllowed, "the route does not know this method; `Allow` lists those it knows");
    url::check(&uri).err().unwrap_or(unknown)
}

#[cfg(test)]
mod tests {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;

    #[test]
    fn a_panic_is_a_problem_and_a_count_and_its_message_stays_inside() {
        let recorder = DebuggingRecorder::new();
        let response = metrics::with_local_recorder(&recorder, || panicked(Box::new("the secret of the handler")));
        assert_eq!(response.status(), 500);
        let problem = response.extensions().get::<Problem>().unwrap();
        assert_eq!((problem.code(), problem.detail()), (Code::Internal, "an internal error"));
        let counted = recorder.snapshotter().snapshot().into_vec();
        let [(key, _, _, DebugValue::Counter(1))] = counted.as_slice() else { panic!("{counted:?}") };
        assert_eq!(key.key().name(), "Panics");
    }
}
