//! The metric of API keys that are about to expire. Who may use a key is decided by `access`.

use ledger::{ApiKey, ApiKeyState, Timestamp, limits};

use super::catalogue;

/// Records how many keys expire soon, and names them in the log. A key in grace does not count: it has a successor.
pub fn record(keys: &[ApiKey], now: Timestamp) {
    let mut count = 0_u32;
    for key in keys.iter().filter(|key| key.state == ApiKeyState::Active) {
        let left_ms = key.expires_at.map(|at| at.since(now));
        if let Some(left_ms) = left_ms.filter(|left_ms| (1..=limits::API_KEY_NOTICE_MS).contains(left_ms)) {
            count += 1;
            let left_hours = left_ms / limits::HOUR_MS;
            tracing::warn!(key_id = key.id, client = key.client, left_hours, "an API key expires soon");
        }
    }
    // Also when it is zero: else the last number would seem to hold on.
    metrics::gauge!(catalogue::KEYS_EXPIRING_SOON.name).set(count);
}

/// Records that nobody could look: how many there are is unknown from now on.
pub fn record_none() {
    metrics::gauge!(catalogue::KEYS_EXPIRING_SOON.name).set(catalogue::UNKNOWN);
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

    fn recorded(keys: &[ApiKey]) -> f64 {
        let recorder = DebuggingRecorder::new();
        metrics::with_local_recorder(&recorder, || record(keys, NOW));
        match recorder.snapshotter().snapshot().into_vec().as_slice() {
            [(_, _, _, DebugValue::Gauge(count))] => count.into_inner(),
            other => panic!("{other:?}"),
        }
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
}
