//! What a span tells of the Lambda that it is of: the invocation, what triggered it, and whether it was a cold start.

use lambda_runtime::Context;
use opentelemetry_sdk::trace::SpanData;
use platform::telemetry::{EmfRecorder, Telemetry};
use tests::spans::Spans;

use crate::Fleet;

/// What the span of an invocation tells, by the names that are asked for.
fn told(spans: &Spans, invocation: &str, names: [&str; 3]) -> [String; 3] {
    let attribute = |span: &SpanData, name: &str| {
        let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
        found.map_or(String::new(), |attribute| attribute.value.as_str().into_owned())
    };
    let spans = spans.ended();
    let found: Vec<_> = spans.iter().filter(|span| attribute(span, "faas.invocation_id") == invocation).collect();
    assert_eq!(found.len(), 1, "{invocation}");
    names.map(|name| attribute(found[0], name))
}

#[tokio::test]
async fn a_span_names_its_invocation_and_what_triggered_it() {
    let spans = Spans::of_this_process();
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
    let told = |invocation| told(&spans, invocation, names);
    assert_eq!(told("of-a-request"), ["http", "true", "https"]);
    assert_eq!(told("of-a-schedule"), ["timer", "true", ""]);
    assert_eq!(told("of-the-next"), ["timer", "false", ""]);
    assert_eq!(told("of-a-change"), ["datasource", "false", ""]);
}
