//! The publish service: events into a stream, all of a request or none.

mod handlers;
mod wire;

use platform::access::Action;
use platform::endpoint::{Endpoint, Routes};
use platform::problem::Code;
use platform::schema;

/// The endpoints of the service.
#[must_use]
pub fn routes() -> Routes {
    Routes::new([Endpoint::post("/streams/{stream}/events", "publish", "Publish one event, or a batch, atomically")
        .needs(Action::Publish)
        .reads_header(
            "Idempotency-Key",
            "Makes repeating the request harmless: 1 to 128 printable ASCII characters.",
            schema::idempotency_key,
        )
        .reads_header(
            "If-Match",
            "Publish only if this offset, in double quotes, is the tail of the partition.",
            schema::expected_tail,
        )
        .reads_header(
            "traceparent",
            "Where in a trace this is published (W3C Trace Context); kept with the events. One that cannot be read is ignored.",
            schema::text,
        )
        .accepts::<wire::Publish>()
        .answers::<wire::Receipts>(201, "Durable, in the order of the request")
        .with_header(
            "Idempotent-Replayed",
            "`true` when this answers an earlier request with the same Idempotency-Key.",
        )
        .problems(&[
            Code::InvalidHeader,
            Code::IdempotencyInProgress,
            Code::IdempotencyKeyReused,
            Code::TailMismatch,
            Code::Contention,
            Code::HeadLost,
            Code::CompactorStalled,
            Code::OutcomeUnknown,
        ])
        .handled_by(handlers::publish)])
}
