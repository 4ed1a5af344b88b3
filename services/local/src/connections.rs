//! Connections: how many there may be at once, how long each may stay silent, and how they end.
//!
//! What a request may take is bounded elsewhere; here it is what never becomes one, and answers that nobody takes. A client that
//! says nothing, a header a minute, or does not read what it asked for, loses its place to others.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use ledger::Clock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

/// More clients than this wait until one leaves. Room for all the requests that are taken at once, and nearly as many idle ones.
const CONNECTIONS: usize = 4_096;
/// A connection on which no whole head of a request came for so long, or nothing of an answer was taken, is closed. Most clients
/// keep an idle one for 90 seconds: who closes first must be the one that asks.
const SILENCE: Duration = Duration::from_secs(100);
/// As many as any client sends: beside a few long ones they are more than all may be together, and the answer that says so is
/// ours. Room for each is taken with each request, for some ten thousand instructions; with fewer, a request that we take would
/// be refused by the HTTP library, without a word.
const HEADERS: usize = 1_024;
/// When so much of an answer waits for its client, no more of it is taken.
const BUFFER_BYTES: usize = 128 * 1024;
/// Files of the process besides its connections: the table, the log, calls to a collector.
const OTHER_FILES: u64 = 128;
/// When the machine has no file left for another connection, some may end in so long.
const ACCEPT_PAUSE_MS: u64 = 100;

/// Serves until `stopped`; then no connection is accepted, and those there are end with the request that they are at.
pub(crate) async fn serve(listener: TcpListener, router: Router, clock: Clock, stopped: impl Future<Output = ()>) {
    make_room();
    let (places, graceful) = (Arc::new(Semaphore::new(CONNECTIONS)), GracefulShutdown::new());
    tokio::pin!(stopped);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes it");
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stopped => break,
        };
        match accepted {
            Ok((stream, address)) => {
                // Small answers must not wait for more to send.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection keeps small answers back");
                }
                let connection = graceful.watcher().watch(connection(stream, address, router.clone()));
                tokio::spawn(async move {
                    // Clients may leave at any time.
                    connection.await.inspect_err(|error| tracing::debug!(%error, "a connection broke")).ok();
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                clock.sleep(ACCEPT_PAUSE_MS).await;
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Raises what the system allows the process to have open, as far as it may.
fn make_room() {
    let wanted = CONNECTIONS as u64 + OTHER_FILES;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(files) if files < wanted => {
            tracing::warn!(files, wanted, "the system allows fewer connections than there is room for")
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "how many files may be open was not found out"),
    }
}

/// One connection, to be driven to its end.
fn connection<S: AsyncRead + AsyncWrite + Send + 'static>(
    stream: S,
    address: SocketAddr,
    router: Router,
) -> impl GracefulConnection<Error = hyper::Error> + Send + 'static {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(address));
        let answer = router.clone().oneshot(request);
        async move { Ok::<Response, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    // A request may wait for its events; what is said must be heard.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(SILENCE));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SILENCE)
        .max_headers(HEADERS)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
}

#[cfg(test)]
mod tests {
    use ledger::Timestamp;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// What a client gets that says this and then nothing more, and after how many seconds.
    async fn said(text: &str) -> (String, u64) {
        let clock = Clock::simulated(Timestamp(1_000_000));
        let (mut client, server) = tokio::io::duplex(1_024);
        let router = Router::new().route("/", axum::routing::get(|| async { "here" }));
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let began = clock.now();
        let serving = tokio::spawn(connection(server, address, router));
        client.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        serving.await.unwrap().ok();
        (answer, clock.now().since(began) / 1_000)
    }

    #[tokio::test(start_paused = true)]
    async fn who_stays_silent_loses_its_connection() {
        for half in ["", "GET / HTTP/1.1\r\nhost: a\r\n"] {
            let (answer, after) = said(half).await;
            assert!(!answer.contains("here"), "{answer}");
            assert_eq!(after, SILENCE.as_secs(), "{half}");
        }
        let (answer, after) = said("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
        assert_eq!(after, SILENCE.as_secs(), "it may ask again until then");
    }

    #[tokio::test(start_paused = true)]
    async fn many_short_header_fields_are_taken() {
        let fields: String = (0..1_000).map(|number| format!("x-{number}: 1\r\n")).collect();
        let (answer, _) = said(&format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_its_answer_loses_its_connection() {
        let clock = Clock::simulated(Timestamp(1_000_000));
        let (mut client, server) = tokio::io::duplex(1_024);
        let router = Router::new().route("/", axum::routing::get(|| async { "a".repeat(100_000) }));
        let began = clock.now();
        let serving = tokio::spawn(connection(server, SocketAddr::from(([127, 0, 0, 1], 1)), router));
        client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        serving.await.unwrap().expect_err("nobody took the answer");
        assert_eq!(clock.now().since(began) / 1_000, SILENCE.as_secs());
    }
}
