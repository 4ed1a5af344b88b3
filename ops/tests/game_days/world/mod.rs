//! A small EventLedger: all Lambdas on one table in a data directory, a publisher and a reader, and CloudWatch that watches.
//! Time is simulated, so nothing takes any; a pause of the SDK or of a client takes its time in it.

mod canary;
mod fleet;
mod function;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use embedded::{DataDirectory, TABLE};
use ledger::{ApiKey, Clock, Ledger, Randomness, Settings, Timestamp};
use platform::api_key::Token;
use platform::telemetry::series::Place;
use serde_json::json;
use tempfile::TempDir;

use crate::cloudwatch::{CloudWatch, MINUTE_MS, State};
pub(crate) use fleet::{Fleet, Life};

/// The environment, and where it is.
pub(crate) const ENVIRONMENT: &str = "prod";
const PLACE: Place<'_> = Place { environment: ENVIRONMENT, region: "eu-central-1", table: "eventledger-prod" };
/// What the pages call a stream, its subscription and the API key of its reader.
pub(crate) const STREAM: &str = "orders";
pub(crate) const SUBSCRIPTION: &str = "billing";
pub(crate) const BILLING: &str = "3kT9mQ2xW7bZ";
pub(crate) const PUBLISHER: &str = "publisher000";
pub(crate) const CANARY: &str = "canary000000";
const ADMIN: &str = "admin0000000";

/// The API key of an id.
pub(crate) fn token(id: &str) -> Token {
    Token::assemble(ENVIRONMENT, id, &"s".repeat(43))
}

/// The same, as it is sent.
pub(crate) fn key(id: &str) -> String {
    token(id).reveal()
}

/// Where everything is told.
#[derive(Clone)]
pub(crate) struct Tower(Rc<Inside>);

struct Inside {
    cloudwatch: RefCell<CloudWatch>,
    lines_are_lost: Cell<bool>,
}

impl Tower {
    /// Lines of the log.
    fn tell(&self, lines: &str) {
        if !self.0.lines_are_lost.get() {
            lines.lines().for_each(|line| self.0.cloudwatch.borrow_mut().metrics.read(line));
        }
    }

    /// That AWS did not start an invocation.
    fn count_throttle(&self, service: &str, at: Timestamp) {
        self.0.cloudwatch.borrow_mut().metrics.of_aws("Throttles", &PLACE.function(service), at, 1.0);
    }

    /// What AWS counts of an invocation.
    fn count(&self, service: &str, at: Timestamp, failed: bool, duration_ms: u64) {
        let counted = [
            ("Invocations", 1.0),
            ("Errors", f64::from(u8::from(failed))),
            ("Throttles", 0.0),
            ("Duration", duration_ms as f64),
        ];
        let metrics = &mut self.0.cloudwatch.borrow_mut().metrics;
        for (metric, value) in counted {
            metrics.of_aws(metric, &PLACE.function(service), at, value);
        }
    }
}

/// An environment, and its time.
pub(crate) struct World {
    /// What goes on from now on.
    pub(crate) life: Life,
    pub(crate) folder: TempDir,
    /// Which API key is meant by the one on the pages.
    pub(crate) meant: String,
    runtime: tokio::runtime::Runtime,
    directory: Option<DataDirectory>,
    fleet: Fleet,
    /// For what is there before anything happens.
    desk: Ledger,
    /// When the minute ends that is to be played next.
    ends: Timestamp,
    begun: Timestamp,
    minutes: u64,
}

impl World {
    /// One in which it is now in so many minutes. Its stream keeps events for so many hours.
    pub(crate) fn begin(minutes: u64, retention_hours: u32) -> Self {
        Self::begin_with(minutes, retention_hours, |_| {})
    }

    /// The same, with something special about the reader's key.
    pub(crate) fn begin_with(minutes: u64, retention_hours: u32, special: impl FnOnce(&mut ApiKey)) -> Self {
        // In memory where there is such a place: a disk takes longer than everything else.
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let folder = folder.expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let directory = DataDirectory::open(&folder.path().join("data")).expect("a data directory");
        let engine = directory.engine().expect("an engine");
        let now = Clock::system().now().0 / MINUTE_MS * MINUTE_MS;
        let begun = Timestamp(now - minutes * MINUTE_MS);
        let fleet = runtime.block_on(async {
            let clock = Clock::simulated(begun);
            let cloudwatch = RefCell::new(CloudWatch::of(&PLACE));
            let tower = Tower(Rc::new(Inside { cloudwatch, lines_are_lost: Cell::default() }));
            ledger::table::create_if_absent(&engine.client(), TABLE).await.expect("a table");
            Fleet::new(engine, clock, tower)
        });
        let (client, clock) = (fleet.engine.client(), fleet.clock.clone());
        let desk = Ledger::new(client, TABLE, clock, Randomness::seeded(7), Settings::FLEET);
        let world = Self {
            life: Life::default(),
            meant: BILLING.to_owned(),
            folder,
            runtime,
            directory: Some(directory),
            fleet,
            desk,
            ends: begun.plus(MINUTE_MS),
            begun,
            minutes: 0,
        };
        world.furnish(retention_hours, special);
        world
    }

    /// The stream, its subscription, and the keys of those that use it.
    fn furnish(&self, retention_hours: u32, special: impl FnOnce(&mut ApiKey)) {
        let whole_stream = |action: &str| format!("{action}:{STREAM}");
        self.make_key(token(PUBLISHER).record("shop", &[&whole_stream("publish")], self.begun));
        let billing = ["poll", "commit"].map(|action| format!("{action}:{STREAM}:{SUBSCRIPTION}"));
        let mut billing = token(BILLING).record("billing-team", &billing.each_ref().map(String::as_str), self.begun);
        special(&mut billing);
        self.make_key(billing);
        self.make_key(token(CANARY).record("canary", &::canary::SCOPES, self.begun));
        // Long before, or it would be news.
        self.make_key(token(ADMIN).record_of_admin(Timestamp(self.begun.0 - 86_400_000)));
        let stream = json!({
            "stream_id": STREAM, "partition_count": 1, "retention_hours": retention_hours, "compaction": true,
        });
        let subscription = json!({ "subscription_id": SUBSCRIPTION, "start_from": "earliest" });
        let subscriptions = format!("/streams/{STREAM}/subscriptions");
        let made = self.now(async |fleet| {
            let stream = fleet.ask(&key(ADMIN), "POST", "/streams", Some(stream)).await;
            [stream, fleet.ask(&key(ADMIN), "POST", &subscriptions, Some(subscription)).await]
        });
        assert!(made.iter().all(|answer| answer.status == 201), "{made:?}");
    }

    /// A file beside the data.
    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Puts an API key into the table.
    pub(crate) fn make_key(&self, key: ApiKey) {
        self.runtime.block_on(self.desk.create_api_key(&key)).expect("a key can be stored");
    }

    /// Does something now.
    pub(crate) fn now<T>(&self, work: impl AsyncFnOnce(&Fleet) -> T) -> T {
        self.runtime.block_on(work(&self.fleet))
    }

    /// Lets so many minutes pass.
    pub(crate) fn play(&mut self, minutes: u64) {
        self.play_with(minutes, async |_| {});
    }

    /// The same, while something else happens in each, which begins with it.
    pub(crate) fn play_with(&mut self, minutes: u64, beside: impl AsyncFn(&Fleet)) {
        for _ in 0..minutes {
            // Only within the runtime it is its time.
            let now = self.runtime.block_on(async {
                let clock = &self.fleet.clock;
                let live = self.fleet.live(self.life, self.minutes);
                tokio::join!(Box::pin(live), Box::pin(beside(&self.fleet)));
                clock.sleep(self.ends.since(clock.now())).await;
                clock.now()
            });
            self.minutes += 1;
            // What took longer is judged when it was over.
            while self.ends <= now {
                self.fleet.tower.0.cloudwatch.borrow_mut().judge(self.ends);
                self.ends = self.ends.plus(MINUTE_MS);
            }
        }
    }

    /// Lets minutes pass until an alarm is in a state, so many at most, and answers how many it took.
    pub(crate) fn until(&mut self, alarm: &str, state: State, most: u64) -> u64 {
        self.until_with(alarm, state, most, async |_| {})
    }

    /// The same, while something else happens in each.
    pub(crate) fn until_with(&mut self, alarm: &str, state: State, most: u64, beside: impl AsyncFn(&Fleet)) -> u64 {
        for minutes in 1..=most {
            self.play_with(1, &beside);
            if self.state(alarm) == state {
                return minutes;
            }
        }
        panic!("{alarm} is not {state:?} after {most} minutes: {:#?}", self.history())
    }

    /// The state of an alarm.
    pub(crate) fn state(&self, alarm: &str) -> State {
        self.fleet.tower.0.cloudwatch.borrow().state(alarm)
    }

    /// Insists on the alarms of which somebody was told so far: those that wake people, and the others.
    pub(crate) fn insists(&self, pages: &[&str], tickets: &[&str]) {
        let told = (self.told("page"), self.told("ticket"));
        let told = (told.0.iter().map(String::as_str).collect(), told.1.iter().map(String::as_str).collect());
        assert_eq!(told, (pages.to_vec(), tickets.to_vec()), "{:#?}", self.history());
    }

    fn told(&self, severity: &str) -> Vec<String> {
        let cloudwatch = self.fleet.tower.0.cloudwatch.borrow();
        cloudwatch.told(severity, self.begun).into_iter().map(str::to_owned).collect()
    }

    /// Alarms of which nothing is known.
    pub(crate) fn blind(&self) -> Vec<String> {
        let cloudwatch = self.fleet.tower.0.cloudwatch.borrow();
        cloudwatch.in_state(State::InsufficientData).map(str::to_owned).collect()
    }

    /// When it began.
    pub(crate) fn begun(&self) -> Timestamp {
        self.begun
    }

    /// What became of each alarm, and in which minute.
    pub(crate) fn history(&self) -> Vec<String> {
        let cloudwatch = self.fleet.tower.0.cloudwatch.borrow();
        // That they are well at the beginning is no news.
        let told = cloudwatch
            .since(self.begun)
            .filter(|change| change.at > self.begun.plus(4 * MINUTE_MS) || change.to != State::Ok);
        told.map(|change| {
            let minute = change.at.since(self.begun) / MINUTE_MS;
            format!("{minute:>4} {} {:?}", change.alarm, change.to)
        })
        .collect()
    }

    /// Whether lines of the log are lost from now on.
    pub(crate) fn lose_lines(&self, lost: bool) {
        self.fleet.tower.0.lines_are_lost.set(lost);
    }

    /// Lets another process have the data directory meanwhile. The Lambdas live on, and know of nothing, as they would.
    pub(crate) fn lend<T>(&mut self, work: impl FnOnce(&std::path::Path) -> T) -> T {
        let directory = self.directory.take().expect("the data directory");
        let path = directory.path().to_owned();
        drop(directory);
        let result = work(&path);
        self.directory = Some(DataDirectory::existing(&path).expect("the data directory"));
        result
    }
}
