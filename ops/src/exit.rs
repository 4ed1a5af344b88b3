//! How a program ends, as its exit code. The numbers are part of what monitors and scripts rely on.

use std::process::ExitCode;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked, or showed what it would do.
    Done = 0,
    /// It could not, or found what should not be.
    Failed = 1,
    /// It was not understood.
    Usage = 2,
    /// There is no such thing.
    NotFound = 3,
    /// It was understood and is not allowed, or not safe.
    Refused = 4,
    /// Somebody else was faster; nothing was written.
    Conflict = 5,
    /// A check found something that somebody should look at today.
    Warning = 10,
    /// A check found something that somebody should look at now.
    Error = 11,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
