//! Starting and stopping: data directory, listener, table, admin key, services and background work, in this order.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum::Extension;
use embedded::{DataDirectory, ENVIRONMENT, Engine, TABLE};
use ledger::{Clock, Ledger, Randomness, Settings, Timestamp};
use platform::telemetry::{Telemetry, Traces};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::error::{CutOff, StartError};
use crate::options::Options;
use crate::{admin_key, app, connections, metrics, tasks};

/// The name of the file of the admin key.
const KEY_FILE: &str = "admin.key";
/// How long running requests may take to finish: a little more than the longest poll waits.
const STOP_SECONDS: u64 = 25;

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its data directory.
    pub data: PathBuf,
    /// The file that holds the admin key.
    pub key_file: PathBuf,
    /// The admin key, when this start made it.
    pub new_admin_key: Option<String>,
    ledger: Ledger,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    background: Vec<JoinHandle<()>>,
    /// Where traces go, and who exports them.
    traces: Option<(Traces, JoinHandle<()>)>,
    /// Nobody else may take the directory before the last request is finished.
    _directory: DataDirectory,
}

/// Starts a server. It answers requests from when this returns until [`Running::stop`].
///
/// # Errors
/// What is wrong with the options, or with the place they name.
pub async fn start(options: Options) -> Result<Running, StartError> {
    let directory = DataDirectory::open(&options.data).map_err(StartError::directory)?;
    let (listener, address) = listen(&options).await?;
    let table_file = directory.table_file();
    let engine = directory.engine().map_err(|cause| StartError::table(&table_file, cause))?;
    let ledger = open_ledger(&engine).await.map_err(|cause| StartError::table(&table_file, cause))?;
    let key_file = directory.path().join(KEY_FILE);
    let admin_key = admin_key::ensure(&ledger, &key_file, &table_file).await?;

    let (stop, stopped) = oneshot::channel::<()>();
    let traces = options.traces.filter(|endpoint| !endpoint.is_empty()).map(start_traces).transpose()?;
    let routes = app::routes();
    let prometheus = metrics::of_this_process(&routes).map_err(StartError::Metrics)?;
    let telemetry = Telemetry::log("local");
    let routes = routes.beside("/metrics", "metrics", metrics::handler(prometheus.clone()));
    let router = app::bounded(routes, &ledger, &app::settings(telemetry.clone()));
    let router = router.layer(Extension(app::disk_probe(&engine)));
    let server = connections::serve(listener, router, ledger.clock().clone(), async { drop(stopped.await) });
    let background = vec![
        tokio::spawn(tasks::compactor(ledger.clone(), telemetry.clone())),
        tokio::spawn(tasks::keeper(ledger.clone(), telemetry.clone(), engine)),
        tokio::spawn(tasks::sampler(ledger.clone(), telemetry)),
        tokio::spawn(metrics::fold(prometheus, ledger.clock().clone())),
    ];
    let traces = traces.map(|traces| (traces.clone(), tokio::spawn(tasks::exporter(traces, ledger.clock().clone()))));
    Ok(Running {
        address,
        data: directory.path().to_owned(),
        key_file,
        new_admin_key: admin_key.new.then(|| admin_key.token.reveal()),
        stop,
        server: tokio::spawn(server),
        background,
        traces,
        ledger,
        _directory: directory,
    })
}

impl Running {
    /// Stops accepting, lets waiting polls answer, and finishes running requests, but does not wait for them any more once
    /// `hurry` ends.
    ///
    /// # Errors
    /// When requests were still running then, or after the time they have.
    pub async fn stop(mut self, hurry: impl Future<Output = ()>) -> Result<(), CutOff> {
        let clock = self.ledger.clock().clone();
        // A server that has ended by itself needs no signal.
        self.stop.send(()).ok();
        self.ledger.doorbell().close();
        let finished = tokio::select! {
            _ = &mut self.server => Ok(()),
            () = clock.sleep(STOP_SECONDS * 1_000) => Err(CutOff::Late { seconds: STOP_SECONDS }),
            () = hurry => Err(CutOff::Hurried),
        };
        self.server.abort();
        for task in self.background {
            task.abort();
            // Its span ends with it.
            task.await.ok();
        }
        if let Some((traces, exporter)) = self.traces.filter(|_| finished != Err(CutOff::Hurried)) {
            // After what is being exported.
            traces.flush(&clock, Timestamp(u64::MAX)).await;
            exporter.abort();
        }
        finished
    }
}

/// The process has one place where its traces go.
fn start_traces(endpoint: String) -> Result<Traces, StartError> {
    Traces::start("local", ENVIRONMENT, &endpoint, []).map_err(|cause| StartError::Traces { endpoint, cause })
}

async fn listen(options: &Options) -> Result<(TcpListener, SocketAddr), StartError> {
    let (host, port) = (options.host.clone(), options.port);
    let listener = match TcpListener::bind((host.as_str(), port)).await {
        Ok(listener) => listener,
        Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => return Err(StartError::PortInUse { port }),
        Err(cause) => return Err(StartError::Listen { host, port, cause }),
    };
    let address = listener.local_addr().map_err(|cause| StartError::Listen { host, port, cause })?;
    Ok((listener, address))
}

async fn open_ledger(engine: &Engine) -> Result<Ledger, ledger::Cause> {
    let client = engine.client();
    ledger::table::create_if_absent(&client, TABLE).await?;
    Ok(Ledger::new(client, TABLE, Clock::system(), Randomness::system(), Settings::EMBEDDED))
}
