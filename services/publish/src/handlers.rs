//! Parse, one verb of the ledger, answer.

use axum::extract::State;
use axum::response::Response;
use ledger::model::StreamName;
use ledger::{Ledger, PublishRequest};
use platform::access::{Caller, Spending};
use platform::headers::Conditions;
use platform::json::Body;
use platform::path::Path;
use platform::problem::Result;

use crate::wire;

pub(crate) async fn publish(
    State(ledger): State<Ledger>,
    caller: Caller,
    spending: Spending,
    Path(stream): Path<StreamName>,
    conditions: Conditions,
    body: Body,
) -> Result<Response> {
    let events = wire::read(&body)?;
    spending.events(events.len()).await?;
    let ids = wire::given_ids(&events);
    let idempotency = conditions.idempotency(&caller, body.bytes());
    let request = PublishRequest { stream, events, idempotency, expected_tail: conditions.expected_tail };
    Ok(wire::receipts(ids, &ledger.publish(request).await?))
}
