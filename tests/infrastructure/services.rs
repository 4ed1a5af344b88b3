//! `infra/services.json` is what the services say of themselves: `UPDATE_EXPECT=1` writes it again.

use std::collections::BTreeSet;

use expect_test::expect_file;
use ledger::table;
use platform::access::{Quotas, Tier};
use platform::endpoint::{Endpoint, Routes};
use platform::functions::{AUTHORIZER, DOORBELL, FALLBACK, FUNCTIONS, SCHEDULES, WISHES};
use platform::gateway;
use platform::telemetry::series::Place;
use serde_json::{Map, Value, json};

use crate::hcl::{all, words};

/// The routes of a service that are of a kind, as API Gateway writes them.
fn routes_that(service: &str, are: impl Fn(&Endpoint) -> bool) -> Vec<String> {
    let routes = match service {
        "admin" => admin::routes(),
        "publish" => publish::routes(),
        "poll" => poll::routes(),
        _ => Routes::default(),
    };
    let mut routes: Vec<_> = routes.endpoints().filter(|endpoint| are(endpoint)).flat_map(Endpoint::routes).collect();
    routes.sort();
    routes
}

/// All of them.
fn routes(service: &str) -> Vec<String> {
    routes_that(service, |_| true)
}

/// What the usage plan of each tier takes.
fn usage_plans() -> Value {
    let plan = |tier: Tier| {
        let requests = Quotas::default().of(tier).requests;
        (tier.as_str().to_owned(), json!({"requests_per_second": requests.per_second, "burst": requests.burst}))
    };
    Tier::ALL.map(plan).into_iter().collect::<Map<_, _>>().into()
}

/// What the services need of whoever sets them up.
fn services() -> Value {
    let function = |function: &platform::functions::Function| {
        let mut described = serde_json::to_value(function).expect("a function is JSON");
        described["routes"] = json!(routes(function.service));
        (function.service.to_owned(), described)
    };
    json!({
        "table": {
            "partition_key": table::PARTITION_KEY,
            "sort_key": table::SORT_KEY,
            "time_to_live": table::TIME_TO_LIVE,
            "stream_view": table::STREAM_VIEW,
        },
        "functions": FUNCTIONS.iter().map(function).collect::<Map<_, _>>(),
        "fallback": FALLBACK,
        "authorizer": AUTHORIZER,
        "open_routes": FUNCTIONS.iter().flat_map(|function| routes_that(function.service, Endpoint::is_open)).collect::<Vec<_>>(),
        "usage_plans": usage_plans(),
        "refusals": gateway::refusals(),
        "doorbell": DOORBELL,
        "schedules": SCHEDULES,
    })
}

#[test]
fn what_infrastructure_code_reads_is_what_the_services_say() {
    let rendered = serde_json::to_string_pretty(&services()).expect("JSON") + "\n";
    expect_file!["../../infra/services.json"].assert_eq(&rendered);
}

#[test]
fn every_route_of_the_api_leads_to_one_service() {
    let mut routed: Vec<_> = FUNCTIONS.iter().flat_map(|function| routes(function.service)).collect();
    let document = tests::app::description();
    let paths = document["paths"].as_object().expect("paths");
    let methods = |path: &Value| path.as_object().expect("methods").keys().cloned().collect::<Vec<_>>();
    let mut described: Vec<_> = paths
        .iter()
        .flat_map(|(path, operations)| {
            methods(operations).into_iter().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    // A description tells of HEAD by telling of GET.
    routed.retain(|route| !route.starts_with("HEAD "));
    routed.sort();
    described.sort();
    assert_eq!(routed, described);
}

#[test]
fn what_is_due_is_understood_by_who_is_woken() {
    for schedule in SCHEDULES {
        assert!(FUNCTIONS.iter().any(|function| function.service == schedule.function), "{schedule:?}");
        let input = schedule.input.unwrap_or(include_str!("../../services/keeper/fixtures/schedule.json"));
        if schedule.function == "keeper" {
            let read: keeper::Schedule = serde_json::from_str(input).expect("an event");
            assert_eq!(read.operation(), schedule.name);
        } else {
            serde_json::from_str::<Value>(input).expect("JSON");
        }
    }
}

#[test]
fn the_doorbell_rings_for_record_batches() {
    let change =
        |key: &str| json!({"Records": [{"eventName": DOORBELL.event, "dynamodb": {"Keys": {"PK": {"S": key}}}}]});
    let rung = |key: &str| {
        let changes: compactor::Changes = serde_json::from_value(change(key)).expect("an event");
        changes.partitions().len()
    };
    let life = "0123456789abcdef0123456789abcdef";
    assert_eq!(rung(&format!("{}{life}#3", DOORBELL.partition_keys_begin_with)), 1);
    assert_eq!(rung(&format!("COMPACT#{life}#3")), 0);
}

/// Everything that HCL tells a function is known to the code, and everything that the code may be told, HCL knows of.
#[test]
fn functions_are_told_what_they_read() {
    let is_variable = |word: &&str| word.starts_with("EVENTLEDGER_") || word.starts_with("OTEL_");
    let files = all();
    let told: BTreeSet<&str> = files.iter().flat_map(|file| words(&file.text)).filter(is_variable).collect();
    let required = FUNCTIONS.iter().flat_map(|function| function.variables);
    let read: BTreeSet<&str> = required.chain(WISHES).copied().collect();
    assert_eq!(told, read);
}

/// Alarms and dashboards look at functions by their names, and so do the roll-back and the runbooks.
#[test]
fn functions_are_called_what_alarms_call_them() {
    let place = Place { environment: "dev", region: "eu-central-1", table: "eventledger-dev" };
    let environment = all().into_iter().find(|file| file.path == "infra/modules/environment/main.tf").expect("it");
    assert!(environment.text.contains("name     = \"eventledger-${var.environment}\""));
    for function in FUNCTIONS {
        assert_eq!(place.function(function.service), format!("eventledger-dev-{}", function.service));
    }
}
