//! The table's shape, for whoever creates one: a test, the local server, an operator without infrastructure code.
//!
//! What an environment's table has beyond its shape (change stream, recovery, protection) belongs to `infra`, and the
//! layout of the items to the store. Creating is idempotent, and what exists is never changed except that its time to
//! live is switched on.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
    TimeToLiveSpecification, TimeToLiveStatus,
};

use crate::{Cause, Clock};

/// Partition key attribute.
pub const PARTITION_KEY: &str = "PK";
/// Sort key attribute.
pub const SORT_KEY: &str = "SK";
/// The attribute of DynamoDB's time to live, in seconds since the epoch.
pub const TIME_TO_LIVE: &str = "expires_at";

/// What the change stream of an environment's table tells of an item that changed: its keys, for a doorbell carries no data.
pub const STREAM_VIEW: &str = "KEYS_ONLY";

/// How often to ask whether a new table is ready: with the pause below, about a minute.
const STATUS_QUESTIONS: u32 = 120;
const STATUS_PAUSE_MS: u64 = 500;

/// Creates the table (PK/SK strings, on demand, time to live on) when it is absent, and waits until it can be used. A table
/// that is there costs one call, whatever it holds.
///
/// # Errors
/// What DynamoDB answers, or that the table was not ready after a minute.
pub async fn create_if_absent(client: &Client, table: &str) -> Result<(), Cause> {
    // It is the last that is done to a new table, and not before that can be used. An embedded table counts all its items
    // to describe itself, so it is not asked to.
    if has_time_to_live(client, table).await? {
        return Ok(());
    }
    create(client, table).await?;
    wait_until_active(client, table).await?;
    let wanted = TimeToLiveSpecification::builder().enabled(true).attribute_name(TIME_TO_LIVE).build()?;
    client.update_time_to_live().table_name(table).time_to_live_specification(wanted).send().await?;
    Ok(())
}

/// AWS's own name for the table, which says in which region and account it is:
/// `arn:aws:dynamodb:<region>:<account>:table/<table>`.
///
/// # Errors
/// What DynamoDB answers; that there is no such table among it.
pub async fn resource_name(client: &Client, table: &str) -> Result<String, Cause> {
    let answer = client.describe_table().table_name(table).send().await?;
    answer.table.and_then(|table| table.table_arn).ok_or_else(|| "the description of the table lacks its name".into())
}

async fn create(client: &Client, table: &str) -> Result<(), Cause> {
    let answer = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(text_attribute(PARTITION_KEY)?)
        .attribute_definitions(text_attribute(SORT_KEY)?)
        .key_schema(key_element(PARTITION_KEY, KeyType::Hash)?)
        .key_schema(key_element(SORT_KEY, KeyType::Range)?)
        .send()
        .await;
    match answer {
        Ok(_) => Ok(()),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn wait_until_active(client: &Client, table: &str) -> Result<(), Cause> {
    for _ in 0..STATUS_QUESTIONS {
        let answer = client.describe_table().table_name(table).send().await;
        let status = match answer {
            Ok(description) => description.table.and_then(|table| table.table_status),
            // A table that was created a moment ago may not be known everywhere yet.
            Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => None,
            Err(error) => return Err(error.into()),
        };
        if status == Some(TableStatus::Active) {
            return Ok(());
        }
        Clock::system().sleep(STATUS_PAUSE_MS).await;
    }
    Err("the table was created but did not become active".into())
}

/// Whether there is such a table, and its time to live is on.
async fn has_time_to_live(client: &Client, table: &str) -> Result<bool, Cause> {
    let answer = match client.describe_time_to_live().table_name(table).send().await {
        Ok(answer) => answer.time_to_live_description,
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(answer.is_some_and(|current| {
        current.attribute_name.as_deref() == Some(TIME_TO_LIVE)
            && matches!(current.time_to_live_status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
    }))
}

fn text_attribute(name: &str) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
}

fn key_element(name: &str, kind: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build()
}
