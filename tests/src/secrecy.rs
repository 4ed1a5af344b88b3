//! What a service tells of a request holds nothing of its client's: no credential, key of an event, data, header, id or
//! cursor. [`overheard`] keeps what is logged during a request, in all detail, and [`check`] holds it against what the
//! request and its answer said; so every request of every suite looks for leaks.
//!
//! What is told by work that a request leaves behind, in tasks of its own, is not overheard.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Once;

use axum::body::Bytes;
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use platform::telemetry::{self, EmfRecorder, Format, Telemetry};
use serde_json::Value;

/// Shorter texts are also words of the log.
const SHORTEST: usize = 6;
/// Headers of a request that are the client's own.
const HEADERS: [&str; 3] = ["x-api-key", "authorization", "idempotency-key"];
/// Members of a request or an answer that are the client's own, with all that is in them.
const MEMBERS: [&str; 6] = ["key", "data", "headers", "id", "cursor", "bootstrap_cursor"];
/// Everything that our own code logs.
const LEVELS: &str = "info,ledger=trace,platform=trace,admin=trace,publish=trace,poll=trace,compactor=trace,keeper=trace,\
                      embedded=trace,local=trace";

tokio::task_local! {
    static TOLD: RefCell<Vec<u8>>;
}

/// Writes what is told during a request where it is overheard, and everything else nowhere.
#[derive(Clone, Copy, Debug)]
struct Listener;

impl Write for Listener {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        TOLD.try_with(|told| told.borrow_mut().extend(bytes)).ok();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A telemetry whose lines are overheard, and from now on the logs of this process too.
///
/// # Panics
/// When something else takes the logs of this process.
#[must_use]
pub fn telemetry() -> Telemetry {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        let subscriber = telemetry::subscriber(Format::Json, LEVELS, || Listener);
        tracing::subscriber::set_global_default(subscriber).expect("nobody else takes the logs");
    });
    // Its numbers are another suite's business.
    Telemetry::documents("test", "test", EmfRecorder::default(), Listener)
}

/// Does some work, and answers what was told meanwhile.
///
/// # Panics
/// When that was no text.
pub async fn overheard<T>(work: impl Future<Output = T>) -> (T, String) {
    TOLD.scope(RefCell::default(), async {
        let result = work.await;
        let told = TOLD.with(RefCell::take);
        (result, String::from_utf8(told).expect("lines are text"))
    })
    .await
}

/// Looks for what is the client's own in what was told.
///
/// # Panics
/// When it is there.
pub fn check(told: &str, path: &str, headers: &HeaderMap, bodies: [&Bytes; 2]) {
    if told.is_empty() {
        return;
    }
    let credentials = HEADERS.iter().flat_map(|name| headers.get_all(*name)).filter_map(|value| value.to_str().ok());
    // Without its scheme, and the last part of a key alone, which is its secret.
    let credentials: BTreeSet<String> = credentials
        .flat_map(|text| [text.rsplit(' ').next(), text.rsplit('_').next()])
        .flatten()
        .map(str::to_owned)
        .collect();
    let mut secrets = BTreeSet::new();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let (path, key) = path.split_once("/compacted/").unwrap_or((path, ""));
    for encoded in query.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value).chain([key]) {
        secrets.insert(encoded.to_owned());
        secrets.insert(percent_decode_str(encoded).decode_utf8_lossy().into_owned());
    }
    for body in bodies {
        if let Ok(value) = serde_json::from_slice(body) {
            collect(&value, false, &mut secrets);
        }
    }
    // What a client calls a stream or a subscription as well is told as its name.
    let named = |secret: &&String| path.split('/').any(|segment| segment == *secret);
    let secrets = secrets.iter().filter(|secret| !named(secret)).chain(&credentials);
    for secret in secrets.filter(|secret| secret.chars().count() >= SHORTEST) {
        let escaped = Value::from(secret.as_str()).to_string();
        let leak = told.lines().find(|line| says(line, secret) || says(line, &escaped[1..escaped.len() - 1]));
        assert_eq!(leak, None, "{secret:?} is the client's own, and was told");
    }
}

/// Collects the texts of the members that are a client's own, and the names of members within them.
fn collect(value: &Value, own: bool, secrets: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if own => {
            secrets.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, own, secrets)),
        Value::Object(members) => {
            for (name, value) in members {
                if own {
                    secrets.insert(name.clone());
                }
                collect(value, own || MEMBERS.contains(&name.as_str()), secrets);
            }
        }
        _ => {}
    }
}

/// Whether a line has this text as a word of its own.
fn says(line: &str, text: &str) -> bool {
    let of_a_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    line.match_indices(text)
        .any(|(at, _)| !of_a_word(line[..at].chars().next_back()) && !of_a_word(line[at + text.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> bool {
        let body = Bytes::from_static(br#"{"events":[{"key":"customer-17","data":{"iban":["DE02 \"1203\""]}}]}"#);
        let headers = HeaderMap::from_iter([
            (http::HeaderName::from_static("x-api-key"), "elk_dev_secret".parse().unwrap()),
            (http::header::AUTHORIZATION, "Bearer elk_dev_bearer".parse().unwrap()),
        ]);
        let path = "/streams/orders/compacted/order%2F1?cursor=dG9rZW4";
        std::panic::catch_unwind(|| check(line, path, &headers, [&body, &Bytes::new()])).is_err()
    }

    #[test]
    fn whatever_is_the_clients_own_is_found() {
        for leak in [
            "customer-17",
            "DE02 \\\"1203\\\"",
            "elk_dev_secret",
            "secret",
            "elk_dev_bearer",
            "bearer",
            "order%2F1",
            "order/1",
            "dG9rZW4",
        ] {
            assert!(told(&format!("{{\"message\":\"it was {leak}, they say\"}}")), "{leak}");
        }
    }

    #[test]
    fn what_is_not_is_let_pass() {
        assert!(!told("{\"stream\":\"orders\",\"message\":\"customer-171 published nothing\"}"));
    }
}
