//! The data directory of a local server: ours or empty, and one process's at a time.
//!
//! A lock file marks the directory as ours and says so to whoever finds it. The kernel holds the lock for as long as the
//! process lives, so a killed one leaves nothing to clean up. A directory with other files in it is never touched.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ledger::Cause;

use crate::engine::Engine;

/// The name of the table in every data directory.
pub const TABLE: &str = "eventledger";
/// The environment that the API keys of every data directory are for.
pub const ENVIRONMENT: &str = "local";

const LOCK_FILE: &str = "eventledger.lock";
const TABLE_FILE: &str = "table.sqlite3";
/// What a file system may put into its own top directory.
const NOBODYS: &str = "lost+found";

const EXPLANATION: &str = "\
This directory holds the data of an EventLedger server: the table with all streams, and the admin API key.
The server locks this file while it runs. To move or copy the data, stop the server and take the whole directory.
";

/// Why a directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// There is none, and none was to be made.
    #[error("there is no data directory {}", .0.display())]
    Missing(PathBuf),
    /// Another process has it.
    #[error("another process is using the data directory {}", .0.display())]
    InUse(PathBuf),
    /// It has files in it and is not a data directory.
    #[error("the directory {} holds other files", .0.display())]
    Foreign(PathBuf),
    /// It, or its lock file, cannot be made, read or written.
    #[error("the data directory {} cannot be used", .path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
}

/// A data directory that this process owns until it is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    lock: File,
}

impl Drop for DataDirectory {
    fn drop(&mut self) {
        // Closing the file is not enough: a program that this process is starting has a copy of it until it runs.
        self.lock.unlock().ok();
    }
}

impl DataDirectory {
    /// Makes the directory when it is absent, and takes it.
    ///
    /// # Errors
    /// When it cannot be had; then it was left as it was.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let unusable = |cause| DirectoryError::Unusable { path: path.to_owned(), cause };
        if is_foreign(path).map_err(unusable)? {
            return Err(DirectoryError::Foreign(path.to_owned()));
        }
        // Others have no business in it.
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        Self::take(path)
    }

    /// Takes a directory that a server has used before.
    ///
    /// # Errors
    /// When there is none, or it cannot be had; then it was left as it was.
    pub fn existing(path: &Path) -> Result<Self, DirectoryError> {
        match path.join(TABLE_FILE).try_exists() {
            Ok(true) if path.join(LOCK_FILE).exists() => Self::take(path),
            Ok(_) => Err(DirectoryError::Missing(path.to_owned())),
            Err(cause) => Err(DirectoryError::Unusable { path: path.to_owned(), cause }),
        }
    }

    fn take(path: &Path) -> Result<Self, DirectoryError> {
        let unusable = |cause| DirectoryError::Unusable { path: path.to_owned(), cause };
        let file = path.join(LOCK_FILE);
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(file);
        let mut lock = options.map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DirectoryError::InUse(path.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(unusable(cause)),
        }
        lock.set_len(0).and_then(|()| lock.write_all(EXPLANATION.as_bytes())).map_err(unusable)?;
        lock.sync_all().map_err(unusable)?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the table.
    #[must_use]
    pub fn table_file(&self) -> PathBuf {
        self.path.join(TABLE_FILE)
    }

    /// The engine on its table, which is made when it is absent. The directory must outlive it.
    ///
    /// # Errors
    /// When the file of the table cannot be opened, or holds something else.
    pub fn engine(&self) -> Result<Engine, Cause> {
        Engine::open(&self.table_file())
    }
}

/// Whether it has files in it and no mark of ours.
fn is_foreign(path: &Path) -> std::io::Result<bool> {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut others = false;
    for entry in entries {
        let name = entry?.file_name();
        if name == LOCK_FILE {
            return Ok(false);
        }
        others |= name != NOBODYS;
    }
    Ok(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_taken_and_given_back() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/data");
        let taken = DataDirectory::open(&path).unwrap();
        assert!(matches!(DataDirectory::open(&path), Err(DirectoryError::InUse(_))));
        drop(taken);
        DataDirectory::open(&path).unwrap();
        assert!(std::fs::read_to_string(path.join(LOCK_FILE)).unwrap().contains("EventLedger"));
    }

    #[test]
    fn only_a_directory_that_was_used_exists() {
        let path = tempfile::tempdir().unwrap();
        assert!(matches!(DataDirectory::existing(path.path()), Err(DirectoryError::Missing(_))));
        let taken = DataDirectory::open(path.path()).unwrap();
        drop(taken.engine().unwrap());
        assert!(matches!(DataDirectory::existing(path.path()), Err(DirectoryError::InUse(_))));
        drop(taken);
        DataDirectory::existing(path.path()).unwrap();
    }

    #[test]
    fn an_empty_directory_becomes_ours_also_on_a_file_system_of_its_own() {
        let path = tempfile::tempdir().unwrap();
        std::fs::create_dir(path.path().join(NOBODYS)).unwrap();
        DataDirectory::open(path.path()).unwrap();
    }

    #[test]
    fn a_directory_with_other_files_is_left_untouched() {
        let path = tempfile::tempdir().unwrap();
        std::fs::write(path.path().join("thesis.txt"), "text").unwrap();
        assert!(matches!(DataDirectory::open(path.path()), Err(DirectoryError::Foreign(_))));
        let names: Vec<_> = std::fs::read_dir(path.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["thesis.txt"]);
    }

    #[test]
    fn a_file_is_no_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(DataDirectory::open(file.path()), Err(DirectoryError::Unusable { .. })));
    }
}
