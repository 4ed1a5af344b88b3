//! The data directory: ours or empty, and one server's at a time.
//!
//! A lock file marks the directory as ours and says so to whoever finds it. The kernel holds the lock for as long as the
//! process lives, so a killed server leaves nothing to clean up. A directory with other files in it is never touched.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::StartError;

const LOCK_FILE: &str = "eventledger.lock";
const TABLE_FILE: &str = "table.sqlite3";
const KEY_FILE: &str = "admin.key";
/// What a file system may put into its own top directory.
const NOBODYS: &str = "lost+found";

const EXPLANATION: &str = "\
This directory holds the data of an EventLedger server: the table with all streams, and the admin API key.
The server locks this file while it runs. To move or copy the data, stop the server and take the whole directory.
";

/// A data directory that this process owns until it is dropped.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory when it is absent, and takes it.
    pub(crate) fn open(path: &Path) -> Result<Self, StartError> {
        let unusable = |cause| StartError::unusable(path, cause);
        if is_foreign(path).map_err(unusable)? {
            return Err(StartError::ForeignDirectory(path.to_owned()));
        }
        // Others have no business in it.
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let file = path.join(LOCK_FILE);
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(file);
        let mut lock = options.map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StartError::DirectoryInUse(path.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(unusable(cause)),
        }
        lock.set_len(0).and_then(|()| lock.write_all(EXPLANATION.as_bytes())).map_err(unusable)?;
        lock.sync_all().map_err(unusable)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the table.
    pub(crate) fn table_file(&self) -> PathBuf {
        self.path.join(TABLE_FILE)
    }

    /// The file of the admin key.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.path.join(KEY_FILE)
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
        assert!(matches!(DataDirectory::open(&path), Err(StartError::DirectoryInUse(_))));
        drop(taken);
        DataDirectory::open(&path).unwrap();
        assert!(std::fs::read_to_string(path.join(LOCK_FILE)).unwrap().contains("EventLedger"));
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
        assert!(matches!(DataDirectory::open(path.path()), Err(StartError::ForeignDirectory(_))));
        let names: Vec<_> = std::fs::read_dir(path.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["thesis.txt"]);
    }

    #[test]
    fn a_file_is_no_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(DataDirectory::open(file.path()), Err(StartError::UnusableDirectory { .. })));
    }
}
