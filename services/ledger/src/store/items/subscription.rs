//! Subscriptions: all committed positions in one attribute, so that a commit is one write.
//!
//! What is deleted stays for a day, with the time of its end: each life of a name begins after the end of the one before,
//! so a write that comes late, for a caller that has long given up, neither ends a later life nor brings an earlier one back.

use serde::{Deserialize, Serialize};

use super::super::schema::{self, Key, SUBSCRIPTION};
use super::super::{Attributes, Item, Outcome, Query, Range, Read, Store, Write, packed};
use crate::answers::StartFrom;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::limits;
use crate::model::{Incarnation, Progress, SubscriptionName};
use crate::operator::AuditRecord;
use crate::planted::{Bug, is_planted};
use crate::store::item::unreadable;

/// A subscription as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionItem {
    pub(crate) name: SubscriptionName,
    pub(crate) start_from: StartFrom,
    /// What was committed.
    pub(crate) progress: Progress,
    /// When its positions were last seen to be readable.
    pub(crate) verified_at: Timestamp,
    /// The number of the last bootstrap that began, committed or not.
    pub(crate) bootstraps: u64,
    /// Changes with each write of the progress.
    pub(crate) version: u64,
    /// Changes with each seek, and is new when a deleted subscription is created again.
    pub(crate) generation: u64,
    pub(crate) created_at: Timestamp,
    /// When it was created, or last moved by a seek.
    pub(crate) begun_at: Timestamp,
    /// Some of the last commits, oldest first, as `status::remember` keeps them; a seek clears them.
    pub(crate) commits: Vec<KnownCommit>,
    /// When a seek moved it back, until the next commit.
    pub(crate) rewound: bool,
    pub(crate) last_poll_at: Option<Timestamp>,
    /// When it was deleted.
    pub(crate) deleted_at: Option<Timestamp>,
}

/// A commit that a subscription remembers: the evidence of how it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownCommit {
    /// When.
    pub at: Timestamp,
    /// Events that lay beyond it, or beyond a commit shortly before it if those were fewer.
    pub lag_events: u64,
}

#[derive(Serialize, Deserialize)]
enum StoredStart {
    Earliest,
    Latest,
    Compacted,
    Timestamp(u64),
}

impl SubscriptionItem {
    /// Whether it was not deleted.
    pub(crate) fn is_live(&self) -> bool {
        self.deleted_at.is_none() || is_planted(Bug::EndedSubscriptionsLive)
    }

    fn item(&self, incarnation: Incarnation) -> Item {
        let start = match self.start_from {
            StartFrom::Earliest => StoredStart::Earliest,
            StartFrom::Latest => StoredStart::Latest,
            StartFrom::Compacted => StoredStart::Compacted,
            StartFrom::Timestamp(time) => StoredStart::Timestamp(time.0),
        };
        Item::new(Key::Subscription(incarnation, &self.name))
            .with("start_from", packed(&start))
            .with("progress", packed(&self.progress))
            .with("verified_at", self.verified_at)
            .with("bootstraps", self.bootstraps)
            .with("version", self.version)
            .with("generation", self.generation)
            .with("created_at", self.created_at)
            .with("begun_at", self.begun_at)
            .with("commits", packed(&self.commits))
            .with("rewound", self.rewound)
            .with_some("last_poll_at", self.last_poll_at)
    }

    pub(crate) fn read(attributes: &Attributes) -> Result<Self> {
        let name = attributes.sort_key_after(SUBSCRIPTION)?;
        let created_at = attributes.number("created_at")?;
        Ok(Self {
            name: SubscriptionName::parse(name).ok_or_else(|| unreadable("SK"))?,
            start_from: match attributes.unpacked("start_from")? {
                StoredStart::Earliest => StartFrom::Earliest,
                StoredStart::Latest => StartFrom::Latest,
                StoredStart::Compacted => StartFrom::Compacted,
                StoredStart::Timestamp(time) => StartFrom::Timestamp(Timestamp(time)),
            },
            progress: attributes.unpacked("progress")?,
            verified_at: Timestamp(attributes.number("verified_at")?),
            bootstraps: attributes.optional_number("bootstraps")?.unwrap_or_default(),
            version: attributes.number("version")?,
            generation: attributes.number("generation")?,
            created_at: Timestamp(created_at),
            begun_at: Timestamp(attributes.optional_number("begun_at")?.unwrap_or(created_at)),
            commits: attributes.unpacked("commits")?,
            rewound: attributes.flag("rewound"),
            last_poll_at: attributes.optional_number("last_poll_at")?.map(Timestamp),
            deleted_at: attributes.optional_number("deleted_at")?.map(Timestamp),
        })
    }
}

impl Store {
    /// The subscription of a name.
    pub(crate) async fn subscription(
        &self,
        incarnation: Incarnation,
        name: &SubscriptionName,
    ) -> Result<Option<SubscriptionItem>> {
        Ok(self.subscription_or_its_end(incarnation, name).await?.filter(SubscriptionItem::is_live))
    }

    /// The subscription of a name, or what is left of a deleted one.
    pub(crate) async fn subscription_or_its_end(
        &self,
        incarnation: Incarnation,
        name: &SubscriptionName,
    ) -> Result<Option<SubscriptionItem>> {
        self.get(Key::Subscription(incarnation, name)).await?.as_ref().map(SubscriptionItem::read).transpose()
    }

    /// Query over the subscriptions of a stream that come after a name.
    pub(crate) fn subscriptions(incarnation: Incarnation, after: Option<&str>) -> Query {
        let first = after.map_or_else(|| SUBSCRIPTION.to_owned(), |after| format!("{SUBSCRIPTION}{after} "));
        // `$` follows the `#` that ends the prefix.
        let range = Range::Between(first, "SUB$".to_owned());
        Query { partition_key: schema::stream(incarnation), range, descending: false }
    }

    /// Creates a subscription, after the one of its name that ended at this time if there was one; refused when another
    /// exists, or existed since.
    pub(crate) async fn put_subscription(
        &self,
        incarnation: Incarnation,
        new: &SubscriptionItem,
        ended_at: Option<Timestamp>,
    ) -> Result<Outcome> {
        let write = Write::put(new.item(incarnation));
        self.settle_one(match ended_at {
            None => write.when("attribute_not_exists(PK)"),
            Some(at) => write.when("attribute_not_exists(PK) OR deleted_at = :ended").value(":ended", at),
        })
        .await
    }

    /// Writes progress, generation and commits; refused when they changed since `version` was read.
    pub(crate) async fn update_subscription(
        &self,
        incarnation: Incarnation,
        changed: &SubscriptionItem,
        version: u64,
    ) -> Result<Outcome> {
        self.settle_one(update(incarnation, changed, version)).await
    }

    /// The same by hand with its record, both or neither.
    pub(crate) async fn change_subscription(
        &self,
        incarnation: Incarnation,
        changed: &SubscriptionItem,
        version: u64,
        record: &AuditRecord,
    ) -> Result<Outcome> {
        self.settle(vec![record.put(), update(incarnation, changed, version)], self.deadline()).await
    }

    /// Notes that a bootstrap began and has this number; refused when as many have begun, or the subscription ended.
    pub(crate) async fn number_bootstrap(
        &self,
        incarnation: Incarnation,
        item: &SubscriptionItem,
        number: u64,
    ) -> Result<Outcome> {
        let write = Write::update(Key::Subscription(incarnation, &item.name), "SET bootstraps = :number")
            .when("created_at = :created AND attribute_not_exists(deleted_at) AND (attribute_not_exists(bootstraps) OR bootstraps < :number)")
            .value(":number", number)
            .value(":created", item.created_at);
        self.settle_one(write).await
    }

    /// Notes the minute of a poll; no position changes.
    pub(crate) async fn note_poll(
        &self,
        incarnation: Incarnation,
        name: &SubscriptionName,
        minute: Timestamp,
        deadline: Timestamp,
    ) -> Result<Outcome> {
        let write = Write::update(Key::Subscription(incarnation, name), "SET last_poll_at = :minute")
            .when("attribute_exists(PK) AND attribute_not_exists(deleted_at)")
            .value(":minute", minute);
        self.settle(vec![write], deadline).await
    }

    /// Deletes a subscription; refused when that one is not there any more.
    pub(crate) async fn delete_subscription(
        &self,
        incarnation: Incarnation,
        item: &SubscriptionItem,
        at: Timestamp,
    ) -> Result<Outcome> {
        let write =
            Write::update(Key::Subscription(incarnation, &item.name), "SET deleted_at = :at, expires_at = :expires")
                .when("created_at = :created AND attribute_not_exists(deleted_at)")
                .value(":at", at)
                .value(":expires", at.plus(limits::ENDED_SUBSCRIPTION_MS).seconds())
                .value(":created", item.created_at);
        self.settle_one(write).await
    }
}

/// Writes progress, generation and commits over what they were at a version.
fn update(incarnation: Incarnation, changed: &SubscriptionItem, version: u64) -> Write {
    Write::update(
        Key::Subscription(incarnation, &changed.name),
        "SET progress = :progress, verified_at = :verified, version = :new, generation = :generation, begun_at = :begun, commits = :commits, rewound = :rewound",
    )
    .when(if is_planted(Bug::EndedSubscriptionsLive) {
        "version = :old AND created_at = :created"
    } else if is_planted(Bug::CommitsArePlain) {
        "version <> :old OR created_at = :created"
    } else {
        "version = :old AND created_at = :created AND attribute_not_exists(deleted_at)"
    })
    .value(":progress", packed(&changed.progress))
    .value(":verified", changed.verified_at)
    .value(":new", changed.version)
    .value(":generation", changed.generation)
    .value(":begun", changed.begun_at)
    .value(":commits", packed(&changed.commits))
    .value(":rewound", changed.rewound)
    .value(":old", version)
    .value(":created", changed.created_at)
}
