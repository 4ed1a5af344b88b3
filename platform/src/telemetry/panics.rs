//! Panics, of whichever handler: each is a defect that is counted, and none ends the process.

use std::any::Any;

use metrics::counter;

use super::catalogue;

/// Counts a panic that was caught, and answers its message, which is for the log.
pub(crate) fn count_panic(payload: &(dyn Any + Send)) -> String {
    counter!(catalogue::PANICS.name).increment(1);
    let message = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| payload.downcast_ref::<String>().cloned());
    format!("a panic: {}", message.unwrap_or_default())
}
