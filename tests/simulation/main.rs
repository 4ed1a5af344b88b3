//! The deterministic simulation: many clients, a fleet of Lambdas, a compactor and a clock in one thread, faults drawn from
//! a seed, and a checker that knows what must never be seen.
//!
//! The production routers, handlers, ledger and AWS SDK run unchanged. The seams are the embedded connector, the one clock
//! and the one source of randomness. As a test it runs five hundred seeds and forty crowded ones, plants bugs that must be caught, kills each
//! handler at each of its store calls, and runs seeds twice. With a command it does what a person asks: see `help`.

mod actors;
mod checker;
mod client;
mod command;
mod counters;
mod dice;
mod fate;
mod history;
mod kills;
mod planted;
mod process;
mod run;
mod sometimes;
mod suite;
mod swarm;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

type Test = fn() -> Result<(), String>;

const TESTS: [(&str, Test); 5] = [
    ("five_hundred_seeds_run_clean", suite::five_hundred),
    ("forty_crowded_seeds_run_clean", suite::forty_crowded),
    ("every_planted_bug_is_caught", planted::all_are_caught),
    ("every_handler_survives_a_kill_at_each_of_its_store_calls", kills::at_each_call),
    ("a_seed_is_the_same_run_in_every_process", suite::is_deterministic),
];

fn main() -> ExitCode {
    run::watch_panics();
    if command::is_meant() {
        return command::obey();
    }
    let mut arguments = Arguments::from_args();
    // Each test takes all processors by itself.
    arguments.test_threads = Some(1);
    let trial = |(name, test): (&str, Test)| Trial::test(name, move || test().map_err(Failed::from));
    libtest_mimic::run(&arguments, TESTS.map(trial).into()).exit_code()
}
