//! API keys. Kept here because the table has one owner; what they allow is decided by `platform`.

use super::super::schema::Key;
use super::super::{Item, Outcome, Read, Store, Write, packed};
use crate::answers::ApiKey;
use crate::error::Result;

/// The attribute with the whole key. `record` would be a reserved word, which no condition can name.
const RECORD: &str = "api_key";

impl Store {
    pub(crate) async fn api_key(&self, id: &str) -> Result<Option<ApiKey>> {
        self.get(Key::Caller(id)).await?.map(|item| item.unpacked(RECORD)).transpose()
    }

    /// Stores a key; refused when its id exists.
    pub(crate) async fn put_api_key(&self, key: &ApiKey) -> Result<Outcome> {
        let item = Item::new(Key::Caller(&key.id)).with(RECORD, packed(key));
        self.settle_one(Write::put(item).when("attribute_not_exists(PK)")).await
    }

    /// Writes a key over what is known of it; refused when that changed.
    pub(crate) async fn replace_api_key(&self, known: &ApiKey, changed: &ApiKey) -> Result<Outcome> {
        let item = Item::new(Key::Caller(&changed.id)).with(RECORD, packed(changed));
        self.settle_one(Write::put(item).when("api_key = :known").value(":known", packed(known))).await
    }
}
