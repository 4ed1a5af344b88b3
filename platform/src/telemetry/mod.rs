//! What a service tells of itself: logs, metrics and the one line of each invocation.

pub mod alarms;
pub mod api_keys;
pub mod catalogue;
pub mod consumers;
pub mod dashboards;
mod emf;
mod invocation;
mod logs;
mod panics;
mod prometheus;
pub mod series;
pub mod told;
mod traces;

pub use emf::EmfRecorder;
pub(crate) use invocation::{Begun, Outcome, Route};
pub use invocation::{Telemetry, note};
pub(crate) use logs::is_sampled;
pub use logs::{Format, SAMPLED_IN, levels, start, subscriber};
pub(crate) use panics::{count_panic, log_panics};
pub use prometheus::{Prometheus, name as prometheus_name};
pub use traces::Traces;
pub(crate) use traces::{InvocationId, InvocationSpan};
