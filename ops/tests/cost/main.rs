//! The bill, held against what the services do on the embedded table: the units of each kind of work by the model are those
//! that the table bills for the same work, and what is called measured is measured here. The document is what the program says.

mod document;
mod events;
mod fleet;
mod measured;
mod play;
#[path = "../program/mod.rs"]
mod program;

use fleet::Fleet;
use keeper::Task;
use ops::lag::cost::figures::Figures;
use ops::lag::cost::units::{self, Units};
use ops::lag::cost::work::{Month, Work};
use ops::lag::cost::workload::{Volume, Workload};
use play::{Played, Player};

/// How far a model may be from what is billed, as a share.
const NEAR: f64 = 0.03;
/// The same for how often something happens that waits for what comes by chance.
const OFTEN: f64 = 0.08;
/// The same for what depends on when exactly something is forgotten.
const ABOUT: f64 = 0.15;

/// A built-in workload, by its name, at one of its volumes.
fn workload(name: &str, volume: usize) -> (Workload, Volume) {
    let assumed = Figures::built_in().expect("the figures").assumed;
    let all = Workload::read(None, &assumed).expect("the workloads");
    let workload = all.into_iter().find(|workload| workload.name == name).expect("a workload");
    let volume = workload.volumes[volume].clone();
    (workload, volume)
}

/// What was seen is as near to what the model says as a share of it, and so much more.
#[track_caller]
fn near(what: &str, seen: f64, said: f64, share: f64, slack: f64) {
    let far = (seen - said).abs();
    assert!(far <= share * said + slack, "{what}: {said:.3} by the model, and {seen:.3} were billed");
}

#[track_caller]
fn units_are_near(what: &str, seen: Units, said: Units, share: f64) {
    near(&format!("reads of {what}"), seen.reads, said.reads, share, 0.0);
    near(&format!("writes of {what}"), seen.writes, said.writes, share, 0.0);
}

/// The same for what happens besides in so many seconds: everything is read once at the beginning, and what is leased depends on
/// what comes by chance.
#[track_caller]
fn besides_are_near(what: &str, played: &Played, said: Units, share: f64, at_first: f64) {
    let (seen, said) = (played.beside[what], said * played.seconds);
    near(&format!("reads of {what}, besides"), seen.reads, said.reads, share, at_first);
    near(&format!("writes of {what}, besides"), seen.writes, said.writes, share, 3.0 * said.writes.sqrt());
}

/// Holds a kind of work against the model: how often it happens, and what each time takes. At the end a reader may wait for a page
/// and have one in hand, and a partition may be about to ring.
#[track_caller]
fn holds(work: &Work, month_seconds: f64, played: &Played, pending: f64) {
    let seen = played.work.get(work.name).copied().unwrap_or_default();
    let times = work.times / month_seconds * played.seconds;
    near(&format!("times of {}", work.name), seen.times, times, OFTEN, pending);
    units_are_near(work.name, seen.units * (1.0 / seen.times), work.units, NEAR);
}

/// For how long something is played, in seconds.
struct Play {
    busy: u64,
    idle: u64,
    /// How long a subscriber takes for a page.
    handling: f64,
}

/// Plays some seconds of a workload and holds what was billed against the model.
async fn plays(workload: &Workload, volume: &Volume, play: Play) {
    let mut figures = Figures::built_in().expect("the figures");
    // Who plays does one thing after the other: one process is enough, and no race is lost.
    figures.assumed.race_ms.value = 0.0;
    figures.assumed.processes.value = 0.0;
    figures.assumed.handling_seconds.value = play.handling;
    let fleet = Fleet::with(volume.partitions, workload.subscribers as usize).await;
    let mut player = Player::begin(&fleet, workload, volume).await;
    let month = Month { workload, volume, figures: &figures };
    let (busy, idle) = (month.publishers_remembered().times, month.subscribers_remembered(false).times);
    let played = player.busy(play.busy, (month.handling_seconds() * 1_000.0) as u64).await;
    let pending = f64::from(workload.subscribers * 2).max(f64::from(volume.partitions));
    for work in [month.publish(), month.page(), month.commit(), month.compaction()] {
        holds(&work, busy, &played, pending);
    }
    besides_are_near("publishers", &played, month.publishers_remembered().units, ABOUT, 3.0);
    // The epoch and the stream, the key and the subscription of each. How their requests follow each other makes a difference.
    let at_first = 2.0 + 2.0 * f64::from(workload.subscribers);
    besides_are_near("readers", &played, month.subscribers_remembered(true).units, 2.0 * ABOUT, at_first);
    let played = player.idle(play.idle).await;
    holds(&month.idle_poll(), idle, &played, 0.0);
    besides_are_near("readers", &played, month.subscribers_remembered(false).units, ABOUT, at_first);
}

#[tokio::test]
async fn publishes_of_many_events_cost_what_the_model_says() {
    let (workload, volume) = workload("batched", 1);
    plays(&workload, &volume, Play { busy: 480, idle: 120, handling: 1.0 }).await;
}

#[tokio::test]
async fn publishes_of_single_events_cost_what_the_model_says() {
    let (workload, volume) = workload("single", 1);
    plays(&workload, &volume, Play { busy: 120, idle: 120, handling: 1.0 }).await;
}

#[tokio::test]
async fn partitions_cost_what_the_model_says() {
    let (single, volume) = workload("single", 2);
    plays(&single, &volume, Play { busy: 10, idle: 120, handling: 1.0 }).await;
    let (batched, volume) = workload("batched", 1);
    // Too few are committed to meet chance as often as it comes.
    let play = Play { busy: 240, idle: 60, handling: 0.0 };
    plays(&batched, &Volume { partitions: 4, ..volume }, play).await;
}

#[tokio::test]
async fn idempotency_keys_cost_what_the_model_says() {
    let (mut workload, volume) = workload("batched", 1);
    workload.idempotency_keys = true;
    let figures = Figures::built_in().expect("the figures");
    let month = Month { workload: &workload, volume: &volume, figures: &figures };
    let fleet = Fleet::with(volume.partitions, workload.subscribers as usize).await;
    let played = Player::begin(&fleet, &workload, &volume).await.busy(60, 0).await;
    let (seen, said) = (played.work["publish"], month.stored().publish(true, 0.0));
    // The look at a receipt that is not there is billed too.
    units_are_near("a publish", seen.units * (1.0 / seen.times), said, NEAR);
}

#[tokio::test]
async fn keeper_and_canary_cost_what_the_model_says() {
    let (workload, volume) = workload("batched", 1);
    let figures = Figures::built_in().expect("the figures");
    let month = Month { workload: &workload, volume: &volume, figures: &figures };
    let fleet = Fleet::with(volume.partitions, workload.subscribers as usize).await;
    let mut player = Player::begin(&fleet, &workload, &volume).await;
    player.busy(37, 100).await;
    // The first round makes what the others find.
    fleet.round().await;
    for _ in 0..5 {
        fleet.clock.advance(60_000);
        let own = ["LOG#", "STREAM#", "COMPACT#", "IDEM#", "KEY", "LIMIT#", "STREAMS"];
        let ((), round) = fleet.billed(&own, fleet.round()).await;
        units_are_near("a round of the canary", round.data, month.round().units, ABOUT);
        let changed = fleet.changed();
        let ((), compaction) = fleet.billed(&own, fleet.compact(&changed)).await;
        units_are_near("its compaction", compaction.data, month.canary_compaction().units, NEAR);
        let ((), sample) = fleet.billed(&own, fleet.keep(Task::Sample)).await;
        // Each subscriber stands at a place of its own.
        let places = f64::from(workload.subscribers);
        let said = units::keeper(false) + month.stored().sampled(places) + month.stored_of_canary().sampled(0.0);
        units_are_near("a sample", sample.data, said, NEAR);
    }
    let own = ["LOG#", "STREAM#", "COMPACT#", "KEY", "STREAMS", "KEEPER", "DELETED"];
    let ((), sweep) = fleet.billed(&own, fleet.keep(Task::Sweep)).await;
    units_are_near("a sweep", sweep.data, month.sweep().units, ABOUT);
}
