//! What happens in a month, and what each time takes: requests, invocations, processor, lines of the log, units of the table.
//!
//! The work of clients and of the compactor follows from the workload and is here; that of keeper and canary, which schedules
//! wake, is in [`watching`](super::watching).

use super::figures::Figures;
use super::remembered::{Uses, leased, of_key, of_process, of_subscription};
use super::units::{Stored, Units};
use super::workload::{SECONDS, Volume, Workload};
use ledger::Settings;

/// Changes that the doorbell hands on at most at once, and the seconds that it waits for more
/// (`infra/modules/environment/doorbell.tf`).
const DOORBELL: (f64, f64) = (100.0, 1.0);
/// API Gateway counts a request for each so many bytes of it.
const REQUEST_BYTES: f64 = 512.0 * 1_024.0;
/// Lambda counts milliseconds that were begun: half of one more, on average.
pub(super) const BEGUN_MS: f64 = 0.5;
/// Whose work it is, as the bill tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Of publishers.
    Publishing,
    /// Of subscribers: pages, commits, and polls that find nothing.
    Reading,
    /// Of the compactor.
    Compaction,
    /// Of the keeper and the canary, which come whether anything happens or not.
    Watching,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Publishing, Self::Reading, Self::Compaction, Self::Watching];

    /// For people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publishing => "publishing",
            Self::Reading => "reading",
            Self::Compaction => "compaction",
            Self::Watching => "watching",
        }
    }
}

/// Something that happens, and what each time takes.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Whose it is.
    pub part: Part,
    /// What it is.
    pub name: &'static str,
    /// How often it happens in a month.
    pub times: f64,
    /// Requests to the API.
    pub requests: f64,
    /// Invocations of Lambdas.
    pub invocations: f64,
    /// Milliseconds that they are billed for.
    pub compute_ms: f64,
    /// Bytes that functions write to their logs.
    pub log_bytes: f64,
    /// Bytes that API Gateway writes to its own.
    pub access_bytes: f64,
    /// Units of the table.
    pub units: Units,
    /// Bytes that readers are answered.
    pub answered_bytes: f64,
}

/// A month of a workload at a volume.
#[derive(Clone, Copy, Debug)]
pub struct Month<'a> {
    /// What is published and read.
    pub workload: &'a Workload,
    /// How much.
    pub volume: &'a Volume,
    /// What the bill rests on.
    pub figures: &'a Figures,
}

impl Month<'_> {
    /// All that happens.
    #[must_use]
    pub fn work(&self) -> Vec<Work> {
        let mut work = vec![
            self.publish(),
            self.publishers_remembered(),
            self.page(),
            self.commit(),
            self.subscribers_remembered(true),
            self.idle_poll(),
            self.subscribers_remembered(false),
            self.compaction(),
            self.sample(),
            self.sweep(),
        ];
        if self.workload.environment.canary {
            work.extend([self.round(), self.canary_compaction()]);
        }
        work
    }

    fn events(&self) -> f64 {
        self.volume.events_per_month as f64
    }

    fn busy_seconds(&self) -> f64 {
        SECONDS * self.workload.busy_share
    }

    fn events_per_publish(&self) -> f64 {
        f64::from(self.workload.events_per_publish)
    }

    fn publishes_per_second(&self) -> f64 {
        self.workload.publishes_per_second(self.volume)
    }

    /// Pages of one subscriber in a second in which events come.
    fn pages_per_second(&self) -> f64 {
        self.events() / f64::from(self.workload.events_per_poll) / self.busy_seconds()
    }

    /// How the stream is stored.
    #[must_use]
    pub fn stored(&self) -> Stored {
        let (event_bytes, partitions) = (f64::from(self.workload.event_bytes), f64::from(self.volume.partitions));
        self.figures.measured.stored(event_bytes, self.workload.events_per_publish, partitions)
    }

    /// Milliseconds of a function that asks the table so often, one call after the other, for a request of so many events.
    pub(super) fn busy_ms(&self, calls: f64, events: f64) -> f64 {
        let assumed = &self.figures.assumed;
        let memory = f64::from(self.workload.environment.memory_megabytes);
        let slower = (assumed.processor_megabytes.value / memory).max(1.0);
        let processor = assumed.request_ms.value + assumed.event_ms.value * events;
        calls * assumed.round_trip_ms.value + processor * slower
    }

    /// What API Gateway writes of so many requests.
    pub(super) fn access_lines(&self, requests: f64) -> f64 {
        let each = self.figures.assumed.access_line_bytes.value;
        if self.workload.environment.access_log { requests * each } else { 0.0 }
    }

    /// A request that API Gateway hands to a function, which takes so long.
    fn asked(&self, part: Part, name: &'static str, operation: &str, times: f64, busy_ms: f64) -> Work {
        Work {
            part,
            name,
            times,
            requests: 1.0,
            invocations: 1.0,
            compute_ms: busy_ms + BEGUN_MS,
            log_bytes: self.figures.measured.line(operation),
            access_bytes: self.access_lines(1.0),
            units: Units::default(),
            answered_bytes: 0.0,
        }
    }

    /// An invocation that nobody asked for.
    pub(super) fn woken(&self, part: Part, name: &'static str, operation: &str, times: f64, busy_ms: f64) -> Work {
        Work { requests: 0.0, access_bytes: 0.0, ..self.asked(part, name, operation, times, busy_ms) }
    }

    /// What happens in the table besides, each second.
    fn beside(part: Part, name: &'static str, seconds: f64, units: Units) -> Work {
        Work {
            part,
            name,
            times: seconds,
            requests: 0.0,
            invocations: 0.0,
            compute_ms: 0.0,
            log_bytes: 0.0,
            access_bytes: 0.0,
            units,
            answered_bytes: 0.0,
        }
    }

    /// How many processes a function has that is asked so often for so long.
    fn processes(&self, per_second: f64, busy_ms: f64) -> f64 {
        (per_second * busy_ms / 1_000.0 * self.figures.assumed.processes.value).ceil().max(1.0)
    }

    fn publish_ms(&self) -> f64 {
        let receipt = f64::from(u8::from(self.workload.idempotency_keys));
        self.busy_ms(2.0 * (1.0 + self.lost_races()) + receipt, self.events_per_publish())
    }

    /// Races that a publish loses on average: whoever else publishes meanwhile may win.
    fn lost_races(&self) -> f64 {
        self.workload.publishes_per_partition_and_second(self.volume) * self.figures.assumed.race_ms.value / 1_000.0
    }

    /// A publish.
    #[must_use]
    pub fn publish(&self) -> Work {
        let times = self.events() / self.events_per_publish();
        let units = self.stored().publish(self.workload.idempotency_keys, self.lost_races());
        Work { units, ..self.asked(Part::Publishing, "publish", "publish", times, self.publish_ms()) }
    }

    /// What publishing processes read again, because they forget, and lease.
    #[must_use]
    pub fn publishers_remembered(&self) -> Work {
        let rate = self.publishes_per_second();
        let processes = self.processes(rate, self.publish_ms());
        let each = rate / processes;
        let uses = Uses { per_second: each, evenly: false };
        let units = of_process(uses) + of_key(uses) + leased(each, each * self.events_per_publish());
        Self::beside(Part::Publishing, "keys and quotas of publishers", self.busy_seconds(), units * processes)
    }

    /// A page of a subscriber that reads on.
    #[must_use]
    pub fn page(&self) -> Work {
        let times = f64::from(self.workload.subscribers) * self.events() / f64::from(self.workload.events_per_poll);
        let measured = &self.figures.measured;
        let larger = f64::from(self.workload.event_bytes) - measured.event_bytes;
        let events = f64::from(self.workload.events_per_poll);
        let answered_bytes = measured.page_bytes + events * (measured.page_event_bytes + larger);
        let requests = (answered_bytes / REQUEST_BYTES).ceil();
        let units = self.stored().page(self.publishes_of_a_page());
        let page = self.asked(Part::Reading, "page", "poll", times, self.page_ms());
        Work { requests, units, answered_bytes, ..page }
    }

    fn publishes_of_a_page(&self) -> u32 {
        self.workload.events_per_poll.div_ceil(self.workload.events_per_publish)
    }

    fn page_ms(&self) -> f64 {
        self.busy_ms(1.0, f64::from(self.workload.events_per_poll))
    }

    /// The commit of a page.
    #[must_use]
    pub fn commit(&self) -> Work {
        let each = self.workload.publishes_per_partition_and_second(self.volume);
        let meanwhile = each * self.handling_seconds();
        // They come by chance: this is how often two or more do.
        let lagging_share = 1.0 - (-meanwhile).exp() * (1.0 + meanwhile);
        let units = self.stored().commit(lagging_share);
        let busy_ms = self.busy_ms(3.0 + lagging_share, 0.0);
        Work { units, ..self.asked(Part::Reading, "commit", "commit", self.page().times, busy_ms) }
    }

    /// Seconds that a subscriber takes for a page, if the next one is not there sooner.
    #[must_use]
    pub fn handling_seconds(&self) -> f64 {
        self.figures.assumed.handling_seconds.value.min(1.0 / self.pages_per_second())
    }

    /// A poll that finds nothing.
    #[must_use]
    pub fn idle_poll(&self) -> Work {
        let seconds = SECONDS - self.busy_seconds();
        let times = f64::from(self.workload.subscribers) * seconds / self.workload.idle_poll_seconds;
        let answered_bytes = self.figures.measured.page_bytes;
        let poll = self.asked(Part::Reading, "poll that finds nothing", "poll", times, self.busy_ms(1.0, 0.0));
        Work { units: self.stored().idle_poll(), answered_bytes, ..poll }
    }

    /// What reading processes read again, because they forget: while events come, or while none do.
    #[must_use]
    pub fn subscribers_remembered(&self, busy: bool) -> Work {
        let subscribers = f64::from(self.workload.subscribers);
        let (name, seconds, polls, requests, busy_ms) = if busy {
            // A page and its commit.
            let (polls, busy_ms) = (self.pages_per_second(), f64::midpoint(self.page_ms(), self.busy_ms(4.0, 0.0)));
            ("keys and subscriptions of readers", self.busy_seconds(), polls, 2.0 * polls, busy_ms)
        } else {
            let polls = 1.0 / self.workload.idle_poll_seconds;
            let seconds = SECONDS - self.busy_seconds();
            ("the same while nothing comes", seconds, polls, polls, self.busy_ms(1.0, 0.0))
        };
        let processes = self.processes(subscribers * requests, busy_ms);
        let uses = |per_second: f64| Uses { per_second: per_second / processes, evenly: !busy };
        let of_one = of_key(uses(requests)) + of_subscription(uses(polls), busy) + leased(requests / processes, 0.0);
        let units = (of_process(uses(requests).times(subscribers)) + of_one * subscribers) * processes;
        Self::beside(Part::Reading, name, seconds, units)
    }

    /// A round of the compactor. Each partition rings by itself: its changes may lie in a shard of their own.
    #[must_use]
    pub fn compaction(&self) -> Work {
        let each = self.workload.publishes_per_partition_and_second(self.volume);
        let (most, window) = DOORBELL;
        let record_batches = (1.0 + each * window).min(most);
        let times = each / record_batches * f64::from(self.volume.partitions) * self.busy_seconds();
        let events_each = self.events_per_publish() / self.workload.touched(self.volume);
        let events = record_batches * events_each;
        let keys = events * self.workload.last_of_key_share;
        let writes = (keys / Settings::FLEET.puts_at_once as f64).ceil();
        let busy_ms = self.busy_ms(3.0 + writes, events);
        let woken = self.woken(Part::Compaction, "round of compaction", "compact_partitions", times, busy_ms);
        Work {
            units: self.stored().compaction(record_batches - 1.0, events_each * self.workload.last_of_key_share),
            ..woken
        }
    }
}
