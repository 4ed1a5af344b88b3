//! One HTTP/1.1 connection, which is given requests that are built already. Answers are read to their end, and parsed by nobody
//! here; one that is no success is a failure with what it says.

use std::net::SocketAddr;

use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A sentence for the person at the terminal.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
/// What may fail.
pub(crate) type Result<T> = std::result::Result<T, Failure>;
/// A request that can be sent any number of times.
pub(crate) type Request = http::Request<Full<Bytes>>;

/// Of the body of a refusal so much is shown.
const SHOWN_CHARACTERS: usize = 1_000;

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its header fields.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Bytes,
}

/// A connection, on which one request is sent after the other.
#[derive(Debug)]
pub(crate) struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // How it ends is told to whoever waits for an answer on it.
        tokio::spawn(async move { connection.await.ok() });
        Ok(Self(sender))
    }

    /// Sends a request, and reads its answer to the end without keeping it.
    pub(crate) async fn push(&mut self, request: &Request) -> Result<()> {
        let mut body = self.begin(request).await?.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        Ok(())
    }

    /// Sends a request, and keeps its answer.
    pub(crate) async fn ask(&mut self, request: &Request) -> Result<Answer> {
        let (parts, body) = self.begin(request).await?.into_parts();
        Ok(Answer { headers: parts.headers, body: body.collect().await?.to_bytes() })
    }

    async fn begin(&mut self, request: &Request) -> Result<http::Response<Incoming>> {
        self.0.ready().await?;
        let response = self.0.send_request(request.clone()).await?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(request, response).await) }
    }
}

/// Asks one thing over a connection of its own.
pub(crate) async fn ask_once(address: SocketAddr, request: &Request) -> Result<Answer> {
    Connection::open(address).await?.ask(request).await
}

async fn refusal(request: &Request, response: http::Response<Incoming>) -> Failure {
    let status = response.status();
    let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    // A query holds cursors, which say nothing to anybody.
    let (method, path) = (request.method(), request.uri().path());
    let told: String = String::from_utf8_lossy(&body).chars().take(SHOWN_CHARACTERS).collect();
    let hint = match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "\nthe README says what the server limits",
        _ => "",
    };
    format!("{method} {path} was answered {status}: {told}{hint}").into()
}
