//! New files that only their owner can read. What is there already is never written over.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::failure::{Failure, Result};

/// Insists that there is no such file yet, before anything else is done.
pub(crate) fn must_be_new(file: &Path) -> Result<()> {
    if file.exists() {
        return Err(Failure::Refused(format!("{} exists; name a new file, nothing was written", file.display())));
    }
    Ok(())
}

/// Makes a file with a text and the end of its line; when this returns, it is on the disk.
pub(crate) fn write_new(file: &Path, text: &str) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        writeln!(new, "{text}")?;
        new.sync_all()
    };
    write().map_err(|error| Failure::file("write", file, &error))
}
