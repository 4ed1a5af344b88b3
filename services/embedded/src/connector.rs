//! The HTTP connector of the SDK client: requests go in, answers come out, and nothing leaves the process.
//!
//! A call runs to its end while its future is created. So an effect never depends on somebody waiting for the answer,
//! and paused time cannot pass in the middle of it.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::answer::Answer;
use crate::engine::Engine;

/// Names the operation, after the version of the API.
const TARGET_HEADER: &str = "x-amz-target";

impl HttpClient for Engine {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Engine {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get(TARGET_HEADER).unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        let answer = without_holding_up_others(|| self.answer(operation, body));
        HttpConnectorFuture::ready(answer.and_then(respond))
    }
}

/// A durable write waits for the disk. Where other threads can take over this one's tasks meanwhile, they shall.
fn without_holding_up_others<T>(work: impl FnOnce() -> T) -> T {
    let others = Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if others { tokio::task::block_in_place(work) } else { work() }
}

fn respond(answer: Answer) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(answer.status).map_err(|error| ConnectorError::user(error.into()))?;
    let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}
