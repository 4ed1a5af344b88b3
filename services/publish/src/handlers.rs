//! Parse, one verb of the ledger, answer.

use axum::extract::State;
use axum::response::Response;
use ledger::model::StreamName;
use ledger::{Ledger, PublishRequest};
use metrics::counter;
use platform::access::{Caller, Spending};
use platform::headers::{Conditions, Traced};
use platform::json::Body;
use platform::path::Path;
use platform::problem::Result;
use platform::telemetry::catalogue;

use crate::wire;

pub(crate) async fn publish(
    State(ledger): State<Ledger>,
    caller: Caller,
    spending: Spending,
    Path(stream): Path<StreamName>,
    conditions: Conditions,
    Traced(traceparent): Traced,
    body: Body,
) -> Result<Response> {
    let events = wire::read(&body)?;
    spending.events(events.len()).await?;
    let ids = wire::given_ids(&events);
    let idempotency = conditions.idempotency(&caller, body.bytes());
    let (count, bytes) = (events.len(), events.iter().map(ledger::model::Event::payload_bytes).sum::<usize>());
    let request = PublishRequest { stream, events, idempotency, expected_tail: conditions.expected_tail, traceparent };
    let published = ledger.publish(request).await?;
    if published.replayed {
        counter!(catalogue::DUPLICATE_PUBLISHES.name).increment(1);
    } else {
        counter!(catalogue::EVENTS_PUBLISHED.name).increment(count as u64);
        counter!(catalogue::BYTES_PUBLISHED.name).increment(bytes as u64);
    }
    Ok(wire::receipts(ids, &published))
}
