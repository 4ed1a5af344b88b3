//! The metrics of API keys: how many are about to expire, and how many administrators were made. Who may use a key is
//! decided by `access`.

use ledger::{ApiKey, ApiKeyState, Timestamp, limits};

use super::catalogue;
use crate::access::Action;

/// Since when a key of an administrator is new. Longer than the hour between two looks, or one that is late would miss
/// whoever came just after the one before.
const NEW_MS: u64 = 65 * 60 * 1_000;

/// Records how many keys expire soon, and how many new ones may manage keys, and names them in the log.
pub fn record(keys: &[ApiKey], now: Timestamp) {
    // Also when they are zero: else the last numbers would seem to hold on.
    metrics::gauge!(catalogue::KEYS_EXPIRING_SOON.name).set(expiring_soon(keys, now));
    metrics::gauge!(catalogue::ADMIN_KEYS_MINTED.name).set(new_administrators(keys, now));
}

/// Records that nobody could look: how many there are is unknown from now on.
pub fn record_none() {
    metrics::gauge!(catalogue::KEYS_EXPIRING_SOON.name).set(catalogue::UNKNOWN);
    metrics::gauge!(catalogue::ADMIN_KEYS_MINTED.name).set(catalogue::UNKNOWN);
}

/// A key in grace does not count: it has a successor.
fn expiring_soon(keys: &[ApiKey], now: Timestamp) -> u32 {
    let mut count = 0;
    for key in keys.iter().filter(|key| key.state == ApiKeyState::Active) {
        let left_ms = key.expires_at.map(|at| at.since(now));
        if let Some(left_ms) = left_ms.filter(|left_ms| (1..=limits::API_KEY_NOTICE_MS).contains(left_ms)) {
            count += 1;
            let left_hours = left_ms / limits::HOUR_MS;
            tracing::warn!(key_id = key.id, client = key.client, left_hours, "an API key expires soon");
        }
    }
    count
}

/// Whatever became of a key since, that it was made is news; also when it was by a clock that goes ahead.
fn new_administrators(keys: &[ApiKey], now: Timestamp) -> u32 {
    let mut count = 0;
    for key in keys.iter().filter(|key| now.since(key.created_at) < NEW_MS && may_manage_keys(key)) {
        count += 1;
        let created_at = key.created_at.to_string();
        tracing::warn!(key_id = key.id, client = key.client, created_at, "an API key that may manage keys was made");
    }
    count
}

fn may_manage_keys(key: &ApiKey) -> bool {
    key.scopes.iter().any(|scope| scope.split(':').next() == Some(Action::KeysAdmin.as_str()))
}

#[cfg(test)]
mod tests {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn key(state: ApiKeyState, expires_at: Option<Timestamp>) -> ApiKey {
        ApiKey {
            id: "0123456789ab".to_owned(),
            secret_hash: [0; 32],
            client: "billing".to_owned(),
            scopes: Vec::new(),
            state,
            created_at: Timestamp(0),
            not_before: None,
            expires_at,
            tier: String::new(),
            last_used_at: None,
        }
    }

    /// What a gauge shows after some work.
    fn shown(metric: catalogue::Metric, work: impl FnOnce()) -> f64 {
        let recorder = DebuggingRecorder::new();
        metrics::with_local_recorder(&recorder, work);
        let shown = recorder.snapshotter().snapshot().into_vec();
        let of_metric = shown.iter().find(|(key, ..)| key.key().name() == metric.name).map(|(.., value)| value);
        let Some(DebugValue::Gauge(count)) = of_metric else { panic!("{shown:?}") };
        count.into_inner()
    }

    fn recorded(keys: &[ApiKey]) -> f64 {
        shown(catalogue::KEYS_EXPIRING_SOON, || record(keys, NOW))
    }

    #[test]
    fn a_key_counts_from_two_weeks_before_it_expires_until_then() {
        let soon = NOW.plus(limits::API_KEY_NOTICE_MS);
        for (expires_at, count) in [
            (None, 0.0),
            (Some(soon.plus(1)), 0.0),
            (Some(soon), 1.0),
            (Some(NOW.plus(1)), 1.0),
            (Some(NOW), 0.0),
            (Some(Timestamp(0)), 0.0),
        ] {
            assert_eq!(recorded(&[key(ApiKeyState::Active, expires_at)]), count, "{expires_at:?}");
        }
        let grace = ApiKeyState::Grace { until: soon };
        assert_eq!(recorded(&[key(grace, Some(soon)), key(ApiKeyState::Revoked, Some(soon))]), 0.0);
        assert_eq!(recorded(&[]), 0.0);
    }

    #[test]
    fn whoever_may_manage_keys_is_new_for_an_hour_and_a_little() {
        let made = |state, scope: &str, at: Timestamp| ApiKey {
            scopes: vec!["poll:*".to_owned(), scope.to_owned()],
            created_at: at,
            ..key(state, None)
        };
        let new = |keys: &[ApiKey]| shown(catalogue::ADMIN_KEYS_MINTED, || record(keys, NOW));
        let ago = |minutes: u64| Timestamp(NOW.0 - minutes * 60_000);
        for (minutes, count) in [(0, 1.0), (60, 1.0), (64, 1.0), (65, 0.0), (600, 0.0)] {
            let keys = [made(ApiKeyState::Active, "keys.admin:*", ago(minutes))];
            assert_eq!(new(&keys), count, "{minutes}");
        }
        assert_eq!(new(&[made(ApiKeyState::Active, "stream.admin:keys.admin*", NOW)]), 0.0);
        // Who takes its key back has had it; and another clock may be ahead.
        let revoked = made(ApiKeyState::Revoked, "keys.admin:orders", ago(5));
        assert_eq!(new(&[revoked, made(ApiKeyState::Active, "keys.admin:*", NOW.plus(60_000))]), 2.0);
    }

    #[test]
    fn whoever_could_not_look_knows_nothing() {
        for metric in [catalogue::KEYS_EXPIRING_SOON, catalogue::ADMIN_KEYS_MINTED] {
            assert!(shown(metric, record_none).is_nan(), "{}", metric.name);
        }
    }
}
