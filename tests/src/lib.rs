//! The harness of the test suites: a client that checks every answer against the contract, whatever the test asks.
//!
//! The same suites run against routers in this process, on an embedded table and a clock that stands still, and against
//! any server: `EVENTLEDGER_API_URL` and `EVENTLEDGER_API_KEY` choose it. [`api`] sends, [`conformance`] holds each answer
//! against `services/openapi.json` and the rules that every answer follows, [`secrecy`] looks for leaks, [`stream`] says the
//! usual things briefly. How the parts of EventLedger are put together is in [`app`] alone. No test
//! needs a pause: time is moved by hand.

pub mod api;
pub mod app;
pub mod conformance;
pub mod oracle;
pub mod problem;
pub mod secrecy;
pub mod served;
pub mod spans;
pub mod stream;
pub mod transport;

pub use api::{Answer, Api, Request};
pub use stream::Stream;
