//! The domain of EventLedger: ordered, immutable streams kept on one DynamoDB table.
//!
//! One file per verb; `model` holds the nouns, and the private `store` is the only place that knows items and
//! expressions. The protocol and its invariants are described in ARCHITECTURE.md and PROTOCOL.md. This crate knows
//! nothing of HTTP: handlers turn requests into verbs, and errors into problem documents.

mod answers;
mod api_keys;
mod append;
#[cfg(feature = "bench")]
pub mod bench;
mod bootstrap;
mod client;
mod clock;
mod commit;
mod compact;
mod compacted;
mod deadline;
mod doorbell;
mod error;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod group;
mod health;
mod inspect;
mod leases;
mod ledger;
pub mod limits;
mod locate;
mod log;
pub mod model;
mod observe;
mod operator;
pub mod planted;
mod poll;
mod publish;
mod random;
mod replay;
mod sample;
mod seek;
mod status;
mod store;
mod streams;
mod subscribe;
mod sweep;
pub mod table;
mod trace;
mod turns;
mod usage;
mod verify;

pub use answers::*;
pub use client::client_settings;
pub use clock::{Clock, Timestamp};
pub use deadline::Deadline;
pub use doorbell::Doorbell;
pub use error::{Cause, Error, Expired, Restart, Result, sentence};
pub use ledger::{Ledger, Settings};
pub use observe::{Observation, PartitionObservation, StoredBatch, StoredRecords};
pub use operator::{ApiKeysChange, AuditRecord, Change, NewApiKey, SeekPlan};
pub use random::Randomness;
pub use store::KnownCommit;
pub use usage::{Usage, measured};
pub use verify::{Verified, Violation};
