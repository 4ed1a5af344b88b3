//! The emulated REST edge, as somebody else sees it and changes it; and one that refuses changes after a while.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::types::{ApiKey, IntegrationType, Op, PatchOperation, UsagePlan};
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::variables;

/// The client of the SDK.
pub(crate) async fn client() -> Client {
    Client::new(&platform::config::aws(Some(super::REGION.to_owned())).await)
}

/// All API keys, by name.
pub(crate) async fn keys(client: &Client) -> BTreeMap<String, ApiKey> {
    let all = client.get_api_keys().limit(500).include_values(true).into_paginator().items().send();
    let all = all.try_collect().await.expect("API keys");
    all.into_iter().map(|key| (key.name().expect("a name").to_owned(), key)).collect()
}

/// All usage plans by name, each with the names of what is in it.
pub(crate) async fn plans(client: &Client) -> BTreeMap<String, (UsagePlan, Vec<String>)> {
    let all = client.get_usage_plans().into_paginator().items().send().try_collect().await.expect("usage plans");
    let mut plans = BTreeMap::new();
    for plan in all {
        let members = client.get_usage_plan_keys().usage_plan_id(plan.id().expect("an id"));
        let members = members.into_paginator().items().send().try_collect().await.expect("keys of a plan");
        let mut names: Vec<_> = members.iter().map(|member| member.name().expect("a name").to_owned()).collect();
        names.sort();
        plans.insert(plan.name().expect("a name").to_owned(), (plan, names));
    }
    plans
}

/// Changes one member of an API key or a usage plan.
pub(crate) fn patch(op: Op, path: &str, value: &str) -> PatchOperation {
    PatchOperation::builder().op(op).path(path).value(value).build()
}

/// A REST API with one resource, which asks for an API key. Answers its id; its stage is `live`.
pub(crate) async fn metered_api(client: &Client) -> String {
    let api = client.create_rest_api().name("metered").send().await.expect("an API").id.expect("an id");
    let root = client.get_resources().rest_api_id(&api).send().await.expect("resources");
    let root = root.items()[0].id().expect("an id").to_owned();
    let method = client.put_method().rest_api_id(&api).resource_id(&root).http_method("GET");
    method.authorization_type("NONE").api_key_required(true).send().await.expect("a method");
    let integration = client.put_integration().rest_api_id(&api).resource_id(&root).http_method("GET");
    let integration = integration.r#type(IntegrationType::Mock);
    let integration = integration.request_templates("application/json", r#"{"statusCode": 200}"#);
    integration.send().await.expect("an integration");
    let answer = client.put_method_response().rest_api_id(&api).resource_id(&root).http_method("GET");
    answer.status_code("200").send().await.expect("an answer");
    let answer = client.put_integration_response().rest_api_id(&api).resource_id(&root).http_method("GET");
    answer.status_code("200").send().await.expect("an answer");
    client.create_deployment().rest_api_id(&api).stage_name("live").send().await.expect("a deployment");
    api
}

/// Asks the API as a client with an API key, and answers the status.
pub(crate) fn ask(api: &str, api_key: &str) -> u16 {
    let headers = [("x-api-key".to_owned(), api_key.to_owned())];
    exchange("GET", &format!("/_aws/execute-api/{api}/live/"), &headers, &[]).0
}

/// An edge that takes so many changes and refuses all others, as AWS refuses credentials that lack a permission. The
/// variable names it to the SDK.
pub(crate) async fn refusing_after(changes: usize) -> (String, String) {
    let taken = Arc::new(AtomicUsize::new(0));
    let pass = move |request: Request| async move {
        if request.method() != Method::GET && taken.fetch_add(1, Ordering::SeqCst) >= changes {
            let refused = [("x-amzn-errortype", "AccessDeniedException")];
            return (StatusCode::FORBIDDEN, refused, r#"{"message": "not allowed"}"#).into_response();
        }
        forward(request).await
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(pass)).await });
    ("AWS_ENDPOINT_URL_API_GATEWAY".to_owned(), format!("http://{address}"))
}

async fn forward(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let is_kept = |name: &&header::HeaderName| ![header::CONNECTION, header::CONTENT_LENGTH].contains(name);
    let headers: Vec<_> = head.headers.iter().filter(|(name, _)| is_kept(name)).collect();
    let headers: Vec<_> = headers
        .into_iter()
        .map(|(name, value)| (name.to_string(), value.to_str().expect("a text").to_owned()))
        .collect();
    let path = head.uri.path_and_query().expect("a path").to_string();
    let asked = tokio::task::spawn_blocking(move || exchange(head.method.as_str(), &path, &headers, &body));
    let (status, answer) = asked.await.expect("an answer");
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, "application/json")], answer).into_response()
}

/// One request to the emulator and its answer, on a connection of its own.
fn exchange(method: &str, path: &str, headers: &[(String, String)], body: &[u8]) -> (u16, Vec<u8>) {
    let endpoint = variables().into_iter().find(|(name, _)| name == "AWS_ENDPOINT_URL").expect("an emulator").1;
    let address = endpoint.strip_prefix("http://").expect("an address").to_owned();
    let mut connection = TcpStream::connect(&address).expect("a connection");
    let mut asked = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name == "host") {
        asked += &format!("host: {address}\r\n");
    }
    asked.extend(headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
    let asked = [asked.as_bytes(), b"\r\n", body].concat();
    connection.write_all(&asked).expect("asked");
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).expect("a head of text");
    assert!(!head.to_lowercase().contains("chunked"), "{head}");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, answer.split_off(end + 4))
}
