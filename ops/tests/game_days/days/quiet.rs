//! A day on which nothing happens.

use crate::world::World;

#[test]
fn a_day_on_which_all_is_well_is_silent() {
    let mut world = World::begin(120, 24);
    world.life.canary_every = 1;
    world.play(120);
    world.insists(&[], &[]);
    // And everything was looked at.
    assert_eq!(world.blind(), Vec::<String>::new());
    let _ = world.run("ledger-lag --env prod check").exits(0);
}
