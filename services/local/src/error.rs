//! Why the server did not start, or did not stop, in words for the person who typed the command.
//!
//! `Display` says what to do; the cause follows through `source`, and [`ledger::sentence`] puts both on one line.

use std::io;
use std::path::PathBuf;

use embedded::DirectoryError;
use ledger::Cause;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another server has the data directory.
    #[error(
        "another server is using the data directory {}; stop it, or choose another directory with --data", .0.display()
    )]
    DirectoryInUse(PathBuf),
    /// The directory has files in it and is not a data directory.
    #[error(
        "the directory {} holds other files and was left untouched; choose a new or empty one with --data", .0.display()
    )]
    ForeignDirectory(PathBuf),
    /// The directory cannot be made, read or written.
    #[error("the data directory {} cannot be used; make it writable, or choose another with --data", .path.display())]
    UnusableDirectory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// There is no space for the data.
    #[error("the disk that holds {} is full; free some space on it and start again", .0.display())]
    DiskFull(PathBuf),
    /// The port is taken.
    #[error(
        "port {port} is in use; stop the program that has it, or choose another port, for example with --port {}",
        if *.port == u16::MAX { 8080 } else { .port + 1 }
    )]
    PortInUse {
        /// Which.
        port: u16,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {host} port {port}; choose another with --host and --port")]
    Listen {
        /// Which name or address.
        host: String,
        /// Which port.
        port: u16,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The file of the admin key holds something else.
    #[error("{} does not hold an admin key of this server; move it away, and the next start makes a new key", .0.display())]
    ForeignKey(PathBuf),
    /// The metrics of the process go elsewhere.
    #[error("the metrics of this process are recorded by something else")]
    Metrics(#[source] Cause),
    /// Traces cannot be sent there.
    #[error("traces cannot be sent to {endpoint}; --traces wants a URL such as http://localhost:4318")]
    Traces {
        /// What was given.
        endpoint: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// The table cannot be opened, or is damaged.
    #[error("the table {} cannot be used", .path.display())]
    Table {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Cause,
    },
}

impl StartError {
    /// The data directory could not be had.
    pub(crate) fn directory(error: DirectoryError) -> Self {
        match error {
            DirectoryError::InUse(path) => Self::DirectoryInUse(path),
            DirectoryError::Foreign(path) => Self::ForeignDirectory(path),
            DirectoryError::Missing(path) => Self::unusable(path, io::ErrorKind::NotFound.into()),
            DirectoryError::Unusable { path, cause } => Self::unusable(path, cause),
        }
    }

    /// A file or directory could not be made, read or written.
    pub(crate) fn unusable(path: impl Into<PathBuf>, cause: io::Error) -> Self {
        let path = path.into();
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull(path),
            _ => Self::UnusableDirectory { path, cause },
        }
    }

    /// The table could not be opened, read or written.
    pub(crate) fn table(path: impl Into<PathBuf>, cause: impl Into<Cause>) -> Self {
        let (path, cause) = (path.into(), cause.into());
        if embedded::is_disk_full(&*cause) { Self::DiskFull(path) } else { Self::Table { path, cause } }
    }
}

/// Requests were still running when the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CutOff {
    /// The time to finish them was over.
    #[error("some requests did not finish within {seconds} seconds and were cut off; what was acknowledged is kept")]
    Late {
        /// How long they had.
        seconds: u64,
    },
    /// Nobody wanted to wait for them.
    #[error(
        "a second signal ended the server at once; requests that ran were cut off, and what was acknowledged is kept"
    )]
    Hurried,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_recognised_wherever_it_is_met() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(StartError::unusable("data", full), StartError::DiskFull(_)));
        let engine = io::Error::other("Internal error: database or disk is full");
        assert!(matches!(StartError::table("table", engine), StartError::DiskFull(_)));
    }

    #[test]
    fn the_port_to_try_next_exists() {
        assert!(StartError::PortInUse { port: u16::MAX }.to_string().ends_with("--port 8080"));
    }
}
