//! Why a tool did not do what it was asked, in words for the person who asked: what is wrong, whether anything was written,
//! and what to do next.

use aws_sdk_dynamodb::error::DisplayErrorContext;

use crate::exit::Exit;

/// What a tool answers.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why it did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something did not work.
    #[error("{0}")]
    Failed(String),
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It is not allowed, or not safe.
    #[error("{0}")]
    Refused(String),
    /// Somebody else was faster.
    #[error("somebody changed {0} meanwhile; nothing was written, so look at it again and repeat the command")]
    Overtaken(String),
}

impl Failure {
    /// The exit code that tells it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Failed(_) => Exit::Failed,
            Self::Usage(_) => Exit::Usage,
            Self::NotFound(_) => Exit::NotFound,
            Self::Refused(_) => Exit::Refused,
            Self::Overtaken(_) => Exit::Conflict,
        }
    }

    /// A file could not be read or written.
    pub(crate) fn file(what: &str, path: &std::path::Path, cause: &std::io::Error) -> Self {
        let told = format!("cannot {what} {}: {cause}", path.display());
        if cause.kind() == std::io::ErrorKind::NotFound { Self::NotFound(told) } else { Self::Failed(told) }
    }
}

impl From<ledger::Error> for Failure {
    fn from(error: ledger::Error) -> Self {
        match &error {
            ledger::Error::StreamNotFound | ledger::Error::SubscriptionNotFound => Self::NotFound(error.to_string()),
            ledger::Error::Unavailable(cause) => {
                Self::Failed(format!("the table does not answer, and nothing was written: {}", advice(&**cause)))
            }
            ledger::Error::OutcomeUnknown(cause) => Self::Failed(format!(
                "it is unknown whether it was written; look before you repeat it: {}",
                advice(&**cause)
            )),
            // What the store refuses for good is among it.
            ledger::Error::Internal(cause) => match known(&DisplayErrorContext(&**cause).to_string()) {
                Some(_) => Self::Failed(advice(&**cause)),
                None => Self::Failed(format!(
                    "something stored is not as it must be; `ledger-offsets peek` shows records: {cause}"
                )),
            },
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// What to do about an error of AWS's SDK, and what it says.
pub(crate) fn advice(cause: &(dyn std::error::Error + 'static)) -> String {
    // What is told for developers names the code of the error, and is nothing for people to read.
    let told = ledger::sentence(cause);
    match known(&DisplayErrorContext(cause).to_string()) {
        Some(advice) => format!("{advice} ({told})"),
        None => told,
    }
}

/// What to do about an error that everybody meets some day.
fn known(told: &str) -> Option<&'static str> {
    let advice = [
        ("AccessDenied", "the credentials lack a permission; use a role that has it"),
        ("ExpiredToken", "the credentials are expired; sign in again"),
        ("UnrecognizedClient", "AWS does not know the credentials; sign in again"),
        ("ResourceNotFound", "there is no such table; check `table` and `region` in the environment's settings.json"),
        ("credential", "there are no usable credentials; sign in, or set AWS_PROFILE"),
        ("dispatch failure", "AWS cannot be reached; check the network and the region"),
    ];
    advice.iter().find(|(sign, _)| told.contains(sign)).map(|(_, advice)| *advice)
}
