//! A process of the fleet: a Lambda with its own ledger, caches, clock and randomness, one invocation at a time, or several in
//! runs that say so. It may die or be frozen at any of its store calls; what it sent to the store lives on.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;

use ledger::{Clock, Ledger, Randomness, Settings};
use platform::functions::{FUNCTIONS, Function};
use platform::telemetry::Telemetry;

use crate::fate::{Plan, ProcessFate};
use crate::history::Facts;
use crate::world::{ENVIRONMENT, Inner, TABLE};

/// The services of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Admin,
    Publish,
    Poll,
    Compactor,
    Keeper,
}

impl Service {
    /// The Lambda that it is.
    fn function(self) -> &'static Function {
        let name = format!("{self:?}").to_lowercase();
        FUNCTIONS.iter().find(|function| function.service == name).expect("each service is a Lambda")
    }
}

/// A process.
pub(crate) struct Process {
    pub(crate) service: Service,
    pub(crate) ledger: Ledger,
    /// What an HTTP service answers with.
    pub(crate) router: axum::Router,
    pub(crate) fate: Arc<ProcessFate>,
    /// How many invocations it has.
    busy: AtomicUsize,
    /// How many of them are frozen.
    frozen: AtomicUsize,
    clock: Clock,
}

impl Process {
    /// A cold start.
    pub(crate) fn start(world: &Arc<Inner>, service: Service, number: usize, randomness: Randomness) -> Arc<Self> {
        let (name, world_of_it) = (format!("{service:?} {number}"), Arc::downgrade(world) as Weak<Inner>);
        let fate = Arc::new(ProcessFate::new(world_of_it, name, service.function()));
        let skew = i64::try_from(world.swarm.skew_ms).unwrap_or_default();
        let ahead = world.dice.between(0..=2 * world.swarm.skew_ms);
        let clock = world.clock.skewed(i64::try_from(ahead).unwrap_or_default() - skew);
        let client = world.engine.under(fate.clone()).client();
        let ledger = Ledger::new(client, TABLE, clock.clone(), randomness, Settings::FLEET);
        let settings = platform::endpoint::Settings {
            environment: ENVIRONMENT.to_owned(),
            quotas: world.quotas(),
            telemetry: Telemetry::log("simulation"),
        };
        let routes = match service {
            Service::Admin => admin::routes(),
            Service::Publish => publish::routes(),
            Service::Poll => poll::routes(),
            Service::Compactor | Service::Keeper => platform::endpoint::Routes::default(),
        };
        let router = routes.router(ledger.clone(), &settings);
        Arc::new(Self { service, ledger, router, fate, busy: AtomicUsize::new(0), frozen: AtomicUsize::new(0), clock })
    }

    /// How many invocations it has.
    pub(crate) fn invocations(&self) -> usize {
        self.busy.load(Ordering::SeqCst)
    }

    /// Whether some of them are frozen. A leap of the clocks wakes nobody.
    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::SeqCst) > 0 || self.fate.frozen_ms() > 0
    }

    /// Takes it for an invocation; give it back with [`Process::release`].
    pub(crate) fn take(&self) {
        self.busy.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn release(&self) {
        self.busy.fetch_sub(1, Ordering::SeqCst);
    }

    /// Runs one invocation to its end, or to that of the process: then nobody hears of it.
    pub(crate) async fn invoke<T>(&self, facts: Facts, plan: Plan, work: impl Future<Output = T>) -> Option<T> {
        self.fate.begin(facts.clone(), plan);
        let mut work = Box::pin(work);
        let mut thaw: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
        let outcome = poll_fn(move |context| {
            loop {
                if self.fate.is_dead() {
                    return Poll::Ready(None);
                }
                let (clock, frozen_ms) = (self.clock.clone(), self.fate.frozen_ms());
                if frozen_ms > 0 && thaw.is_none() {
                    self.frozen.fetch_add(1, Ordering::SeqCst);
                    thaw = Some(Box::pin(async move { clock.sleep(frozen_ms).await }));
                }
                if let Some(pause) = &mut thaw {
                    if pause.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    self.frozen.fetch_sub(1, Ordering::SeqCst);
                    thaw = None;
                }
                match work.as_mut().poll(context) {
                    Poll::Ready(value) => return Poll::Ready(Some(value)),
                    Poll::Pending if self.fate.is_dead() || self.fate.frozen_ms() > 0 => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
        self.fate.end(&facts);
        outcome
    }
}
