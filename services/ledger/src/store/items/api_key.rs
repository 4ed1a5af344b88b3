//! API keys. Kept here because the table has one owner; what they allow is decided by `platform`.

use super::super::schema::Key;
use super::super::{Item, Outcome, Read, Store, Write, packed};
use crate::answers::ApiKey;
use crate::error::Result;

impl Store {
    pub(crate) async fn api_key(&self, id: &str) -> Result<Option<ApiKey>> {
        self.get(Key::Caller(id)).await?.map(|item| item.unpacked("record")).transpose()
    }

    /// Stores a key; refused when its id exists.
    pub(crate) async fn put_api_key(&self, key: &ApiKey) -> Result<Outcome> {
        let item = Item::new(Key::Caller(&key.id)).with("record", packed(key));
        self.settle_one(Write::put(item).when("attribute_not_exists(PK)")).await
    }
}
