//! Rendering: the alarms and dashboards of an environment as infrastructure code reads them, and pictures of the dashboards
//! for people. All of it is made of the catalogue in `platform::telemetry`, to standard output; `just render` writes the
//! files that are committed, and a test holds that they are the same.

mod picture;

use platform::telemetry::series::Place;
use platform::telemetry::{alarms, dashboards};
use serde::Serialize;

use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::options::Common;
use crate::output::print;

/// What is rendered.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Render {
    /// Alarms of an environment, for infrastructure code
    Alarms,
    /// Dashboards of an environment, as CloudWatch takes them
    Dashboards,
    /// A picture of a dashboard, with made-up values, as SVG
    Picture {
        /// Name of the dashboard, as in: consumers
        dashboard: String,
    },
}

impl Render {
    pub(super) fn run(self, common: &Common) -> Result<Exit> {
        let text = match self {
            Self::Picture { dashboard } => picture(&dashboard)?,
            Self::Alarms => {
                let environment = environment(common)?;
                pretty(&alarms::render(&place(&environment), environment.settings.alarms))?
            }
            Self::Dashboards => {
                let environment = environment(common)?;
                pretty(&dashboards::render(&place(&environment), environment.settings.alarms))?
            }
        };
        print(&text)?;
        Ok(Exit::Done)
    }
}

fn environment(common: &Common) -> Result<Environment> {
    match &common.env {
        Some(name) => Environment::read(&common.environments, name),
        None => Err(Failure::Usage("name an environment with --env, as in --env dev".to_owned())),
    }
}

fn place(environment: &Environment) -> Place<'_> {
    let settings = &environment.settings;
    Place { environment: &environment.name, region: &settings.region, table: &settings.table }
}

fn pretty(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n").map_err(|error| Failure::Failed(format!("it cannot be written as JSON: {error}")))
}

fn picture(name: &str) -> Result<String> {
    let all = dashboards::all();
    let Some(dashboard) = all.iter().find(|dashboard| dashboard.name == name) else {
        let names: Vec<_> = all.iter().map(|dashboard| dashboard.name).collect();
        return Err(Failure::NotFound(format!("there is no dashboard `{name}`; there are: {}", names.join(", "))));
    };
    picture::draw(dashboard).map_err(|error| Failure::Failed(format!("the picture cannot be drawn: {error}")))
}
