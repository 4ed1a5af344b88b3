//! The ledger's protocol under faults, below HTTP: what only a test that injects store failures and moves time can see.
//!
//! Each test makes its own table in memory, with a manual clock and seeded randomness. The HTTP contract is tested in
//! `contract`; many clients and random faults together are the business of a simulation.

mod bootstraps;
mod cost;
mod doubt;
mod faults;
mod frozen;
mod heads;
mod keys;
mod lag;
mod life;
mod races;
mod sweeps;
mod together;
mod world;
