//! API keys. Kept here because the table has one owner; what they allow is decided by `platform`.

use super::super::schema::{CALLERS, CLIENT, Key};
use super::super::{Attributes, Item, Outcome, Query, Range, Read, Store, Write, packed};
use crate::answers::ApiKey;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::operator::{ApiKeysChange, AuditRecord};

/// The attribute with most of the key. `record` would be a reserved word, which no condition can name.
const RECORD: &str = "api_key";
const TIER: &str = "tier";
const LAST_USED_AT: &str = "last_used_at";
const IDS: &str = "ids";
const EPOCH: &str = "epoch";

impl Store {
    pub(crate) async fn api_key(&self, id: &str) -> Result<Option<ApiKey>> {
        self.get(Key::Caller(id)).await?.as_ref().map(read).transpose()
    }

    /// The ids of a client's keys, in the order in which they were made.
    pub(crate) async fn api_key_ids_of(&self, client: &str) -> Result<Vec<String>> {
        self.get(Key::CallersOf(client)).await?.as_ref().map_or(Ok(Vec::new()), read_ids)
    }

    /// The ids of all keys, by client.
    pub(crate) async fn all_api_key_ids(&self) -> Result<Vec<String>> {
        let clients =
            Query { partition_key: CALLERS.to_owned(), range: Range::Prefix(CLIENT.to_owned()), descending: false };
        let lists = self.all(&clients).await?.iter().map(read_ids).collect::<Result<Vec<_>>>()?;
        Ok(lists.concat())
    }

    /// Stores a key and lists it with those of its client that are known; refused when its id exists, or the client has
    /// others by now.
    pub(crate) async fn put_api_key(&self, key: &ApiKey, known: &[String]) -> Result<Outcome> {
        self.settle(new_api_key(key, known).into(), self.deadline()).await
    }

    /// Makes a change by hand and leaves its record, both or neither; refused when anything of it is not as it was seen.
    pub(crate) async fn change_api_keys(&self, change: &ApiKeysChange, record: &AuditRecord) -> Result<Outcome> {
        let mut writes = vec![record.put()];
        if let Some(created) = &change.created {
            writes.extend(new_api_key(&created.key, &created.others));
        }
        writes.extend(change.replaced.iter().map(|(known, changed)| replaced(known, changed)));
        writes.extend(change.urgent.then(another_epoch));
        self.settle(writes, self.deadline()).await
    }

    /// Writes a key over what is known of it; refused when that changed.
    pub(crate) async fn replace_api_key(&self, known: &ApiKey, changed: &ApiKey) -> Result<Outcome> {
        self.settle_one(replaced(known, changed)).await
    }

    /// Notes when a key was used; refused when as much is known, or there is no such key.
    pub(crate) async fn note_api_key_use(&self, id: &str, at: Timestamp, deadline: Timestamp) -> Result<Outcome> {
        let write = Write::update(Key::Caller(id), "SET last_used_at = :at")
            .when("attribute_exists(PK) AND (attribute_not_exists(last_used_at) OR last_used_at < :at)")
            .value(":at", at);
        self.settle(vec![write], deadline).await
    }

    /// The epoch of all keys; 0 before the first was begun.
    pub(crate) async fn api_keys_epoch(&self) -> Result<u64> {
        let item = self.get(Key::CallersEpoch).await?;
        Ok(item.map_or(Ok(None), |item| item.optional_number(EPOCH))?.unwrap_or_default())
    }

    /// Begins another epoch. Two for one do no harm.
    pub(crate) async fn begin_api_keys_epoch(&self) -> Result<Outcome> {
        self.settle_one(another_epoch()).await
    }
}

/// Stores a key and lists it with those of its client that are known.
fn new_api_key(key: &ApiKey, known: &[String]) -> [Write; 2] {
    let item = Item::new(Key::Caller(&key.id)).with(RECORD, packed(key)).with(TIER, key.tier.as_str());
    let ids = [known, std::slice::from_ref(&key.id)].concat();
    let list = Item::new(Key::CallersOf(&key.client)).with(IDS, packed(&ids));
    let list = match known {
        [] => Write::put(list).when("attribute_not_exists(PK)"),
        known => Write::put(list).when("ids = :known").value(":known", packed(&known)),
    };
    [Write::put(item).when("attribute_not_exists(PK)"), list]
}

/// Writes a key over what is known of it.
fn replaced(known: &ApiKey, changed: &ApiKey) -> Write {
    Write::update(Key::Caller(&changed.id), "SET api_key = :changed")
        .when("api_key = :known")
        .value(":changed", packed(changed))
        .value(":known", packed(known))
}

fn another_epoch() -> Write {
    Write::update(Key::CallersEpoch, "ADD epoch :one").value(":one", 1_u64)
}

fn read_ids(item: &Attributes) -> Result<Vec<String>> {
    item.unpacked(IDS)
}

fn read(item: &Attributes) -> Result<ApiKey> {
    let mut key: ApiKey = item.unpacked(RECORD)?;
    key.tier = item.optional_text(TIER)?.unwrap_or_default().to_owned();
    key.last_used_at = item.optional_number(LAST_USED_AT)?.map(Timestamp);
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::ApiKeyState;

    fn key(state: ApiKeyState) -> ApiKey {
        ApiKey {
            id: "i".to_owned(),
            secret_hash: [7; 32],
            client: "c".to_owned(),
            scopes: vec!["s".to_owned()],
            state,
            created_at: Timestamp(1),
            not_before: None,
            expires_at: Some(Timestamp(2)),
            tier: String::new(),
            last_used_at: None,
        }
    }

    #[test]
    fn the_layout_of_a_record_is_frozen() {
        let bytes = |state: &[u8]| [&[1, b'i'], &[7; 32][..], &[1, b'c', 1, 1, b's'], state, &[1, 0, 1, 2]].concat();
        assert_eq!(packed(&key(ApiKeyState::Active)), bytes(&[0]));
        assert_eq!(packed(&key(ApiKeyState::Grace { until: Timestamp(9) })), bytes(&[1, 9]));
        assert_eq!(packed(&key(ApiKeyState::Revoked)), bytes(&[2]));
    }

    #[test]
    fn a_record_from_before_keys_had_tiers_and_hours_reads() {
        let old = key(ApiKeyState::Active);
        let item = Item::new(Key::Caller("i")).with(RECORD, packed(&old));
        assert_eq!(read(&item.clone().into_attributes()).unwrap(), old);
        let new = item.with(TIER, "large").with(LAST_USED_AT, Timestamp(5)).into_attributes();
        let expected = ApiKey { tier: "large".to_owned(), last_used_at: Some(Timestamp(5)), ..old };
        assert_eq!(read(&new).unwrap(), expected);
    }
}
