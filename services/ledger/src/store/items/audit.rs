//! What operators changed by hand. Kept for good: there is little of it, and it is looked for when something went wrong.

use super::super::schema::{AUDIT, Key, audited_from};
use super::super::{Attributes, Item, Query, Range, Read, Store, Write};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::operator::AuditRecord;

impl AuditRecord {
    /// Writes it, once.
    pub(crate) fn put(&self) -> Write {
        let item = Item::new(Key::Audit(self.at, &self.id))
            .with("at", self.at)
            .with("id", self.id.as_str())
            .with("who", self.who.as_str())
            .with("what", self.what.as_str())
            .with("subject", self.subject.as_str())
            .with("before", self.before.as_str())
            .with("after", self.after.as_str())
            .with("reason", self.reason.as_str());
        Write::put(item).when("attribute_not_exists(PK)")
    }

    fn read(item: &Attributes) -> Result<Self> {
        let text = |name| item.text(name).map(str::to_owned);
        Ok(Self {
            at: Timestamp(item.number("at")?),
            id: text("id")?,
            who: text("who")?,
            what: text("what")?,
            subject: text("subject")?,
            before: text("before")?,
            after: text("after")?,
            reason: text("reason")?,
        })
    }
}

impl Store {
    /// Whether this very record is written.
    pub(crate) async fn is_audited(&self, record: &AuditRecord) -> Result<bool> {
        Ok(self.get(Key::Audit(record.at, &record.id)).await?.is_some())
    }

    /// The records of changes at or after a time, oldest first.
    pub(crate) async fn audited_since(&self, since: Timestamp) -> Result<Vec<AuditRecord>> {
        let query =
            Query { partition_key: AUDIT.to_owned(), range: Range::From(audited_from(since)), descending: false };
        self.all(&query).await?.iter().map(AuditRecord::read).collect()
    }
}
