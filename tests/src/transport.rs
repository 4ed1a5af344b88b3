//! How a request reaches the services: a call of the router in this process, or HTTP to a server.
//!
//! The path goes out as it was written. Clients that parse URLs resolve `%2e%2e` before anyone can see what the server
//! makes of it, so the raw client underneath them is used.

use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::ServiceExt;

/// Where requests go. Cloning shares it.
#[derive(Clone, Debug)]
pub enum Transport {
    /// To a router in this process.
    InProcess(axum::Router),
    /// To a server.
    Remote {
        /// Scheme and authority, without a slash at the end.
        origin: String,
        /// Follows no redirects and adds nothing but what HTTP needs.
        client: Box<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>,
    },
}

impl Transport {
    /// To the server at a URL.
    ///
    /// # Panics
    /// When the machine has no root certificates.
    #[must_use]
    pub fn remote(url: &str) -> Self {
        let connector = HttpsConnectorBuilder::new().with_native_roots().expect("the machine has root certificates");
        let client = Client::builder(TokioExecutor::new()).build(connector.https_or_http().enable_http1().build());
        Self::Remote { origin: url.trim_end_matches('/').to_owned(), client: Box::new(client) }
    }

    /// Sends a request, and reads its answer to the end.
    ///
    /// # Panics
    /// When no answer comes: there is nothing to test then.
    pub async fn send(&self, request: http::Request<Bytes>) -> http::Response<Bytes> {
        match self {
            Self::InProcess(router) => {
                let answer = router.clone().oneshot(request.map(axum::body::Body::from)).await;
                let (head, body) = answer.unwrap_or_else(|never| match never {}).into_parts();
                let body = body.collect().await.expect("the body of an answer ends well").to_bytes();
                http::Response::from_parts(head, body)
            }
            Self::Remote { origin, client } => {
                let (mut head, body) = request.into_parts();
                head.uri = format!("{origin}{}", head.uri).parse().expect("origin and path are a URI");
                let answer = client.request(http::Request::from_parts(head, Full::new(body))).await;
                let (head, body) = answer.expect("the server answers").into_parts();
                let body = body.collect().await.expect("the body of an answer ends well").to_bytes();
                http::Response::from_parts(head, body)
            }
        }
    }
}
