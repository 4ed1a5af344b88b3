//! The command line.

use std::path::PathBuf;

use platform::telemetry;

const EXAMPLE: &str = "\
Example:
  eventledger --port 8081 --data ./my-data

The first start makes an admin API key, shows it, and keeps it in admin.key in the data directory. Ctrl-C stops the
server when running requests are finished, a second one at once; nothing that was acknowledged is lost, not even when
the process is killed.";

/// EventLedger in one process: ordered event streams over HTTP, kept in one directory.
#[derive(Clone, Debug, PartialEq, Eq, clap::Parser)]
#[command(name = "eventledger", version, after_help = EXAMPLE)]
pub struct Options {
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Name or address to listen on; anything but this machine's own is reachable by others
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Directory of the data, made when it is absent
    #[arg(long, value_name = "DIR", default_value = "./data")]
    pub data: PathBuf,
    /// Collector of traces (OTLP over HTTP, without `/v1/traces`); without one nothing is traced
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true)]
    pub traces: Option<String>,
    /// Which log lines are written, such as `info,ledger=debug`; whatever is asked, libraries tell no details
    #[arg(long, value_name = "LEVELS", env = "EVENTLEDGER_LOG", default_value = "info", value_parser = telemetry::levels)]
    pub log: String,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Options::command().debug_assert();
    }

    #[test]
    fn without_arguments_it_listens_on_this_machine_only() {
        let options = Options::parse_from(["eventledger"]);
        assert_eq!((options.host.as_str(), options.port, options.data), ("127.0.0.1", 8080, PathBuf::from("./data")));
    }

    #[test]
    fn a_level_that_does_not_exist_is_told() {
        let error = Options::try_parse_from(["eventledger", "--log", "info,ledger=loud"]).unwrap_err().to_string();
        assert!(error.contains("info,ledger=loud") && error.contains("trace"), "{error}");
    }
}
