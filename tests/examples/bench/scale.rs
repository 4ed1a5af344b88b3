//! What a publish and a poll cost while a server grows: in the events of one stream, in streams, and in subscriptions of one stream. One
//! server grows in each of these ways, and is measured at each power of ten: the CPU of the server for a request and its time, over one
//! connection; then the server's memory; and then how long it takes to start again on that data.

use std::path::Path;

use crate::client::{Connection, Request, Result};
use crate::events::{Events, KEYS};
use crate::load::counted;
use crate::options::Scale as Sizes;
use crate::report::{Chart, Findings, Line, Row, Scale};
use crate::statistics::{Measure, Times};
use crate::system::{EventLedger, Server};
use crate::workbench::{STREAM, Workbench, thousands};
use crate::workloads::{RING, fill, rings, settle};

/// Events of a page that is polled.
const PAGE: usize = 100;
/// Requests of each kind in a run: enough of them that their CPU is known, and few beside a thousand events.
const REQUESTS: usize = 1_000;

/// Grows in all three ways.
pub(crate) async fn all(bench: &Workbench, sizes: &Sizes) -> Result<Findings> {
    let quick = Sizes { events: 10_000, streams: 10, subscriptions: 10 };
    let sizes = if bench.quick { quick } else { sizes.clone() };
    let mut findings = Findings::default();
    events(bench, sizes.events, &mut findings).await?;
    streams(bench, sizes.streams, &mut findings).await?;
    subscriptions(bench, sizes.subscriptions, &mut findings).await?;
    Ok(findings)
}

async fn events(bench: &Workbench, most: u64, findings: &mut Findings) -> Result<()> {
    let (folder, mut growth) = (bench.folder()?, Growth::new("events in a stream"));
    let mut server = bench.ours().start(folder.path()).await?;
    server.create(STREAM).await?;
    let (mut events, mut there) = (Events::new(KEYS), 0);
    for size in sizes(1_000, most) {
        let bar = bench.bar(&format!("growing to {size} events"), thousands(size - there))?;
        fill(&server, thousands(size - there), &mut events, || bar.inc(1)).await?;
        there = size;
        settle(&server, STREAM).await?;
        bar.finish_and_clear();
        let publish = rings(&server, 1, RING, 1, KEYS).concat();
        let poll = [second_page(&server, STREAM, "reader").await?];
        growth.measure(bench, &server, size, &publish, &poll).await?;
        server = growth.restart(bench, server, folder.path()).await?;
    }
    server.stop().await?;
    growth.tell(bench, findings);
    Ok(())
}

async fn streams(bench: &Workbench, most: u64, findings: &mut Findings) -> Result<()> {
    let (folder, mut growth) = (bench.folder()?, Growth::new("streams"));
    let mut server = bench.ours().start(folder.path()).await?;
    let (mut events, mut names) = (Events::new(KEYS), Vec::new());
    for size in sizes(1, most) {
        let bar = bench.bar(&format!("growing to {size} streams"), size)?;
        let mut connection = Connection::open(server.address()).await?;
        for number in names.len() as u64..size {
            let name = format!("{STREAM}-{number}");
            server.create(&name).await?;
            connection.push(&server.api.append(0, &name, &events.take(PAGE + 1))).await?;
            names.push(name);
            bar.inc(1);
        }
        let (mut publish, mut poll) = (Vec::new(), Vec::new());
        for name in &names {
            settle(&server, name).await?;
            publish.push(server.api.append(0, name, &events.take(1)));
            poll.push(second_page(&server, name, "reader").await?);
        }
        bar.finish_and_clear();
        growth.measure(bench, &server, size, &publish, &poll).await?;
        server = growth.restart(bench, server, folder.path()).await?;
    }
    server.stop().await?;
    growth.tell(bench, findings);
    Ok(())
}

async fn subscriptions(bench: &Workbench, most: u64, findings: &mut Findings) -> Result<()> {
    let (folder, mut growth) = (bench.folder()?, Growth::new("subscriptions of a stream"));
    let mut server = bench.ours().start(folder.path()).await?;
    server.create(STREAM).await?;
    fill(&server, 1, &mut Events::new(KEYS), || ()).await?;
    let mut names = Vec::new();
    for size in sizes(1, most) {
        let bar = bench.bar(&format!("growing to {size} subscriptions"), size)?;
        let mut connection = Connection::open(server.address()).await?;
        for number in names.len() as u64..size {
            let name = format!("reader-{number}");
            connection.push(&server.ours()?.subscribe(STREAM, &name, "earliest")).await?;
            names.push(name);
            bar.inc(1);
        }
        let mut poll = Vec::new();
        for name in &names {
            poll.push(second_page(&server, STREAM, name).await?);
        }
        settle(&server, STREAM).await?;
        bar.finish_and_clear();
        let publish = rings(&server, 1, RING, 1, KEYS).concat();
        growth.measure(bench, &server, size, &publish, &poll).await?;
        server = growth.restart(bench, server, folder.path()).await?;
    }
    server.stop().await?;
    growth.tell(bench, findings);
    Ok(())
}

/// The powers of ten of a size, up to another.
fn sizes(first: u64, most: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(first), |size| size.checked_mul(10)).take_while(move |size| *size <= most)
}

/// A poll that goes on behind the first event, as a subscriber does who reads on.
async fn second_page(server: &Server, stream: &str, subscription: &str) -> Result<Request> {
    let ledger = server.ours()?;
    let first = ledger.poll(stream, subscription, None, "limit=1");
    let answer = Connection::open(server.address()).await?.ask(&first).await?;
    let cursor = EventLedger::cursor(&answer).ok_or("a page without a cursor")?;
    Ok(ledger.poll(stream, subscription, Some(&cursor), &format!("limit={PAGE}")))
}

/// What was measured while something grew.
#[derive(Debug)]
struct Growth {
    of: &'static str,
    points: Vec<Point>,
}

/// What was measured at a size.
#[derive(Debug)]
struct Point {
    size: u64,
    publish: Vec<Cost>,
    poll: Vec<Cost>,
    memory: f64,
    start_up: Vec<f64>,
}

/// What the requests of a run cost.
#[derive(Debug)]
struct Cost {
    cpu_microseconds: f64,
    times: Times,
}

impl Growth {
    fn new(of: &'static str) -> Self {
        Self { of, points: Vec::new() }
    }

    async fn measure(
        &mut self,
        bench: &Workbench,
        server: &Server,
        size: u64,
        publish: &[Request],
        poll: &[Request],
    ) -> Result<()> {
        let bar = bench.bar(&format!("measuring at {size} {}", self.of), u64::from(bench.runs))?;
        // Polls first: a publish makes work for later.
        counted(server.address(), poll, REQUESTS / 4).await?;
        counted(server.address(), publish, REQUESTS / 4).await?;
        let mut point = Point { size, publish: Vec::new(), poll: Vec::new(), memory: 0.0, start_up: Vec::new() };
        for _ in 0..bench.runs {
            point.poll.push(Cost::of(server, poll).await?);
            point.publish.push(Cost::of(server, publish).await?);
            bar.inc(1);
        }
        point.memory = server.process.memory_megabytes()?;
        self.points.push(point);
        bar.finish_and_clear();
        Ok(())
    }

    /// Starts the server again on its data, as often as there are runs.
    async fn restart(&mut self, bench: &Workbench, mut server: Server, folder: &Path) -> Result<Server> {
        for _ in 0..bench.runs {
            server.stop().await?;
            server = bench.ours().start(folder).await?;
            let milliseconds = server.process.start_up.as_secs_f64() * 1_000.0;
            self.points.last_mut().ok_or("nothing was measured before")?.start_up.push(milliseconds);
        }
        Ok(server)
    }

    fn tell(&self, bench: &Workbench, findings: &mut Findings) {
        let names = ["publish", "poll of 100 events"];
        let (mut cpu, mut time) = (names.map(Line::new).to_vec(), names.map(Line::new).to_vec());
        let (mut memory, mut start_up) = (Line::new("memory"), Line::new("start-up"));
        for point in &self.points {
            let row = |workload, value, p50, p99| Row {
                workload,
                setting: format!("{} {}", crate::report::table::count(point.size), self.of),
                system: bench.ours().name.to_owned(),
                value,
                p50,
                p99,
                is_comparable: false,
            };
            for (number, costs) in [&point.publish, &point.poll].into_iter().enumerate() {
                let percentile = |percent| Measure::of("ms", costs.iter().map(|cost| cost.times.percentile(percent)));
                let value = Measure::of("µs of CPU", costs.iter().map(|cost| cost.cpu_microseconds));
                let row = row(names[number], value, percentile(50.0), percentile(99.0));
                cpu[number].add(point.size as f64, row.value.as_ref());
                time[number].add(point.size as f64, row.p50.as_ref());
                findings.add(row);
            }
            for (line, unit, runs) in [(&mut memory, "MB", &vec![point.memory]), (&mut start_up, "ms", &point.start_up)]
            {
                let value = Measure::of(unit, runs.iter().copied());
                line.add(point.size as f64, value.as_ref());
                findings.add(row(if unit == "MB" { "memory" } else { "start-up" }, value, None, None));
            }
        }
        let chart = |title: &str, y: &str, lines| Chart {
            title: title.to_owned(),
            x: self.of.to_owned(),
            y: y.to_owned(),
            scale: Scale::Logarithmic,
            lines,
        };
        findings.charts.push(chart("CPU of a request", "µs", cpu));
        findings.charts.push(chart("Median time of a request", "ms", time));
        findings.charts.push(chart("Memory of the server", "MB", vec![memory]));
        findings.charts.push(chart("Start-up", "ms", vec![start_up]));
    }
}

impl Cost {
    async fn of(server: &Server, ring: &[Request]) -> Result<Self> {
        let before = server.process.cpu_seconds()?;
        let times = counted(server.address(), ring, REQUESTS).await?;
        let cpu_microseconds = (server.process.cpu_seconds()? - before) * 1e6 / REQUESTS as f64;
        Ok(Self { cpu_microseconds, times })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_ten_up_to_the_most() {
        assert_eq!(sizes(1_000, 250_000).collect::<Vec<_>>(), [1_000, 10_000, 100_000]);
        assert_eq!(sizes(1, 100).collect::<Vec<_>>(), [1, 10, 100]);
        assert_eq!(sizes(1_000, 999).count(), 0);
    }
}
