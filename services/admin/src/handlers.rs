//! Parse, one verb of the ledger, answer.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use ledger::model::{StreamName, SubscriptionName};
use ledger::{Ledger, StartFrom};
use platform::access::{Action, Caller};
use platform::health::{Probe, Sight};
use platform::json::{Json, NoBody, answer, created};
use platform::path::Path;
use platform::problem::Result;
use platform::query::Query;
use platform::telemetry::note;

use crate::wire;

pub(crate) async fn create_stream(
    State(ledger): State<Ledger>,
    caller: Caller,
    Json(request): Json<wire::CreateStream>,
) -> Result<Response> {
    caller.must(Action::StreamAdmin, &request.stream_id, None)?;
    note("stream", request.stream_id.as_str());
    let stream = ledger.create_stream(request.into()).await?;
    Ok(created(stream, wire::Stream::from))
}

pub(crate) async fn list_streams(
    State(ledger): State<Ledger>,
    caller: Caller,
    Query(query): Query<wire::StreamsQuery>,
) -> Result<Response> {
    let visible = |name: &StreamName| caller.sees(name);
    let page = ledger.list_streams(&query.prefix.0, query.after(), query.limit.0, visible).await?;
    Ok(answer(StatusCode::OK, &wire::Streams::from(page)))
}

pub(crate) async fn describe_stream(State(ledger): State<Ledger>, Path(stream): Path<StreamName>) -> Result<Response> {
    let description = ledger.describe_stream(&stream).await?;
    Ok(answer(StatusCode::OK, &wire::StreamDescription::from(description)))
}

pub(crate) async fn delete_stream(State(ledger): State<Ledger>, Path(stream): Path<StreamName>) -> Result<StatusCode> {
    ledger.delete_stream(&stream).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn create_subscription(
    State(ledger): State<Ledger>,
    caller: Caller,
    Path(stream): Path<StreamName>,
    Json(request): Json<wire::CreateSubscription>,
) -> Result<Response> {
    caller.must(Action::SubscriptionAdmin, &stream, Some(&request.subscription_id))?;
    note("subscription", request.subscription_id.as_str());
    let start = request.start_from.0;
    if start == StartFrom::Compacted {
        caller.must(Action::Bootstrap, &stream, Some(&request.subscription_id))?;
    }
    let subscription = ledger.create_subscription(&stream, &request.subscription_id, start).await?;
    Ok(created(subscription, wire::Subscription::from))
}

pub(crate) async fn list_subscriptions(
    State(ledger): State<Ledger>,
    caller: Caller,
    Path(stream): Path<StreamName>,
    Query(query): Query<wire::SubscriptionsQuery>,
) -> Result<Response> {
    let visible = |name: &SubscriptionName| caller.may(Action::Poll, &stream, Some(name));
    let page = ledger.list_subscriptions(&stream, query.after(), query.limit.0, visible).await?;
    Ok(answer(StatusCode::OK, &wire::Subscriptions::from(page)))
}

pub(crate) async fn describe_subscription(
    State(ledger): State<Ledger>,
    Path((stream, subscription)): Path<(StreamName, SubscriptionName)>,
) -> Result<Response> {
    let description = ledger.describe_subscription(&stream, &subscription).await?;
    Ok(answer(StatusCode::OK, &wire::Subscription::from(description)))
}

pub(crate) async fn delete_subscription(
    State(ledger): State<Ledger>,
    Path((stream, subscription)): Path<(StreamName, SubscriptionName)>,
) -> Result<StatusCode> {
    ledger.delete_subscription(&stream, &subscription).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn seek(
    State(ledger): State<Ledger>,
    caller: Caller,
    Path((stream, subscription)): Path<(StreamName, SubscriptionName)>,
    Json(request): Json<wire::Seek>,
) -> Result<Response> {
    if ledger.seeks_compacted_state(&stream, &subscription, &request.to.0).await? {
        caller.must(Action::Bootstrap, &stream, Some(&subscription))?;
    }
    let moved = ledger.seek(&stream, &subscription, request.to.0).await?;
    Ok(answer(StatusCode::OK, &wire::Subscription::from(moved)))
}

pub(crate) async fn compact(
    State(ledger): State<Ledger>,
    Path(stream): Path<StreamName>,
    _: NoBody,
) -> Result<Response> {
    let watermarks = ledger.compact_stream(&stream).await?;
    Ok(answer(StatusCode::OK, &wire::Watermarks::from(watermarks)))
}

pub(crate) async fn health(State(ledger): State<Ledger>, probe: Option<Extension<Probe>>) -> Result<Response> {
    let seen = match probe.and_then(|Extension(probe)| probe.look()) {
        // What was heard of the table a moment ago does not count any more.
        Some(Sight::Standstill(cause)) => return Err(ledger::Error::Unavailable(cause.into()).into()),
        Some(Sight::Trouble(finding)) => Some(finding),
        None => None,
    };
    let health = ledger.health().await?;
    Ok(answer(StatusCode::OK, &wire::Health::new(health, ledger.clock().now(), seen)))
}

pub(crate) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("../../openapi.json"))
}
