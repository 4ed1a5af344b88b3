//! How a new secret reaches its owner: once, on a terminal or in a file that nobody else can read. Never in a pipe, where it
//! would end up in a log.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use platform::api_key::Token;

use crate::failure::{Failure, Result};
use crate::file;
use crate::output::say;

/// Who gets it.
#[derive(Clone, Debug)]
pub(crate) enum Recipient {
    /// Whoever sits at the terminal.
    Terminal,
    /// Whoever may read this new file.
    File(PathBuf),
}

impl Recipient {
    /// The one that was named, or the terminal if there is one.
    ///
    /// # Errors
    /// `Refused` when there is neither, or the file exists.
    pub(crate) fn find(file: Option<PathBuf>) -> Result<Self> {
        match file {
            Some(file) => file::must_be_new(&file).map(|()| Self::File(file)),
            None if std::io::stdout().is_terminal() => Ok(Self::Terminal),
            None => {
                let why = "standard output is no terminal, and a secret goes to nothing else";
                Err(Failure::Refused(format!("{why}; name a new file with --secret-file, nothing was written")))
            }
        }
    }

    /// Makes sure that the secret cannot get lost once the table knows the key.
    pub(crate) fn prepare(&self, token: &Token) -> Result<()> {
        let Self::File(file) = self else { return Ok(()) };
        file::write_new(file, &token.reveal())
    }

    /// Hands it over.
    pub(crate) fn hand_over(&self, token: &Token) -> Result<()> {
        match self {
            Self::Terminal => {
                let shown = writeln!(std::io::stdout(), "{}", token.reveal());
                shown.map_err(|error| {
                    Failure::Failed(format!("the secret could not be shown ({error}); rotate the key"))
                })?;
                say("this is the only time that it is shown");
            }
            Self::File(file) => say(&format!("its secret is in {}, which only you can read", file.display())),
        }
        Ok(())
    }

    /// Takes it back: the key surely does not exist.
    pub(crate) fn withdraw(&self) {
        if let Self::File(file) = self {
            // What stays is the secret of no key.
            std::fs::remove_file(file).ok();
        }
    }
}
