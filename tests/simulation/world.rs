//! The world of one run: the table, the fleet of processes on it, its clock, and the record of what happens. Everything is
//! on one thread with paused time, and everything that is decided comes from the seed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded::{CallInfo, Engine};
use ledger::model::{Incarnation, StreamName};
use ledger::{Clock, Ledger, Settings, Timestamp};
use platform::access::{Allowance, Quotas};
use platform::api_key::Token;
use tokio::sync::{Notify, RwLock};

use crate::counters::Counters;
use crate::dice::Dice;
use crate::fate::{Plan, life};
use crate::history::{Facts, History};
use crate::process::{Process, Service};
use crate::suite;
use crate::swarm::Swarm;

pub(crate) const TABLE: &str = "eventledger";
pub(crate) const ENVIRONMENT: &str = "simulation";
/// Noon of a day in 2026.
const START: Timestamp = Timestamp(1_790_000_000_000);
/// Every action on everything.
pub(crate) const EVERYTHING: [&str; 6] =
    ["publish:*", "poll:*", "commit:*", "bootstrap:*", "stream.admin:*", "sub.admin:*"];
/// When that is which does not come in this run.
pub(crate) const NEVER: u64 = u64::MAX;
/// So long after healing everything works.
pub(crate) const RECOVERY_MS: u64 = 30_000;
/// Invocations that a process takes at once, in runs whose processes take several.
const MOST_INVOCATIONS: usize = 6;
/// No run needs more store calls than this: one that makes them goes in circles.
const MOST_STORE_CALLS: u64 = 40_000;
/// A storm that has cost so many is over, whatever came of it: who gets one call in fifteen through gets nothing done.
pub(crate) const STORE_CALLS_OF_A_STORM: u64 = 20_000;
/// The stream that a run is about.
pub(crate) const STREAM: &str = "orders";

/// A world. Cloning shares it.
#[derive(Clone)]
pub(crate) struct World(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) dice: Dice,
    pub(crate) swarm: Swarm,
    pub(crate) clock: Clock,
    pub(crate) engine: Engine,
    /// What the clients authenticate with.
    pub(crate) key: String,
    /// A client that meets no fault.
    pub(crate) client: aws_sdk_dynamodb::Client,
    /// Requests hold it for reading; whoever needs a quiet world takes it for writing.
    pub(crate) gate: RwLock<()>,
    /// Set by rings of the doorbell, taken by the table's change stream.
    pub(crate) rings: tokio::sync::mpsc::UnboundedSender<String>,
    /// The life of the stream that goes on, as far as its clients were told, and those that ended.
    lives: Mutex<(Option<Incarnation>, BTreeSet<Incarnation>)>,
    /// The tokens of transactions that are written.
    transactions: Mutex<BTreeSet<String>>,
    history: Mutex<History>,
    counters: Mutex<Counters>,
    processes: Mutex<Vec<Arc<Process>>>,
    started: AtomicUsize,
    events: AtomicU64,
    /// When the world healed; [`NEVER`] before.
    healed_at: AtomicU64,
    stopping: AtomicBool,
    poisoned: AtomicBool,
    store_calls: AtomicU64,
    circles: Notify,
    trace: Mutex<u64>,
    /// Whether what happens is written to standard output.
    told: bool,
    /// What shall happen to the next invocation, whatever the dice say.
    next_plan: Mutex<Option<Plan>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// A world with an empty table and one API key. The second value hears of each log that changed.
    pub(crate) async fn create(
        seed: u64,
        swarm: Option<Swarm>,
        told: bool,
    ) -> (Self, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let dice = Dice::new(seed);
        let drawn = || {
            let swarm = Swarm::draw(&dice);
            if suite::is_crowded(seed) { swarm.crowded(seed.is_multiple_of(2)) } else { swarm }
        };
        let swarm = swarm.unwrap_or_else(drawn);
        let clock = Clock::simulated(START);
        let engine = Engine::replicated(&clock);
        let client = engine.client();
        ledger::table::create_if_absent(&client, TABLE).await.expect("a table in memory");
        let randomness = dice.randomness();
        let key = Token::mint(&randomness, ENVIRONMENT);
        let (rings, rung) = tokio::sync::mpsc::unbounded_channel();
        let inner = Inner {
            dice,
            swarm,
            clock,
            engine,
            key: key.reveal(),
            client,
            gate: RwLock::new(()),
            rings,
            lives: Mutex::default(),
            transactions: Mutex::default(),
            history: Mutex::default(),
            counters: Mutex::default(),
            processes: Mutex::default(),
            started: AtomicUsize::new(0),
            events: AtomicU64::new(0),
            healed_at: AtomicU64::new(NEVER),
            stopping: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            store_calls: AtomicU64::new(0),
            circles: Notify::new(),
            trace: Mutex::default(),
            told,
            next_plan: Mutex::default(),
        };
        let world = Self(Arc::new(inner));
        let ledger = world.0.faultless();
        let record = key.record("clients", &EVERYTHING, world.0.clock.now());
        ledger.create_api_key(&record).await.expect("a key can be stored");
        (world, rung)
    }

    /// A process of a service that has nothing to do, or takes one more, a cold one if there is none; it is taken.
    pub(crate) fn process(&self, service: Service) -> Arc<Process> {
        let mut processes = lock(&self.0.processes);
        processes.retain(|process| !process.fate.is_dead());
        let shares = self.0.swarm.shares && service == Service::Publish;
        let most = if shares { MOST_INVOCATIONS } else { 1 };
        // Whoever is frozen is handed nothing.
        let has_room = |process: &&Arc<Process>| {
            process.service == service && process.invocations() < most && !process.is_frozen()
        };
        let idle: Vec<_> = processes.iter().filter(has_room).cloned().collect();
        let process = if idle.is_empty() || (idle.len() < 3 && self.0.dice.chance(60)) {
            let number = self.0.started.fetch_add(1, Ordering::SeqCst);
            let process = Process::start(&self.0, service, number, self.0.dice.randomness());
            processes.push(Arc::clone(&process));
            process
        } else {
            Arc::clone(self.0.dice.one_of(&idle))
        };
        process.take();
        process
    }

    /// What shall happen to an invocation of a service that begins now.
    pub(crate) fn plan(&self, service: Service) -> Plan {
        let (dice, swarm) = (&self.0.dice, &self.0.swarm);
        if let Some(plan) = lock(&self.0.next_plan).take() {
            return plan;
        }
        if self.0.is_healthy() {
            return Plan::default();
        }
        // Most requests make few calls; a sweep makes dozens, and is as frail in its last as in its first.
        let calls = match service {
            Service::Keeper | Service::Compactor if dice.chance(600) => 60,
            _ => 6,
        };
        Plan {
            kill: dice.chance(swarm.kill).then(|| (dice.between(1..=calls), dice.chance(500))),
            freeze: dice.chance(swarm.freeze).then(|| (dice.between(1..=calls), dice.between(10_000..=300_000))),
            cut_off: dice.chance(swarm.cut_off).then(|| (dice.between(1..=calls), dice.between(1_000..=40_000))),
        }
    }

    /// Runs an invocation on a process of a service.
    pub(crate) async fn invoke<T, W: Future<Output = T>>(
        &self,
        service: Service,
        facts: Facts,
        plan: Plan,
        work: impl FnOnce(Arc<Process>) -> W,
    ) -> Option<T> {
        let process = self.process(service);
        let outcome = process.invoke(facts, plan, work(Arc::clone(&process))).await;
        process.release();
        outcome
    }

    /// Waits, on the true clock.
    pub(crate) async fn sleep(&self, milliseconds: u64) {
        self.0.clock.sleep(milliseconds).await;
    }

    /// Waits for a drawn time.
    pub(crate) async fn pause(&self, range: std::ops::RangeInclusive<u64>) {
        self.sleep(self.0.dice.between(range)).await;
    }
}

impl Inner {
    /// A ledger that meets no fault and remembers nothing: what the checker takes the truth from.
    pub(crate) fn faultless(&self) -> Ledger {
        let (randomness, settings) = (self.dice.randomness(), Settings::FLEET);
        Ledger::new(self.client.clone(), TABLE, self.clock.clone(), randomness, settings)
    }

    pub(crate) fn stream(&self) -> StreamName {
        StreamName::parse(STREAM).expect("a name")
    }

    /// The true time.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now().0
    }

    /// A number that no other event of the run has.
    pub(crate) fn next_event(&self) -> u64 {
        self.events.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn quotas(&self) -> Quotas {
        if self.swarm.floods {
            Quotas::uniform(Allowance::new(5, 12), Allowance::new(1_000, 1_000))
        } else {
            Quotas::default()
        }
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.healed_at.load(Ordering::SeqCst) != NEVER
    }

    /// From now on nothing fails.
    pub(crate) fn heal(&self) {
        self.healed_at.fetch_min(self.now(), Ordering::SeqCst);
    }

    /// Whether nothing has failed for so long that everything must work.
    pub(crate) fn has_recovered(&self, at: u64) -> bool {
        at > self.healed_at.load(Ordering::SeqCst).saturating_add(RECOVERY_MS)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Readers read to the end and stop.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::SeqCst)
    }

    pub(crate) fn set_poisoned(&self, poisoned: bool) {
        self.poisoned.store(poisoned, Ordering::SeqCst);
    }

    pub(crate) fn history(&self) -> MutexGuard<'_, History> {
        lock(&self.history)
    }

    pub(crate) fn count(&self, name: impl Into<String>) {
        lock(&self.counters).count(name);
    }

    pub(crate) fn counters(&self) -> Counters {
        lock(&self.counters).clone()
    }

    /// Something that must never be.
    pub(crate) fn anomaly(&self, what: impl Into<String>) {
        self.history().anomalies.push(what.into());
    }

    pub(crate) fn store_calls(&self) -> u64 {
        self.store_calls.load(Ordering::SeqCst)
    }

    /// Decides what shall happen to the next invocation.
    pub(crate) fn set_next_plan(&self, plan: Plan) {
        *lock(&self.next_plan) = Some(plan);
    }

    /// A life of the stream began.
    pub(crate) fn began(&self, life: Incarnation) {
        lock(&self.lives).0 = Some(life);
    }

    /// The life that went on ended.
    pub(crate) fn ended(&self) {
        let mut lives = lock(&self.lives);
        let ended = lives.0.take();
        lives.1.extend(ended);
    }

    /// Writes a line of the story, if somebody wants to read it.
    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        if self.told {
            println!("{} {}", self.now(), line());
        }
    }

    /// A process calls the store.
    pub(crate) fn call_of_the_store(&self) {
        let calls = self.store_calls.fetch_add(1, Ordering::SeqCst);
        if calls == MOST_STORE_CALLS {
            self.circles.notify_one();
        }
    }

    /// Waits until the run has made more store calls than any needs. A panic would not end it: services answer those.
    pub(crate) async fn goes_in_circles(&self) {
        self.circles.notified().await;
    }

    /// Adds to what tells two runs apart.
    pub(crate) fn trace(&self, words: &[&str]) {
        self.tell(|| words.join(" | "));
        let mut trace = lock(&self.trace);
        let now = self.now().to_string();
        for byte in words.iter().chain([&now.as_str()]).flat_map(|word| word.bytes().chain([0])) {
            // FNV-1a, by its definition.
            *trace = (*trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// What tells this run from every other.
    pub(crate) fn trace_so_far(&self) -> u64 {
        *lock(&self.trace)
    }

    /// A write took effect: the table's change stream hears of it.
    pub(crate) fn written(&self, call: &CallInfo) {
        // The note of what is to be collected goes last.
        if call.operation == "DeleteItem" && call.partition_keys.iter().any(|key| key == "DELETED") {
            self.count("what was left of a life was collected");
        }
        let of = call.partition_keys.iter().find_map(|key| life(key, &key[..=key.find('#')?]));
        if call.operation != "DeleteItem" && of.is_some_and(|of| lock(&self.lives).1.contains(&of)) {
            self.count("something was written into a life that had ended");
        }
        // A transaction that is tried again succeeds again, and changes nothing.
        let token = &call.transaction_token;
        if !token.is_empty() && !lock(&self.transactions).insert(token.clone()) {
            return;
        }
        // Changes of one partition by one write come together, as they do in a batch of the change stream.
        let changed: BTreeSet<_> = call.partition_keys.iter().filter(|key| key.starts_with("LOG#")).collect();
        for key in changed {
            // Whoever should listen may have stopped already.
            self.rings.send(key.clone()).ok();
        }
    }
}
