//! The event of an EventBridge schedule. It says what is due, if it says anything; every other member is passed over.

use serde::Deserialize;

/// A schedule that is due.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Schedule {
    /// What is to be done. The event of a rule without an input of its own does not say; that is the hourly one.
    #[serde(default)]
    pub task: Task,
}

/// What a schedule is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Healing and tidying, each hour.
    #[default]
    Sweep,
    /// A look at all subscriptions, each minute: the rule's input is `{"task": "sample"}`.
    Sample,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(text: &str) -> Task {
        serde_json::from_str::<Schedule>(text).unwrap().task
    }

    #[test]
    fn an_event_says_what_is_due() {
        assert_eq!(task(include_str!("../fixtures/schedule.json")), Task::Sweep);
        assert_eq!(task("{}"), Task::Sweep);
        assert_eq!(task(include_str!("../fixtures/sample.json")), Task::Sample);
        serde_json::from_str::<Schedule>(r#"{"task": "dance"}"#).unwrap_err();
    }
}
