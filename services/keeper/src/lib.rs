//! The keeper: woken by a schedule, it heals and tidies every stream.

mod handlers;
mod wire;

pub use handlers::keep;
pub use wire::Schedule;
