//! The HTTP connector of the SDK client: requests go in, answers come out, and nothing leaves the process.
//!
//! A call runs to its end while its future is created, unless a [`Fate`](crate::Fate) sends it on a longer way; then it
//! travels by itself. So an effect never depends on somebody waiting for the answer.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use crate::answer::Answer;
use crate::engine::{Engine, WatchedCall};
use crate::operations::{self, Repeats};

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
        let Some(watched) = self.watch(operation, body) else {
            let run = || self.run(operation, body, Repeats::Never);
            // What is written may begin a checkpoint, which waits for the disk.
            let answer = if operations::reads_items(operation) { run() } else { without_holding_up_others(run) };
            return self.deliver(Ok(answer));
        };
        if !watched.course.is_immediate() {
            return self.travel(watched);
        }
        match self.perform(&watched) {
            Some(answer) => self.deliver(answer),
            None => HttpConnectorFuture::new(std::future::pending()),
        }
    }
}

impl Engine {
    /// Lets an answer go as soon as what it tells is durable.
    fn deliver(&self, answer: Result<Answer, ConnectorError>) -> HttpConnectorFuture {
        let (Some(needed), Ok(_)) = (self.sync_needed(), &answer) else {
            return HttpConnectorFuture::ready(answer.and_then(respond));
        };
        let engine = self.clone();
        HttpConnectorFuture::new(async move { respond(engine.when_synced(needed, answer?).await) })
    }

    /// A call that takes time. It is on its way whether or not its caller lives to hear of it.
    fn travel(&self, watched: WatchedCall) -> HttpConnectorFuture {
        let (engine, (tell, told)) = (self.clone(), oneshot::channel());
        tokio::spawn(async move {
            engine.clock().sleep(watched.course.reaches_ms).await;
            let answer = match (engine.perform(&watched), engine.sync_needed()) {
                (Some(Ok(answer)), Some(needed)) => Some(Ok(engine.when_synced(needed, answer).await)),
                (answer, _) => answer,
            };
            engine.clock().sleep(watched.course.returns_ms).await;
            engine.reveal(&watched);
            // Nobody may be there any more.
            answer.map(|answer| tell.send(answer).ok());
        });
        HttpConnectorFuture::new(async move {
            match told.await {
                Ok(answer) => answer.and_then(respond),
                Err(_) => std::future::pending().await,
            }
        })
    }
}

/// For what waits for the disk. Where other threads can take over this one's tasks meanwhile, they shall.
pub(crate) fn without_holding_up_others<T>(work: impl FnOnce() -> T) -> T {
    let others = Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if others { tokio::task::block_in_place(work) } else { work() }
}

fn respond(answer: Answer) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(answer.status).map_err(|error| ConnectorError::user(error.into()))?;
    let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    Ok(response)
}
