//! A Lambda: processes that handle one thing at a time, as many as are needed at once, and what AWS counts of them.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use embedded::Engine;
use ledger::{Clock, Ledger, Randomness, Settings};
use platform::access::Quotas;
use platform::endpoint::Routes;
use platform::telemetry::{EmfRecorder, Telemetry};

use super::{ENVIRONMENT, Tower};

/// What a process wrote to its log.
#[derive(Clone, Debug, Default)]
pub(super) struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Written {
    pub(super) fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8(bytes).expect("lines are text")
    }
}

/// A process of a Lambda, with its own caches and its own numbers.
pub(crate) struct Process {
    pub(crate) ledger: Ledger,
    pub(crate) telemetry: Telemetry,
    /// Of a service that clients ask.
    pub(crate) router: Router,
    recorder: EmfRecorder,
    written: Written,
}

/// A Lambda.
pub(crate) struct Function {
    service: &'static str,
    routes: Routes,
    engine: Engine,
    clock: Clock,
    idle: RefCell<Vec<Process>>,
    started: Cell<u64>,
    busy: Cell<usize>,
    /// How many processes AWS lets be busy at once.
    concurrency: Cell<usize>,
}

impl Function {
    pub(crate) fn new(service: &'static str, routes: Routes, engine: Engine, clock: Clock) -> Self {
        let (idle, started, busy) = (RefCell::default(), Cell::default(), Cell::default());
        Self { service, routes, engine, clock, idle, started, busy, concurrency: Cell::new(usize::MAX) }
    }

    /// Lets so many processes be busy at once.
    pub(crate) fn limit(&self, concurrency: usize) {
        self.concurrency.set(concurrency);
    }

    /// One invocation, in a process that is idle or in a new one. The work says what it came to, and whether that is an error
    /// for AWS. None where too many are busy.
    pub(crate) async fn invoke<T>(&self, tower: &Tower, work: impl AsyncFnOnce(&Process) -> (T, bool)) -> Option<T> {
        if self.busy.get() >= self.concurrency.get() {
            tower.count_throttle(self.service, self.clock.now());
            return None;
        }
        self.busy.set(self.busy.get() + 1);
        let process = self.idle.borrow_mut().pop().unwrap_or_else(|| self.start());
        let begun_at = self.clock.now();
        let (result, failed) = recorded(&process.recorder, work(&process)).await;
        let lines = process.written.take();
        self.idle.borrow_mut().push(process);
        self.busy.set(self.busy.get() - 1);
        tower.tell(&lines);
        let duration_ms = self.clock.now().since(begun_at);
        tower.count(self.service, begun_at, failed, duration_ms);
        Some(result)
    }

    /// The partitions that changed by its processes since the last look, as a change stream tells them.
    pub(crate) fn changed(&self) -> Vec<ledger::PartitionId> {
        let idle = self.idle.borrow();
        let changed = idle
            .iter()
            .filter_map(|process| futures::FutureExt::now_or_never(process.ledger.doorbell().changed()).flatten());
        changed.flatten().collect()
    }

    fn start(&self) -> Process {
        self.started.set(self.started.get() + 1);
        let (recorder, written) = (EmfRecorder::default(), Written::default());
        let telemetry = Telemetry::documents(self.service, ENVIRONMENT, recorder.clone(), written.clone());
        let seed = self.service.bytes().map(u64::from).sum::<u64>() * 1_000 + self.started.get();
        let (client, clock) = (self.engine.client(), self.clock.clone());
        let ledger = Ledger::new(client, embedded::TABLE, clock, Randomness::seeded(seed), Settings::FLEET);
        let (environment, quotas) = (ENVIRONMENT.to_owned(), Quotas::default());
        let settings = platform::endpoint::Settings { environment, quotas, telemetry: telemetry.clone() };
        let router = self.routes.clone().router(ledger.clone(), &settings);
        Process { ledger, telemetry, router, recorder, written }
    }
}

/// Does some work whose numbers are told to one recorder, whoever else is at work meanwhile.
async fn recorded<T>(recorder: &EmfRecorder, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    std::future::poll_fn(|context| metrics::with_local_recorder(recorder, || work.as_mut().poll(context))).await
}
