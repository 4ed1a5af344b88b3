//! The authorizer: tells a REST API of API Gateway who asks, so that usage plans count and throttle requests by client.
//!
//! API Gateway calls it for each request that needs an API key. What a key may do is for the services behind the edge.

mod handlers;
mod wire;

pub use handlers::authorize;
pub use wire::{Answer, Request};
