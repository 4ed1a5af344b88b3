//! What others take for the same events, by their published prices: the events written once, read by each subscriber, and kept
//! for the same time.
//!
//! None of them has compacted state, an HTTP API with API keys, or positions that are kept for subscribers; what a team adds
//! for that, its consumers and its networks are not in here, and neither are the machines and buckets of WarpStream.

use super::prices::{OtherPrices, Price};
use super::work::Month;
use super::workload::HOURS;

const GB: f64 = 1_073_741_824.0;
const KB: f64 = 1_024.0;
/// A record of Kinesis is put in units of so many KB.
const PAYLOAD_UNIT_KB: f64 = 25.0;
/// What a shard takes and gives in a second.
const SHARD_RECORDS: f64 = 1_000.0;
const SHARD_BYTES_IN: f64 = 1_048_576.0;
const SHARD_BYTES_OUT: f64 = 2.0 * SHARD_BYTES_IN;
/// For how many hours Kinesis keeps what it is given without asking for more, and from when on for less.
const KINESIS_HOURS: f64 = 24.0;
const KINESIS_LONG_HOURS: f64 = 168.0;

/// What one of them takes.
#[derive(Clone, Copy, Debug)]
pub struct Other {
    /// Its name.
    pub name: &'static str,
    /// What it comes to.
    pub dollars: f64,
    /// Whether each price that it rests on was verified.
    pub verified: bool,
}

/// The names, in the order of [`all`].
pub const NAMES: [&str; 4] = ["Kinesis on demand", "Kinesis provisioned", "MSK Serverless", "WarpStream"];

/// A sum of prices.
struct Sum {
    dollars: f64,
    verified: bool,
}

impl Sum {
    fn of(parts: &[(&Price, f64)]) -> Self {
        let dollars = parts.iter().map(|(price, units)| price.of(*units)).sum();
        let verified = parts.iter().all(|(price, units)| price.verified || *units == 0.0);
        Self { dollars, verified }
    }
}

/// All of them.
#[must_use]
pub fn all(month: &Month<'_>, prices: &OtherPrices) -> [Other; 4] {
    let sums = [
        kinesis_on_demand(month, prices),
        kinesis_provisioned(month, prices),
        msk(month, prices),
        warpstream(month, prices),
    ];
    let mut named = NAMES.into_iter().zip(sums);
    std::array::from_fn(|_| {
        let (name, sum) = named.next().expect("each has a name");
        Other { name, dollars: sum.dollars, verified: sum.verified }
    })
}

/// Bytes of the events of a publish: they are one record there, which is what aggregating libraries make of them.
fn record_bytes(month: &Month<'_>) -> f64 {
    f64::from(month.workload.event_bytes) * f64::from(month.workload.events_per_publish)
}

fn records(month: &Month<'_>) -> f64 {
    month.volume.events_per_month as f64 / f64::from(month.workload.events_per_publish)
}

/// GB of the events of a month.
fn written(month: &Month<'_>) -> f64 {
    records(month) * record_bytes(month) / GB
}

fn read(month: &Month<'_>) -> f64 {
    written(month) * f64::from(month.workload.subscribers)
}

/// GB that are kept, on average, between two ages.
fn kept(month: &Month<'_>, from_hours: f64, to_hours: f64) -> f64 {
    let retention = f64::from(month.workload.retention_hours);
    written(month) / HOURS * (retention.min(to_hours) - from_hours).max(0.0)
}

fn kinesis_on_demand(month: &Month<'_>, prices: &OtherPrices) -> Sum {
    let rounded = records(month) * (record_bytes(month) / KB).ceil() * KB / GB;
    Sum::of(&[
        (&prices.kinesis_stream_hour, HOURS),
        (&prices.kinesis_data_in, rounded),
        (&prices.kinesis_data_out, read(month)),
        (&prices.kinesis_extended_retention, kept(month, KINESIS_HOURS, KINESIS_LONG_HOURS)),
        (&prices.kinesis_long_retention, kept(month, KINESIS_LONG_HOURS, f64::INFINITY)),
    ])
}

fn kinesis_provisioned(month: &Month<'_>, prices: &OtherPrices) -> Sum {
    let records_each_second = month.workload.publishes_per_second(month.volume);
    let bytes_each_second = records_each_second * record_bytes(month);
    let needed = [
        records_each_second / SHARD_RECORDS,
        bytes_each_second / SHARD_BYTES_IN,
        bytes_each_second * f64::from(month.workload.subscribers) / SHARD_BYTES_OUT,
    ];
    let shard_hours = needed.into_iter().fold(0.0, f64::max).ceil().max(1.0) * HOURS;
    let retained = if f64::from(month.workload.retention_hours) > KINESIS_HOURS { shard_hours } else { 0.0 };
    Sum::of(&[
        (&prices.kinesis_shard_hour, shard_hours),
        (&prices.kinesis_payload_unit, records(month) * (record_bytes(month) / KB / PAYLOAD_UNIT_KB).ceil()),
        (&prices.kinesis_shard_retention_hour, retained),
        (&prices.kinesis_long_retention, kept(month, KINESIS_LONG_HOURS, f64::INFINITY)),
    ])
}

fn msk(month: &Month<'_>, prices: &OtherPrices) -> Sum {
    Sum::of(&[
        (&prices.msk_cluster_hour, HOURS),
        (&prices.msk_partition_hour, f64::from(month.volume.partitions) * HOURS),
        (&prices.msk_data_in, written(month)),
        (&prices.msk_data_out, read(month)),
        (&prices.msk_storage, kept(month, 0.0, f64::INFINITY)),
    ])
}

fn warpstream(month: &Month<'_>, prices: &OtherPrices) -> Sum {
    Sum::of(&[
        (&prices.warpstream_cluster_month, 1.0),
        (&prices.warpstream_data_in, written(month)),
        (&prices.warpstream_storage, kept(month, 0.0, f64::INFINITY)),
    ])
}
