//! Polls that wait: what it costs the server to have some that get nothing, and how soon they are answered when something is
//! published. Each is of a subscription of its own.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures::future::{join, try_join_all};

use crate::client::{Connection, Failure, Request, Result};
use crate::events::{Events, KEYS};
use crate::report::{Findings, Row};
use crate::statistics::{Measure, Times};
use crate::system::{EventLedger, Server};
use crate::workbench::{STREAM, Workbench};

/// How many wait.
const WAITING: usize = 200;
/// For as long as the server lets a poll wait.
const WAIT: &str = "wait=20";
/// The time for which idle polls are watched: each asks again once in it.
const WATCHED: Duration = Duration::from_secs(20);
/// From when polls were sent until they surely wait.
const SETTLING: Duration = Duration::from_millis(100);

/// A poll that waits, again and again.
struct Waiting {
    connection: Connection,
    name: String,
    cursor: Option<String>,
}

impl Waiting {
    async fn all(server: &Server, count: usize) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        // One after the other: a key may have fewer at work than there may be that wait.
        for number in 0..count {
            let (mut connection, name) = (Connection::open(server.address()).await?, format!("waiting-{number}"));
            connection.push(&server.ours()?.subscribe(STREAM, &name, "latest")).await?;
            all.push(Self { connection, name, cursor: None });
        }
        Ok(all)
    }

    /// Waits for an event, or until the server waits no longer. Answers whether there is one.
    async fn wait(&mut self, ledger: &EventLedger) -> Result<bool> {
        let request = ledger.poll(STREAM, &self.name, self.cursor.as_deref(), WAIT);
        let answer = self.connection.ask(&request).await?;
        self.cursor = EventLedger::cursor(&answer);
        Ok(!answer.body.starts_with(br#"{"events":[]"#))
    }
}

/// The CPU of a server with nothing to do, without and with polls that wait.
pub(super) async fn idle(bench: &Workbench, findings: &mut Findings) -> Result<()> {
    let watched = if bench.quick { bench.window.measured } else { WATCHED };
    for count in [0, WAITING] {
        let setting = format!("{count} polls that wait");
        let ours = [bench.ours()];
        let runs = bench.compare(&setting, &ours, async |server: &Server| {
            let mut waiting = Waiting::all(server, count).await?;
            let ledger = server.ours()?;
            let ever = try_join_all(waiting.iter_mut().map(async |poll| {
                while !poll.wait(ledger).await? {}
                Err::<(), Failure>("a poll got an event that nobody published".into())
            }));
            let watch = async {
                tokio::time::sleep(watched / 10).await;
                let before = server.process.cpu_seconds()?;
                tokio::time::sleep(watched).await;
                Ok(100.0 * (server.process.cpu_seconds()? - before) / watched.as_secs_f64())
            };
            match count {
                0 => watch.await,
                _ => tokio::select! { failure = ever => Err(failure.err().unwrap_or("no poll waits".into())), share = watch => share },
            }
        });
        let runs = runs.await?;
        findings.add(Row {
            workload: "waiting polls",
            setting,
            system: bench.ours().name.to_owned(),
            value: Measure::of("% of a core", runs.into_iter().flatten()),
            p50: None,
            p99: None,
            is_comparable: false,
        });
    }
    Ok(())
}

/// From when a publish is sent until polls that wait have their answer.
pub(super) async fn woken(bench: &Workbench, findings: &mut Findings) -> Result<()> {
    for count in [1, WAITING] {
        let setting = format!("a publish wakes {count}");
        let ours = [bench.ours()];
        let runs = bench.compare(&setting, &ours, async |server: &Server| woken_once(bench, server, count).await);
        let runs: Vec<Times> = runs.await?.into_iter().flatten().collect();
        let percentile = |percent| Measure::of("ms", runs.iter().map(|times| times.percentile(percent)));
        findings.add(Row {
            workload: "waiting polls",
            setting,
            system: bench.ours().name.to_owned(),
            value: None,
            p50: percentile(50.0),
            p99: percentile(99.0),
            is_comparable: false,
        });
    }
    Ok(())
}

/// Publishes while all wait, until the time is over.
async fn woken_once(bench: &Workbench, server: &Server, count: usize) -> Result<Times> {
    let (mut waiting, ledger) = (Waiting::all(server, count).await?, server.ours()?);
    let mut publisher = Connection::open(server.address()).await?;
    let (mut events, mut times) = (Events::new(KEYS), Times::new()?);
    let began = Instant::now();
    while began.elapsed() < bench.window.warm_up + bench.window.measured {
        let request = server.api.append(0, STREAM, &events.take(1));
        let round = round(ledger, &mut waiting, &mut publisher, &request).await?;
        if began.elapsed() >= bench.window.warm_up {
            round.into_iter().for_each(|time| times.note(time));
        }
    }
    Ok(times)
}

/// One publish, and how long after it each poll had its answer.
async fn round(
    ledger: &EventLedger,
    waiting: &mut [Waiting],
    publisher: &mut Connection,
    request: &Request,
) -> Result<Vec<Duration>> {
    let sent = Cell::new(None);
    let polls = try_join_all(waiting.iter_mut().map(async |poll| {
        while !poll.wait(ledger).await? {}
        sent.get().map(|at: Instant| at.elapsed()).ok_or_else(|| "a poll got an event that nobody published".into())
    }));
    let publish = async {
        tokio::time::sleep(SETTLING).await;
        sent.set(Some(Instant::now()));
        publisher.push(request).await
    };
    let (times, published) = join(polls, publish).await;
    published?;
    times
}
