//! Environments: what `environments/<name>/settings.json` says, which infrastructure code reads too.

use std::path::{Path, PathBuf};

use platform::telemetry::alarms::Strictness;
use serde::Deserialize;

use crate::failure::{Failure, Result};

/// What is true of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The AWS account; while nobody has filled it in, nothing is written.
    pub(crate) account: Option<String>,
    /// The AWS region.
    pub(crate) region: String,
    /// The DynamoDB table.
    pub(crate) table: String,
    /// Whether its name must be typed again before anything is written.
    pub(crate) protected: bool,
    /// How strictly it is watched.
    pub(crate) alarms: Strictness,
    /// What its clients reach it through.
    pub(crate) edge: Edge,
}

/// What the clients of an environment reach it through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Edge {
    /// An HTTP API of API Gateway, which knows no API keys; or nothing, for a local server.
    Http,
    /// A REST API of API Gateway, whose usage plans meter clients by their usage ids.
    Rest,
}

/// An environment with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Environment {
    /// As its folder is called, and as its API keys carry it.
    pub(crate) name: String,
    /// Where its settings are; nowhere for the table of a local server alone.
    pub(crate) file: Option<PathBuf>,
    /// What they say.
    pub(crate) settings: Settings,
}

impl Environment {
    /// The one of a local server.
    pub(crate) fn local() -> Self {
        let settings = Settings {
            account: None,
            region: "local".to_owned(),
            table: embedded::TABLE.to_owned(),
            protected: false,
            alarms: Strictness::Lenient,
            edge: Edge::Http,
        };
        Self { name: embedded::ENVIRONMENT.to_owned(), file: None, settings }
    }

    /// Reads one.
    ///
    /// # Errors
    /// When there is none of this name, or its settings do not read.
    pub(crate) fn read(folder: &Path, name: &str) -> Result<Self> {
        // It becomes a part of a path, and of every API key.
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            return Err(Failure::Usage(format!("`{name}` is no name of an environment: those are of a-z and 0-9")));
        }
        let file = folder.join(name).join("settings.json");
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(unknown(folder, name)),
            Err(error) => return Err(Failure::file("read", &file, &error)),
        };
        let settings: Settings = serde_json::from_str(&text)
            .map_err(|error| Failure::Failed(format!("{} does not read: {error}", file.display())))?;
        let is_account = |account: &String| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(account) = settings.account.as_ref().filter(|account| !is_account(account)) {
            return Err(Failure::Failed(format!("{}: `{account}` is no AWS account of twelve digits", file.display())));
        }
        Ok(Self { name: name.to_owned(), file: Some(file), settings })
    }
}

fn unknown(folder: &Path, name: &str) -> Failure {
    let mut known: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("settings.json").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    known.sort();
    let folder = folder.display();
    if known.is_empty() {
        let what = format!("there are no environments in {folder}; run this at the top of the repository, or name the");
        Failure::NotFound(format!("{what} folder with --environments"))
    } else {
        Failure::NotFound(format!("there is no environment `{name}` in {folder}; it has: {}", known.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../environments")
    }

    #[test]
    fn the_environments_of_the_repository_read_and_production_is_protected() {
        for (name, protected, alarms) in [("dev", false, Strictness::Lenient), ("prod", true, Strictness::Strict)] {
            let settings = Environment::read(&repository(), name).unwrap().settings;
            assert_eq!((settings.protected, settings.alarms, settings.edge), (protected, alarms, Edge::Http), "{name}");
            assert_eq!(settings.table, format!("eventledger-{name}"));
        }
    }

    #[test]
    fn a_wrong_name_is_told_the_right_ones() {
        let told = |name: &str| Environment::read(&repository(), name).unwrap_err().to_string();
        assert!(told("production").ends_with("it has: dev, prod"), "{}", told("production"));
        assert!(told("../dev").contains("a-z and 0-9"));
        let nowhere = Environment::read(Path::new("/nowhere"), "dev").unwrap_err();
        assert!(nowhere.to_string().contains("--environments"), "{nowhere}");
    }

    #[test]
    fn what_is_misspelt_in_settings_is_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("dev")).unwrap();
        let right = std::fs::read_to_string(repository().join("dev/settings.json")).unwrap();
        for (word, wrong) in [("protected", "protectd"), ("lenient", "lax"), ("http", "htp")] {
            std::fs::write(folder.path().join("dev/settings.json"), right.replace(word, wrong)).unwrap();
            let told = Environment::read(folder.path(), "dev").unwrap_err().to_string();
            assert!(told.contains(wrong), "{told}");
        }
    }
}
