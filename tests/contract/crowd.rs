//! O: more requests than a server takes at once, and those that do not come to their end. Time is tokio's, paused: it moves
//! when nothing else can.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use tests::{Api, Stream};
use tokio::task::JoinHandle;
use tower::ServiceExt;

/// More than the server works on at once, and fewer than may wait.
const CROWD: usize = 300;

/// Sends a request past the client of the suite, which awaits every answer.
fn begin(stream: &Stream, method: &str, path: &str, body: Body) -> JoinHandle<Response> {
    let request =
        http::Request::builder().method(method).uri(stream.path(path)).header("content-type", "application/json");
    let request = request.header("x-api-key", stream.api.key().expect("a key")).body(body).expect("a request");
    let answer = stream.api.app().router.clone().oneshot(request);
    tokio::spawn(async { answer.await.expect("every request is answered") })
}

/// Waits until everything that was begun can only wait for time.
async fn settle(api: &Api) {
    api.app().clock.sleep(1_000).await;
}

#[tokio::test(start_paused = true)]
async fn o5_polls_that_wait_take_no_place_from_others() {
    let api = Api::running().await;
    let stream = Stream::create(&api, "o5-waiting").await;
    let waits = "/events?from=latest&wait=20";
    for method in ["GET", "HEAD"] {
        let waiting: Vec<_> = (0..CROWD).map(|_| begin(&stream, method, waits, Body::empty())).collect();
        settle(&api).await;
        assert!(!waiting.iter().any(JoinHandle::is_finished), "{method} waits");
        stream.publish_numbered(0..1).await;
        for poll in waiting {
            assert_eq!(poll.await.expect("an answer").status(), StatusCode::OK, "{method}");
        }
    }
}
