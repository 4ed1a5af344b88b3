//! What the store answered, to be answered again: so that what a request costs a Lambda is counted without the embedded engine,
//! which takes no part there. What the SDK does for a call, from building it to reading the answer, is counted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

/// A store that can be taped. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Tape {
    store: SharedHttpConnector,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    answers: Vec<Taped>,
    /// Which comes next; none while answers are taped.
    next: Option<usize>,
}

#[derive(Clone, Debug)]
struct Taped {
    operation: String,
    status: StatusCode,
    body: Vec<u8>,
}

impl Tape {
    /// Tapes what this store answers.
    pub(crate) fn of(store: SharedHttpConnector) -> Self {
        Self { store, state: Arc::default() }
    }

    /// Forgets what was taped, and begins anew.
    pub(crate) fn rewrite(&self) {
        *self.state() = State::default();
    }

    /// From now on answers, over and over, what was taped. The store is not asked any more.
    pub(crate) fn play(&self) {
        self.state().next = Some(0);
    }

    /// The operations that were taped.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.state().answers.iter().map(|answer| answer.operation.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, operation: &str) -> Option<Taped> {
        let mut state = self.state();
        let number = state.next?;
        let answer = state.answers.get(number).filter(|answer| answer.operation == operation).cloned();
        let answer = answer.unwrap_or_else(|| panic!("{operation} is asked for, which was not taped at {number}"));
        state.next = Some((number + 1) % state.answers.len());
        Some(answer)
    }
}

impl HttpClient for Tape {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Tape {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        if let Some(answer) = self.next(&operation) {
            return HttpConnectorFuture::ready(Ok(response(answer.status, answer.body)));
        }
        let (tape, asked) = (self.clone(), self.store.call(request));
        HttpConnectorFuture::new(async move {
            let answer = asked.await?;
            let (status, body) = (answer.status(), answer.body().bytes().unwrap_or_default().to_vec());
            tape.state().answers.push(Taped { operation, status, body: body.clone() });
            Ok(response(status, body))
        })
    }
}

fn response(status: StatusCode, body: Vec<u8>) -> HttpResponse {
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    response
}
