//! How long a publish takes while others come at a fixed rate, half of what the system gets done: the state in which a server should
//! be run. The time of each counts from when it was due, so a pause of the server is felt by all that were due in it, as it
//! is by those who wait.

use super::publish::CONNECTIONS_OF_THE_MAXIMUM as CONNECTIONS;
use super::{RING, rings, row};
use crate::client::Result;
use crate::events::KEYS;
use crate::load::{Loaded, Paced, closed, paced};
use crate::report::{Chart, Findings, Line, Row, Scale};
use crate::statistics::{Measure, Times};
use crate::system::{Server, System};
use crate::workbench::Workbench;

/// The percentiles that are drawn: one of so many took longer.
const ONE_OF: [f64; 10] = [2.0, 4.0, 10.0, 20.0, 40.0, 100.0, 200.0, 400.0, 1_000.0, 10_000.0];

/// Each system at half of its own rate at 64 connections, which is measured first where it is not known.
pub(super) async fn at_half_of_the_maximum(bench: &Workbench, known: Vec<f64>, findings: &mut Findings) -> Result<()> {
    let mut chart = Chart {
        title: "Latency at half of the maximum, from when a request was due".to_owned(),
        x: "one request of so many took longer".to_owned(),
        y: "ms".to_owned(),
        scale: Scale::Logarithmic,
        lines: Vec::new(),
    };
    for (number, system) in bench.systems.iter().enumerate() {
        let maximum = match known.get(number) {
            Some(rate) => *rate,
            None => bench.on_fresh(system, async |server: &Server| maximum(bench, server).await).await?,
        };
        let what = format!("latency of {}", system.name);
        let alone = [system];
        let runs = bench.compare(&what, &alone, async |server: &Server| {
            paced(server.address(), &rings(server, CONNECTIONS, RING, 1, KEYS), maximum / 2.0, bench.window).await
        });
        let runs = runs.await?.into_iter().flatten().collect();
        chart.lines.push(told(system, maximum / 2.0, runs, findings)?);
    }
    findings.charts.push(chart);
    Ok(())
}

async fn maximum(bench: &Workbench, server: &Server) -> Result<f64> {
    Ok(closed(server.address(), &rings(server, CONNECTIONS, RING, 1, KEYS), bench.window).await?.rate)
}

/// Notes the rows of a system, and answers its line: of all runs together, because the slowest requests are few.
fn told(system: &System, rate: f64, runs: Vec<Paced>, findings: &mut Findings) -> Result<Line> {
    let (loaded, late): (Vec<Loaded>, Vec<Times>) = runs.into_iter().map(|run| (run.loaded, run.late)).unzip();
    let setting = format!("{CONNECTIONS} connections, {rate:.0} requests/s due");
    findings.add(Row { is_comparable: false, ..row("latency", &setting, system.name, "requests/s", 1.0, &loaded) });
    let lateness = |percent| Measure::of("ms", late.iter().map(|late| late.percentile(percent)));
    findings.add(Row {
        workload: "latency",
        setting: "of this, the load generator's own lateness".to_owned(),
        system: system.name.to_owned(),
        value: None,
        p50: lateness(50.0),
        p99: lateness(99.0),
        is_comparable: false,
    });
    let mut all = Times::new()?;
    for run in &loaded {
        all.join(&run.times)?;
    }
    let mut line = Line::new(system.name);
    // A percentile of fewer requests would be that of the slowest one.
    for one_of in ONE_OF.into_iter().filter(|one_of| all.count() as f64 >= 10.0 * one_of) {
        line.points.push((one_of, all.percentile(100.0 - 100.0 / one_of)));
    }
    Ok(line)
}
