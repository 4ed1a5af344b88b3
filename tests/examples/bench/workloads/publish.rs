//! Publishing in a closed loop: single events over one and many connections, a hundred events in each request, and loading a
//! thousand at a time. All into one stream with one partition, which is where requests must wait for each other.

use super::{FILLED_AT_ONCE, RING, rings, row};
use crate::client::Result;
use crate::events::KEYS;
use crate::load::{Loaded, closed};
use crate::report::{Chart, Findings, Line, Scale};
use crate::system::{Server, System};
use crate::workbench::Workbench;

/// Connections at which the maximum is taken for the latency at half of it.
pub(super) const CONNECTIONS_OF_THE_MAXIMUM: usize = 64;

/// How a load looks.
#[derive(Clone, Copy, Debug)]
struct Shape {
    connections: usize,
    /// Different requests of each connection.
    requests: usize,
    /// Events of each request.
    events: usize,
}

/// Single events at each number of connections. Answers the rate of each system at 64, where that was measured.
pub(super) async fn singles(bench: &Workbench, connections: &[usize], findings: &mut Findings) -> Result<Vec<f64>> {
    let lines = || bench.systems.iter().map(|system| Line::new(system.name)).collect::<Vec<_>>();
    let (mut rates, mut slowest, mut rate_at_64) = (lines(), lines(), Vec::new());
    for count in connections {
        let setting = format!("1 event a request, {count} connections");
        let all = run(bench, &setting, Shape { connections: *count, requests: RING, events: 1 }).await?;
        for (number, (system, runs)) in bench.systems.iter().zip(&all).enumerate() {
            let row = row("publish", &setting, system.name, "requests/s", 1.0, runs);
            rates[number].add(*count as f64, row.value.as_ref());
            slowest[number].add(*count as f64, row.p99.as_ref());
            if *count == CONNECTIONS_OF_THE_MAXIMUM {
                rate_at_64.extend(row.value.as_ref().map(|rate| rate.median));
            }
            findings.add(row);
        }
    }
    let chart = |title: &str, unit: &str, lines| Chart {
        title: title.to_owned(),
        x: "connections".to_owned(),
        y: unit.to_owned(),
        scale: Scale::Logarithmic,
        lines,
    };
    findings.charts.push(chart("Single-event publishes", "requests/s", rates));
    findings.charts.push(chart("99th percentile of single-event publishes", "ms", slowest));
    Ok(rate_at_64)
}

/// A hundred events in each request.
pub(super) async fn batches(bench: &Workbench, findings: &mut Findings) -> Result<()> {
    for connections in if bench.quick { [4].as_slice() } else { &[16, 64] } {
        let setting = format!("100 events a request, {connections} connections");
        let shape = Shape { connections: *connections, requests: 16, events: 100 };
        by_events(bench, "publish", &setting, shape, findings).await?;
    }
    Ok(())
}

/// A thousand events in each request, as whoever loads a stream does.
pub(super) async fn loading(bench: &Workbench, findings: &mut Findings) -> Result<()> {
    let shape = Shape { connections: 1, requests: 32, events: FILLED_AT_ONCE };
    by_events(bench, "load", "1,000 events a request, 1 connection", shape, findings).await
}

async fn by_events(
    bench: &Workbench,
    workload: &'static str,
    setting: &str,
    shape: Shape,
    findings: &mut Findings,
) -> Result<()> {
    let all = run(bench, setting, shape).await?;
    for (system, runs) in bench.systems.iter().zip(&all) {
        findings.add(row(workload, setting, system.name, "events/s", shape.events as f64, runs));
    }
    Ok(())
}

/// All runs of all systems.
async fn run(bench: &Workbench, what: &str, shape: Shape) -> Result<Vec<Vec<Loaded>>> {
    let systems: Vec<&System> = bench.systems.iter().collect();
    let work = async |server: &Server| {
        let rings = rings(server, shape.connections, shape.requests, shape.events, KEYS);
        closed(server.address(), &rings, bench.window).await
    };
    bench.compare(what, &systems, work).await
}
