//! Leases of tokens: how processes that share a quota divide it among themselves. How much somebody may ask, and when a
//! process asks for how much, is decided by `platform`; here only the sum is kept.

use crate::answers::{Lease, LeaseRequest};
use crate::error::Result;
use crate::ledger::Ledger;

impl Ledger {
    /// Takes tokens out of the quota of a window, all of them or none.
    ///
    /// It is tried once. Tokens whose lease has an unknown outcome may be taken, and are nobody's then: so no token is
    /// ever leased twice, and the quota is never exceeded.
    ///
    /// # Errors
    /// `Unavailable` when it is unknown whether they were taken, or they surely were not; `Internal`.
    pub async fn lease(&self, request: &LeaseRequest<'_>) -> Result<Lease> {
        self.store.lease(request).await
    }
}
