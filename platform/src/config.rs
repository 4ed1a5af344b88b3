//! Configuration: the one place that reads the environment, and what a Lambda makes of it.
#![expect(clippy::disallowed_methods, reason = "this is the one file that reads the environment")]

use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use ledger::{Clock, Ledger, Randomness};

/// The DynamoDB table.
pub(crate) const TABLE: &str = "EVENTLEDGER_TABLE";
/// The environment whose API keys are taken.
pub(crate) const ENVIRONMENT: &str = "EVENTLEDGER_ENVIRONMENT";
/// Which log lines are written.
pub(crate) const LOG: &str = "EVENTLEDGER_LOG";
/// OpenTelemetry's own variable for the collector of everything.
pub(crate) const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Where a client of the API finds it.
pub(crate) const API_URL: &str = "EVENTLEDGER_API_URL";
/// What a client of the API asks with.
pub(crate) const API_KEY: &str = "EVENTLEDGER_API_KEY";

/// What a process was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `EVENTLEDGER_TABLE`: the DynamoDB table.
    pub table: String,
    /// `EVENTLEDGER_ENVIRONMENT`: the environment whose API keys are taken.
    pub environment: String,
    /// `EVENTLEDGER_LOG`: which log lines are written; `info` when absent.
    pub log: String,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: where traces go; nowhere when absent.
    pub traces: Option<String>,
}

/// What a process was told that is a client of the API itself. Its key is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    /// `EVENTLEDGER_API_URL`: scheme and authority of the API, and its stage if it has one.
    pub url: String,
    /// `EVENTLEDGER_API_KEY`: the key that it asks with.
    pub key: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Client {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the first variable that is not set.
    pub fn from_environment() -> Result<Self, MissingVariable> {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, MissingVariable> {
        let required = |name| {
            let value = variable(name).map(|value| value.trim().to_owned());
            value.filter(|value| !value.is_empty()).ok_or(MissingVariable(name))
        };
        Ok(Self { url: required(API_URL)?, key: required(API_KEY)? })
    }
}

/// A variable that must be set and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingVariable(pub &'static str);

impl std::fmt::Display for MissingVariable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "the environment variable {} is not set", self.0)
    }
}

impl std::error::Error for MissingVariable {}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the first variable that must be set and is not.
    pub fn from_environment() -> Result<Self, MissingVariable> {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, MissingVariable> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let required = |name| set(name).ok_or(MissingVariable(name));
        Ok(Self {
            table: required(TABLE)?,
            environment: required(ENVIRONMENT)?,
            log: set(LOG).unwrap_or_else(|| "info".to_owned()),
            traces: set(TRACES_ENDPOINT),
        })
    }

    /// The ledger on the table, as one process of many.
    pub async fn ledger(&self) -> Ledger {
        Ledger::new(client(None).await, &self.table, Clock::system(), Randomness::system(), ledger::Settings::FLEET)
    }
}

/// Whether text for people may be coloured: not where `NO_COLOR` is set to anything, as <https://no-color.org> has it.
#[must_use]
pub fn may_colour() -> bool {
    may_colour_by(|name| std::env::var(name).ok())
}

fn may_colour_by(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// What all clients of AWS share. Credentials and endpoint are AWS's own variables, and so is the region where none is given.
pub async fn aws(region: Option<String>) -> aws_config::SdkConfig {
    let mut defaults = aws_config::defaults(BehaviorVersion::v2026_01_12());
    if let Some(region) = region {
        defaults = defaults.region(Region::new(region));
    }
    defaults.load().await
}

/// A client of DynamoDB over the network.
pub async fn client(region: Option<String>) -> aws_sdk_dynamodb::Client {
    let shared = aws(region).await;
    let settings = ledger::client_settings(aws_sdk_dynamodb::config::Builder::from(&shared));
    aws_sdk_dynamodb::Client::from_conf(settings.build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::FUNCTIONS;

    #[test]
    fn nothing_is_coloured_for_whoever_asks_for_no_colour() {
        for (value, may) in [(None, true), (Some(""), true), (Some("1"), false), (Some("0"), false)] {
            assert_eq!(may_colour_by(|name| value.filter(|_| name == "NO_COLOR").map(str::to_owned)), may, "{value:?}");
        }
    }

    #[test]
    fn the_table_and_the_environment_must_be_named() {
        let read = |known: &[(&str, &str)]| {
            Config::read(|name| known.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(read(&[]), Err(MissingVariable("EVENTLEDGER_TABLE")));
        let table = ("EVENTLEDGER_TABLE", "ledger");
        assert_eq!(read(&[table, ("EVENTLEDGER_ENVIRONMENT", "")]), Err(MissingVariable("EVENTLEDGER_ENVIRONMENT")));
        let config = read(&[table, ("EVENTLEDGER_ENVIRONMENT", "dev")]).unwrap();
        assert_eq!(
            (config.table.as_str(), config.environment.as_str(), config.log.as_str()),
            ("ledger", "dev", "info")
        );
    }

    #[test]
    fn each_function_starts_with_the_variables_that_it_needs_and_with_none_less() {
        for function in FUNCTIONS {
            let starts = |absent: Option<&str>| {
                let told = |name: &str| {
                    (Some(name) != absent && function.variables.contains(&name)).then(|| "something".to_owned())
                };
                let client = function.variables.contains(&API_URL).then(|| Client::read(told));
                Config::read(told).and(client.transpose())
            };
            starts(None).unwrap();
            for name in function.variables {
                assert_eq!(starts(Some(name)).unwrap_err(), MissingVariable(name), "{}", function.service);
            }
        }
    }

    #[test]
    fn the_key_of_a_client_is_never_shown() {
        let read = |key: Option<&str>| {
            Client::read(|name| match name {
                "EVENTLEDGER_API_URL" => Some("http://127.0.0.1:8080".to_owned()),
                _ => key.map(str::to_owned),
            })
        };
        for absent in [None, Some(""), Some("\n")] {
            assert_eq!(read(absent), Err(MissingVariable("EVENTLEDGER_API_KEY")));
        }
        let client = read(Some("elk_dev_placeholder\n")).unwrap();
        assert_eq!(client.key, "elk_dev_placeholder");
        assert_eq!(format!("{client:?}"), r#"Client { url: "http://127.0.0.1:8080", .. }"#);
    }
}
