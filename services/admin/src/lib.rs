//! The admin service: streams, subscriptions and their positions, compaction on demand, health and the API's description.
//!
//! It only lists endpoints; `handlers` does each with one verb of the ledger, and `wire` holds the shapes.

mod handlers;
mod place;
mod wire;

use platform::access::Action;
use platform::endpoint::{Endpoint, Link, Route, Routes};
use platform::problem::Code;

const ITS_STREAM: &str = "$response.body#/stream_id";
const ITS_SUBSCRIPTION: &str = "$response.body#/subscription_id";
const ITS_CURSOR: &str = "$response.body#/cursor";

/// What can be done with a stream that was created, by all services.
const OF_A_STREAM: [&str; 9] = [
    "describe_stream",
    "delete_stream",
    "publish",
    "read_events",
    "create_subscription",
    "list_subscriptions",
    "compact",
    "list_compacted",
    "find_compacted",
];
/// What can be done with a subscription that was created, by all services; what needs a body comes on top.
const OF_A_SUBSCRIPTION: [&str; 3] = ["describe_subscription", "delete_subscription", "poll"];

fn to_subscription(operation_id: &'static str) -> Link {
    Link::to(operation_id).with("stream", ITS_STREAM).with("subscription", ITS_SUBSCRIPTION)
}

/// The endpoints of the service.
#[must_use]
pub fn routes() -> Routes {
    let positions = [seek(), compact_now()];
    Routes::new(streams().into_iter().chain(subscriptions()).chain(positions).chain(service()))
}

fn streams() -> [Route; 4] {
    [
        Endpoint::post("/streams", "create_stream", "Create a stream")
            .needs(Action::StreamAdmin)
            .accepts::<wire::CreateStream>()
            .answers::<wire::Stream>(201, "Created")
            .leads_to(OF_A_STREAM.map(|operation| Link::to(operation).with("stream", ITS_STREAM)))
            .answers::<wire::Stream>(200, "It exists with this definition")
            .problems(&[Code::StreamExists, Code::StreamDeleting, Code::OutcomeUnknown])
            .handled_by(handlers::create_stream),
        Endpoint::get("/streams", "list_streams", "List the streams that the API key has any grant on")
            .needs_any_grant()
            .asks::<wire::StreamsQuery>()
            .answers::<wire::Streams>(200, "A page of streams in the order of their names")
            .handled_by(handlers::list_streams),
        Endpoint::get("/streams/{stream}", "describe_stream", "Describe a stream and how far its log goes")
            .needs_any_grant()
            .answers::<wire::StreamDescription>(200, "The stream")
            .handled_by(handlers::describe_stream),
        Endpoint::delete("/streams/{stream}", "delete_stream", "Delete a stream with everything in it")
            .needs(Action::StreamAdmin)
            .answers_empty(204, "Deleted")
            .problems(&[Code::OutcomeUnknown])
            .handled_by(handlers::delete_stream),
    ]
}

fn subscriptions() -> [Route; 4] {
    const ALL: &str = "/streams/{stream}/subscriptions";
    const ONE: &str = "/streams/{stream}/subscriptions/{subscription}";
    [
        Endpoint::post(ALL, "create_subscription", "Create a subscription")
            .needs_for_some(Action::SubscriptionAdmin)
            .accepts::<wire::CreateSubscription>()
            .answers::<wire::Subscription>(201, "Created")
            .leads_to(OF_A_SUBSCRIPTION.map(to_subscription))
            .leads_to([
                to_subscription("commit").sending("cursor", ITS_CURSOR),
                to_subscription("seek").sending("to", "earliest"),
            ])
            .answers::<wire::Subscription>(200, "It exists with this start")
            .problems(&[Code::SubscriptionExists, Code::OutcomeUnknown])
            .handled_by(handlers::create_subscription),
        Endpoint::get(ALL, "list_subscriptions", "List the subscriptions of a stream that the API key may poll")
            .needs_for_some(Action::Poll)
            .asks::<wire::SubscriptionsQuery>()
            .answers::<wire::Subscriptions>(200, "A page of subscriptions in the order of their names")
            .handled_by(handlers::list_subscriptions),
        Endpoint::get(ONE, "describe_subscription", "Describe a subscription, its positions and its lag")
            .needs(Action::Poll)
            .answers::<wire::Subscription>(200, "The subscription")
            .handled_by(handlers::describe_subscription),
        Endpoint::delete(ONE, "delete_subscription", "Delete a subscription with its positions")
            .needs(Action::SubscriptionAdmin)
            .answers_empty(204, "Deleted")
            .problems(&[Code::OutcomeUnknown])
            .handled_by(handlers::delete_subscription),
    ]
}

fn seek() -> Route {
    let path = "/streams/{stream}/subscriptions/{subscription}/seek";
    Endpoint::post(path, "seek", "Move a subscription, forwards or back")
        .needs(Action::SubscriptionAdmin)
        .accepts::<wire::Seek>()
        .answers::<wire::Subscription>(200, "The subscription, in its next generation")
        .problems(&[
            Code::InvalidCursor,
            Code::StreamRecreated,
            Code::CommitBeyondTail,
            Code::HeadLost,
            Code::OutcomeUnknown,
        ])
        .handled_by(handlers::seek)
}

fn compact_now() -> Route {
    Endpoint::post("/streams/{stream}/compact", "compact", "Compact a stream now")
        .needs(Action::StreamAdmin)
        .answers::<wire::Watermarks>(200, "The watermarks that were reached")
        .problems(&[Code::CompactionGap, Code::OutcomeUnknown])
        .handled_by(handlers::compact)
}

fn service() -> [Route; 2] {
    [
        Endpoint::get("/health", "health", "Tell that the service is alive, and what is wrong")
            .open()
            .answers::<wire::Health>(200, "It is alive")
            .handled_by(handlers::health),
        Endpoint::get("/openapi.json", "describe_api", "Describe this API")
            .open()
            .answers::<serde_json::Value>(200, "An OpenAPI 3.1 document")
            .handled_by(handlers::openapi),
    ]
}
