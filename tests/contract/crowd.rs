//! O: more requests than a server takes at once, and those that do not come to their end. Time is tokio's, paused: it moves
//! when nothing else can.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::response::Response;
use futures::StreamExt;
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tests::{Answer, Api, Stream};
use tokio::task::JoinHandle;
use tower::ServiceExt;

/// More than the server works on at once, and fewer than may wait.
const CROWD: usize = 300;

/// Sends a request past the client of the suite, which awaits every answer.
fn begin(stream: &Stream, method: &str, path: &str, body: Body) -> JoinHandle<Response> {
    let request =
        http::Request::builder().method(method).uri(stream.path(path)).header("content-type", "application/json");
    // As a server would have it, where the answer may have to end the connection.
    let request = request.extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))));
    let request = request.header("x-api-key", stream.api.key().expect("a key")).body(body).expect("a request");
    let answer = stream.api.app().router.clone().oneshot(request);
    tokio::spawn(async { answer.await.expect("every request is answered") })
}

/// A publish whose body begins and never ends.
fn begin_publish(stream: &Stream) -> JoinHandle<Response> {
    let first = futures::stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{"))]);
    begin(stream, "POST", "/events", Body::from_stream(first.chain(futures::stream::pending())))
}

/// The problem that a request which was begun came to.
async fn problem(begun: JoinHandle<Response>) -> (u16, Value) {
    let answer = begun.await.expect("an answer");
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&body).expect("a problem document"))
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

#[tokio::test(start_paused = true)]
async fn o6_a_body_that_does_not_come_is_given_up() {
    let api = Api::running().await;
    let (stream, clock) = (Stream::create(&api, "o6").await, &api.app().clock);
    let began = clock.now();
    let answer = begin_publish(&stream).await.expect("an answer");
    assert_eq!(clock.now().since(began), 10_000);
    assert_eq!(
        (answer.status(), answer.headers()["connection"].as_bytes()),
        (StatusCode::REQUEST_TIMEOUT, &b"close"[..])
    );
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    let told: Value = serde_json::from_slice(&body).expect("a problem document");
    let expected = (&json!("body_timeout"), &json!(true), &json!("none"));
    assert_eq!((&told["code"], &told["retryable"], &told["effect"]), expected, "{told}");
    assert_eq!(stream.log(10).await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a10_one_key_has_half_of_the_places_at_most() {
    let api = Api::running().await;
    let (half, event) = (128, json!({ "type": "a", "data": 1 }));
    let stream = Stream::create(&api, "a10-places").await;
    let (other, third) =
        (stream.seen_by(&api.with_scopes(&["publish:*"]).await), api.with_scopes(&["publish:*"]).await);
    let crowd: Vec<_> = (0..half).map(|_| begin_publish(&stream)).collect();
    settle(&api).await;
    let refused: Answer = stream.post("/events", event.clone()).await;
    assert_eq!(refused.problem(429, "rate_limited")["effect"], "none");
    assert!(refused.header("ratelimit").contains("\"requests\""), "it was counted");
    let _ = other.post("/events", event.clone()).await.ok(201);
    // What waits has places of its own.
    assert_eq!(stream.get("/events?from=latest&wait=1").await.ok(200)["events"], json!([]));

    let others: Vec<_> = (0..half).map(|_| begin_publish(&other)).collect();
    settle(&api).await;
    stream.seen_by(&third).post("/events", event.clone()).await.problem(503, "unavailable");
    for begun in crowd.into_iter().chain(others) {
        let (status, told) = problem(begun).await;
        assert_eq!((status, &told["code"]), (408, &json!("body_timeout")));
    }
    for publisher in [&stream, &other, &stream.seen_by(&third)] {
        let _ = publisher.post("/events", event.clone()).await.ok(201);
    }
}
