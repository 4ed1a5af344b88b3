//! What is wrong with a system that is alive: said to everybody, so without a name, an address or a text of the store's.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

/// Something that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// What it is about: `keeper`, `disk`.
    pub subject: &'static str,
    /// What is wrong with it.
    pub detail: &'static str,
}

/// What a probe sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Something is wrong, and requests are answered.
    Trouble(Finding),
    /// No request that needs the store can be answered, for this reason.
    Standstill(&'static str),
}

/// What only the process around the services can see. A process that sees something adds it to its router as an
/// `Extension`.
#[derive(Clone)]
pub struct Probe(Arc<dyn Fn() -> Option<Sight> + Send + Sync>);

impl Probe {
    /// Looks, each time it is asked; it must not wait.
    #[must_use]
    pub fn new(look: impl Fn() -> Option<Sight> + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    /// What is wrong now.
    #[must_use]
    pub fn look(&self) -> Option<Sight> {
        (self.0)()
    }
}
