//! The Lambda of the canary. It is a client over a socket, and who waits for a socket would let simulated time run away. So it
//! lives on a thread of its own, with a clock that is moved to the world's whenever it is answered, and while it thinks the
//! world stands still.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use ::canary::Canary;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use embedded::{Engine, TABLE};
use ledger::{Clock, Ledger, Randomness, Settings, Timestamp};
use platform::config::Client;
use platform::telemetry::{EmfRecorder, Telemetry};
use tokio::sync::{mpsc, oneshot};

use super::function::Written;
use super::{ENVIRONMENT, Fleet};

/// What the thread says.
enum Said {
    /// It asks the API, and waits for the answer.
    Asks(Box<Request>, oneshot::Sender<(u16, Vec<u8>)>),
    /// A round is over: what was written of it, and whether it failed.
    Done(String, bool),
}

/// The Lambda, seen from the world.
pub(super) struct CanaryFunction {
    /// The API key that it has for a round that is due.
    due: mpsc::UnboundedSender<String>,
    said: Receiver<Said>,
    clock: Clock,
}

impl CanaryFunction {
    pub(super) fn start(engine: &Engine, now: Timestamp) -> Self {
        let clock = Clock::manual(now);
        let ledger = Ledger::new(engine.client(), TABLE, clock.clone(), Randomness::seeded(9), Settings::FLEET);
        let ((due, rounds), (tell, said)) = (mpsc::unbounded_channel(), channel());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(live(ledger, rounds, tell));
        });
        Self { due, said, clock }
    }

    /// A round; what was written of it, and whether it failed.
    pub(super) async fn round(&self, fleet: &Fleet) -> (String, bool) {
        self.clock.advance(fleet.clock.now().since(self.clock.now()));
        self.due.send(fleet.canary_key.borrow().clone()).expect("the canary lives");
        loop {
            match self.said.recv().expect("the canary lives") {
                Said::Done(lines, failed) => return (lines, failed),
                Said::Asks(request, answered) => {
                    let answer = fleet.hand_on(*request).await;
                    self.clock.advance(fleet.clock.now().since(self.clock.now()));
                    // It may have given up.
                    answered.send((answer.status, answer.body.to_string().into_bytes())).ok();
                }
            }
        }
    }
}

/// Makes a round whenever one is due.
async fn live(ledger: Ledger, mut due: mpsc::UnboundedReceiver<String>, tell: Sender<Said>) {
    let (recorder, written) = (EmfRecorder::default(), Written::default());
    let _recording = metrics::set_default_local_recorder(&recorder);
    let telemetry = Telemetry::documents("canary", ENVIRONMENT, recorder.clone(), written.clone());
    let url = serve(tell.clone()).await;
    let mut client = Client { url, key: String::new() };
    let mut canary = None;
    while let Some(key) = due.recv().await {
        if client.key != key {
            client.key = key;
            canary = Some(Canary::new(&client).expect("a canary"));
        }
        let round = canary.clone().expect("a canary").handle(ledger.clone());
        let round = telemetry.event(&ledger, "round", "a schedule", round).await;
        if tell.send(Said::Done(written.take(), round.is_err())).is_err() {
            return;
        }
    }
}

/// The URL of an API whose requests the world answers.
async fn serve(tell: Sender<Said>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let hand_on = move |request: Request| {
        let tell = tell.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.expect("a body");
            let (answer, answered) = oneshot::channel();
            tell.send(Said::Asks(Box::new(Request::from_parts(head, Body::from(body))), answer))
                .expect("the world lives");
            let (status, body) = answered.await.expect("the world lives");
            (StatusCode::from_u16(status).expect("a status"), body).into_response()
        }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(hand_on)).await });
    url
}
