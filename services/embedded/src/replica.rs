//! A replica that lags behind: what reads that do not ask for strong consistency may see.
//!
//! It keeps every write that was applied, and applies them again, in the same order, up to the moment that a read is to
//! see. Nothing is built until somebody reads from it, because nobody should.

use std::sync::Arc;

use dynoxide::Database;
use ledger::Timestamp;

use crate::answer::Answer;
use crate::engine::EngineClock;
use crate::operations::{self, Repeats};

/// What was written, and how much of it the replica has.
#[derive(Default)]
pub(crate) struct Replica {
    written: Vec<Write>,
    applied: usize,
    database: Option<Database>,
}

struct Write {
    at: Timestamp,
    operation: String,
    body: Vec<u8>,
}

impl Replica {
    /// Keeps a write that was applied.
    pub(crate) fn keep(&mut self, at: Timestamp, operation: &str, body: &[u8]) {
        self.written.push(Write { at, operation: operation.to_owned(), body: body.to_vec() });
    }

    /// Answers a read as of a moment, or of a later one that was read before.
    pub(crate) fn answer(
        &mut self,
        as_of: Timestamp,
        clock: &Arc<EngineClock>,
        operation: &str,
        body: &[u8],
    ) -> Answer {
        let database = self.database.get_or_insert_with(|| {
            Database::memory_with_clock(clock.clone()).expect("SQLite opens a database in memory")
        });
        // What was written before the table had any item is there from the start.
        while let Some(write) = self.written.get(self.applied).filter(|write| write.at <= as_of || self.applied == 0) {
            operations::run(database, &write.operation, &write.body, Repeats::Possible)
                .expect("what was applied once applies again");
            self.applied += 1;
        }
        operations::run(database, operation, body, Repeats::Possible).unwrap_or_else(|error| Answer::error(&error))
    }
}
