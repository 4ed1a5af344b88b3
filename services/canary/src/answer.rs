//! The answers of the API, as far as a round looks at them. Other members are passed over: the contract may gain some.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::Finding;

/// An answer of the API.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// The answer to a publish.
#[derive(Deserialize)]
pub(crate) struct Receipts {
    pub(crate) events: Vec<Receipt>,
    pub(crate) replayed: bool,
}

/// Where an event was stored.
#[derive(Clone, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) id: String,
    pub(crate) partition: u16,
    pub(crate) offset: u64,
}

/// The answer to a poll.
#[derive(Deserialize)]
pub(crate) struct Page {
    pub(crate) events: Vec<Event>,
    pub(crate) cursor: String,
    pub(crate) caught_up: bool,
}

/// An event as it was read.
#[derive(Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) partition: u16,
    pub(crate) offset: u64,
    #[serde(default)]
    pub(crate) key: Option<String>,
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    pub(crate) data: Value,
}

/// The answer to a commit.
#[derive(Deserialize)]
pub(crate) struct Committed {
    pub(crate) advanced: bool,
}

/// A problem document.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: Option<String>,
    earliest_cursor: Option<String>,
}

impl Answer {
    /// The body of an answer with this status.
    pub(crate) fn expect<T: DeserializeOwned>(&self, status: u16) -> Result<T, Finding> {
        if self.status != status {
            return Err(self.unexpected());
        }
        // The parser's own words may repeat what it read.
        serde_json::from_slice(&self.body).map_err(|_| Finding::Wrong("the answer was not of its documented shape"))
    }

    /// This answer, where another one was due.
    pub(crate) fn unexpected(&self) -> Finding {
        Finding::Answer { status: self.status, code: self.code() }
    }

    /// The code of the problem, if it looks like one: whoever else answers may say anything.
    pub(crate) fn code(&self) -> Option<String> {
        let is_code = |code: &String| {
            (1..=40).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        self.problem().code.filter(is_code)
    }

    /// Where to go on after what expired.
    pub(crate) fn earliest_cursor(&self) -> Option<String> {
        self.problem().earliest_cursor.filter(|_| self.code().as_deref() == Some("position_expired"))
    }

    fn problem(&self) -> Problem {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_code_is_told() {
        let code = |body: &str| Answer { status: 500, body: body.into() }.code();
        assert_eq!(code(r#"{"code":"outcome_unknown","detail":"x"}"#).as_deref(), Some("outcome_unknown"));
        for body in ["", "<html>", "[]", "{}", r#"{"code":7}"#, r#"{"code":""}"#, r#"{"code":"elk_dev_1"}"#] {
            assert_eq!(code(body), None, "{body}");
        }
    }
}
