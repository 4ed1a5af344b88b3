//! Health: whether the table answers, and whether the keeper does its work. Everybody may ask, so what is known of it is kept
//! for a while and asking costs next to nothing.

use crate::answers::Health;
use crate::error::Result;
use crate::ledger::Ledger;

impl Ledger {
    /// What the table knows of the system's own health, as of [`crate::limits::CACHE_MS`] ago at the most.
    ///
    /// # Errors
    /// `Unavailable` when the table does not answer.
    pub async fn health(&self) -> Result<Health> {
        let (now, epoch) = (self.clock.now(), self.health.epoch());
        if let Some(health) = self.health.get(&(), now) {
            return Ok(health);
        }
        let health = Health { swept_at: self.store.last_sweep().await? };
        self.health.put((), health, now, epoch);
        Ok(health)
    }
}
