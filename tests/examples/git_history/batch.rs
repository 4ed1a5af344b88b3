//! Events on their way into one publish request: as many as fit, in order, closed by the progress they make.

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use sha2::{Digest, Sha256};

use crate::history::{Change, Commit, Sizes};
use crate::path_key::{hexadecimal, path_key};
use crate::progress::{PROGRESS_KEY, Progress};

/// A request may hold 1,000 events, and the last one is the progress.
const MOST_CHANGES: usize = 999;
/// A request body may have 1 MiB; the progress and the brackets need less than what is left here.
const MOST_BYTES: usize = 1024 * 1024 - 4096;

/// The JSON texts of the events of one request.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    events: Vec<String>,
    bytes: usize,
}

impl Batch {
    /// Whether an event still fits.
    pub(crate) fn fits(&self, event: &str) -> bool {
        self.events.len() < MOST_CHANGES && self.bytes + event.len() < MOST_BYTES
    }

    /// Adds an event.
    pub(crate) fn push(&mut self, event: String) {
        self.bytes += event.len() + 1;
        self.events.push(event);
    }

    /// Events so far.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// The request's body, and a key that is the same for the same part of the same history in the same life of the
    /// stream, so that a publisher which was started again repeats its last request instead of publishing it twice.
    pub(crate) fn close(&self, incarnation: &str, before: &Progress, after: &Progress) -> (String, String) {
        let progress = serde_json::json!({ "key": PROGRESS_KEY, "type": "history.published", "data": after });
        let events = self.events.iter().cloned().chain([progress.to_string()]).collect::<Vec<_>>().join(",");
        let span = serde_json::json!([incarnation, before, after]).to_string();
        (format!(r#"{{"events":[{events}]}}"#), hexadecimal(&Sha256::digest(span)))
    }
}

/// The event of a change.
pub(crate) fn event(commit: &Commit, change: &Change, sizes: &mut Sizes) -> Result<String, crate::api::Failure> {
    let key = path_key(&change.path);
    let Some((mode, blob)) = &change.content else {
        return Ok(serde_json::json!({ "key": key, "type": "file.deleted", "data": null }).to_string());
    };
    let mut data = serde_json::json!({
        "commit": commit.id, "author": commit.author, "time": commit.time,
        "mode": mode, "blob": blob, "size": sizes.of(blob)?,
    });
    if key.as_bytes() != change.path {
        data["path_bytes"] = percent_encode(&change.path, NON_ALPHANUMERIC).to_string().into();
    }
    Ok(serde_json::json!({ "key": key, "type": "file.changed", "data": data }).to_string())
}
