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
use crate::fault::{Course, Decision, Failure, Fate, Fault, InjectedFaults};
use crate::operations::Repeats;
use crate::pages::Unseen;
use crate::replica::Replica;
use crate::write_ahead_log::WriteAheadLog;
use crate::{client, operations, pages};

/// How SQLite says that the disk is full.
const DISK_FULL: &str = "database or disk is full";
/// How we say that it lost something.
const DISK_FAILED: &str =
    "the disk that holds the data failed to keep what was written: look after the disk, then start again";

/// An embedded DynamoDB. Cloning shares it.
#[derive(Clone)]
pub struct Engine {
    inside: Arc<Inside>,
    /// Decides about the calls of this handle; without one, what [`Engine::set_fate`] set does.
    fate: Option<Arc<dyn Fate>>,
}

struct Inside {
    database: Database,
    clock: Arc<EngineClock>,
    injected: InjectedFaults,
    fate: Mutex<Option<Arc<dyn Fate>>>,
    fired: AtomicUsize,
    /// `None` while nobody records.
    calls: Mutex<Option<Vec<Call>>>,
    /// `None` where every read is strongly consistent anyway.
    replica: Option<Mutex<Replica>>,
    unseen: Mutex<Unseen>,
    disk_is_full: AtomicBool,
    /// `None` in memory, where nothing is durable.
    log: Option<WriteAheadLog>,
}

/// A call of somebody who wants to know what becomes of it.
pub(crate) struct WatchedCall {
    pub(crate) call: CallInfo,
    pub(crate) course: Course,
    request: Value,
    fate: Option<Arc<dyn Fate>>,
}

impl Engine {
    /// An engine that forgets everything when it is dropped. Items expire by `clock`.
    ///
    /// # Panics
    /// When SQLite cannot open a database in memory, which only a machine without memory does.
    #[must_use]
    pub fn memory(clock: &Clock) -> Self {
        Self::in_memory(clock, None)
    }

    /// The same, where a read that does not ask for strong consistency may be answered by a replica that lags, as a
    /// [`Fate`] decides. It remembers every write.
    ///
    /// # Panics
    /// As [`Engine::memory`].
    #[must_use]
    pub fn replicated(clock: &Clock) -> Self {
        Self::in_memory(clock, Some(Mutex::default()))
    }

    fn in_memory(clock: &Clock, replica: Option<Mutex<Replica>>) -> Self {
        let clock = Arc::new(EngineClock(clock.clone()));
        let database = Database::memory_with_clock(clock.clone()).expect("SQLite opens a database in memory");
        Self::new(database, clock, replica, None)
    }

    /// The same engine, for a caller whose calls meet their own fate.
    #[must_use]
    pub fn under(&self, fate: Arc<dyn Fate>) -> Self {
        Self { fate: Some(fate), ..self.clone() }
    }

    /// An engine on a file, which is created when it is absent. A write is on the disk before it is answered, and before
    /// any read that saw it is. Items expire by the machine's clock.
    ///
    /// # Errors
    /// When the file cannot be opened, or holds something else.
    pub fn open(file: &Path) -> Result<Self, Cause> {
        // SQLite reads some relative names as something else than a file.
        let file = std::path::absolute(file)?;
        let name = file.to_str().ok_or("the name of the database file is not UTF-8")?;
        // Whoever closes a database brings its log into it, and syncs that. What a process left that ended after a sync had
        // failed can be read from memory as if it were on the disk; now it is, or is gone.
        drop(Database::new(name)?);
        let database = Database::new(name)?;
        // It sets `synchronous = NORMAL`, and nothing else that is not the default: SQLite then syncs its log before
        // checkpoints only, and we do before answers. There is no other way to the settings of its connection.
        database.disable_bulk_loading()?;
        let log = WriteAheadLog::of(&file)?;
        Ok(Self::new(database, Arc::new(EngineClock(Clock::system())), None, Some(log)))
    }

    /// A new client of this engine, with the settings that every client of the table has. One of a file waits for the disk as
    /// long as that takes: nobody else could tell it sooner what became of a call.
    #[must_use]
    pub fn client(&self) -> aws_sdk_dynamodb::Client {
        client::client(self.clone(), self.log().is_some())
    }

    /// Deletes expired items, as DynamoDB does in its own time, and answers how many. It blocks, and lets requests pass
    /// in between.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn sweep_expired(&self) -> Result<usize, Cause> {
        let _writing = self.log().map(WriteAheadLog::writing);
        Ok(self.inside.database.sweep_ttl()?)
    }

    /// Begins to record calls, from none.
    pub fn record(&self) {
        *lock(&self.inside.calls) = Some(Vec::new());
    }

    /// The calls since [`Engine::record`] or since they were last taken.
    #[must_use]
    pub fn take_calls(&self) -> Vec<Call> {
        lock(&self.inside.calls).as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Lets calls fail. Several faults are used up in the order they were injected.
    pub fn inject(&self, fault: Fault) {
        self.inside.injected.add(fault);
    }

    /// Lets `fate` decide about each call that no injected fault takes.
    pub fn set_fate(&self, fate: impl Fate + 'static) {
        *lock(&self.inside.fate) = Some(Arc::new(fate));
    }

    /// From now on no fate decides about any call; those that are on their way go on as it was decided.
    pub fn clear_fate(&self) {
        *lock(&self.inside.fate) = None;
    }

    /// Whether the last write found the disk full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.inside.disk_is_full.load(Ordering::Relaxed)
    }

    /// Whether the disk failed to keep something. Then every call is answered with a server's error, until the file is opened
    /// again.
    #[must_use]
    pub fn has_lost_writes(&self) -> bool {
        self.log().is_some_and(WriteAheadLog::has_failed)
    }

    /// How many calls were made to fail so far.
    #[must_use]
    pub fn fired(&self) -> usize {
        self.inside.fired.load(Ordering::SeqCst)
    }

    fn new(
        database: Database,
        clock: Arc<EngineClock>,
        replica: Option<Mutex<Replica>>,
        log: Option<WriteAheadLog>,
    ) -> Self {
        let inside = Inside {
            database,
            clock,
            injected: InjectedFaults::default(),
            fate: Mutex::default(),
            fired: AtomicUsize::default(),
            calls: Mutex::default(),
            replica,
            unseen: Mutex::default(),
            disk_is_full: AtomicBool::default(),
            log,
        };
        Self { inside: Arc::new(inside), fate: None }
    }

    /// What this engine takes the time from.
    pub(crate) fn clock(&self) -> &Clock {
        &self.inside.clock.0
    }

    /// Looks at one attempt of the SDK; `None` when nobody wants to know, as on the local server's hot path.
    pub(crate) fn watch(&self, operation: &str, body: &[u8]) -> Option<WatchedCall> {
        let fate = self.fate.clone().or_else(|| lock(&self.inside.fate).clone());
        if fate.is_none() && !self.inside.injected.are_armed() && lock(&self.inside.calls).is_none() {
            return None;
        }
        let mut request: Value = serde_json::from_slice(body).unwrap_or_default();
        let call = CallInfo::read(operation, &request);
        if lock(&self.inside.calls).is_some() {
            ask_for_capacity(operation, &mut request);
        }
        let injected = self.inside.injected.decide(&call).map(Course::from);
        let course = injected.or_else(|| fate.as_ref().map(|fate| fate.decide(&call))).unwrap_or_default();
        Some(WatchedCall { call, course, request, fate })
    }

    /// Does what was decided about a call. `None` when its caller hears nothing, ever.
    pub(crate) fn perform(&self, watched: &WatchedCall) -> Option<Result<Answer, ConnectorError>> {
        let (call, course) = (&watched.call, &watched.course);
        let answer = match course.decision {
            Decision::Proceed => Some(Ok(self.take_effect(watched))),
            Decision::Before(failure) => self.fail(failure, watched),
            Decision::After(failure) => {
                self.take_effect(watched);
                self.fail(failure, watched)
            }
        };
        if let Some(calls) = lock(&self.inside.calls).as_mut() {
            calls.push(call.clone().answered(answer.as_ref().and_then(|answer| answer.as_ref().ok())));
        }
        answer
    }

    fn take_effect(&self, watched: &WatchedCall) -> Answer {
        let WatchedCall { call, course, request, .. } = watched;
        let mut request = request.clone();
        let operation = call.operation.as_str();
        let answer = match pages::begin(operation, &mut request, course.page) {
            Some(empty) => empty,
            None => {
                let body = request.to_string().into_bytes();
                let stale = course.staleness_ms > 0 && operations::reads_items(operation) && !call.consistent_read;
                let answer = match &self.inside.replica {
                    Some(replica) if stale => {
                        let as_of = ledger::Timestamp(self.clock().now().0.saturating_sub(course.staleness_ms));
                        lock(replica).answer(as_of, &self.inside.clock, operation, &body)
                    }
                    _ => self.run(operation, &body, Repeats::Possible),
                };
                lock(&self.inside.unseen).hide_from(operation, answer)
            }
        };
        if call.transaction_items > 0 && answer.status == 200 {
            lock(&self.inside.unseen).hide(&request, course.unseen_items);
        }
        if let Some(fate) = &watched.fate {
            fate.dealt_with(call, answer.status);
        }
        answer
    }

    /// Lets queries see what a transaction wrote.
    pub(crate) fn reveal(&self, watched: &WatchedCall) {
        lock(&self.inside.unseen).reveal(&watched.request);
    }

    fn fail(&self, failure: Failure, watched: &WatchedCall) -> Option<Result<Answer, ConnectorError>> {
        self.inside.fired.fetch_add(1, Ordering::SeqCst);
        let (items, blamed) = (watched.call.transaction_items, watched.course.blamed_items);
        Some(match failure {
            Failure::Throttled => Ok(Answer::throttled("an injected throttle")),
            Failure::ServerError => Ok(Answer::server_error("an injected fault")),
            Failure::TransactionConflict => Ok(Answer::transaction_conflict(items, blamed)),
            Failure::TransactionThrottled => Ok(Answer::transaction_throttled(items, blamed)),
            Failure::TransactionInProgress => Ok(Answer::transaction_in_progress()),
            Failure::ConnectionReset => Err(ConnectorError::io("an injected connection reset".into())),
            Failure::Timeout => Err(ConnectorError::timeout("an injected loss of the answer".into())),
            Failure::Silence => return None,
        })
    }

    /// The log of its file, if it has one.
    fn log(&self) -> Option<&WriteAheadLog> {
        self.inside.log.as_ref()
    }

    /// The sync that an answer made now has to wait for, where there is one that has not ended.
    pub(crate) fn sync_needed(&self) -> Option<u64> {
        let log = self.log()?;
        let needed = log.needed();
        (!log.has(needed)).then_some(needed)
    }

    /// An answer, when everything that it tells is on the disk.
    pub(crate) async fn when_synced(&self, needed: u64, answer: Answer) -> Answer {
        match self.log() {
            Some(log) if log.wait(needed).await.is_err() => Answer::server_error(DISK_FAILED),
            _ => answer,
        }
    }

    pub(crate) fn run(&self, operation: &str, body: &[u8], repeats: Repeats) -> Answer {
        let _writing = self.log().filter(|_| !operations::reads_items(operation)).map(WriteAheadLog::writing);
        match operations::run(&self.inside.database, operation, body, repeats) {
            Ok(answer) => {
                if let Some(replica) = &self.inside.replica
                    && !operations::reads_items(operation)
                {
                    lock(replica).keep(self.clock().now(), operation, body);
                }
                if operations::writes_items(operation) && self.inside.disk_is_full.swap(false, Ordering::Relaxed) {
                    tracing::info!("the disk that holds the data has space again, and writing goes on");
                }
                answer
            }
            Err(error) if error.status_code() == 500 && is_disk_full(&error) => {
                // Said once, and not for each of the many requests that fail until somebody frees space.
                if !self.inside.disk_is_full.swap(true, Ordering::Relaxed) {
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

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Our clock, in the words of the engine.
pub(crate) struct EngineClock(Clock);

impl dynoxide::storage_backend::Clock for EngineClock {
    fn now_unix_secs(&self) -> u64 {
        self.0.now().seconds()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        std::time::Duration::from_millis(self.0.now().0).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;

    const TABLE: &str = "eventledger";

    /// An engine with a log whose syncs are counted, and fail after so many.
    async fn counted(good: u64) -> (Engine, aws_sdk_dynamodb::Client, Arc<AtomicU64>) {
        let syncs = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&syncs);
        let log = WriteAheadLog::synced_by(move || match counter.fetch_add(1, Ordering::SeqCst) < good {
            true => Ok(()),
            false => Err(std::io::Error::other("the disk is gone")),
        });
        let database = Database::memory().expect("SQLite opens a database in memory");
        let engine = Engine::new(database, Arc::new(EngineClock(Clock::system())), None, Some(log));
        let client = engine.client();
        ledger::table::create_if_absent(&client, TABLE).await.expect("a table");
        (engine, client, syncs)
    }

    fn key(name: &str) -> [AttributeValue; 2] {
        [AttributeValue::S(name.to_owned()), AttributeValue::S("A".to_owned())]
    }

    async fn put(client: &aws_sdk_dynamodb::Client, name: &str) -> bool {
        let [partition_key, sort_key] = key(name);
        let put = client.put_item().table_name(TABLE).item("PK", partition_key).item("SK", sort_key);
        put.send().await.is_ok()
    }

    async fn get(client: &aws_sdk_dynamodb::Client, name: &str) -> bool {
        let [partition_key, sort_key] = key(name);
        let get = client.get_item().table_name(TABLE).key("PK", partition_key).key("SK", sort_key);
        get.send().await.is_ok_and(|answer| answer.item.is_some())
    }

    #[tokio::test]
    async fn a_write_is_synced_before_its_answer_and_a_read_only_after_one_that_nobody_waited_for() {
        let (engine, client, syncs) = counted(u64::MAX).await;
        let before = syncs.load(Ordering::SeqCst);
        assert!(put(&client, "a").await && get(&client, "a").await && get(&client, "a").await);
        assert_eq!(syncs.load(Ordering::SeqCst), before + 1);
        drop(engine.run(
            "PutItem",
            format!(r#"{{"TableName":"{TABLE}","Item":{{"PK":{{"S":"b"}},"SK":{{"S":"A"}}}}}}"#).as_bytes(),
            Repeats::Never,
        ));
        assert_eq!(syncs.load(Ordering::SeqCst), before + 1);
        assert!(get(&client, "b").await);
        assert_eq!(syncs.load(Ordering::SeqCst), before + 2, "who saw it waits in place of its writer");
    }

    #[tokio::test]
    async fn after_a_failed_sync_neither_writes_nor_reads_are_answered() {
        let (engine, client, syncs) = counted(u64::MAX).await;
        assert!(put(&client, "a").await && !engine.has_lost_writes());
        let good = syncs.load(Ordering::SeqCst);
        let (engine, client, _) = counted(good).await;
        assert!(put(&client, "a").await, "the last good one");
        assert!(!put(&client, "b").await && !get(&client, "a").await);
        assert!(engine.has_lost_writes());
    }

    #[tokio::test]
    async fn a_write_to_a_file_is_answered_once_its_log_is_synced() {
        let directory = tempfile::tempdir().expect("a directory");
        let engine = Engine::open(&directory.path().join("table.sqlite3")).expect("a file");
        let synced = || engine.log().is_some_and(|log| log.has(log.needed()));
        assert!(!synced(), "nobody waited yet");
        ledger::table::create_if_absent(&engine.client(), TABLE).await.expect("a table");
        assert!(put(&engine.client(), "a").await && synced());
    }

    /// As it is after a process was killed: its log is there, and nobody closed the database.
    #[tokio::test]
    async fn what_an_ended_process_left_in_the_log_is_in_the_database_before_anybody_reads() {
        let (one, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let engine = Engine::open(&one.path().join("table.sqlite3")).expect("a file");
        ledger::table::create_if_absent(&engine.client(), TABLE).await.expect("a table");
        assert!(put(&engine.client(), "a").await);
        for name in ["table.sqlite3", "table.sqlite3-wal"] {
            std::fs::copy(one.path().join(name), other.path().join(name)).expect("a copy");
        }
        let log = || std::fs::metadata(other.path().join("table.sqlite3-wal")).expect("a log").len();
        assert!(log() > 0);
        let again = Engine::open(&other.path().join("table.sqlite3")).expect("a file");
        assert_eq!(log(), 0, "it was brought into the database");
        assert!(get(&again.client(), "a").await);
    }
}
