//! What the keeper leaves behind: when its last sweep came to its end.

use super::super::schema::Key;
use super::super::{Read, Store, Write};
use crate::clock::Timestamp;
use crate::error::Result;

impl Store {
    /// When a sweep last came to its end.
    pub(crate) async fn last_sweep(&self) -> Result<Option<Timestamp>> {
        let item = self.get(Key::Keeper).await?;
        Ok(item.map(|item| item.number("swept_at")).transpose()?.map(Timestamp))
    }

    /// Notes that a sweep came to its end.
    pub(crate) async fn note_sweep(&self, at: Timestamp) -> Result<()> {
        self.settle_one(Write::update(Key::Keeper, "SET swept_at = :at").value(":at", at)).await?;
        Ok(())
    }
}
