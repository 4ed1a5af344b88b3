//! What a trace shows of the ledger: a span for each call of the store, and links to the producers of what was read.
//!
//! They hang below the span of whatever the ledger works for, which its caller begins with OpenTelemetry's
//! [`Context`]; where none is recorded, nothing is. Names follow OpenTelemetry's conventions for database clients. Keys,
//! events and cursors are never told.

use std::collections::BTreeSet;

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, Tracer};
use opentelemetry::{Context, KeyValue, global};

use crate::model::TraceParent;

/// A page of events may be of a thousand producers; a span tells of so many.
const MOST_LINKS: usize = 32;

impl From<TraceParent> for SpanContext {
    fn from(context: TraceParent) -> Self {
        let (trace_id, parent_id) = (TraceId::from(context.trace_id().get()), SpanId::from(context.parent_id().get()));
        Self::new(trace_id, parent_id, TraceFlags::new(context.flags()), true, Default::default())
    }
}

/// Links the span of the current work to those who produced what it read: they did not cause it.
pub(crate) fn link(producers: impl IntoIterator<Item = Option<TraceParent>>) {
    Context::map_current(|current| {
        if current.span().is_recording() {
            let producers: BTreeSet<TraceParent> = producers.into_iter().flatten().collect();
            for producer in producers.into_iter().take(MOST_LINKS) {
                current.span().add_link(producer.into(), Vec::new());
            }
        }
    });
}

/// The span of a call of the store. It ends when it is told how the call ended.
#[derive(Debug)]
pub(crate) struct CallSpan(Context);

impl CallSpan {
    /// Begins one, if the current work is recorded.
    pub(crate) fn begin(operation: &'static str) -> Option<Self> {
        let current = Context::current();
        current.span().is_recording().then(|| {
            let tracer = global::tracer("ledger");
            let attributes = [("db.system.name", "aws.dynamodb"), ("db.operation.name", operation)];
            let span = tracer
                .span_builder(operation)
                .with_kind(SpanKind::Client)
                .with_attributes(attributes.map(|(name, value)| KeyValue::new(name, value)))
                .start_with_context(&tracer, &current);
            Self(current.with_span(span))
        })
    }

    /// Ends it; `units` are of reading or of writing, as the operation is, and `failure` is the code of what went wrong.
    pub(crate) fn end(&self, units: f64, failure: Option<String>) {
        let span = self.0.span();
        if units > 0.0 {
            span.set_attribute(KeyValue::new("eventledger.consumed_units", units));
        }
        if let Some(failure) = failure {
            span.set_attribute(KeyValue::new("error.type", failure));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}
