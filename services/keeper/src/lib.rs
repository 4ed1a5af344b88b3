//! The keeper: woken by schedules, it heals and tidies every stream each hour, and each minute looks at how every
//! subscription does.

mod handlers;
mod wire;

pub use handlers::keep;
pub use wire::{Schedule, Task};
