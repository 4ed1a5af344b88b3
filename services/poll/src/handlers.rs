//! Parse, one verb of the ledger, answer.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ledger::Ledger;
use ledger::model::{EventKey, StreamName, SubscriptionName};
use metrics::counter;
use platform::access::{Action, Caller};
use platform::headers::IfNoneMatch;
use platform::json::{Json, answer};
use platform::path::Path;
use platform::problem::Result;
use platform::query::Query;
use platform::telemetry::catalogue;

use crate::wire;

pub(crate) async fn read_events(
    State(ledger): State<Ledger>,
    Path(stream): Path<StreamName>,
    Query(query): Query<wire::EventsQuery>,
) -> Result<Response> {
    let page = query.page();
    let page = ledger.read_events(&stream, query.start()?, page).await?;
    count(&page);
    Ok(answer(StatusCode::OK, &wire::Events::from(page)))
}

pub(crate) async fn poll(
    State(ledger): State<Ledger>,
    caller: Caller,
    Path((stream, subscription)): Path<(StreamName, SubscriptionName)>,
    Query(query): Query<wire::PollQuery>,
) -> Result<Response> {
    let page = query.page();
    let cursor = query.cursor.map(|given| given.0);
    // From the log to compacted state only those may go on who may let a subscription start there.
    if let Some(cursor) = &cursor
        && ledger.begins_bootstrap(&stream, &subscription, cursor).await?
    {
        caller.must(Action::Bootstrap, &stream, Some(&subscription))?;
    }
    let page = ledger.poll(&stream, &subscription, cursor, page).await?;
    count(&page);
    Ok(answer(StatusCode::OK, &wire::Events::from(page)))
}

pub(crate) async fn commit(
    State(ledger): State<Ledger>,
    Path((stream, subscription)): Path<(StreamName, SubscriptionName)>,
    Json(request): Json<wire::Commit>,
) -> Result<Response> {
    let committed = ledger.commit(&stream, &subscription, request.cursor.0).await?;
    Ok(answer(StatusCode::OK, &wire::Committed::from(committed)))
}

pub(crate) async fn list_compacted(
    State(ledger): State<Ledger>,
    Path(stream): Path<StreamName>,
    Query(query): Query<wire::CompactedQuery>,
) -> Result<Response> {
    let cursor = query.cursor.map(|given| given.0);
    let page = ledger.list_compacted(&stream, cursor, &query.prefix.0, query.limit.0).await?;
    Ok(answer(StatusCode::OK, &wire::Compacted::from(page)))
}

pub(crate) async fn find_compacted(
    State(ledger): State<Ledger>,
    Path((stream, key)): Path<(StreamName, EventKey)>,
    known: IfNoneMatch,
) -> Result<Response> {
    let record = ledger.find_compacted(&stream, &key).await?;
    Ok(wire::latest(record, &known))
}

fn count(page: &ledger::EventPage) {
    if page.records.is_empty() {
        counter!(catalogue::EMPTY_POLLS.name).increment(1);
    } else {
        counter!(catalogue::EVENTS_DELIVERED.name).increment(page.records.len() as u64);
    }
}
