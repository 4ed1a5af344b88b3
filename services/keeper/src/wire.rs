//! The event of an EventBridge schedule. It says what is due, if it says anything; every other member is passed over.

use serde::Deserialize;

/// A schedule that is due.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Schedule {
    /// What is to be done. The event of a rule without an input of its own does not say; that is the hourly one.
    #[serde(default)]
    pub task: Task,
}

impl Schedule {
    /// The name in metrics and traces of what is to be done.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        match self.task {
            Task::Sweep => "sweep",
            Task::Sample => "sample",
        }
    }
}

/// What a schedule is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Healing and tidying, and a look at the API keys, each hour.
    #[default]
    Sweep,
    /// A look at all subscriptions, each minute: the rule's input is `{"task": "sample"}`.
    Sample,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(text: &str) -> (Task, &'static str) {
        let schedule: Schedule = serde_json::from_str(text).unwrap();
        (schedule.task, schedule.operation())
    }

    #[test]
    fn an_event_says_what_is_due() {
        assert_eq!(task(include_str!("../fixtures/schedule.json")), (Task::Sweep, "sweep"));
        assert_eq!(task("{}"), (Task::Sweep, "sweep"));
        assert_eq!(task(include_str!("../fixtures/sample.json")), (Task::Sample, "sample"));
        serde_json::from_str::<Schedule>(r#"{"task": "dance"}"#).unwrap_err();
    }
}
