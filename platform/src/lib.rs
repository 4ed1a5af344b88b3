//! Wraps any service: everything between a request and the ledger verb that does it, and nothing of the domain.
//!
//! A service lists its [`endpoint::Endpoint`]s; [`endpoint::Routes::router`] gives them authentication, limits, request
//! ids, problem documents and the access log, and [`openapi::render`] describes them. The same router runs in a Lambda
//! ([`lambda::serve`]), in the local server and in tests. Handlers read requests with the extractors of [`json`],
//! [`query`], [`path`] and [`headers`], which refuse what they cannot read without repeating it.

mod accept;
pub mod access;
pub mod api_key;
pub mod config;
pub mod deadline;
mod edge;
pub mod endpoint;
pub mod functions;
pub mod gateway;
pub mod headers;
pub mod health;
pub mod in_flight;
pub mod json;
pub mod lambda;
pub mod openapi;
pub mod path;
pub mod problem;
pub mod query;
pub mod schema;
pub mod telemetry;
mod url;
pub mod wire;
