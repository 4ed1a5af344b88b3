//! How much of a quota is leased in each window. Items of their own partition keys, so that counting never slows a log.

use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
};

use super::super::item::key_attributes;
use super::super::schema::Key;
use super::super::{Attributes, Read, Store, boxed, failure};
use crate::answers::{Lease, LeaseRequest};
use crate::error::{Error, Result};

/// The attribute that counts.
const LEASED: &str = "leased_tokens";

impl Store {
    /// Adds to what is leased in a window, unless that would exceed the quota. Attempted once: adding cannot be repeated
    /// without harm.
    pub(crate) async fn lease(&self, request: &LeaseRequest<'_>) -> Result<Lease> {
        let Some(most) = request.capacity.checked_sub(request.tokens) else {
            return Ok(Lease { granted: false, leased: 0 });
        };
        let number = |value: u64| AttributeValue::N(value.to_string());
        let call = self
            .writer
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key_attributes(Key::Lease(request.key_id, request.quota, request.window))))
            .update_expression("SET expires_at = :expires ADD leased_tokens :tokens")
            .condition_expression("attribute_not_exists(leased_tokens) OR leased_tokens <= :most")
            .expression_attribute_values(":expires", number(request.forgotten_at.seconds()))
            .expression_attribute_values(":tokens", number(request.tokens))
            .expression_attribute_values(":most", number(most))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        match boxed(call.send()).await {
            Ok(output) => {
                let leased = output.attributes.map_or(Ok(request.tokens), |known| known.number(LEASED))?;
                Ok(Lease { granted: true, leased })
            }
            Err(error) => refusal(error),
        }
    }
}

/// A refusal says how much is leased; everything else leaves open what became of it.
fn refusal(
    error: aws_sdk_dynamodb::error::SdkError<aws_sdk_dynamodb::operation::update_item::UpdateItemError>,
) -> Result<Lease> {
    use aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException;
    if let Some(ConditionalCheckFailedException(failed)) = error.as_service_error() {
        let leased = failed.item.as_ref().map_or(Ok(None), |known: &Attributes| known.optional_number(LEASED))?;
        return Ok(Lease { granted: false, leased: leased.unwrap_or_default() });
    }
    Err(match failure::single(error, |_| None) {
        failure::Attempt::Misbuilt(cause) => Error::Internal(cause),
        failure::Attempt::NotApplied(cause) | failure::Attempt::Conflicted(_, cause) => Error::Unavailable(cause),
        _ => Error::Unavailable("it is unknown whether the tokens were leased".into()),
    })
}
