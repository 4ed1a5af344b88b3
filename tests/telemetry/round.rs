//! A round of the canary is told like every event: one line, whose faults are rounds that failed.

use canary::{Canary, SCOPES};
use ledger::ApiKeyState;
use platform::config::Client;
use platform::telemetry::{EmfRecorder, Format};
use serde_json::{Value, json};
use tests::api::Api;
use tests::served::serve;

use crate::told::{Told, listen, text};

#[tokio::test]
async fn a_round_is_told_in_one_line_and_a_failed_one_says_why() {
    let (logged, _logging) = listen(Format::Json, "info");
    let recorder = EmfRecorder::default();
    let told = Told::by("canary", &recorder);
    let api = Api::in_process().await;
    let ledger = &api.app().ledger;
    let url = serve(api.app().router.clone());
    let good = api.app().key(&SCOPES, |_| {}).await;
    let revoked = api.app().key(&SCOPES, |key| key.state = ApiKeyState::Revoked).await;
    for key in [&good, &revoked] {
        let canary = Canary::new(&Client { url: url.clone(), key: key.clone() }).expect("a canary");
        let round = told.telemetry.event(ledger, "round", "an id", canary.handle(ledger.clone())).await;
        assert_eq!(round.is_ok(), *key == good);
    }
    let lines = told.written.documents();
    let told = |line: &Value| {
        ["service", "operation", "CanaryRounds", "Faults", "SlowRequests"].map(|name| line[name].clone())
    };
    let always = || [json!("canary"), json!("round")].into_iter();
    let expected = [[json!(1), Value::Null, Value::Null], [Value::Null, json!(1), Value::Null]];
    assert_eq!(lines.len(), 2);
    for (line, expected) in lines.iter().zip(expected) {
        assert_eq!(told(line).to_vec(), always().chain(expected).collect::<Vec<_>>(), "{line}");
        // It has no table of its own.
        assert_eq!((&line["dynamo"], &line["DynamoCalls"]), (&Value::Null, &Value::Null), "{line}");
    }
    let logged = logged.take();
    let lines: Vec<Value> = logged.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let [failed] = lines.iter().filter(|line| line["level"] == "ERROR").collect::<Vec<_>>()[..] else {
        panic!("{logged}")
    };
    let why = "the round failed while creating the stream: the answer was 401 unauthenticated";
    assert_eq!((text(&failed["source"]), logged.contains("elk_")), (why, false));
}
