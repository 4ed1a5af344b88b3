//! The desk of an operator: the table of an environment, opened, and known to be the right one.

use aws_sdk_dynamodb::Client;
use embedded::{DataDirectory, DirectoryError};
use ledger::{Clock, Ledger, Randomness};

use crate::environment::Environment;
use crate::failure::{Failure, Result, advice};
use crate::options::Common;
use crate::output::{Output, say};

/// What a verb works with.
#[derive(Debug)]
pub(crate) struct Desk {
    /// The ledger on the table.
    pub(crate) ledger: Ledger,
    /// The environment.
    pub(crate) environment: Environment,
    /// Where answers go.
    pub(crate) output: Output,
    /// How the table was named on the command line.
    whence: String,
    /// Whether it is certain that the table is the environment's own, so that it may be written.
    pub(crate) is_certain: bool,
    /// Nobody else may take it meanwhile.
    _directory: Option<DataDirectory>,
}

impl Desk {
    /// Opens the table that was asked for, and says which it is.
    ///
    /// # Errors
    /// When there is no such environment or table, or the table is of another account than the environment.
    pub(crate) async fn open(common: &Common) -> Result<Self> {
        let environment = match (&common.env, &common.backend) {
            (Some(name), _) => Environment::read(&common.environments, name)?,
            (None, Some(_)) => Environment::local(),
            (None, None) => {
                let what = "name an environment with --env, as in --env dev";
                return Err(Failure::Usage(format!("{what}, or a local table with --backend embedded:./data")));
            }
        };
        let output = Output::new(common.output);
        match &common.backend {
            Some(backend) => {
                let unusable = |error: &dyn std::error::Error| Failure::Refused(ledger::sentence(error));
                let directory = DataDirectory::existing(&backend.data).map_err(|error| match error {
                    DirectoryError::Missing(_) => Failure::NotFound(ledger::sentence(&error)),
                    other => unusable(&other),
                })?;
                let engine = directory.engine().map_err(|error| unusable(&*error))?;
                say(&format!("{}: the table of {}", environment.name, backend.data.display()));
                // As the server that owns it: nobody else has it meanwhile, or deletes anything.
                let ledger = ledger(engine.client(), embedded::TABLE, ledger::Settings::EMBEDDED);
                let whence = format!("--backend embedded:{}", backend.data.display());
                Ok(Self { ledger, environment, output, whence, is_certain: true, _directory: Some(directory) })
            }
            None => {
                let client = platform::config::client(Some(environment.settings.region.clone())).await;
                let is_certain = check(&client, &environment).await?;
                let ledger = ledger(client, &environment.settings.table, ledger::Settings::FLEET);
                let whence = format!("--env {}", environment.name);
                Ok(Self { ledger, environment, output, whence, is_certain, _directory: None })
            }
        }
    }
}

impl Desk {
    /// The options that name the same table again.
    pub(crate) fn whence(&self) -> &str {
        &self.whence
    }
}

fn ledger(client: Client, table: &str, settings: ledger::Settings) -> Ledger {
    Ledger::new(client, table, Clock::system(), Randomness::system(), settings)
}

/// Says which table it is, and whether it is certain that the environment means it.
async fn check(client: &Client, environment: &Environment) -> Result<bool> {
    let settings = &environment.settings;
    let name = ledger::table::resource_name(client, &settings.table).await;
    let name = name.map_err(|cause| Failure::Failed(advice(&*cause)))?;
    // arn:aws:dynamodb:<region>:<account>:table/<table>
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    let [_, _, _, region, account, resource] = parts[..] else {
        return Err(Failure::Failed(format!("`{name}` is no name of a table as AWS writes them")));
    };
    say(&format!("{}: {}, account {account}, region {region}", environment.name, resource.replace('/', " ")));
    if region != settings.region || resource != format!("table/{}", settings.table) {
        return Err(Failure::Refused(format!(
            "{} is table/{} in {}, and AWS answered of another; nothing was read or written",
            environment.name, settings.table, settings.region
        )));
    }
    match &settings.account {
        Some(expected) if expected != account => Err(Failure::Refused(format!(
            "these are credentials for account {account}, and {} is in {expected}; nothing was read or written",
            environment.name
        ))),
        known => Ok(known.is_some()),
    }
}
