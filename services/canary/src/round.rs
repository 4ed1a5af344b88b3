//! One round: the steps, and what must come of each.
//!
//! Rounds may run at the same time, and one may end anywhere, so a round expects nothing of the subscription but that it is
//! there. It notes where the subscription stands before it publishes, and reads on from there by cursors: what another round
//! commits meanwhile takes nothing away from it. Whatever lies before its own event is passed over, in order.

use serde_json::json;

use crate::answer::{Answer, Committed, Page, Receipt, Receipts};
use crate::connection::Connection;
use crate::failure::{Failure, Finding, Step};
use crate::reading::{Expected, Reading, comes_again};

/// How long a round may take. The Lambda must be given a few seconds more, so that it is the round that says what was late.
pub const ROUND_MS: u64 = 25_000;

/// As many pages lie between two rounds only if somebody else publishes here.
const MOST_PAGES: usize = 10;
const STREAM: &str = "canary";
const SUBSCRIPTION: &str = "canary";
/// One key, so that compacted state stays one record.
const KEY: &str = "round";
const TYPE: &str = "canary.round";

/// One round.
pub(crate) struct Round<'a> {
    connection: &'a Connection<'a>,
    /// What tells its event from every other.
    id: String,
}

impl<'a> Round<'a> {
    pub(crate) fn new(connection: &'a Connection<'a>, id: String) -> Self {
        Self { connection, id }
    }

    /// Does all of it.
    pub(crate) async fn run(&self) -> Result<(), Failure> {
        during(Step::CreateStream, self.create_stream().await)?;
        during(Step::CreateSubscription, self.create_subscription().await)?;
        let mut reading = Reading::default();
        let begin = during(Step::Begin, self.begin(&mut reading).await)?;
        let receipt = during(Step::Publish, self.publish().await)?;
        let expected = Expected { receipt: &receipt, key: KEY, event_type: TYPE, data: &self.id };
        let reached = during(Step::Read, self.read(begin, &mut reading, &expected).await)?;
        during(Step::Commit, self.commit(&reached, &reading).await)?;
        during(Step::LookAgain, self.look_again(&expected).await)
    }

    async fn create_stream(&self) -> Result<(), Finding> {
        let definition = json!({ "stream_id": STREAM, "partition_count": 1, "retention_hours": 1, "compaction": true });
        exists(&self.connection.post("/streams", &definition).await?, "stream_exists")
    }

    async fn create_subscription(&self) -> Result<(), Finding> {
        let path = format!("/streams/{STREAM}/subscriptions");
        let definition = json!({ "subscription_id": SUBSCRIPTION, "start_from": "earliest" });
        exists(&self.connection.post(&path, &definition).await?, "subscription_exists")
    }

    /// A cursor from where the subscription stands. What an earlier round left may have expired.
    async fn begin(&self, reading: &mut Reading) -> Result<String, Finding> {
        let answer = self.poll(None, 0).await?;
        if let Some(cursor) = answer.earliest_cursor() {
            tracing::info!("what an earlier round left has expired");
            return Ok(cursor);
        }
        let page: Page = answer.expect(200)?;
        reading.pass(&page.events)?;
        Ok(page.cursor)
    }

    async fn publish(&self) -> Result<Receipt, Finding> {
        let path = format!("/streams/{STREAM}/events");
        let event = json!({ "key": KEY, "type": TYPE, "data": self.id });
        let receipts: Receipts = self.connection.post_once(&path, &event, &self.id).await?.expect(201)?;
        match receipts.events.as_slice() {
            [receipt] if !receipts.replayed => Ok(receipt.clone()),
            _ => Err(Finding::Wrong("the answer was not the one receipt of a new event")),
        }
    }

    /// Reads on until the event is there, and answers the cursor after it.
    async fn read(
        &self,
        mut cursor: String,
        reading: &mut Reading,
        expected: &Expected<'_>,
    ) -> Result<String, Finding> {
        for _ in 0..MOST_PAGES {
            let page: Page = self.poll(Some(&cursor), 5).await?.expect(200)?;
            reading.pass(&page.events)?;
            if reading.found(&page.events, expected)? {
                return Ok(page.cursor);
            }
            // It was acknowledged before the poll began.
            if page.caught_up {
                return Err(Finding::Wrong("the poll had caught up, and the event was not there"));
            }
            cursor = page.cursor;
        }
        Err(Finding::Wrong("the event was not there after as many pages as a round reads"))
    }

    /// Only another round can have committed so far already. Its event lies before the cursor, where this round has seen it, or
    /// after.
    async fn commit(&self, cursor: &str, reading: &Reading) -> Result<(), Finding> {
        let path = format!("/streams/{STREAM}/subscriptions/{SUBSCRIPTION}/commit");
        let committed: Committed = self.connection.post(&path, &json!({ "cursor": cursor })).await?.expect(200)?;
        if committed.advanced || reading.has_others() {
            return Ok(());
        }
        let page: Page = self.poll(Some(cursor), 0).await?.expect(200)?;
        if page.events.is_empty() { Err(Finding::Wrong("the commit did not advance")) } else { Ok(()) }
    }

    /// What the subscription gives out next lies after the event.
    async fn look_again(&self, expected: &Expected<'_>) -> Result<(), Finding> {
        let page: Page = self.poll(None, 0).await?.expect(200)?;
        Reading::default().pass(&page.events)?;
        if comes_again(&page.events, expected) {
            return Err(Finding::Wrong("the event came again after it was committed"));
        }
        Ok(())
    }

    async fn poll(&self, cursor: Option<&str>, wait: u32) -> Result<Answer, Finding> {
        let from = cursor.map_or(String::new(), |cursor| format!("&cursor={cursor}"));
        let path = format!("/streams/{STREAM}/subscriptions/{SUBSCRIPTION}/poll?limit=1000&wait={wait}{from}");
        self.connection.get(&path).await
    }
}

/// Whether something was made, or is there already; with another definition too, which the next steps would notice if it
/// mattered.
fn exists(answer: &Answer, other: &str) -> Result<(), Finding> {
    match answer.status {
        200 | 201 => Ok(()),
        409 if answer.code().as_deref() == Some(other) => Ok(()),
        _ => Err(answer.unexpected()),
    }
}

/// Names the step of what was found.
fn during<T>(step: Step, outcome: Result<T, Finding>) -> Result<T, Failure> {
    outcome.map_err(|finding| Failure { step, finding })
}
