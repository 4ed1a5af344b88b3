//! D: the OpenAPI document. It is what the services answer, it is committed, and it names every route and its scope.

use serde_json::{Value, json};
use tests::Api;
use tests::app::description;
use tests::conformance::{DOCUMENT, operations};
use tests::stream::list;

const ROUTES: [(&str, &str, Option<&str>); 18] = [
    ("POST", "/streams", Some("stream.admin")),
    ("GET", "/streams", Some("any")),
    ("GET", "/streams/{stream}", Some("any")),
    ("DELETE", "/streams/{stream}", Some("stream.admin")),
    ("POST", "/streams/{stream}/events", Some("publish")),
    ("GET", "/streams/{stream}/events", Some("poll")),
    ("POST", "/streams/{stream}/subscriptions", Some("sub.admin")),
    ("GET", "/streams/{stream}/subscriptions", Some("poll")),
    ("GET", "/streams/{stream}/subscriptions/{subscription}", Some("poll")),
    ("DELETE", "/streams/{stream}/subscriptions/{subscription}", Some("sub.admin")),
    ("GET", "/streams/{stream}/subscriptions/{subscription}/poll", Some("poll")),
    ("POST", "/streams/{stream}/subscriptions/{subscription}/commit", Some("commit")),
    ("POST", "/streams/{stream}/subscriptions/{subscription}/seek", Some("sub.admin")),
    ("POST", "/streams/{stream}/compact", Some("stream.admin")),
    ("GET", "/streams/{stream}/compacted", Some("poll")),
    ("GET", "/streams/{stream}/compacted/{key}", Some("poll")),
    ("GET", "/health", None),
    ("GET", "/openapi.json", None),
];

/// `just openapi` renders the committed document again.
#[test]
fn description_is_the_committed_document() {
    let text = serde_json::to_string_pretty(&description()).expect("a JSON value can be written");
    expect_test::expect_file!["../../services/openapi.json"].assert_eq(&format!("{text}\n"));
}

#[test]
fn description_names_every_route_and_its_scope() {
    let mut described: Vec<_> =
        operations().into_iter().map(|one| (one.method, one.path, one.required_scope)).collect();
    let owned = |(method, path, scope): (&str, &str, Option<&str>)| {
        (method.to_owned(), path.to_owned(), scope.map(str::to_owned))
    };
    let mut expected: Vec<_> = ROUTES.into_iter().map(owned).collect();
    described.sort();
    expected.sort();
    assert_eq!(described, expected);
}

#[test]
fn description_links_to_operations_and_their_parameters() {
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let all: Vec<&Value> = paths.values().flat_map(|path| path.as_object().expect("operations").values()).collect();
    let responses = all.iter().flat_map(|operation| operation["responses"].as_object().expect("answers").values());
    let links: Vec<&Value> =
        responses.filter_map(|response| response["links"].as_object()).flat_map(|links| links.values()).collect();
    assert!(links.len() > 10, "the links were not found");
    for link in links {
        let target =
            all.iter().find(|operation| operation["operationId"] == link["operationId"]).expect("an operation");
        let known: Vec<_> = list(&target["parameters"]).iter().map(|parameter| parameter["name"].clone()).collect();
        for name in link["parameters"].as_object().expect("parameters").keys() {
            assert!(known.contains(&json!(name)), "{link}");
        }
    }
}

#[tokio::test]
async fn description_is_served_to_anyone() {
    let served = Api::start().await.with_key(None).get("/openapi.json").await.ok(200);
    assert_eq!(served["openapi"], "3.1.0");
    assert_eq!(served, *DOCUMENT, "what is served is not what is committed");
}
