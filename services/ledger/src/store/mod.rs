//! The only code that talks to DynamoDB. Private to the ledger: verbs read and write items of the kinds below.
//!
//! Reads are strongly consistent without exception, and repeated by the SDK. Writes are attempted once per call and
//! repeated here, because whoever repeats a write must know what became of each attempt: see [`Store::settle`].

pub(crate) mod body;
mod failure;
mod item;
mod items;
mod schema;
mod write;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use futures::future::BoxFuture;

pub(crate) use failure::Refusal;
pub(crate) use item::{Attributes, Item, Read, packed};
pub use items::KnownCommit;
pub(crate) use items::{Placement, ReceiptItem, RecordBatch, StreamItem, SubscriptionItem};
pub(crate) use schema::Key;
pub(crate) use write::{Outcome, Pauses, Write};

use crate::clock::Clock;
use crate::error::Result;
use crate::planted::{Bug, is_planted};
use crate::random::Randomness;
use crate::table::{PARTITION_KEY, SORT_KEY};

/// The table.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    /// For reads.
    client: Client,
    /// For writes: one attempt a call, because the SDK's own repetitions would hide what became of the earlier ones.
    writer: Client,
    table: String,
    clock: Clock,
    randomness: Randomness,
}

/// The range of sort keys that a query reads.
#[derive(Clone, Debug)]
pub(crate) enum Range {
    /// All that begin with a text.
    Prefix(String),
    /// From one on, itself included.
    From(String),
    /// After one, up to and including another.
    Between(String, String),
}

/// A call, apart from the future of whoever makes it. It is large, and most requests are answered without one: a future that held
/// it would be moved about with room for it, once for each layer between the connection and the verb.
fn boxed<'a, T>(call: impl Future<Output = T> + Send + 'a) -> BoxFuture<'a, T> {
    Box::pin(call)
}

/// One page of a query.
#[derive(Debug, Default)]
pub(crate) struct QueryPage {
    pub(crate) items: Vec<Attributes>,
    /// Where the next page begins; an empty page that has one is not the end.
    pub(crate) next: Option<HashMap<String, AttributeValue>>,
}

/// A query over one partition key, read page by page.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) partition_key: String,
    pub(crate) range: Range,
    pub(crate) descending: bool,
}

impl Query {
    fn is_to_be_stale(&self) -> bool {
        (self.descending && is_planted(Bug::StaleHeads))
            || (self.partition_key.starts_with("COMPACT#") && is_planted(Bug::StaleSnapshots))
    }
}

impl Store {
    pub(crate) fn new(client: Client, table: String, clock: Clock, randomness: Randomness) -> Self {
        let retries = client.config().retry_config().cloned().unwrap_or_else(RetryConfig::disabled);
        let once = client.config().to_builder().retry_config(retries.with_max_attempts(1)).build();
        Self { client, writer: Client::from_conf(once), table, clock, randomness }
    }

    /// Reads an item.
    pub(crate) async fn get(&self, key: Key<'_>) -> Result<Option<Attributes>> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(item::key_attributes(key)))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        Ok(boxed(request.send()).await.map_err(failure::read)?.item)
    }

    /// Reads one page of a query: at most `limit` items, at most 1 MB.
    pub(crate) async fn query(
        &self,
        query: &Query,
        limit: usize,
        start: Option<HashMap<String, AttributeValue>>,
    ) -> Result<QueryPage> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(!query.is_to_be_stale())
            .scan_index_forward(!query.descending)
            .limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .expression_attribute_values(":pk", AttributeValue::S(query.partition_key.clone()));
        let request = match &query.range {
            Range::Prefix(prefix) => request
                .key_condition_expression(format!("{PARTITION_KEY} = :pk AND begins_with({SORT_KEY}, :prefix)"))
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.clone())),
            Range::From(first) => request
                .key_condition_expression(format!("{PARTITION_KEY} = :pk AND {SORT_KEY} >= :first"))
                .expression_attribute_values(":first", AttributeValue::S(first.clone())),
            Range::Between(first, last) => request
                .key_condition_expression(format!("{PARTITION_KEY} = :pk AND {SORT_KEY} BETWEEN :first AND :last"))
                .expression_attribute_values(":first", AttributeValue::S(first.clone()))
                .expression_attribute_values(":last", AttributeValue::S(last.clone())),
        };
        let answer = boxed(request.send()).await.map_err(failure::read)?;
        let items = answer.items.unwrap_or_default();
        let end = items.is_empty() && is_planted(Bug::EmptyPageIsTheEnd);
        Ok(QueryPage { items, next: answer.last_evaluated_key.filter(|_| !end) })
    }

    /// Reads the first item of a query, however many empty pages come before it.
    pub(crate) async fn first(&self, query: &Query) -> Result<Option<Attributes>> {
        let mut start = None;
        loop {
            let mut page = self.query(query, 1, start).await?;
            if let Some(item) = page.items.pop() {
                return Ok(Some(item));
            }
            match page.next {
                None => return Ok(None),
                next => start = next,
            }
        }
    }

    /// Reads all items of a query. For queries that are small by their nature.
    pub(crate) async fn all(&self, query: &Query) -> Result<Vec<Attributes>> {
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let page = self.query(query, 1_000, start).await?;
            items.extend(page.items);
            match page.next {
                None => return Ok(items),
                next => start = next,
            }
        }
    }
}
