//! Health: whether the table answers, and whether the keeper does its work. Everybody may ask, so what was heard of it is kept
//! for a while, also that nothing was, and who asks meanwhile waits for the one who does: asking costs next to nothing, least
//! of all a table that has too much to do.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::answers::Health;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::limits;

/// What was heard last, and when. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeardHealth(Arc<Mutex<Option<(Heard, Timestamp)>>>);

#[derive(Clone, Copy, Debug)]
enum Heard {
    Health(Health),
    Nothing,
}

impl Heard {
    fn lasts_ms(self) -> u64 {
        match self {
            Self::Health(_) => limits::CACHE_MS,
            Self::Nothing => limits::UNANSWERED_MS,
        }
    }
}

impl Ledger {
    /// What the table knows of the system's own health, as of [`limits::CACHE_MS`] ago at the most.
    ///
    /// # Errors
    /// `Unavailable` when the table does not answer, or did not [`limits::UNANSWERED_MS`] ago at the most.
    pub async fn health(&self) -> Result<Health> {
        // Held while the table is asked.
        let mut last = self.health.0.lock().await;
        let began = self.clock.now();
        if let Some((heard, at)) = *last
            && at.is_within(heard.lasts_ms(), began)
        {
            return match heard {
                Heard::Health(health) => Ok(health),
                Heard::Nothing => Err(Error::Unavailable("the table did not answer a moment ago".into())),
            };
        }
        match self.store.last_sweep().await {
            Ok(swept_at) => {
                let health = Health { swept_at };
                *last = Some((Heard::Health(health), began));
                Ok(health)
            }
            Err(error) => {
                *last = Some((Heard::Nothing, self.clock.now()));
                Err(error)
            }
        }
    }
}
