//! How far a history was published: an event under a reserved key, in the same atomic request as the changes it counts.
//!
//! So it is exact whatever happened to the publisher: either the changes and the new progress are in the log, or neither.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::{Api, Call, Failure};

/// The reserved key. Git refuses it as a path.
pub(crate) const PROGRESS_KEY: &str = ".git";

/// How far a history was published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The last commit of which every change was published.
    pub(crate) commit: Option<String>,
    /// The commit after it, when only some of its changes were.
    pub(crate) partial: Option<Partial>,
    /// Commits published so far.
    pub(crate) commits: u64,
    /// Changes published so far.
    pub(crate) changes: u64,
}

/// A commit that did not fit one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Partial {
    /// Which.
    pub(crate) commit: String,
    /// How many of its changes were published, in git's order.
    pub(crate) changes: usize,
}

impl Progress {
    /// Reads the progress of a stream; none when nothing was published.
    pub(crate) async fn read(api: &Api) -> Result<Option<Self>, Failure> {
        // Compacted state follows the log; it must have caught up with everything published before.
        let tails = api.call(&Call::new(Method::GET, "")).await?.expect(&[200])?;
        loop {
            let reached = api.call(&Call::post("/compact", &serde_json::json!({}))).await?.expect(&[200])?;
            let pair = |partition: &Value, name: &str| (partition["partition"].as_u64(), partition[name].as_u64());
            let list = |value: &Value| value["partitions"].as_array().cloned().unwrap_or_default();
            let behind = |tail: &Value| {
                let watermarks = list(&reached);
                !watermarks.iter().any(|watermark| {
                    pair(watermark, "watermark").0 == pair(tail, "tail").0
                        && pair(watermark, "watermark").1 >= pair(tail, "tail").1
                })
            };
            if !list(&tails).iter().any(behind) {
                break;
            }
        }
        let record = api.call(&Call::new(Method::GET, format!("/compacted/{PROGRESS_KEY}"))).await?;
        if record.status == 404 {
            return Ok(None);
        }
        Self::from_event(&record.expect(&[200])?).map(Some)
    }

    /// Reads the progress out of its event.
    pub(crate) fn from_event(event: &Value) -> Result<Self, Failure> {
        Ok(Self::deserialize(&event["data"])?)
    }
}
