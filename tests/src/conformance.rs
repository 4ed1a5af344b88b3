//! What every answer must be, whoever asked what: named by a request id, of a documented status, of the documented media
//! type and shape, and, if it is a problem, complete and consistent.
//!
//! The shapes are those of the committed `services/openapi.json`, so a document that drifts from the code fails here too.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::api::Answer;
use crate::problem::{MEMBERS, RULES, extensions};

/// The committed OpenAPI document.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../services/openapi.json");
    let text = std::fs::read_to_string(path).expect("services/openapi.json is committed");
    serde_json::from_str(&text).expect("services/openapi.json is JSON")
});

static VALIDATORS: Mutex<Option<HashMap<String, &'static Validator>>> = Mutex::new(None);

/// One operation of the document.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Upper case.
    pub method: String,
    /// With `{variables}`.
    pub path: String,
    /// `None` when anyone may.
    pub required_scope: Option<String>,
    /// Everything that the document says of it.
    pub definition: &'static Value,
}

/// Every operation of the document.
///
/// # Panics
/// When the document lists none.
#[must_use]
pub fn operations() -> Vec<Operation> {
    let paths = DOCUMENT["paths"].as_object().expect("the document has paths");
    let all = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().into_iter().flatten().map(|(method, definition)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            required_scope: definition["x-required-scope"].as_str().map(str::to_owned),
            definition,
        })
    });
    let all: Vec<Operation> = all.collect();
    assert!(!all.is_empty(), "the document lists no operation");
    all
}

/// Checks an answer.
///
/// # Panics
/// When it breaks a rule; the message says which.
pub fn check(method: &str, path: &str, answer: &Answer) {
    let what = &answer.what;
    let request_id = answer.header("x-request-id");
    assert!(!request_id.is_empty(), "{what}: no x-request-id");
    if answer.status.is_client_error() || answer.status.is_server_error() {
        check_problem(answer, request_id);
    }
    let path = path.split('?').next().unwrap_or_default();
    if let Some(operation) = operations().into_iter().find(|one| one.method == method && matches(&one.path, path)) {
        check_documented(&operation, answer);
    } else {
        let status = answer.status.as_u16();
        assert!(matches!(status, 400 | 404 | 405), "{what}: {status} from a route that is not documented");
    }
}

fn check_problem(answer: &Answer, request_id: &str) {
    let (what, problem) = (&answer.what, answer.json());
    let members = problem.as_object().unwrap_or_else(|| panic!("{what}: a problem is an object, not {problem}"));
    let code = problem["code"].as_str().unwrap_or_default();
    let rule = RULES.iter().find(|rule| rule.code == code).unwrap_or_else(|| panic!("{what}: unknown code {code}"));
    for member in MEMBERS {
        assert!(members.contains_key(member), "{what}: the problem has no `{member}`");
    }
    for member in members.keys().map(String::as_str) {
        assert!(MEMBERS.contains(&member) || extensions(code).contains(&member), "{what}: unexpected `{member}`");
    }
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    assert_eq!(answer.status.as_u16(), rule.status, "{what}: the status of {code}");
    let said = (&problem["status"], &problem["retryable"], &problem["effect"], &problem["request_id"]);
    let expected = (&json!(rule.status), &json!(rule.retryable), &json!(rule.effect), &json!(request_id));
    assert_eq!(said, expected, "{what}: what {code} says of itself");
    let retry_after = answer.header("retry-after");
    assert_eq!(rule.retryable, retry_after.parse::<u32>().is_ok(), "{what}: Retry-After of {code} is {retry_after:?}");
    for error in problem["errors"].as_array().unwrap_or_else(|| panic!("{what}: `errors` is no array")) {
        assert!(error["pointer"].is_string() && error["code"].is_string(), "{what}: {error}");
    }
}

fn check_documented(operation: &Operation, answer: &Answer) {
    let (what, status) = (&answer.what, answer.status.as_str());
    let response = &operation.definition["responses"][status];
    assert!(!response.is_null(), "{what}: {status} is not documented");
    let response = response["$ref"].as_str().map_or(response, |reference| {
        DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{what}: {reference} is missing"))
    });
    let Some(content) = response["content"].as_object() else {
        assert!(answer.body.is_empty(), "{what}: a body where none is documented");
        return;
    };
    let media_type = answer.header("content-type").split(';').next().unwrap_or_default().to_owned();
    let schema = content.get(&media_type).map(|content| &content["schema"]);
    let schema = schema.unwrap_or_else(|| panic!("{what}: {media_type:?} is not documented for {status}"));
    let name = format!("{} {} {status}", operation.method, operation.path);
    let body = answer.json();
    let faults: Vec<String> = validator(&name, schema)
        .iter_errors(&body)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{name}: the answer is not as documented: {faults:#?}\n{body:#}");
}

/// The compiled schema of one answer; compiled once, because there are thousands of answers.
fn validator(name: &str, schema: &Value) -> &'static Validator {
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    validators.get_or_insert_default().entry(name.to_owned()).or_insert_with(|| {
        // References point into the document's components.
        let whole = json!({ "allOf": [schema], "components": DOCUMENT["components"] });
        let validator = jsonschema::draft202012::new(&whole);
        Box::leak(Box::new(validator.unwrap_or_else(|error| panic!("{name}: the schema is wrong: {error}"))))
    })
}

/// Whether a path is one of a template: variables stand for one segment each.
fn matches(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template.zip(path).all(
            |(expected, segment)| {
                if expected.starts_with('{') { !segment.is_empty() } else { expected == segment }
            },
        )
}
