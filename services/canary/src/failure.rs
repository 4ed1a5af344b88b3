//! Why a round failed, in a sentence for whoever is on call. It names what was answered by status and code: whatever else is
//! in an answer may be data, and a key is in no answer.

use std::fmt;

/// A round that did not find everything as it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the round failed while {step}: {finding}")]
pub struct Failure {
    /// What it was doing.
    pub step: Step,
    /// What it found.
    pub finding: Finding,
}

/// What a round does, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The stream must be there.
    CreateStream,
    /// The subscription must be there.
    CreateSubscription,
    /// Where the subscription stands before anything is published.
    Begin,
    /// One event.
    Publish,
    /// Until the event is there.
    Read,
    /// Up to the event.
    Commit,
    /// Where the subscription stands now.
    LookAgain,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::CreateStream => "creating the stream",
            Self::CreateSubscription => "creating the subscription",
            Self::Begin => "looking where the subscription stands",
            Self::Publish => "publishing",
            Self::Read => "polling for its event",
            Self::Commit => "committing",
            Self::LookAgain => "looking where the commit had led",
        })
    }
}

/// What was found instead of what must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Another answer.
    Answer {
        /// Its HTTP status.
        status: u16,
        /// The code of its problem document, if it is one.
        code: Option<String>,
    },
    /// No answer, and why, in the words of the HTTP client.
    NoAnswer(String),
    /// No time was left.
    Late,
    /// An answer that is not true.
    Wrong(&'static str),
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer { status, code } => {
                write!(formatter, "the answer was {status} {}", code.as_deref().unwrap_or("without a problem code"))
            }
            Self::NoAnswer(why) => write!(formatter, "there was no answer: {why}"),
            Self::Late => write!(formatter, "it had no more time"),
            Self::Wrong(what) => formatter.write_str(what),
        }
    }
}
