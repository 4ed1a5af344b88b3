//! Two kinds of load. In a closed loop each connection sends its next request when it has the answer to the last: what a server
//! gets done. In an open loop requests are due at a fixed rate, whatever became of those before, and their time counts from when
//! they were due: what somebody waits who comes at any moment.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use tokio::sync::{Mutex, mpsc};

use crate::client::{Connection, Request, Result};
use crate::statistics::Times;

/// For how long is measured, and for how long not yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Until everything is warm.
    pub(crate) warm_up: Duration,
    /// From then on.
    pub(crate) measured: Duration,
}

/// What came of a load.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Of each request that ended within the window.
    pub(crate) times: Times,
    /// How many a second.
    pub(crate) rate: f64,
}

/// What came of a load at a fixed rate.
#[derive(Debug)]
pub(crate) struct Paced {
    /// Of each request from when it was due, also while no connection was free for it.
    pub(crate) loaded: Loaded,
    /// How late each was because of us: between when it was due and when it was handed out.
    pub(crate) late: Times,
}

/// Sends the requests of each ring over a connection of its own, over and over.
pub(crate) async fn closed(address: SocketAddr, rings: &[Vec<Request>], window: Window) -> Result<Loaded> {
    let connections = try_join_all(rings.iter().map(|_| Connection::open(address))).await?;
    let times = RefCell::new(Times::new()?);
    let from = Instant::now() + window.warm_up;
    let until = from + window.measured;
    let workers = connections.into_iter().zip(rings).map(async |(mut connection, ring)| {
        for request in ring.iter().cycle() {
            let began = Instant::now();
            if began >= until {
                break;
            }
            connection.push(request).await?;
            let ended = Instant::now();
            if (from..until).contains(&ended) {
                times.borrow_mut().note(ended - began);
            }
        }
        Result::Ok(())
    });
    try_join_all(workers).await?;
    let times = times.into_inner();
    let rate = times.count() as f64 / window.measured.as_secs_f64();
    Ok(Loaded { times, rate })
}

/// Sends so many requests of a ring over one connection, one after the other.
pub(crate) async fn counted(address: SocketAddr, ring: &[Request], count: usize) -> Result<Times> {
    let mut connection = Connection::open(address).await?;
    let mut times = Times::new()?;
    for request in ring.iter().cycle().take(count) {
        let began = Instant::now();
        connection.push(request).await?;
        times.note(began.elapsed());
    }
    Ok(times)
}

/// Sends requests that are due at a rate over as many connections as there are rings, as soon as one is free.
pub(crate) async fn paced(address: SocketAddr, rings: &[Vec<Request>], rate: f64, window: Window) -> Result<Paced> {
    let connections = try_join_all(rings.iter().map(|_| Connection::open(address))).await?;
    let times = RefCell::new((Times::new()?, Times::new()?));
    let (sender, due) = mpsc::unbounded_channel();
    let due = Mutex::new(due);
    let began = Instant::now();
    let from = began + window.warm_up;
    let pacer = std::thread::spawn(move || pace(began, rate, window, &sender));
    let workers = connections.into_iter().zip(rings).map(async |(mut connection, ring)| {
        for request in ring.iter().cycle() {
            let next = due.lock().await.recv().await;
            let Some(Due { at, handed_out }) = next else { break };
            connection.push(request).await?;
            if at >= from {
                let (all, late) = &mut *times.borrow_mut();
                all.note(at.elapsed());
                late.note(handed_out - at);
            }
        }
        Result::Ok(())
    });
    let done = try_join_all(workers).await;
    // Who hands out ends when nobody takes any more.
    drop(due);
    pacer.join().map_err(|_| "the thread that paces the load broke")?;
    done?;
    let (times, late) = times.into_inner();
    let rate = times.count() as f64 / from.elapsed().max(window.measured).as_secs_f64();
    Ok(Paced { loaded: Loaded { times, rate }, late })
}

/// A request is to be sent.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    handed_out: Instant,
}

/// Hands out what is due, at its time or right after it. In a thread of its own, because the runtime's timers go by milliseconds.
fn pace(began: Instant, rate: f64, window: Window, due: &mpsc::UnboundedSender<Due>) {
    let until = window.warm_up + window.measured;
    let times = (0_u32..).map(|number| Duration::from_secs_f64(f64::from(number) / rate));
    for after in times.take_while(|after| *after < until) {
        let at = began + after;
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        if due.send(Due { at, handed_out: Instant::now() }).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_due_as_the_rate_says_and_none_early() {
        let (sender, mut due) = mpsc::unbounded_channel();
        let (began, millisecond) = (Instant::now(), Duration::from_millis(1));
        pace(began, 1_000.0, Window { warm_up: 5 * millisecond, measured: 15 * millisecond }, &sender);
        drop(sender);
        let mut number = 0;
        while let Some(Due { at, handed_out }) = due.blocking_recv() {
            assert_eq!(at, began + number * millisecond);
            assert!(handed_out >= at);
            number += 1;
        }
        assert_eq!(number, 20);
    }
}
