//! Serving lag to Prometheus, where no keeper does: on a table that somebody looks after, or for subscriptions by name, which
//! CloudWatch's metrics do not tell apart.
//!
//! A scrape looks at the table, but not more often than was allowed, however many scrape. What a look becomes is in
//! `exposition`. Nobody is asked who they are: it listens on this machine alone unless told otherwise.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ledger::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, oneshot};

use super::exposition::render;
use super::observe::Selection;
use super::stop::Stop;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::say;
use crate::time::Duration;

/// How long scrapes that are being answered may take when it ends.
const GRACE_MS: u64 = 5_000;

/// Serves lag until it is told to end.
#[derive(Clone, Debug, clap::Args)]
pub struct Serve {
    #[command(flatten)]
    selection: Selection,
    /// Where to listen; port 0 takes one that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9464")]
    listen: SocketAddr,
    /// Look at the table no more often than this, however many ask
    #[arg(long, value_name = "DURATION", default_value = "15s")]
    at_most_every: Duration,
}

/// What scrapes share.
#[derive(Debug)]
struct Exporter {
    desk: Desk,
    selection: Selection,
    at_most_every: Duration,
    /// Who scrapes meanwhile waits, and gets the same.
    last: Mutex<Option<Look>>,
}

/// What the table answered.
#[derive(Clone, Debug)]
struct Look {
    at: Timestamp,
    /// The exposition, or what is wrong.
    told: std::result::Result<String, String>,
}

impl Serve {
    pub(super) async fn run(self, desk: Desk) -> Result<Exit> {
        let unable = |error: std::io::Error| Failure::Failed(format!("cannot listen on {}: {error}", self.listen));
        let mut signals = Stop::listen()?;
        let listener = TcpListener::bind(self.listen).await.map_err(unable)?;
        let address = listener.local_addr().map_err(unable)?;
        let clock = desk.ledger.clock().clone();
        let (selection, at_most_every) = (self.selection, self.at_most_every);
        let exporter = Exporter { desk, selection, at_most_every, last: Mutex::default() };
        let router = Router::new().route("/", get(pointer)).route("/metrics", get(scrape));
        let router = router.with_state(Arc::new(exporter));
        say(&format!("serving http://{address}/metrics until Ctrl-C"));

        let (stop, stopped) = oneshot::channel::<()>();
        let server = axum::serve(listener, router).with_graceful_shutdown(async { drop(stopped.await) });
        let ending = async {
            signals.told().await;
            // A server that has ended by itself needs no signal.
            stop.send(()).ok();
            clock.sleep(GRACE_MS).await;
        };
        tokio::select! {
            ended = server.into_future() => ended.map_err(|error| Failure::Failed(format!("cannot serve any more: {error}")))?,
            () = ending => {}
        }
        Ok(Exit::Done)
    }
}

async fn pointer() -> &'static str {
    "Consumer lag of EventLedger, for Prometheus: /metrics\n"
}

async fn scrape(State(exporter): State<Arc<Exporter>>) -> Response {
    match exporter.look().await.told {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("lag is not known: {why}\n")).into_response(),
    }
}

impl Exporter {
    /// The last look, or a new one when it is old enough.
    async fn look(&self) -> Look {
        let mut last = self.last.lock().await;
        let clock = self.desk.ledger.clock();
        if let Some(look) = last.as_ref().filter(|look| look.at.is_within(self.at_most_every.0, clock.now())) {
            return look.clone();
        }
        let at = clock.now();
        let told = match self.selection.observe(&self.desk).await {
            Ok(seen) => {
                seen.tell();
                Ok(render(&seen))
            }
            Err(failure) => Err(failure.to_string()),
        };
        last.insert(Look { at, told }).clone()
    }
}
