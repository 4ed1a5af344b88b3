//! The kinds of load, one file each; and what they have in common: rings of requests, filling a stream, and waiting until
//! compaction has caught up.

mod latency;
mod polls;
mod publish;
mod read;

use std::time::{Duration, Instant};

use crate::client::{Connection, Request, Result};
use crate::events::Events;
use crate::load::Loaded;
use crate::options::{Options, Workload};
use crate::report::{Findings, Row};
use crate::statistics::Measure;
use crate::system::Server;
use crate::workbench::{STREAM, Workbench};

/// Events of each request when a stream is filled.
pub(crate) const FILLED_AT_ONCE: usize = 1_000;
/// Different requests of a connection for single events.
pub(crate) const RING: usize = 64;
/// For so long nothing may move while compaction is waited for.
const STANDSTILL: Duration = Duration::from_secs(120);
/// Between two looks how far it is.
const BETWEEN: Duration = Duration::from_millis(250);

/// Everything that is asked for.
pub(crate) async fn all(bench: &Workbench, options: &Options) -> Result<Findings> {
    let mut findings = Findings::default();
    let mut rate_at_64 = Vec::new();
    if options.wants(Workload::Publish) {
        let connections = if bench.quick { &[1, 16][..] } else { &options.connections };
        rate_at_64 = publish::singles(bench, connections, &mut findings).await?;
    }
    if options.wants(Workload::Batch) {
        publish::batches(bench, &mut findings).await?;
    }
    if options.wants(Workload::Load) {
        publish::loading(bench, &mut findings).await?;
    }
    if options.wants(Workload::Latency) {
        latency::at_half_of_the_maximum(bench, rate_at_64, &mut findings).await?;
    }
    if options.wants(Workload::Read) {
        let events = if bench.quick { 5_000 } else { options.events };
        read::catch_up(bench, events, &mut findings).await?;
    }
    if options.wants(Workload::Polls) {
        polls::idle(bench, &mut findings).await?;
        polls::woken(bench, &mut findings).await?;
    }
    Ok(findings)
}

/// For each of so many connections so many requests, each with so many events of so many keys.
pub(crate) fn rings(
    server: &Server,
    connections: usize,
    length: usize,
    events_each: usize,
    keys: u64,
) -> Vec<Vec<Request>> {
    let mut events = Events::new(keys);
    let mut ring = |connection| {
        let request = |_| server.api.append(connection, STREAM, &events.take(events_each));
        (0..length).map(request).collect()
    };
    (0..connections).map(&mut ring).collect()
}

/// Fills the stream with so many thousand events, as fast as one connection can. What is told of each thousand is for whoever
/// shows how far it is.
pub(crate) async fn fill(server: &Server, thousands: u64, events: &mut Events, told: impl Fn()) -> Result<()> {
    let mut connection = Connection::open(server.address()).await?;
    for _ in 0..thousands {
        connection.push(&server.api.append(0, STREAM, &events.take(FILLED_AT_ONCE))).await?;
        told();
    }
    Ok(())
}

/// Waits until compaction has caught up, where there is any; else it would go on beside what is measured.
pub(crate) async fn settle(server: &Server, stream: &str) -> Result<()> {
    let mut connection = Connection::open(server.address()).await?;
    let (mut last, mut moved) = (0, Instant::now());
    while let Some((watermark, tail)) = server.progress(&mut connection, stream).await? {
        if watermark == tail {
            break;
        }
        if watermark > last {
            (last, moved) = (watermark, Instant::now());
        } else if moved.elapsed() > STANDSTILL {
            return Err(format!("compaction of {stream} stands still at {watermark} of {tail} events").into());
        }
        tokio::time::sleep(BETWEEN).await;
    }
    Ok(())
}

/// A row of a load: how much a second, and how long requests took.
pub(crate) fn row(
    workload: &'static str,
    setting: &str,
    system: &str,
    unit: &'static str,
    each: f64,
    runs: &[Loaded],
) -> Row {
    let percentile = |percent| Measure::of("ms", runs.iter().map(|run| run.times.percentile(percent)));
    Row {
        workload,
        setting: setting.to_owned(),
        system: system.to_owned(),
        value: Measure::of(unit, runs.iter().map(|run| run.rate * each)),
        p50: percentile(50.0),
        p99: percentile(99.0),
        is_comparable: true,
    }
}
