//! The check: one word for a monitor, by the exit code.

use ledger::limits::HOUR_MS;
use ledger::{Observation, Status};
use serde::Serialize;

use super::observe::Selection;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::{Row, say};
use crate::time::{Duration, short};

/// Tells whether all is well.
#[derive(Clone, Debug, clap::Args)]
pub struct Check {
    #[command(flatten)]
    selection: Selection,
    /// Warn when the first event that is not committed expires within so long; 12h, or a fifth of the retention, if that is
    /// shorter, when it is not given
    #[arg(long, value_name = "DURATION")]
    min_headroom: Option<Duration>,
    /// Warn when the first event that is not committed is older, as in 1h; else no lag alone is a reason
    #[arg(long, value_name = "DURATION")]
    max_lag: Option<Duration>,
}

/// A subscription that somebody should look at.
#[derive(Clone, Debug, Serialize)]
struct Concern {
    level: &'static str,
    stream: String,
    subscription: String,
    status: Status,
    lag_events: u64,
    lag_ms: u64,
    why: String,
}

impl Row for Concern {
    const COLUMNS: &'static [&'static str] = &["level", "stream", "subscription", "status", "lag", "behind", "why"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.level.to_owned(),
            self.stream.clone(),
            self.subscription.clone(),
            self.status.as_str().to_owned(),
            self.lag_events.to_string(),
            short(self.lag_ms),
            self.why.clone(),
        ]
    }
}

/// Until the first loss; of a stream that keeps events for hours it would always be less.
const MIN_HEADROOM_MS: u64 = 12 * HOUR_MS;
const ERROR: &str = "ERR";
const WARNING: &str = "WARN";

impl Check {
    pub(super) async fn run(self, desk: &Desk) -> Result<Exit> {
        let seen = self.selection.observe(desk).await?;
        seen.tell();
        let concerns: Vec<_> = seen.observations.iter().filter_map(|seen| self.concern(seen)).collect();
        desk.output.rows("concerns", &concerns)?;
        let has = |level: &str| concerns.iter().any(|concern| concern.level == level);
        Ok(if has(ERROR) {
            Exit::Error
        } else if !seen.is_complete() {
            // What could not be looked at may be worse.
            say("not everything could be looked at");
            Exit::Failed
        } else if has(WARNING) {
            Exit::Warning
        } else {
            Exit::Done
        })
    }

    /// Why somebody should look at a subscription.
    fn concern(&self, seen: &Observation) -> Option<Concern> {
        let told = |level, why: &str| Some((level, why.to_owned()));
        let by_status = match seen.status {
            Status::Lost => told(ERROR, "events were lost to it"),
            Status::Stop => told(ERROR, "it neither polls nor commits"),
            Status::Stall => told(ERROR, "it polls, and does not commit"),
            Status::Warn => told(WARNING, "it falls further behind"),
            Status::Rewind => told(WARNING, "it was moved back a moment ago"),
            Status::Ok | Status::Idle => None,
        };
        let by_headroom = || {
            let least = self.min_headroom.map_or(MIN_HEADROOM_MS.min(seen.retention_ms / 5), |least| least.0);
            let left = seen.headroom_ms.filter(|left| *left < least)?;
            Some((WARNING, format!("loses events in {}", short(left))))
        };
        let by_lag = || {
            // A bootstrap that has not begun needs nothing of the log, however old it is.
            seen.headroom_ms?;
            let most = self.max_lag.filter(|most| seen.lag.ms > most.0)?;
            Some((WARNING, format!("more than {} behind", short(most.0))))
        };
        let (level, why) = by_status.or_else(by_headroom).or_else(by_lag)?;
        Some(Concern {
            level,
            stream: seen.stream.to_string(),
            subscription: seen.subscription.to_string(),
            status: seen.status,
            lag_events: seen.lag.events,
            lag_ms: seen.lag.ms,
            why,
        })
    }
}
