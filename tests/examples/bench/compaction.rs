//! Compaction and bootstrap: how many distinct keys a second become compacted state on the embedded engine, how many a second are
//! read from there page by page, and how far compaction is behind while somebody goes on publishing.

use std::time::{Duration, Instant};

use futures::future::join;

use crate::client::{Connection, Result};
use crate::events::{Events, KEYS};
use crate::load::{Window, closed};
use crate::options::Compaction as Sizes;
use crate::report::{Chart, Findings, Line, Row, Scale};
use crate::statistics::{Measure, slope};
use crate::system::{EventLedger, Server};
use crate::workbench::{STREAM, Workbench, thousands};
use crate::workloads::{fill, rings, settle};

/// Between two looks at the watermark.
const BETWEEN: Duration = Duration::from_millis(250);
/// Who publishes meanwhile.
const CONNECTIONS: usize = 16;
/// So many runs' time long is published.
const LONG: u32 = 4;
/// Many more keys than a round of compaction takes.
const MANY_KEYS: u64 = 32_000;

/// A watermark, and the tail that it runs after, at a time.
#[derive(Clone, Copy, Debug)]
struct Look {
    seconds: f64,
    watermark: u64,
    tail: u64,
}

/// Both measurements.
pub(crate) async fn all(bench: &Workbench, sizes: &Sizes) -> Result<Findings> {
    let mut findings = Findings::default();
    let keys = if bench.quick { 5_000 } else { sizes.keys };
    compacted_and_bootstrapped(bench, thousands(keys), &mut findings).await?;
    behind(bench, &mut findings).await?;
    Ok(findings)
}

/// What came of one stream of distinct keys.
struct Bootstrapped {
    compacted: f64,
    read: f64,
    looks: Vec<Look>,
}

async fn compacted_and_bootstrapped(bench: &Workbench, thousands: u64, findings: &mut Findings) -> Result<()> {
    let setting = format!("{} distinct keys", crate::report::table::count(thousands * 1_000));
    let ours = [bench.ours()];
    let runs = bench.compare(&setting, &ours, async |server: &Server| {
        let (keys, began) = (thousands * 1_000, Instant::now());
        fill(server, thousands, &mut Events::new(keys), || ()).await?;
        let looks = watch(server, began, |look| look.watermark == look.tail).await?;
        let seconds = looks.last().map_or(f64::NAN, |look| look.seconds);
        // The first one counts what there is, and warms up.
        let pages = count_pages(server, keys).await?;
        let reading = Instant::now();
        if read_pages(server).await? != pages {
            return Err("compacted state changed although nobody published".into());
        }
        Ok(Bootstrapped {
            compacted: keys as f64 / seconds,
            read: keys as f64 / reading.elapsed().as_secs_f64(),
            looks,
        })
    });
    let runs: Vec<Bootstrapped> = runs.await?.into_iter().flatten().collect();
    let row = |workload, value| Row {
        workload,
        setting: setting.clone(),
        system: bench.ours().name.to_owned(),
        value,
        p50: None,
        p99: None,
        is_comparable: false,
    };
    findings.add(row("published and compacted", Measure::of("keys/s", runs.iter().map(|run| run.compacted))));
    findings.add(row("bootstrapped by pages", Measure::of("keys/s", runs.iter().map(|run| run.read))));
    let first = runs.first().map(|run| &run.looks[..]).unwrap_or_default();
    let line = |name: &str, of: fn(&Look) -> u64| Line {
        name: name.to_owned(),
        points: first.iter().map(|look| (look.seconds, of(look) as f64)).collect(),
    };
    findings.charts.push(Chart {
        title: format!("Compaction of {setting}, after they were loaded"),
        x: "seconds from the first publish".to_owned(),
        y: "keys".to_owned(),
        scale: Scale::Linear,
        lines: vec![line("watermark", |look| look.watermark)],
    });
    Ok(())
}

/// Looks at the watermark until something holds of it.
async fn watch(server: &Server, began: Instant, until: impl Fn(&Look) -> bool) -> Result<Vec<Look>> {
    let mut connection = Connection::open(server.address()).await?;
    let mut looks = Vec::new();
    loop {
        let (watermark, tail) = server.progress(&mut connection, STREAM).await?.ok_or("the stream is not compacted")?;
        let look = Look { seconds: began.elapsed().as_secs_f64(), watermark, tail };
        looks.push(look);
        if until(&look) {
            return Ok(looks);
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

/// Reads all pages of compacted state, and holds that they have so many records. Answers how many pages there are.
async fn count_pages(server: &Server, keys: u64) -> Result<u64> {
    let mut records = 0;
    let pages = for_each_page(server, |body| {
        let page: serde_json::Value = serde_json::from_slice(body)?;
        records += page["records"].as_array().map_or(0, Vec::len) as u64;
        Ok(())
    });
    let pages = pages.await?;
    if records == keys { Ok(pages) } else { Err(format!("{records} of {keys} keys are in compacted state").into()) }
}

async fn read_pages(server: &Server) -> Result<u64> {
    for_each_page(server, |_| Ok(())).await
}

async fn for_each_page(server: &Server, mut look: impl FnMut(&[u8]) -> Result<()>) -> Result<u64> {
    let mut connection = Connection::open(server.address()).await?;
    let (mut pages, mut cursor) = (0, None);
    loop {
        let answer = connection.ask(&server.ours()?.compacted(STREAM, cursor.as_deref())).await?;
        look(&answer.body)?;
        pages += 1;
        cursor = EventLedger::cursor(&answer);
        if cursor.is_none() {
            return Ok(pages);
        }
    }
}

/// What came of publishing for a while.
struct Behind {
    published: f64,
    looks: Vec<Look>,
    caught_up_after: f64,
}

async fn behind(bench: &Workbench, findings: &mut Findings) -> Result<()> {
    let mut lines = Vec::new();
    for keys in [KEYS, MANY_KEYS] {
        let setting = format!("{CONNECTIONS} connections publish {} keys", crate::report::table::count(keys));
        let ours = [bench.ours()];
        let runs = bench.compare(&setting, &ours, async |server: &Server| behind_once(bench, server, keys).await);
        let runs: Vec<Behind> = runs.await?.into_iter().flatten().collect();
        let mut tell = |workload, unit, of: &dyn Fn(&Behind) -> f64| {
            let value = Measure::of(unit, runs.iter().map(of));
            let system = bench.ours().name.to_owned();
            let setting = setting.clone();
            findings.add(Row { workload, setting, system, value, p50: None, p99: None, is_comparable: false });
        };
        tell("published meanwhile", "events/s", &|run| run.published);
        tell("watermark behind the tail, median", "events", &|run| lags(run).median);
        tell("watermark behind the tail, at the most", "events", &|run| lags(run).highest);
        tell("watermark falls behind by", "events/s", &|run| slope(&points(run)));
        tell("caught up after the last publish", "s", &|run| run.caught_up_after);
        let points = runs.first().map(points).unwrap_or_default();
        lines.push(Line { name: format!("{keys} keys"), points });
    }
    findings.charts.push(Chart {
        title: "How far the watermark is behind the tail".to_owned(),
        x: "seconds of publishing".to_owned(),
        y: "events".to_owned(),
        scale: Scale::Linear,
        lines,
    });
    Ok(())
}

fn points(run: &Behind) -> Vec<(f64, f64)> {
    run.looks.iter().map(|look| (look.seconds, (look.tail - look.watermark) as f64)).collect()
}

fn lags(run: &Behind) -> Measure {
    let nothing = Measure { unit: "events", runs: Vec::new(), median: 0.0, lowest: 0.0, highest: 0.0 };
    Measure::of("events", points(run).into_iter().map(|(_, lag)| lag)).unwrap_or(nothing)
}

async fn behind_once(bench: &Workbench, server: &Server, keys: u64) -> Result<Behind> {
    let measured = bench.window.measured * LONG;
    let length = usize::try_from(keys)?.div_ceil(CONNECTIONS);
    let rings = rings(server, CONNECTIONS, length, 1, keys);
    let began = Instant::now();
    let window = Window { warm_up: Duration::ZERO, measured };
    let until = |look: &Look| look.seconds >= measured.as_secs_f64();
    let (loaded, looks) = join(closed(server.address(), &rings, window), watch(server, began, until)).await;
    let ended = Instant::now();
    settle(server, STREAM).await?;
    Ok(Behind { published: loaded?.rate, looks: looks?, caught_up_after: ended.elapsed().as_secs_f64() })
}
