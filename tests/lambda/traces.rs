//! What a span tells of the Lambda that it is of: the invocation, what triggered it, and whether it was a cold start.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lambda_runtime::Context;
use opentelemetry::{Context as TraceContext, global};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};
use platform::telemetry::{EmfRecorder, Telemetry};

use crate::Fleet;

/// Keeps every span that ends in this process.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Kept {
    fn on_start(&self, _: &mut Span, _: &TraceContext) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Kept {
    /// What the span of an invocation tells, by the names that are asked for.
    fn told(&self, invocation: &str, names: [&str; 3]) -> [String; 3] {
        let spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let attribute = |span: &SpanData, name: &str| {
            let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
            found.map_or(String::new(), |attribute| attribute.value.as_str().into_owned())
        };
        let found: Vec<_> = spans.iter().filter(|span| attribute(span, "faas.invocation_id") == invocation).collect();
        assert_eq!(found.len(), 1, "{invocation}");
        names.map(|name| attribute(found[0], name))
    }
}

#[tokio::test]
async fn a_span_names_its_invocation_and_what_triggered_it() {
    let kept = Kept::default();
    global::set_tracer_provider(SdkTracerProvider::builder().with_span_processor(kept.clone()).build());
    let fleet = Fleet::start().await;
    let mut context = Context::default();
    context.request_id = "of-a-request".to_owned();
    assert_eq!(fleet.invoke(admin::routes(), "GET", "/streams", None, context).await.0, 200);
    let keeper = Telemetry::documents("keeper", "test", EmfRecorder::default(), std::io::sink());
    for invocation in ["of-a-schedule", "of-the-next"] {
        keeper.event(&fleet.app.ledger, "sweep", invocation, fleet.app.ledger.sweep()).await.expect("a sweep");
    }
    keeper.event(&fleet.app.ledger, "compact_partitions", "of-a-change", async { Ok(()) }).await.expect("nothing");

    let names = ["faas.trigger", "faas.coldstart", "url.scheme"];
    let told = |invocation| kept.told(invocation, names);
    assert_eq!(told("of-a-request"), ["http", "true", "https"]);
    assert_eq!(told("of-a-schedule"), ["timer", "true", ""]);
    assert_eq!(told("of-the-next"), ["timer", "false", ""]);
    assert_eq!(told("of-a-change"), ["datasource", "false", ""]);
}
