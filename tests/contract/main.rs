//! The contract of EventLedger, clause by clause as PROTOCOL.md numbers them: each test carries the number of its clause.
//!
//! Everything is asked over HTTP and known from answers only. By default the services run in this process; with
//! `EVENTLEDGER_API_URL` and `EVENTLEDGER_API_KEY` the same tests ask a server, each with names of its own. Tests that move
//! time, mint keys or break the store begin with `Api::in_process` and always run here. The table under the services in
//! this process is embedded, or a DynamoDB over the network: `tests/emulator`.

mod access;
mod bad_inputs;
mod commit;
mod crowd;
mod description;
mod expiry;
mod life;
mod outcomes;
mod publish;
mod quotas;
mod read;
mod scopes;
mod state;
