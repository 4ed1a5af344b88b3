//! The event of an EventBridge schedule. That it came is all that it says; every member is passed over.

use serde::Deserialize;

/// A schedule that is due.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Schedule {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_event_can_be_read() {
        serde_json::from_str::<Schedule>(include_str!("../fixtures/schedule.json")).unwrap();
        serde_json::from_str::<Schedule>("{}").unwrap();
    }
}
