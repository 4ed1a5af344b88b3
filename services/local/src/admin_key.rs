//! The admin API key of a data directory: made at the first start, kept in a file that only its owner can read.
//!
//! The file is complete and on the disk before the table knows the key. So a crash in between leaves a file without a
//! record, and the next start stores the record again; never a record whose secret nobody has. A lost file gives a new
//! key, and the record of the old one stays until somebody revokes it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use embedded::ENVIRONMENT;
use ledger::Ledger;
use platform::api_key::Token;

use crate::error::StartError;

/// The admin key, and whether this start made it.
#[derive(Debug)]
pub(crate) struct AdminKey {
    pub(crate) token: Token,
    pub(crate) new: bool,
}

/// Reads the admin key from its file, or makes one, and sees to it that the table knows it.
pub(crate) async fn ensure(ledger: &Ledger, file: &Path, table_file: &Path) -> Result<AdminKey, StartError> {
    let key = match read(file)? {
        Some(token) => AdminKey { token, new: false },
        None => AdminKey { token: make(ledger, file)?, new: true },
    };
    let table = |error: ledger::Error| StartError::table(table_file, error);
    if ledger.find_api_key(key.token.id()).await.map_err(table)?.is_none() {
        ledger.create_api_key(&key.token.record_of_admin(ledger.clock().now())).await.map_err(table)?;
    }
    Ok(key)
}

fn read(file: &Path) -> Result<Option<Token>, StartError> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => return Err(StartError::ForeignKey(file.to_owned())),
        Err(error) => return Err(StartError::unusable(file, error)),
    };
    match Token::parse(text.trim()) {
        Some(token) if token.environment() == ENVIRONMENT => Ok(Some(token)),
        _ => Err(StartError::ForeignKey(file.to_owned())),
    }
}

fn make(ledger: &Ledger, file: &Path) -> Result<Token, StartError> {
    let token = Token::mint(ledger.randomness(), ENVIRONMENT);
    write(file, &token.reveal()).map_err(|cause| StartError::unusable(file, cause))?;
    Ok(token)
}

/// The file appears whole or not at all, and nobody else could ever read it.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = file.with_extension("unfinished");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    writeln!(new, "{text}")?;
    new.sync_all()?;
    std::fs::rename(&unfinished, file)?;
    file.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use ledger::Randomness;

    use super::*;

    #[test]
    fn the_file_is_its_owners_alone_and_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("admin.key");
        let token = Token::mint(&Randomness::seeded(1), ENVIRONMENT);
        std::fs::write(directory.path().join("admin.unfinished"), "left by a crash").unwrap();
        write(&file, &token.reveal()).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&file).unwrap(), Some(token));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_with_another_text_is_not_taken_for_a_key() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("admin.key");
        assert_eq!(read(&file).unwrap(), None);
        let elsewhere = Token::mint(&Randomness::seeded(1), "prod").reveal();
        for text in ["", "elk_local_", "password", &elsewhere] {
            std::fs::write(&file, text).unwrap();
            assert!(matches!(read(&file), Err(StartError::ForeignKey(_))), "{text}");
        }
    }
}
