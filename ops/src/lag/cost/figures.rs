//! Figures that the bill rests on and no price list has: those that a test measures, and those that are assumed, each with why.
//!
//! `ops/cost/figures.json` has both. `UPDATE_EXPECT=1 cargo test -p ops --test cost` writes what is measured; what is assumed is
//! written by hand, for nothing here can measure AWS.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sizes::{RecordBatches, Size};
use super::units::Stored;
use crate::failure::Result;

const BUILT_IN: &str = include_str!("../../../cost/figures.json");

/// All of them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// By the test, on the embedded table.
    pub measured: Measured,
    /// By nobody.
    pub assumed: Assumed,
}

/// What the test measures with events as shops have them.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The mean length of the JSON of those events.
    pub event_bytes: f64,
    /// What a record batch takes without its events.
    pub record_batch_bytes: f64,
    /// What so many events take, compressed together.
    pub body_bytes: BTreeMap<u32, f64>,
    /// The standard deviation of what an event takes.
    pub event_deviation: f64,
    /// The latest record of a key in compacted state.
    pub compacted_bytes: f64,
    /// Its standard deviation.
    pub compacted_deviation: f64,
    /// A page of a poll without its events.
    pub page_bytes: f64,
    /// What each event takes in it.
    pub page_event_bytes: f64,
    /// The lines of an invocation, by its operation.
    pub line_bytes: BTreeMap<String, f64>,
    /// Series of numbers that an environment tells in an hour: each is a metric by its dimensions.
    pub custom_metrics: f64,
}

/// Something that is assumed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Assumption {
    /// The figure.
    pub value: f64,
    /// Why this one.
    pub why: String,
}

/// What is assumed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Assumed {
    /// Milliseconds until DynamoDB answers.
    pub round_trip_ms: Assumption,
    /// Milliseconds of a whole processor for a request, whatever it is.
    pub request_ms: Assumption,
    /// Milliseconds of a whole processor for each event in it.
    pub event_ms: Assumption,
    /// Memory at which a Lambda has a whole processor, in MB.
    pub processor_megabytes: Assumption,
    /// Milliseconds that the way through API Gateway takes.
    pub edge_ms: Assumption,
    /// How many processes a function has for each that is at work on average.
    pub processes: Assumption,
    /// Milliseconds in which another publish loses the race for a slot.
    pub race_ms: Assumption,
    /// Publishes that a partition takes in a second from a fleet.
    pub publishes_per_second: Assumption,
    /// Seconds that a subscriber takes for a page before it commits it.
    pub handling_seconds: Assumption,
    /// Bytes that API Gateway writes to the log for each request.
    pub access_line_bytes: Assumption,
    /// How much of what is written to a log is kept, because it is compressed.
    pub archived_share: Assumption,
    /// Bytes that DynamoDB adds to an item where it counts what a table holds.
    pub stored_item_bytes: Assumption,
}

impl Figures {
    /// The built-in ones.
    ///
    /// # Errors
    /// When they do not read.
    pub fn built_in() -> Result<Self> {
        super::read("figures", None, BUILT_IN)
    }
}

impl Measured {
    /// How events of so many bytes are stored, published so many at once to so many partitions: what is measured, in proportion.
    #[must_use]
    pub fn stored(&self, event_bytes: f64, events: u32, partitions: f64) -> Stored {
        let larger = event_bytes / self.event_bytes;
        let record_batches = RecordBatches {
            without_events: self.record_batch_bytes,
            bodies: self.body_bytes.iter().map(|(count, bytes)| (*count, bytes * larger)).collect(),
            event_deviation: self.event_deviation * larger,
            events,
            partitions,
        };
        let more = self.body_bytes.get(&1).copied().unwrap_or_default() * (larger - 1.0);
        let compacted = Size { bytes: self.compacted_bytes + more, deviation: self.compacted_deviation * larger };
        Stored { record_batches, compacted }
    }

    /// How events that take no more than so many bytes are stored, each published alone to one partition.
    #[must_use]
    pub fn stored_small(&self, bytes: f64) -> Stored {
        let (without_events, bodies) = (self.record_batch_bytes, BTreeMap::from([(1, bytes)]));
        let record_batches = RecordBatches { without_events, bodies, event_deviation: 0.0, events: 1, partitions: 1.0 };
        Stored { record_batches, compacted: Size::of(without_events + bytes) }
    }

    /// The lines of an invocation.
    #[must_use]
    pub fn line(&self, operation: &str) -> f64 {
        self.line_bytes.get(operation).copied().unwrap_or_default()
    }
}
