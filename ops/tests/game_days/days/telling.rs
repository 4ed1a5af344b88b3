//! Days on which it is not known how things are.

use crate::cloudwatch::State;
use crate::world::{CANARY, World};

#[test]
fn nobody_looks_at_subscriptions() {
    let mut world = World::begin(20, 24);
    world.play(5);
    world.life.keeper = false;
    assert_eq!(world.until("sampler-dead", State::Alarm, 12), 10);
    // The tools look for themselves.
    let _ = world.look("sampler-dead").exits("check", 0);
    world.life.keeper = true;
    assert_eq!(world.until("sampler-dead", State::Ok, 3), 1);
    let _ = world.verify("sampler-dead");
    world.insists(&["sampler-dead"], &[]);
}

#[test]
fn what_lambdas_tell_is_lost() {
    let mut world = World::begin(30, 24);
    world.play(10);
    world.lose_lines(true);
    let minutes = world.until("telemetry-broken", State::Alarm, 20);
    assert!((11..=15).contains(&minutes), "{minutes}");
    let _ = world.look("telemetry-broken").exits("check", 0);
    world.lose_lines(false);
    world.until("telemetry-broken", State::Ok, 5);
    world.until("sampler-dead", State::Ok, 5);
    let _ = world.verify("telemetry-broken");
    world.insists(&["canary-failing", "sampler-dead", "telemetry-broken"], &[]);
}

#[test]
fn the_canary_is_locked_out() {
    let mut world = World::begin(16, 24);
    world.life.canary_every = 1;
    world.play(10);
    let revoke = format!("ledger-keys --env prod revoke {CANARY} --urgent --reason 'by mistake'");
    let _ = world.run(&format!("{revoke} --execute --confirm prod")).exits(0);
    let minutes = world.until("canary-failing", State::Alarm, 8);
    assert_eq!(minutes, 5);
    let _ = world.look("canary-failing").exits("check --stream canary", 0);
    let _ = world.mend("canary-failing", "list --all").says("list --all", "revoked");
    let scopes = canary::SCOPES.map(|scope| format!("--scope {scope}")).join(" ");
    let create =
        format!("ledger-keys --env prod create --client canary {scopes} --never-expires --secret-file canary.key");
    let _ = world.run(&format!("{create} --reason 'the old one is revoked' --execute --confirm prod")).exits(0);
    let new = std::fs::read_to_string(world.file("canary.key")).expect("the new key");
    world.now(async |fleet| *fleet.canary_key.borrow_mut() = new.trim().to_owned());
    assert_eq!(world.until("canary-failing", State::Ok, 3), 1);
    let _ = world.verify("canary-failing");
    world.insists(&["canary-failing"], &[]);
}

#[test]
fn nobody_sweeps() {
    let mut world = World::begin(190, 24);
    world.play(5);
    world.life.sweeps = false;
    world.life.publishes = 1;
    // Three hours after the last one, which was at the beginning.
    let minutes = world.until("sweeper-dead", State::Alarm, 180);
    assert!((170..=180).contains(&minutes), "{minutes}");
    let _ = world.look("sweeper-dead").exits("verify orders", 0).says("list", "active");
    world.life.sweeps = true;
    world.until("sweeper-dead", State::Ok, 61);
    let _ = world.verify("sweeper-dead");
    world.insists(&[], &["sweeper-dead"]);
}
