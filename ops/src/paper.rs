//! What is generated from a command line: completions for shells and pages for `man`.

use std::path::PathBuf;

use clap_complete::Shell;

use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::print;

/// What can be generated.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Paper {
    /// Print completions for a shell, to be kept in a file where it looks for them
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write pages for man, one for each verb, to a folder such as ~/.local/share/man/man1
    Manual {
        /// Folder that they go to, made when it is absent
        folder: PathBuf,
    },
}

impl Paper {
    /// Generates it.
    pub(crate) fn write(self, mut command: clap::Command) -> Result<Exit> {
        match self {
            Self::Completions { shell } => {
                let name = command.get_name().to_owned();
                let mut text = Vec::new();
                clap_complete::generate(shell, &mut command, name, &mut text);
                print(&String::from_utf8_lossy(&text))?;
            }
            Self::Manual { folder } => {
                let made = std::fs::create_dir_all(&folder).and_then(|()| clap_mangen::generate_to(command, &folder));
                made.map_err(|error| Failure::file("write pages to", &folder, &error))?;
            }
        }
        Ok(Exit::Done)
    }
}
