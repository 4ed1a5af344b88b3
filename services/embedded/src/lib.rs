//! DynamoDB in a box: the real AWS SDK client, answered inside this process.
//!
//! Only the client's HTTP connector is ours. It hands each request to an embedded DynamoDB engine over SQLite, so every
//! expression, condition, retry and error mapping that production uses is what tests and the local
//! server run; there is no socket and nothing is read from the machine. [`Engine::client`] gives the client.
//!
//! The engine is always consistent and never throttles. What production must survive is therefore added here: faults
//! before and after the effect, late effects, cut pages, torn and stale reads ([`Fault`], or any [`Fate`]), and a record
//! of every call with what it cost ([`Call`]).
//!
//! A local server keeps its table in a [`DataDirectory`], and operators' tools open the same one.
//!
//! It is never part of a Lambda. The shape of the table belongs to `ledger`.

mod answer;
mod call;
mod client;
mod connector;
mod data_directory;
mod engine;
mod fault;
mod operations;
mod pages;
mod replica;
mod write_ahead_log;

pub use call::{Access, Call, CallInfo};
pub use data_directory::{DataDirectory, DirectoryError, ENVIRONMENT, TABLE};
pub use engine::{Engine, is_disk_full};
pub use fault::{Course, Decision, Failure, Fate, Fault, FaultKind, Page};
