//! The OpenAPI 3.1 document of a list of endpoints. Nothing in it is written by hand: names, limits and problems come
//! from the endpoints, the wire types and the limits that the code itself uses.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::access::Requirement;
use crate::endpoint::{Answer, Endpoint, Link};
use crate::problem::{Code, Document};
use crate::schema;

const SCHEMAS: &str = "/components/schemas";
/// The headers that more than one answer has.
const HEADERS: [(&str, &str); 5] = [
    (REQUEST_ID, "Names this request."),
    ("Retry-After", "Seconds after which repeating the request is worth it."),
    (
        "RateLimit",
        "For each quota that the request was counted in: what is left of it, and the seconds until there is more.",
    ),
    ("RateLimit-Policy", "Each of these quotas, and the seconds of its window."),
    ("WWW-Authenticate", "How to authenticate."),
];
const REQUEST_ID: &str = "x-request-id";
const QUOTAS: [&str; 2] = ["RateLimit", "RateLimit-Policy"];

/// Renders the document.
#[must_use]
pub fn render<'a>(endpoints: impl IntoIterator<Item = &'a Endpoint>, version: &str) -> Value {
    let mut generators = Generators::new();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for endpoint in endpoints {
        let operation = operation(endpoint, &mut generators);
        paths.entry(endpoint.path).or_default().insert(endpoint.method.as_str().to_ascii_lowercase(), operation);
    }
    generators.output.subschema_for::<Document>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "EventLedger",
            "version": version,
            "description": "Ordered, immutable streams of events, and the compacted state of their keys.",
            "license": { "name": "MIT", "identifier": "MIT" }
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": paths,
        "components": {
            "schemas": generators.definitions(),
            "headers": HEADERS.map(|(name, description)| (name, header(description))).into_iter().collect::<BTreeMap<_, _>>(),
            "securitySchemes": {
                "api_key": { "type": "apiKey", "in": "header", "name": "x-api-key" },
                "bearer": { "type": "http", "scheme": "bearer" }
            }
        }
    })
}

/// What is read and what is written have different schemas: a default makes a member optional only where it is read.
struct Generators {
    input: SchemaGenerator,
    output: SchemaGenerator,
}

impl Generators {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = SCHEMAS.into();
                settings.meta_schema = None;
                settings.transforms.push(Box::new(RecursiveTransform(drop_null_default)));
            })
        };
        Self {
            input: settings().for_deserialize().into_generator(),
            output: settings().for_serialize().into_generator(),
        }
    }

    fn definitions(mut self) -> Map<String, Value> {
        let mut definitions = self.input.take_definitions(true);
        definitions.extend(self.output.take_definitions(true));
        definitions
    }
}

/// A member that may be absent has no default; it may not be null.
fn drop_null_default(schema: &mut Schema) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
}

fn operation(endpoint: &Endpoint, generators: &mut Generators) -> Value {
    let mut operation = json!({
        "operationId": endpoint.operation_id,
        "summary": endpoint.summary,
        "parameters": parameters(endpoint, generators),
        "responses": responses(endpoint, generators),
    });
    if let Some(body) = endpoint.body {
        let schema = body(&mut generators.input);
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    match endpoint.requirement {
        Requirement::Open => operation["security"] = json!([]),
        Requirement::AnyGrant => operation["x-required-scope"] = json!("any"),
        Requirement::Action(action) | Requirement::ActionForSome(action) => {
            operation["x-required-scope"] = json!(action.as_str());
        }
    }
    if endpoint.requirement != Requirement::Open {
        operation["security"] = json!([{ "api_key": [] }, { "bearer": [] }]);
    }
    operation
}

fn parameters(endpoint: &Endpoint, generators: &mut Generators) -> Vec<Value> {
    let variables = endpoint.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = variables
        .map(|name| {
            let schema = match name {
                "stream" => schema::stream_name(&mut generators.input),
                "subscription" => schema::subscription_name(&mut generators.input),
                _ => schema::event_key(&mut generators.input),
            };
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect();
    if let Some(query) = endpoint.query {
        let schema = query(&mut generators.input).to_value();
        let members = schema["properties"].as_object().cloned().unwrap_or_default();
        parameters.extend(
            members
                .into_iter()
                .map(|(name, schema)| json!({ "name": name, "in": "query", "required": false, "schema": schema })),
        );
    }
    parameters.extend(endpoint.headers.iter().map(|(name, description, schema)| {
        let schema = schema(&mut generators.input);
        json!({ "name": name, "in": "header", "required": false, "description": description, "schema": schema })
    }));
    parameters
}

fn responses(endpoint: &Endpoint, generators: &mut Generators) -> Map<String, Value> {
    let mut responses = Map::new();
    for answer in &endpoint.answers {
        let mut response = success(answer, generators);
        declare_quotas(endpoint, &mut response);
        responses.insert(answer.status.to_string(), response);
    }
    let mut by_status: BTreeMap<u16, BTreeSet<Code>> = BTreeMap::new();
    for code in common_problems(endpoint).into_iter().chain(endpoint.problems.iter().copied()) {
        by_status.entry(code.status().as_u16()).or_default().insert(code);
    }
    for (status, codes) in by_status {
        let mut response = refusal(&codes);
        // Who asks must be known before it is counted.
        if !codes.contains(&Code::Unauthenticated) {
            declare_quotas(endpoint, &mut response);
        }
        responses.insert(status.to_string(), response);
    }
    responses
}

/// Whatever is asked with a key is counted.
fn declare_quotas(endpoint: &Endpoint, response: &mut Value) {
    if endpoint.requirement != Requirement::Open
        && let Some(headers) = response["headers"].as_object_mut()
    {
        headers.extend(shared_headers(&QUOTAS));
    }
}

fn success(answer: &Answer, generators: &mut Generators) -> Value {
    let mut headers = shared_headers(&[REQUEST_ID]);
    headers.extend(answer.headers.iter().map(|(name, description)| ((*name).to_owned(), header(description))));
    let mut response = json!({ "description": answer.description, "headers": headers });
    if !answer.links.is_empty() {
        response["links"] = answer.links.iter().map(|one| (one.operation_id.to_owned(), link(one))).collect();
    }
    if let Some(schema) = answer.schema {
        response["content"] = json!({ "application/json": { "schema": schema(&mut generators.output) } });
    }
    response
}

fn link(link: &Link) -> Value {
    let parameters: BTreeMap<_, _> = link.parameters.iter().copied().collect();
    let mut value = json!({ "operationId": link.operation_id, "parameters": parameters });
    if let Some((member, expression)) = link.body {
        value["requestBody"] = json!({ member: expression });
    }
    value
}

fn refusal(codes: &BTreeSet<Code>) -> Value {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let mut headers = shared_headers(&[REQUEST_ID]);
    if codes.iter().any(|code| code.retryable()) {
        headers.extend(shared_headers(&["Retry-After"]));
    }
    if codes.contains(&Code::Unauthenticated) {
        headers.extend(shared_headers(&["WWW-Authenticate"]));
    }
    let titles: Vec<&str> = codes.iter().map(|code| code.title()).collect();
    json!({
        "description": titles.join(". "),
        "headers": headers,
        "content": { "application/problem+json": { "schema": {
            "$ref": format!("#{SCHEMAS}/Problem"),
            "properties": { "code": { "enum": names } }
        } } }
    })
}

fn header(description: &str) -> Value {
    json!({ "description": description, "schema": { "type": "string" } })
}

fn shared_headers(names: &[&str]) -> Map<String, Value> {
    names.iter().map(|name| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }))).collect()
}

/// What any endpoint of this kind can answer.
fn common_problems(endpoint: &Endpoint) -> Vec<Code> {
    let mut codes = vec![
        Code::InvalidQuery,
        Code::InvalidHeader,
        Code::CredentialInUrl,
        Code::NotAcceptable,
        Code::Internal,
        Code::Unavailable,
    ];
    if endpoint.requirement != Requirement::Open {
        codes.extend([Code::Unauthenticated, Code::RateLimited]);
    }
    if matches!(endpoint.requirement, Requirement::Action(_) | Requirement::ActionForSome(_)) {
        codes.push(Code::InsufficientScope);
    }
    if endpoint.path.contains("{stream}") {
        codes.extend([Code::InvalidPath, Code::StreamNotFound]);
    }
    if endpoint.path.contains("{subscription}") {
        codes.push(Code::SubscriptionNotFound);
    }
    if endpoint.method == Method::POST {
        let of_bodies = [Code::MalformedJson, Code::BodyTimeout, Code::PayloadTooLarge, Code::UnsupportedMediaType];
        codes.extend(of_bodies.into_iter().chain([Code::ValidationFailed]));
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Action;
    use crate::query::Limit;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Deserialize, Serialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        #[serde(default)]
        #[schemars(schema_with = "schema::event_key")]
        name: Option<String>,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema matters")]
    struct Page {
        #[schemars(schema_with = "schema::limit")]
        limit: Limit,
    }

    fn document() -> Value {
        let create = Endpoint::post("/streams/{stream}/things", "create_thing", "Create a thing")
            .needs(Action::Publish)
            .asks::<Page>()
            .accepts::<Thing>()
            .answers::<Thing>(201, "Created")
            .problems(&[Code::StreamExists]);
        let health = Endpoint::get("/health", "health", "Tell").open().answers_empty(204, "Fine");
        render([&create, &health], "1.2.3")
    }

    #[test]
    fn an_operation_tells_its_scope_its_parameters_and_all_its_problems() {
        let document = document();
        let operation = &document["paths"]["/streams/{stream}/things"]["post"];
        assert_eq!(operation["x-required-scope"], "publish");
        let names: Vec<_> = operation["parameters"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["stream", "limit"]);
        let statuses: Vec<_> = operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            statuses,
            ["201", "400", "401", "403", "404", "406", "408", "409", "413", "415", "422", "429", "500", "503"]
        );
        let open = &document["paths"]["/health"]["get"];
        assert_eq!((&open["security"], open.get("x-required-scope")), (&json!([]), None));
    }

    #[test]
    fn every_reference_can_be_followed() {
        fn follow(value: &Value, document: &Value) {
            if let Some(target) = value.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
            }
            match value {
                Value::Array(items) => items.iter().for_each(|item| follow(item, document)),
                Value::Object(members) => members.values().for_each(|member| follow(member, document)),
                _ => {}
            }
        }
        let document = document();
        follow(&document, &document);
        assert!(document["components"]["schemas"]["Thing"]["properties"]["name"].get("default").is_none());
    }
}
