//! The engine: one embedded table store, what shall go wrong with it, and the record of what was asked of it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::result::ConnectorError;
use dynoxide::Database;
use ledger::{Cause, Clock};
use serde_json::Value;

use crate::answer::Answer;
use crate::call::{Call, CallInfo, ask_for_capacity};
use crate::fault::{Decision, Failure, Fate, Fault, InjectedFaults};
use crate::{client, operations};

/// How SQLite says that the disk is full.
const DISK_FULL: &str = "database or disk is full";

/// An embedded DynamoDB. Cloning shares it.
#[derive(Clone)]
pub struct Engine(Arc<Inside>);

struct Inside {
    database: Database,
    injected: InjectedFaults,
    fate: Mutex<Option<Arc<dyn Fate>>>,
    fired: AtomicUsize,
    /// `None` while nobody records.
    calls: Mutex<Option<Vec<Call>>>,
    disk_is_full: AtomicBool,
}

impl Engine {
    /// An engine that forgets everything when it is dropped. Items expire by `clock`.
    ///
    /// # Panics
    /// When SQLite cannot open a database in memory, which only a machine without memory does.
    #[must_use]
    pub fn memory(clock: &Clock) -> Self {
        let clock = Arc::new(EngineClock(clock.clone()));
        Self::new(Database::memory_with_clock(clock).expect("SQLite opens a database in memory"))
    }

    /// An engine on a file, which is created when it is absent. A write is on the disk before it is answered. Items
    /// expire by the machine's clock.
    ///
    /// # Errors
    /// When the file cannot be opened, or holds something else.
    pub fn open(file: &Path) -> Result<Self, Cause> {
        // SQLite reads some relative names as something else than a file.
        let file = std::path::absolute(file)?;
        let name = file.to_str().ok_or("the name of the database file is not UTF-8")?;
        Ok(Self::new(Database::new(name)?))
    }

    /// A new client of this engine, with the settings that every client of the table has.
    #[must_use]
    pub fn client(&self) -> aws_sdk_dynamodb::Client {
        client::client(self.clone())
    }

    /// Deletes expired items, as DynamoDB does in its own time, and answers how many. It blocks, and lets requests pass
    /// in between.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn sweep_expired(&self) -> Result<usize, Cause> {
        Ok(self.0.database.sweep_ttl()?)
    }

    /// Begins to record calls, from none.
    pub fn record(&self) {
        *lock(&self.0.calls) = Some(Vec::new());
    }

    /// The calls since [`Engine::record`] or since they were last taken.
    #[must_use]
    pub fn take_calls(&self) -> Vec<Call> {
        lock(&self.0.calls).as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Lets calls fail. Several faults are used up in the order they were injected.
    pub fn inject(&self, fault: Fault) {
        self.0.injected.add(fault);
    }

    /// Lets `fate` decide about each call that no injected fault takes.
    pub fn set_fate(&self, fate: impl Fate + 'static) {
        *lock(&self.0.fate) = Some(Arc::new(fate));
    }

    /// How many calls were made to fail so far.
    #[must_use]
    pub fn fired(&self) -> usize {
        self.0.fired.load(Ordering::SeqCst)
    }

    fn new(database: Database) -> Self {
        Self(Arc::new(Inside {
            database,
            injected: InjectedFaults::default(),
            fate: Mutex::default(),
            fired: AtomicUsize::default(),
            calls: Mutex::default(),
            disk_is_full: AtomicBool::default(),
        }))
    }

    /// Answers one attempt of the SDK.
    pub(crate) fn answer(&self, operation: &str, body: &[u8]) -> Result<Answer, ConnectorError> {
        if !self.is_watched() {
            return Ok(self.run(operation, body));
        }
        let mut request: Value = serde_json::from_slice(body).unwrap_or_default();
        let call = CallInfo::read(operation, &request);
        if lock(&self.0.calls).is_some() {
            ask_for_capacity(operation, &mut request);
        }
        let body = request.to_string();
        let answer = match self.decide(&call) {
            Decision::Proceed => Ok(self.run(operation, body.as_bytes())),
            Decision::Before(failure) => self.fail(failure, &call),
            Decision::After(failure) => {
                self.run(operation, body.as_bytes());
                self.fail(failure, &call)
            }
        };
        if let Some(calls) = lock(&self.0.calls).as_mut() {
            calls.push(call.answered(answer.as_ref().ok()));
        }
        answer
    }

    /// Whether anybody wants to know what a call says; the local server's hot path does not.
    fn is_watched(&self) -> bool {
        self.0.injected.are_armed() || lock(&self.0.fate).is_some() || lock(&self.0.calls).is_some()
    }

    fn decide(&self, call: &CallInfo) -> Decision {
        match self.0.injected.decide(call) {
            Decision::Proceed => {
                let fate = lock(&self.0.fate).clone();
                fate.map_or(Decision::Proceed, |fate| fate.decide(call))
            }
            decided => decided,
        }
    }

    fn fail(&self, failure: Failure, call: &CallInfo) -> Result<Answer, ConnectorError> {
        self.0.fired.fetch_add(1, Ordering::SeqCst);
        match failure {
            Failure::Throttled => Ok(Answer::throttled("an injected throttle")),
            Failure::ServerError => Ok(Answer::server_error("an injected fault")),
            Failure::TransactionConflict => Ok(Answer::transaction_conflict(call.transaction_items)),
            Failure::ConnectionReset => Err(ConnectorError::io("an injected connection reset".into())),
            Failure::Timeout => Err(ConnectorError::timeout("an injected loss of the answer".into())),
        }
    }

    fn run(&self, operation: &str, body: &[u8]) -> Answer {
        match operations::run(&self.0.database, operation, body) {
            Ok(answer) => {
                if operations::writes_items(operation) && self.0.disk_is_full.swap(false, Ordering::Relaxed) {
                    tracing::info!("the disk that holds the data has space again, and writing goes on");
                }
                answer
            }
            Err(error) if error.status_code() == 500 && is_disk_full(&error) => {
                // Said once, and not for each of the many requests that fail until somebody frees space.
                if !self.0.disk_is_full.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        "the disk that holds the data is full: nothing can be written until space is freed on it; \
                         reading goes on, and no restart is needed"
                    );
                }
                // SQLite took the whole write back, so it is no failure of unknown effect.
                Answer::throttled(DISK_FULL)
            }
            Err(error) => Answer::error(&error),
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Engine")
    }
}

/// Whether an error of an engine, or of a client of one, says that the disk is full.
#[must_use]
pub fn is_disk_full(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.to_string().contains(DISK_FULL))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Our clock, in the words of the engine.
struct EngineClock(Clock);

impl dynoxide::storage_backend::Clock for EngineClock {
    fn now_unix_secs(&self) -> u64 {
        self.0.now().seconds()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        std::time::Duration::from_millis(self.0.now().0).as_secs_f64()
    }
}
