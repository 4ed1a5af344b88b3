//! What a round has read: the order of it, and whether its own event was there.

use std::collections::BTreeMap;

use crate::answer::{Event, Receipt};
use crate::failure::Finding;

/// What the event of a round must be.
pub(crate) struct Expected<'a> {
    pub(crate) receipt: &'a Receipt,
    pub(crate) key: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) data: &'a str,
}

impl Expected<'_> {
    fn is_at(&self, event: &Event) -> bool {
        (event.partition, event.offset) == (self.receipt.partition, self.receipt.offset)
    }

    fn is_at_or_before(&self, event: &Event) -> bool {
        event.partition == self.receipt.partition && event.offset <= self.receipt.offset
    }

    fn is(&self, event: &Event) -> bool {
        event.id == self.receipt.id
            && event.key.as_deref() == Some(self.key)
            && event.event_type == self.event_type
            && event.data == self.data
    }
}

/// Events in the order in which they were read, one page after the other.
#[derive(Default)]
pub(crate) struct Reading {
    /// The offset that must come next in each partition.
    next: BTreeMap<u16, u64>,
    count: usize,
}

impl Reading {
    /// Takes a page in: each event must follow the one before it. The first of a partition may be any, because nobody knows
    /// what was committed before.
    pub(crate) fn pass(&mut self, events: &[Event]) -> Result<(), Finding> {
        for event in events {
            let next = self.next.entry(event.partition).or_insert(event.offset);
            if event.offset != *next {
                return Err(Finding::Wrong("the events had a gap, or were not in order"));
            }
            *next = next.saturating_add(1);
        }
        self.count += events.len();
        Ok(())
    }

    /// Whether the expected event was on this page, the last one that was passed: it must be what it was when it was sent, and
    /// only there.
    pub(crate) fn found(&self, events: &[Event], expected: &Expected<'_>) -> Result<bool, Finding> {
        if events.iter().any(|event| event.data == expected.data && !expected.is_at(event)) {
            return Err(Finding::Wrong("the event was stored again at another place"));
        }
        let next = self.next.get(&expected.receipt.partition);
        if next.is_none_or(|next| *next <= expected.receipt.offset) {
            return Ok(false);
        }
        match events.iter().find(|event| expected.is_at(event)) {
            Some(event) if expected.is(event) => Ok(true),
            Some(_) => Err(Finding::Wrong("another event was at the place of its own")),
            None => Err(Finding::Wrong("what was read began after the event")),
        }
    }

    /// Whether there were events of others: what another round left, or of one that runs at the same time.
    pub(crate) fn has_others(&self) -> bool {
        self.count > 1
    }
}

/// Whether events come again that a commit has passed.
pub(crate) fn comes_again(events: &[Event], expected: &Expected<'_>) -> bool {
    events.iter().any(|event| expected.is_at_or_before(event) || event.data == expected.data)
}
