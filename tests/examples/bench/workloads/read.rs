//! One subscriber that catches up with a stream, page by page, each asked for when the one before was read.

use std::time::Instant;

use super::{fill, settle};
use crate::client::{Connection, Result};
use crate::events::{Events, KEYS};
use crate::report::{Findings, Row};
use crate::statistics::{Measure, Times};
use crate::system::Server;
use crate::workbench::{STREAM, Workbench, thousands};

/// A stream of so many events is read from its beginning to its end.
pub(super) async fn catch_up(bench: &Workbench, events: u64, findings: &mut Findings) -> Result<()> {
    let thousands = thousands(events);
    for system in bench.products() {
        let bar = bench.bar(&format!("filling {}", system.name), thousands)?;
        let runs = bench.on_fresh(system, async |server: &Server| {
            fill(server, thousands, &mut Events::new(KEYS), || bar.inc(1)).await?;
            settle(server, STREAM).await?;
            bar.set_message(format!("reading from {}", system.name));
            // The first one warms up.
            read_all(server, thousands * 1_000).await?;
            let mut runs = Vec::new();
            for _ in 0..bench.runs {
                runs.push(read_all(server, thousands * 1_000).await?);
            }
            Ok(runs)
        });
        let runs = runs.await?;
        bar.finish_and_clear();
        let pages = |percent| Measure::of("ms", runs.iter().map(|(_, pages)| pages.percentile(percent)));
        findings.add(Row {
            workload: "catch-up read",
            setting: format!("{} events, 1 reader", thousands * 1_000),
            system: system.name.to_owned(),
            value: Measure::of("events/s", runs.iter().map(|(rate, _)| *rate)),
            p50: pages(50.0),
            p99: pages(99.0),
            is_comparable: true,
        });
    }
    Ok(())
}

/// Reads everything. Answers the events of a second, and how long pages took.
async fn read_all(server: &Server, events: u64) -> Result<(f64, Times)> {
    let mut connection = Connection::open(server.address()).await?;
    let mut times = Times::new()?;
    let began = Instant::now();
    let (mut read, mut place) = (0, None);
    while read < events {
        let asked = Instant::now();
        let answer = connection.ask(&server.api.read(STREAM, place.as_deref())).await?;
        let page = server.api.page(&answer, read)?;
        times.note(asked.elapsed());
        if page.events <= read || page.events > events {
            return Err(format!("a page after {read} events of {events} ends at {}", page.events).into());
        }
        (read, place) = (page.events, Some(page.next));
    }
    Ok((events as f64 / began.elapsed().as_secs_f64(), times))
}
