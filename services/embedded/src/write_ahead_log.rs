//! Group commit: one sync of SQLite's write-ahead log makes durable whatever was written to it before, whoever wrote it.
//!
//! The engine writes its log without a sync (`synchronous = NORMAL`), holding its lock for as long as the processor needs
//! and not for as long as the disk does. Before an answer leaves, it waits here for a sync that began after the work for
//! it was done, and shares that with all who wait. So does a read while a write is not durable yet, since it may have
//! seen it: what anybody was told is there after a loss of power.
//!
//! Checkpoints stay SQLite's affair. It syncs the log before it moves pages into the database, and the database before it
//! begins the log anew (<https://sqlite.org/wal.html#performance_considerations>), so the file never breaks, and a write is
//! in a synced log or in a synced database once a later sync of the log has ended. What it makes of a checkpoint that the
//! disk refuses, to try it again, is as it always was.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ledger::Cause;

use crate::engine::lock;

/// What SQLite appends to the name of a database for the name of its log.
const SUFFIX: &str = "-wal";

/// Waits until everything written to the log is on the disk.
type SyncToDisk = Box<dyn Fn() -> std::io::Result<()> + Send + Sync>;

/// The log of one database.
pub(crate) struct WriteAheadLog {
    sync: SyncToDisk,
    state: Mutex<State>,
    /// The last sync that ended well, counted from 1.
    synced: AtomicU64,
    /// Whoever has it syncs for all.
    turn: tokio::sync::Mutex<()>,
    /// After a sync that failed nobody can say what is on the disk: the kernel reports it once, and then forgets.
    failed: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Writes that are at work now.
    writing: usize,
    /// Whether a write ended after the last sync began.
    unsynced: bool,
    /// The last sync that began, counted from 1.
    begun: u64,
}

/// A write that is at work, until this is dropped.
pub(crate) struct Writing<'a>(&'a WriteAheadLog);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.writing -= 1;
        state.unsynced = true;
    }
}

/// The disk refused a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncFailed;

impl WriteAheadLog {
    /// The log of an open database, which SQLite made no later than it read from that for the first time.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn of(database: &Path) -> Result<Self, Cause> {
        // SQLite names it after the file that a link leads to.
        let mut name = std::fs::canonicalize(database)?.into_os_string();
        name.push(SUFFIX);
        let file = OpenOptions::new().write(true).open(name)?;
        Ok(Self::synced_by(move || file.sync_data()))
    }

    /// A log that this makes durable.
    pub(crate) fn synced_by(sync: impl Fn() -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        // A process that ended may have left something in it that is not on the disk yet.
        let state = Mutex::new(State { unsynced: true, ..State::default() });
        let (synced, failed) = (AtomicU64::default(), AtomicBool::default());
        Self { sync: Box::new(sync), state, synced, turn: tokio::sync::Mutex::default(), failed }
    }

    /// To be held while something is written.
    pub(crate) fn writing(&self) -> Writing<'_> {
        lock(&self.state).writing += 1;
        Writing(self)
    }

    /// Whether a sync failed. Nothing can be answered any more then.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// The sync that must have ended before anybody may hear of what was read or written until now.
    pub(crate) fn needed(&self) -> u64 {
        let state = lock(&self.state);
        state.begun + u64::from(state.unsynced || state.writing > 0)
    }

    /// Whether it has ended already.
    pub(crate) fn has(&self, needed: u64) -> bool {
        self.synced.load(Ordering::Acquire) >= needed && !self.has_failed()
    }

    /// Waits for it. Who waits longest syncs, on its own thread.
    ///
    /// # Errors
    /// When the disk refused this sync or an earlier one: whether anything that was not durable before ever will be is unknown.
    pub(crate) async fn wait(&self, needed: u64) -> Result<(), SyncFailed> {
        while !self.has(needed) {
            let _turn = self.turn.lock().await;
            if self.has_failed() {
                return Err(SyncFailed);
            }
            if self.has(needed) {
                break;
            }
            let begun = {
                let mut state = lock(&self.state);
                state.begun += 1;
                state.unsynced = false;
                state.begun
            };
            if let Err(error) = crate::connector::without_holding_up_others(&self.sync) {
                self.failed.store(true, Ordering::Release);
                tracing::error!(
                    cause = ledger::sentence(&error),
                    "the disk that holds the data failed to keep what was written: nothing is answered any more; look \
                     after the disk, then start again"
                );
                return Err(SyncFailed);
            }
            self.synced.store(begun, Ordering::Release);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A log that counts its syncs and does `also` during each.
    fn counted(also: impl Fn() -> std::io::Result<()> + Send + Sync + 'static) -> (WriteAheadLog, Arc<AtomicU64>) {
        let count = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&count);
        let sync = move || {
            counter.fetch_add(1, Ordering::SeqCst);
            also()
        };
        (WriteAheadLog::synced_by(sync), count)
    }

    #[tokio::test]
    async fn one_sync_serves_all_who_wrote_before_it_and_readers_with_nothing_new_need_none() {
        let (log, count) = counted(|| Ok(()));
        assert!(!log.has(log.needed()), "what an earlier process left is not known to be on the disk");
        log.wait(log.needed()).await.unwrap();
        assert!(log.has(log.needed()));
        let needs: Vec<u64> = (0..3)
            .map(|_| {
                drop(log.writing());
                log.needed()
            })
            .collect();
        let reader = log.needed();
        assert!(!log.has(reader), "a reader may have seen what is not durable");
        for needed in needs {
            log.wait(needed).await.unwrap();
        }
        assert!(log.has(reader) && log.has(log.needed()));
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_reader_does_not_trust_a_write_that_is_still_at_work() {
        let (log, count) = counted(|| Ok(()));
        log.wait(log.needed()).await.unwrap();
        let writing = log.writing();
        log.wait(log.needed()).await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2);
        drop(writing);
        assert!(!log.has(log.needed()), "it may have ended after the sync began");
    }

    #[tokio::test]
    async fn a_sync_that_began_before_a_write_ended_does_not_count_for_it() {
        let log: Arc<std::sync::OnceLock<WriteAheadLog>> = Arc::default();
        let during = Arc::clone(&log);
        log.get_or_init(|| {
            WriteAheadLog::synced_by(move || {
                drop(during.get().expect("the log").writing());
                Ok(())
            })
        });
        let log = log.get().expect("the log");
        let before = log.needed();
        log.wait(before).await.unwrap();
        assert!(log.has(before));
        assert_eq!(log.needed(), before + 1, "someone wrote meanwhile");
    }

    #[tokio::test]
    async fn after_a_failed_sync_nothing_is_answered() {
        let (log, count) = counted(|| Err(std::io::Error::other("the disk is gone")));
        let known = log.needed() - 1;
        assert!(log.has(known));
        assert_eq!(log.wait(log.needed()).await, Err(SyncFailed));
        assert_eq!(log.wait(log.needed()).await, Err(SyncFailed));
        assert!(!log.has(known) && log.has_failed());
        assert_eq!(count.load(Ordering::SeqCst), 1, "a second sync would call lost what the kernel forgot kept");
    }
}
