//! Conditional writes, alone or as one transaction, and the loop that does not rest until their outcome is known.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};

use super::failure::{self, Attempt, Refusal};
use super::item::{Attributes, Item, Value, key_attributes};
use super::schema::Key;
use super::{Store, boxed};
use crate::clock::Timestamp;
use crate::deadline;
use crate::error::{Error, Result, ensure};
use crate::limits;
use crate::planted::{Bug, is_planted};

/// What became of a request to write.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// All of it is written.
    Applied,
    /// A condition failed, so the last attempt wrote nothing.
    Refused {
        /// One for each write.
        refusals: Vec<Refusal>,
        /// Whether the outcome of an earlier attempt was unknown: then what stands in the way may be one's own success.
        doubtful: bool,
    },
}

/// How settling ended.
enum Settled {
    Outcome(Outcome),
    /// Nothing was applied, because other transactions touched the same items whenever it was tried.
    Conflicted(Vec<Refusal>, crate::Cause),
}

/// One conditional write.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    effect: Effect,
    condition: Option<&'static str>,
    values: Vec<(&'static str, AttributeValue)>,
}

#[derive(Clone, Debug)]
enum Effect {
    Put(Attributes),
    Update(Attributes, &'static str),
    Delete(Attributes),
    /// Changes nothing; only in a transaction, for its condition.
    Check(Attributes),
}

impl Write {
    pub(crate) fn put(item: Item) -> Self {
        Self { effect: Effect::Put(item.into_attributes()), condition: None, values: Vec::new() }
    }

    pub(crate) fn update(key: Key<'_>, expression: &'static str) -> Self {
        Self { effect: Effect::Update(key_attributes(key), expression), condition: None, values: Vec::new() }
    }

    pub(crate) fn delete(key: Key<'_>) -> Self {
        Self { effect: Effect::Delete(key_attributes(key)), condition: None, values: Vec::new() }
    }

    /// Insists that there is no such item.
    pub(crate) fn absent(key: Key<'_>) -> Self {
        let condition = Some("attribute_not_exists(PK)");
        Self { effect: Effect::Check(key_attributes(key)), condition, values: Vec::new() }
    }

    /// Deletes the item that these attributes are of.
    pub(crate) fn delete_item(item: &Attributes) -> Self {
        let key = [crate::table::PARTITION_KEY, crate::table::SORT_KEY];
        let key = key.into_iter().filter_map(|name| Some((name.to_owned(), item.get(name)?.clone()))).collect();
        Self { effect: Effect::Delete(key), condition: None, values: Vec::new() }
    }

    pub(crate) fn when(mut self, condition: &'static str) -> Self {
        self.condition = Some(condition);
        self
    }

    pub(crate) fn value(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.values.push((name, value.into().0));
        self
    }

    async fn attempt(self, client: &Client, table: &str) -> Attempt {
        const ALL_OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;
        /// The three single writes differ in their builders' types only.
        macro_rules! send {
            ($builder:expr, $error:path) => {{
                let mut builder = $builder
                    .table_name(table)
                    .set_condition_expression(self.condition.map(str::to_owned))
                    .return_values_on_condition_check_failure(ALL_OLD)
                    .return_consumed_capacity(ReturnConsumedCapacity::Total);
                for (name, value) in self.values {
                    builder = builder.expression_attribute_values(name, value);
                }
                match boxed(builder.send()).await {
                    Ok(_) => Attempt::Applied,
                    Err(error) => failure::single(error, |error| {
                        use $error as Kind;
                        match error {
                            Kind::ConditionalCheckFailedException(failed) => Some(failed.item.clone()),
                            _ => None,
                        }
                    }),
                }
            }};
        }
        use aws_sdk_dynamodb::operation::{
            delete_item::DeleteItemError, put_item::PutItemError, update_item::UpdateItemError,
        };
        match self.effect {
            Effect::Put(item) => send!(client.put_item().set_item(Some(item)), PutItemError),
            Effect::Update(key, expression) => {
                send!(client.update_item().set_key(Some(key)).update_expression(expression), UpdateItemError)
            }
            Effect::Delete(key) => send!(client.delete_item().set_key(Some(key)), DeleteItemError),
            Effect::Check(_) => Attempt::Misbuilt("a check is part of a transaction".into()),
        }
    }

    fn action(self, table: &str) -> TransactWriteItem {
        macro_rules! action {
            ($builder:expr) => {{
                let mut builder = $builder
                    .table_name(table)
                    .set_condition_expression(self.condition.map(str::to_owned))
                    .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
                for (name, value) in self.values {
                    builder = builder.expression_attribute_values(name, value);
                }
                builder.build().expect("every action has a table, and a key or an item")
            }};
        }
        let action = TransactWriteItem::builder();
        match self.effect {
            Effect::Put(item) => action.put(action!(Put::builder().set_item(Some(item)))),
            Effect::Update(key, expression) => {
                action.update(action!(Update::builder().set_key(Some(key)).update_expression(expression)))
            }
            Effect::Delete(key) => action.delete(action!(Delete::builder().set_key(Some(key)))),
            Effect::Check(key) => action.condition_check(action!(ConditionCheck::builder().set_key(Some(key)))),
        }
        .build()
    }
}

impl Store {
    /// Writes all of it or none, and asks again about the very same request until its outcome is known.
    ///
    /// A request of one write is a plain write; more are one transaction, whose token makes the repetition harmless on
    /// the side of the store as well. Every write carries a condition or sets what it sets regardless of the past, so
    /// repeating it is harmless in any case.
    ///
    /// # Errors
    /// At the deadline [`Error::OutcomeUnknown`] when the outcome of any attempt is unknown, [`Error::Unavailable`] when
    /// surely none was applied, conflicts with other transactions throughout among it.
    pub(crate) async fn settle(&self, writes: Vec<Write>, deadline: Timestamp) -> Result<Outcome> {
        match self.settle_or_conflict(writes, deadline).await? {
            Settled::Outcome(outcome) => Ok(outcome),
            Settled::Conflicted(_, cause) => Err(Error::Unavailable(cause)),
        }
    }

    /// The same for a writer who knows whom it meets: conflicts throughout end as `Refused`.
    ///
    /// # Errors
    /// As [`Store::settle`].
    pub(crate) async fn race(&self, writes: Vec<Write>, deadline: Timestamp) -> Result<Outcome> {
        match self.settle_or_conflict(writes, deadline).await? {
            Settled::Outcome(outcome) => Ok(outcome),
            Settled::Conflicted(refusals, _) => Ok(Outcome::Refused { refusals, doubtful: false }),
        }
    }

    async fn settle_or_conflict(&self, writes: Vec<Write>, deadline: Timestamp) -> Result<Settled> {
        ensure!(writes.len() <= limits::STORE_TRANSACTION_ITEMS, "a transaction has at most 100 actions");
        let deadline = deadline::within_request(deadline);
        if self.clock.now() >= deadline {
            return Err(Error::Unavailable("the time for the request was over before its first attempt".into()));
        }
        deadline::note_write();
        let token = self.randomness.hex_id();
        let mut unknown: Option<crate::Cause> = None;
        let mut pauses = Pauses::new();
        loop {
            let (cause, conflict) = match self.attempt(&writes, &token).await {
                Attempt::Applied => return Ok(Settled::Outcome(Outcome::Applied)),
                Attempt::Refused(refusals) => {
                    let outcome = Outcome::Refused { refusals, doubtful: unknown.is_some() };
                    return Ok(Settled::Outcome(outcome));
                }
                Attempt::Misbuilt(cause) if unknown.is_none() => return Err(Error::Internal(cause)),
                Attempt::Misbuilt(cause) => return Err(Error::OutcomeUnknown(cause)),
                Attempt::Conflicted(refusals, cause) => (cause, Some(refusals)),
                Attempt::NotApplied(cause) => (cause, None),
                Attempt::Unknown(_) if is_planted(Bug::MovesOnAfterUnknown) => {
                    let refusals = writes.iter().map(|_| Refusal::Condition(None)).collect();
                    return Ok(Settled::Outcome(Outcome::Refused { refusals, doubtful: true }));
                }
                Attempt::Unknown(cause) => {
                    unknown = Some(cause);
                    ("the outcome of an attempt is unknown".into(), None)
                }
            };
            let pause = pauses.next(self);
            if self.clock.now().plus(pause) >= deadline {
                return match (unknown, conflict) {
                    (Some(cause), _) if is_planted(Bug::UnknownIsCalledNone) => Err(Error::Unavailable(cause)),
                    (Some(cause), _) => Err(Error::OutcomeUnknown(cause)),
                    (None, Some(refusals)) => Ok(Settled::Conflicted(refusals, cause)),
                    (None, None) => Err(Error::Unavailable(cause)),
                };
            }
            tracing::debug!(cause, pause_ms = pause, "a write is attempted again");
            self.clock.sleep(pause).await;
        }
    }

    /// Settles one write whose refusal is an ordinary answer.
    ///
    /// # Errors
    /// As [`Store::settle`].
    pub(crate) async fn settle_one(&self, write: Write) -> Result<Outcome> {
        self.settle(vec![write], self.deadline()).await
    }

    /// When a verb that begins now gives up.
    pub(crate) fn deadline(&self) -> Timestamp {
        deadline::within_request(self.clock.now().plus(limits::OPERATION_MS))
    }

    /// Waits a moment that is drawn below a growing bound.
    pub(crate) async fn pause(&self, pauses: &mut Pauses) {
        let pause = pauses.next(self);
        self.clock.sleep(pause).await;
    }

    async fn attempt(&self, writes: &[Write], token: &str) -> Attempt {
        if let [write] = writes {
            return write.clone().attempt(&self.writer, &self.table).await;
        }
        if is_planted(Bug::TransactionsAreSplit) {
            for write in writes {
                match write.clone().attempt(&self.writer, &self.table).await {
                    Attempt::Applied => {}
                    Attempt::Refused(mut refusals) => {
                        refusals.resize_with(writes.len(), || Refusal::None);
                        return Attempt::Refused(refusals);
                    }
                    other => return other,
                }
            }
            return Attempt::Applied;
        }
        let actions = writes.iter().map(|write| write.clone().action(&self.table)).collect();
        let request = self
            .writer
            .transact_write_items()
            .set_transact_items(Some(actions))
            .client_request_token(token)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        boxed(request.send()).await.map_or_else(failure::transaction, |_| Attempt::Applied)
    }
}

/// The growing bound of the pauses between attempts.
#[derive(Debug)]
pub(crate) struct Pauses(u64);

impl Pauses {
    pub(crate) fn new() -> Self {
        Self(*limits::RETRY_PAUSE_MS.start())
    }

    /// Full jitter: anything from 1 ms to the bound, which doubles.
    fn next(&mut self, store: &Store) -> u64 {
        let pause = 1 + store.randomness.below(self.0);
        self.0 = (self.0 * 2).min(*limits::RETRY_PAUSE_MS.end());
        pause
    }
}
