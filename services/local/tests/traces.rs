//! Traces of the real program, as a collector gets them. With `--nocapture` it prints one, which platform/TRACES.md shows.
#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod collector;
mod server;

use collector::{Collector, attribute, hexadecimal, waterfall};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;
use server::{Server, argument, program};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PRODUCER: &str = "00f067aa0ba902b7";

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn below<'a>(spans: &'a [Span], parent: &Span) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.parent_span_id == parent.span_id).collect()
}

fn links(span: &Span) -> Vec<(String, String)> {
    span.links.iter().map(|link| (hexadecimal(&link.trace_id), hexadecimal(&link.span_id))).collect()
}

/// A server whose traces go to a collector, and the place of its data and its log.
async fn traced(collector: &Collector) -> (TempDir, Server) {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let mut command = program(&["--port", "0", "--data", argument(&data)]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint);
    let server = Server::spawn(command, &data, &data.with_extension("log")).await;
    (place, server)
}

/// It is of the same trace as what made it, and within its time.
fn assert_call_of(parent: &Span, call: &Span) {
    assert_eq!((call.kind, &call.trace_id), (SpanKind::Client as i32, &parent.trace_id));
    assert!(parent.start_time_unix_nano <= call.start_time_unix_nano, "{call:?}");
    assert!(call.end_time_unix_nano <= parent.end_time_unix_nano, "{call:?}");
    assert_eq!(attribute(call, "db.system.name").as_deref(), Some("aws.dynamodb"));
}

#[tokio::test]
async fn a_request_is_followed_from_its_client_to_the_store_and_to_whoever_reads_its_events() {
    let collector = Collector::start().await;
    let (_place, server) = traced(&collector).await;
    let (client, key) = (server.client(), server.key.clone());
    let created = client.post("/streams", &json!({ "stream_id": "orders", "partition_count": 1 }), None).await.unwrap();
    assert_eq!(created.0, 201);
    let subscription = json!({ "subscription_id": "billing", "start_from": "earliest" });
    assert_eq!(client.post("/streams/orders/subscriptions", &subscription, None).await.unwrap().0, 201);
    let event = json!({ "key": "order-secret-1", "type": "order.changed", "data": { "card": "secret-4711" } });
    let publish = async |parent: String| {
        assert_eq!(client.post_traced("/streams/orders/events", &event, &parent).await.unwrap().0, 201);
    };
    collector.while_traced("order", TRACE, PRODUCER, publish(format!("00-{TRACE}-{PRODUCER}-01"))).await;
    // Its client does not record this one, so neither does the server; and this one is of nobody's trace.
    publish(format!("00-{}-{PRODUCER}-00", "a".repeat(32))).await;
    publish("01-not-of-any-trace".to_owned()).await;
    let (status, page) = client.get("/streams/orders/subscriptions/billing/poll").await.unwrap();
    assert_eq!((status, page["events"].as_array().unwrap().len()), (200, 3));
    assert_eq!(page["events"][0]["traceparent"], format!("00-{TRACE}-{PRODUCER}-01"));
    let producers = [(TRACE.to_owned(), PRODUCER.to_owned()), ("a".repeat(32), PRODUCER.to_owned())];
    let is_compacted = |spans: &[Span]| {
        let compacted: Vec<_> = named(spans, "compact_partitions").into_iter().flat_map(links).collect();
        producers.iter().all(|producer| compacted.contains(producer))
    };
    collector.until(is_compacted).await;
    server.stop().await;

    let spans = collector.spans();
    let publishes = named(&spans, "POST /streams/{stream}/events");
    let [first, other] = publishes[..] else { panic!("{publishes:?}") };
    assert_eq!((hexadecimal(&first.trace_id), hexadecimal(&first.parent_span_id)), (TRACE.into(), PRODUCER.into()));
    assert_eq!(first.kind, SpanKind::Server as i32);
    assert_eq!(attribute(first, "http.response.status_code").as_deref(), Some("201"));
    assert_eq!(attribute(first, "messaging.destination.name").as_deref(), Some("orders"));
    assert!(other.parent_span_id.is_empty() && hexadecimal(&other.trace_id) != TRACE, "{other:?}");
    assert!(!spans.iter().any(|span| hexadecimal(&span.trace_id) == "a".repeat(32)));

    // What it asked of the store is in its trace, in its time, with what that cost.
    let calls = below(&spans, first);
    let writes: Vec<_> =
        calls.iter().filter(|call| call.name == "TransactWriteItems" || call.name == "PutItem").collect();
    assert_eq!(writes.len(), 1, "{calls:?}");
    calls.iter().for_each(|call| assert_call_of(first, call));
    let units: f64 = attribute(writes[0], "eventledger.consumed_units").unwrap().parse().unwrap();
    assert!(units >= 1.0, "{units}");

    // Whoever reads is linked to the producer, and in no trace of its.
    let polls = named(&spans, "GET /streams/{stream}/subscriptions/{subscription}/poll");
    let [poll] = polls[..] else { panic!("{polls:?}") };
    assert_eq!(links(poll), producers);
    assert!(poll.parent_span_id.is_empty());
    let compactions = named(&spans, "compact_partitions");
    assert!(compactions.iter().all(|span| span.kind == SpanKind::Consumer as i32));
    let kinds = [first, poll, compactions[0]].map(|span| attribute(span, "messaging.operation.type"));
    assert_eq!(kinds, ["send", "receive", "process"].map(|kind| Some(kind.to_owned())));

    let told = format!("{spans:?}");
    for secret in [key.as_str(), "secret", page["cursor"].as_str().unwrap()] {
        assert!(!told.contains(secret), "a span tells {secret}");
    }
    let compaction = compactions.iter().find(|span| !span.links.is_empty()).unwrap();
    let client = named(&spans, "order")[0];
    assert_eq!(below(&spans, client), [first]);
    println!("{}", waterfall(&[client.clone(), (*compaction).clone(), poll.clone()], &spans));
}

#[tokio::test]
async fn what_a_collector_refuses_is_not_sent_again_and_nothing_else_for_a_while() {
    let collector = Collector::answering(axum::http::StatusCode::SERVICE_UNAVAILABLE).await;
    let (_place, server) = traced(&collector).await;
    assert_eq!(server.client().get("/streams").await.unwrap().0, 200);
    collector.until(|spans| !spans.is_empty()).await;
    assert_eq!(server.client().get("/health").await.unwrap().0, 200);
    server.stop().await;
    // Attempts after the first would hold up the runtime.
    assert_eq!(collector.count(), 1);
}

#[tokio::test]
async fn a_request_whose_client_leaves_says_so_and_what_it_was() {
    let collector = Collector::start().await;
    let (_place, server) = traced(&collector).await;
    let client = server.client();
    assert_eq!(client.post("/streams", &json!({ "stream_id": "orders" }), None).await.unwrap().0, 201);
    let (subscriptions, subscription) = ("/streams/orders/subscriptions", "/streams/orders/subscriptions/billing");
    let definition = json!({ "subscription_id": "billing", "start_from": "latest" });
    assert_eq!(client.post(subscriptions, &definition, None).await.unwrap().0, 201);
    let mut leaving = TcpStream::connect(server.address.trim_start_matches("http://")).await.unwrap();
    let head = "HTTP/1.1\r\nhost: localhost\r\nx-api-key: ";
    let head = format!("GET {subscription}/poll?wait=20 {head}{}\r\n\r\n", server.key);
    leaving.write_all(head.as_bytes()).await.unwrap();
    // It is noted before it waits.
    while client.get(subscription).await.unwrap().1["last_poll_at"].is_null() {}
    drop(leaving);
    let name = "GET /streams/{stream}/subscriptions/{subscription}/poll";
    collector.until(|spans| !named(spans, name).is_empty()).await;
    let metrics = client.text("/metrics").await;
    server.stop().await;
    let spans = collector.spans();
    let told = ["error.type", "eventledger.operation", "http.response.status_code"];
    let told = told.map(|key| attribute(named(&spans, name)[0], key));
    assert_eq!(told, [Some("cancelled".to_owned()), Some("poll".to_owned()), None]);
    let counted = "eventledger_client_errors_total{service=\"local\",operation=\"poll\"} 1";
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
}

#[tokio::test]
async fn a_word_that_is_no_method_is_told_of_and_not_repeated() {
    let collector = Collector::start().await;
    let (place, server) = traced(&collector).await;
    let word = "SECRET".repeat(100);
    let method = reqwest::Method::from_bytes(word.as_bytes()).unwrap();
    for path in ["/streams", "/nowhere"] {
        let answer = reqwest::Client::new().request(method.clone(), format!("{}{path}", server.address)).send().await;
        assert!(answer.unwrap().status().is_client_error());
    }
    collector.until(|spans| named(spans, "HTTP").len() == 2).await;
    server.stop().await;
    let spans = collector.spans();
    for span in named(&spans, "HTTP") {
        assert_eq!(attribute(span, "http.request.method").as_deref(), Some("_OTHER"));
    }
    assert!(!format!("{spans:?}").contains("SECRET"));
    assert!(!std::fs::read_to_string(place.path().join("data.log")).unwrap().contains("SECRET"));
}

#[tokio::test]
async fn a_collector_that_is_away_holds_up_nothing_and_is_named_once() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let mut command = program(&["--port", "0", "--data", argument(&data), "--traces", "http://127.0.0.1:1"]);
    command.env_remove("OTEL_EXPORTER_OTLP_ENDPOINT");
    let server = Server::spawn(command, &data, &data.with_extension("log")).await;
    assert_eq!(server.client().get("/streams").await.unwrap().0, 200);
    let log = data.with_extension("log");
    server.stop().await;
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(log.matches("spans were lost").count(), 1, "{log}");
}

#[tokio::test]
async fn a_place_that_traces_cannot_be_sent_to_is_refused_at_the_start() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    for endpoint in ["no url", "ftp://localhost:4318", "localhost:4318", "/traces", "http://"] {
        let refused = server::run(&["--port", "0", "--data", argument(&data), "--traces", endpoint]).await;
        let sentence = String::from_utf8(refused.stderr).unwrap();
        assert_eq!((refused.status.code(), sentence.lines().count()), (Some(1), 1), "{sentence}");
        assert!(sentence.contains(endpoint) && sentence.contains("--traces wants a URL such as"), "{sentence}");
    }
}
