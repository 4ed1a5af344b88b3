//! Days on which a reader is in trouble.

use crate::cloudwatch::State;
use crate::world::World;

#[test]
fn a_reader_polls_and_commits_nothing() {
    let mut world = World::begin(42, 24);
    world.play(15);
    world.life.commits = false;
    // Ten minutes are a pause, and a quarter of an hour more is a deployment.
    let minutes = world.until("consumer-stopped", State::Alarm, 35);
    assert!((25..=28).contains(&minutes), "{minutes}");
    let looked = world.look("consumer-stopped").says("check", "it polls, and does not commit");
    let _ = looked.exits("check", 11).says("show orders billing", "STALL").says("list --client", "billing-team");
    world.life.commits = true;
    world.until("consumer-stopped", State::Ok, 3);
    let _ = world.verify("consumer-stopped").says("report", "OK");
    world.insists(&[], &["consumer-stopped"]);
}

#[test]
fn a_reader_is_gone() {
    let mut world = World::begin(42, 24);
    world.play(15);
    (world.life.polls, world.life.commits) = (false, false);
    let minutes = world.until("consumer-stopped", State::Alarm, 35);
    assert!((25..=28).contains(&minutes), "{minutes}");
    let looked = world.look("consumer-stopped").says("check", "it neither polls nor commits");
    let _ = looked.exits("check", 11).says("show orders billing", "STOP").says("report --stream orders", "STOP");
    (world.life.polls, world.life.commits) = (true, true);
    world.until("consumer-stopped", State::Ok, 3);
    let _ = world.verify("consumer-stopped").says("report", "OK");
    world.insists(&[], &["consumer-stopped"]);
}

#[test]
fn retention_overtakes_a_reader() {
    let mut world = World::begin(73, 1);
    world.life.publishes = 1;
    world.play(10);
    (world.life.polls, world.life.commits) = (false, false);
    // A fifth of the hour is left, and a minute or two are no reason.
    let at_risk = world.until("retention-at-risk", State::Alarm, 60);
    assert!((48..=53).contains(&at_risk), "{at_risk}");
    assert_eq!(world.state("consumer-lost"), State::Ok);
    let lost = at_risk + world.until("consumer-lost", State::Alarm, 20);
    assert!((60..=64).contains(&lost), "{lost}");
    let _ = world.look("retention-at-risk").says("history orders billing", "commit");
    let looked = world.look("consumer-lost").says("check", "events were lost to it").exits("check", 11);
    let _ = looked.says("show orders billing", "LOST").says("peek orders", "expired");
    // Its owner goes on with what there is.
    let seek = "seek orders billing --to earliest";
    let _ = world.mend("consumer-lost", seek).says(seek, "nothing was written").exits("--execute", 0);
    (world.life.polls, world.life.commits) = (true, true);
    world.until("consumer-lost", State::Ok, 8);
    world.until("retention-at-risk", State::Ok, 5);
    let _ = world.verify("consumer-lost").says("show", "OK");
    let _ = world.verify("retention-at-risk");
    world.insists(&["consumer-lost", "retention-at-risk"], &["consumer-stopped"]);
}
