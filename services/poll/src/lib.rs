//! The poll service: everything that reads events or compacted state, and the commit of what was read.

mod handlers;
mod wire;

use platform::access::Action;
use platform::endpoint::{Endpoint, Link, Route, Routes};
use platform::problem::Code;
use platform::schema;

/// The endpoints of the service.
#[must_use]
pub fn routes() -> Routes {
    Routes::new([read_events(), poll(), commit(), list_compacted(), find_compacted()])
}

const ASKED_STREAM: &str = "$request.path.stream";
const ASKED_SUBSCRIPTION: &str = "$request.path.subscription";
const CURSOR: &str = "$response.body#/cursor";

fn to_subscription(operation_id: &'static str) -> Link {
    Link::to(operation_id).with("stream", ASKED_STREAM).with("subscription", ASKED_SUBSCRIPTION)
}

fn read_events() -> Route {
    Endpoint::get("/streams/{stream}/events", "read_events", "Read a stream without a subscription")
        .needs(Action::Poll)
        .asks::<wire::EventsQuery>()
        .answers::<wire::Events>(200, "Events, and the cursor to go on with")
        .leads_to([Link::to("read_events").with("stream", ASKED_STREAM).with("cursor", CURSOR)])
        .problems(&[
            Code::InvalidCursor,
            Code::PositionExpired,
            Code::StreamRecreated,
            Code::CompactionGap,
            Code::HeadLost,
        ])
        .handled_by(handlers::read_events)
}

fn poll() -> Route {
    let path = "/streams/{stream}/subscriptions/{subscription}/poll";
    Endpoint::get(path, "poll", "Read the next events of a subscription; changes nothing")
        .needs(Action::Poll)
        .asks::<wire::PollQuery>()
        .answers::<wire::Events>(200, "Events, and the cursor to commit")
        .leads_to([
            to_subscription("commit").sending("cursor", CURSOR),
            to_subscription("poll").with("cursor", CURSOR),
            to_subscription("describe_subscription"),
        ])
        .problems(&[
            Code::InvalidCursor,
            Code::GenerationMismatch,
            Code::PositionExpired,
            Code::StreamRecreated,
            Code::CompactionGap,
            Code::HeadLost,
        ])
        .handled_by(handlers::poll)
}

fn commit() -> Route {
    let path = "/streams/{stream}/subscriptions/{subscription}/commit";
    Endpoint::post(path, "commit", "Make a cursor the committed positions")
        .needs(Action::Commit)
        .accepts::<wire::Commit>()
        .answers::<wire::Committed>(200, "Committed; an older cursor moves nothing")
        .problems(&[
            Code::InvalidCursor,
            Code::GenerationMismatch,
            Code::StreamRecreated,
            Code::CommitBeyondTail,
            Code::HeadLost,
            Code::OutcomeUnknown,
        ])
        .handled_by(handlers::commit)
}

fn list_compacted() -> Route {
    Endpoint::get("/streams/{stream}/compacted", "list_compacted", "Page through the latest record of each key")
        .needs(Action::Poll)
        .asks::<wire::CompactedQuery>()
        .answers::<wire::Compacted>(200, "A page of records")
        .leads_to([
            Link::to("list_compacted").with("stream", ASKED_STREAM).with("cursor", CURSOR),
            Link::to("find_compacted").with("stream", ASKED_STREAM).with("key", "$response.body#/records/0/key"),
        ])
        .problems(&[Code::InvalidCursor, Code::StreamRecreated, Code::ValidationFailed])
        .handled_by(handlers::list_compacted)
}

fn find_compacted() -> Route {
    Endpoint::get("/streams/{stream}/compacted/{key}", "find_compacted", "Find the latest record of a key")
        .needs(Action::Poll)
        .reads_header("If-None-Match", "The ETag of the record that the client has.", schema::entity_tags)
        .answers::<wire::Event>(200, "The record")
        .with_header("ETag", "Partition and offset of the record.")
        .answers_empty(304, "The client has the latest record")
        .problems(&[Code::KeyNotFound, Code::ValidationFailed])
        .handled_by(handlers::find_compacted)
}
