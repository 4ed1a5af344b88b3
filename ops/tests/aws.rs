//! The tools, and what they use of AWS's interfaces, against an implementation of them that is none of ours: MiniStack.
//!
//! `just check-aws` starts it and runs these. What it cannot show is listed in tests/emulator/README.md.

mod emulated;
mod program;

use std::collections::BTreeMap;

use aws_sdk_apigateway::types::{ApiKey, Op};
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types as cloudwatch;
use emulated::{ACCOUNT, Emulated, edge, executed};
use ledger::Clock;
use platform::telemetry::catalogue;
use program::Done;

/// Insists that a program said something.
fn says(done: &Done, text: &str) {
    assert!(done.errors.contains(text), "{text}: {done:?}");
}

/// What a run of `mirror` did, or would do.
fn steps(done: &Done) -> Vec<String> {
    let steps = done.json()["mirror_steps"].as_array().expect("steps").clone();
    steps.iter().map(|step| step["step"].as_str().expect("a step").to_owned()).collect()
}

#[test]
#[ignore = "needs an emulator of AWS; just check-aws runs it"]
fn nothing_is_written_in_an_account_that_is_not_the_one_of_the_environment() {
    let emulated = Emulated::environment("accounts");
    emulated.add("elsewhere", Some("111111111111"), "eventledger-accounts");
    emulated.add("unnamed", None, "eventledger-accounts");
    emulated.add("nowhere", Some(ACCOUNT), "eventledger-nowhere");
    let file = emulated.file("c.key");
    let create = ["create", "--client", "c", "--scope", "poll:o", "--never-expires", "--secret-file", &file];
    let is_untouched = || assert!(emulated.keys() == 0 && emulated.audit().is_empty());

    let wrong = emulated.run_as("elsewhere", &executed(&create), &[]).exits(4);
    says(&wrong, "these are credentials for account 000000000000, and elsewhere is in 111111111111");
    is_untouched();
    says(&emulated.run_as("unnamed", &executed(&create), &[]).exits(4), "names no account yet");
    is_untouched();
    // Looking is allowed where nobody knows whose it is, and not where it is another's.
    assert_eq!(emulated.run_as("unnamed", &["list", "-o", "csv"], &[]).exits(0).answer.lines().count(), 1);
    let _ = emulated.run_as("elsewhere", &["list"], &[]).exits(4);
    says(&emulated.run_as("nowhere", &["list"], &[]).exits(1), "there is no such table");
    assert!(!std::path::Path::new(&file).exists());

    let right = emulated.execute(&create).exits(0);
    says(&right, "accounts: table eventledger-accounts, account 000000000000, region us-east-1");
    assert_eq!((emulated.keys(), emulated.audit().len()), (1, 1));
}

/// What is at the edge and none of this environment's.
fn foreign(emulated: &Emulated, client: &aws_sdk_apigateway::Client) -> BTreeMap<String, ApiKey> {
    let mut keys = emulated.runtime.block_on(edge::keys(client));
    keys.retain(|name, _| !name.starts_with(&format!("eventledger-{}-", emulated.name)));
    keys
}

#[test]
#[ignore = "needs an emulator of AWS; just check-aws runs it"]
fn keys_are_mirrored_once_as_the_plan_says_and_nothing_of_others_is_touched() {
    let emulated = Emulated::environment("mirror");
    let (billing, secret) = emulated.create("billing", "standard");
    let (shipping, _) = emulated.create("shipping", "small");
    let client = emulated.runtime.block_on(edge::client());
    // More than a page of others, and one of another environment.
    emulated.runtime.block_on(async {
        let others = (0..501).map(|number| format!("other-{number}"));
        for name in others.chain(["eventledger-other-3kT9mQ2xW7bZ".to_owned()]) {
            client.create_api_key().name(name).enabled(true).send().await.expect("an API key");
        }
        client.create_usage_plan().name("other-plan").send().await.expect("a usage plan");
    });
    let (before, records) = (foreign(&emulated, &client), emulated.audit().len());
    assert!(before.len() > 501, "more than a page");

    let planned = emulated.run(&["mirror", "-o", "json"]).exits(0);
    let wanted = ["create plan", "create plan", "create plan", "create key", "create key"];
    assert_eq!(steps(&planned), wanted);
    says(&planned, &format!("plan: create the usage id eventledger-mirror-{billing} of billing"));
    says(&planned, "plan: create the usage plan eventledger-mirror-standard: 5000 requests a second, 10000 at once");
    assert_eq!(emulated.runtime.block_on(edge::keys(&client)), before, "a plan changes nothing");
    assert_eq!(emulated.audit().len(), records);

    let done = emulated.execute(&["mirror", "-o", "json"]).exits(0);
    assert_eq!(steps(&done), wanted);
    says(&done, &format!("done: create the usage id eventledger-mirror-{shipping} of shipping"));
    says(&done, "the usage plan eventledger-mirror-small meters no stage yet");
    let record = emulated.audit().pop().expect("a record");
    assert_eq!((record.what.as_str(), record.subject.as_str()), ("ledger-keys mirror", "edge/mirror"));
    assert!(
        record.after.contains(&format!("create the usage id eventledger-mirror-{billing} of billing")),
        "{record:?}"
    );

    let [of_billing, of_shipping] = [&billing, &shipping].map(|id| format!("eventledger-mirror-{id}"));
    let usage_id = emulated.runtime.block_on(edge::keys(&client)).remove(&of_billing).expect("a usage id");
    let value = usage_id.value().expect("a value");
    assert_eq!(value, format!("eventledgerusagemirror{billing}"));
    assert!(usage_id.enabled() && !secret.contains(value) && !format!("{usage_id:?}").contains(&secret));
    let plans = emulated.runtime.block_on(edge::plans(&client));
    let (standard, members) = &plans["eventledger-mirror-standard"];
    assert_eq!((members, &plans["eventledger-mirror-small"].1), (&vec![of_billing], &vec![of_shipping]));
    let throttle = standard.throttle().expect("a throttle");
    assert_eq!((throttle.rate_limit(), throttle.burst_limit()), (5_000.0, 10_000));

    // A second time there is nothing to do, and no record of it.
    let records = emulated.audit().len();
    assert!(steps(&emulated.execute(&["mirror", "-o", "json"]).exits(0)).is_empty());
    assert_eq!(emulated.audit().len(), records);
    assert_eq!(foreign(&emulated, &client), before, "what is not ours is as it was");
}

#[test]
#[ignore = "needs an emulator of AWS; just check-aws runs it"]
fn a_revoked_key_is_disabled_and_what_somebody_changed_at_the_edge_is_set_right() {
    let emulated = Emulated::environment("mended");
    let (billing, _) = emulated.create("billing", "standard");
    let (shipping, _) = emulated.create("shipping", "small");
    let _ = emulated.execute(&["mirror"]).exits(0);
    let [of_billing, of_shipping] = [&billing, &shipping].map(|id| format!("eventledger-mended-{id}"));
    let client = emulated.runtime.block_on(edge::client());
    let members = |plan: &str| {
        let plans = emulated.runtime.block_on(edge::plans(&client));
        plans[&format!("eventledger-mended-{plan}")].1.clone()
    };
    let _ = emulated.execute(&["revoke", &billing]).exits(0);
    assert_eq!(steps(&emulated.execute(&["mirror", "-o", "json"]).exits(0)), ["disable key"]);
    assert!(!emulated.runtime.block_on(edge::keys(&client))[&of_billing].enabled());
    assert_eq!(members("standard"), std::slice::from_ref(&of_billing), "what it used is still told");

    emulated.runtime.block_on(async {
        client.create_api_key().name("guest").enabled(true).send().await.expect("an API key");
        let (keys, plans) = (edge::keys(&client).await, edge::plans(&client).await);
        let id = |name: &str| keys[name].id().expect("an id").to_owned();
        let plan = |tier: &str| plans[&format!("eventledger-mended-{tier}")].0.id().expect("an id").to_owned();
        for (name, enabled) in [(&of_billing, "true"), (&of_shipping, "false")] {
            let change = client.update_api_key().api_key(id(name));
            change.patch_operations(edge::patch(Op::Replace, "/enabled", enabled)).send().await.expect("changed");
        }
        let leave = client.delete_usage_plan_key().usage_plan_id(plan("small")).key_id(id(&of_shipping));
        leave.send().await.expect("out of it");
        for name in [&of_shipping, "guest"] {
            let join = client.create_usage_plan_key().usage_plan_id(plan("large")).key_id(id(name));
            join.key_type("API_KEY").send().await.expect("in it");
        }
        let throttle = client.update_usage_plan().usage_plan_id(plan("large"));
        throttle.patch_operations(edge::patch(Op::Replace, "/throttle/rateLimit", "7")).send().await.expect("changed");
    });
    let before = foreign(&emulated, &client);
    let mended = emulated.execute(&["mirror", "-o", "json"]).exits(0);
    // By client, as keys are listed.
    assert_eq!(steps(&mended), ["throttle plan", "disable key", "move key", "enable key"]);
    assert_eq!((members("small"), members("large")), (vec![of_shipping], vec!["guest".to_owned()]));
    assert!(steps(&emulated.run(&["mirror", "-o", "json"]).exits(0)).is_empty());
    assert_eq!(foreign(&emulated, &client), before, "what is not ours is as it was");
}

#[test]
#[ignore = "needs an emulator of AWS; just check-aws runs it"]
fn a_mirror_that_was_broken_off_says_what_is_done_and_is_finished_by_the_next() {
    let emulated = Emulated::environment("broken");
    let (first, _) = emulated.create("a", "standard");
    let (second, _) = emulated.create("b", "standard");
    // Three plans and the API key of the first: it is in no plan when a permission is missing.
    let refusing = emulated.runtime.block_on(edge::refusing_after(4));
    let broken = emulated.run_as("broken", &executed(&["mirror"]), &[refusing]).exits(1);
    says(&broken, "done: create the usage plan eventledger-broken-large");
    says(&broken, &format!("3 of 5 steps are done, and it failed to create the usage id eventledger-broken-{first}"));
    says(&broken, "the credentials lack a permission");
    says(&broken, "repeat the command, which is safe");
    assert_eq!(emulated.audit().pop().expect("a record").what, "ledger-keys mirror", "it was meant to be done");

    let rest = emulated.execute(&["mirror", "-o", "json"]).exits(0);
    assert_eq!(steps(&rest), ["join plan", "create key"]);
    let client = emulated.runtime.block_on(edge::client());
    let plans = emulated.runtime.block_on(edge::plans(&client));
    let mut members = [first, second].map(|id| format!("eventledger-broken-{id}"));
    members.sort();
    assert_eq!(plans["eventledger-broken-standard"].1, members);
    assert!(steps(&emulated.run(&["mirror", "-o", "json"]).exits(0)).is_empty());
}

#[test]
#[ignore = "needs an emulator of AWS; just check-aws runs it"]
fn what_the_edge_counted_is_told_by_client_and_key_until_the_key_is_revoked() {
    let emulated = Emulated::environment("metered");
    let (billing, _) = emulated.create("billing", "standard");
    let _ = emulated.create("quiet", "standard");
    let _ = emulated.execute(&["mirror"]).exits(0);
    let client = emulated.runtime.block_on(edge::client());
    let (api, value) = emulated.runtime.block_on(async {
        let api = edge::metered_api(&client).await;
        let plan = edge::plans(&client).await["eventledger-metered-standard"].0.id().expect("an id").to_owned();
        let stage = edge::patch(Op::Add, "/apiStages", &format!("{api}:live"));
        client.update_usage_plan().usage_plan_id(plan).patch_operations(stage).send().await.expect("a stage");
        let key = edge::keys(&client).await.remove(&format!("eventledger-metered-{billing}")).expect("a usage id");
        (api, key.value.expect("a value"))
    });
    assert_eq!([&value, &value, &value].map(|value| edge::ask(&api, value)), [200; 3]);
    assert_eq!(edge::ask(&api, "eventledgerusagemeterednobody"), 403);

    let told = emulated.run(&["usage", "--since", "2d", "-o", "json"]).exits(0);
    let rows = told.json()["api_key_usage"].as_array().expect("rows").clone();
    assert!(rows.iter().all(|row| row["id"] == billing.as_str() && row["client"] == "billing"), "{rows:?}");
    assert!(rows.iter().all(|row| row["plan"] == "eventledger-metered-standard"), "{rows:?}");
    // Midnight may have passed meanwhile.
    assert_eq!(rows.iter().filter_map(|row| row["requests"].as_i64()).sum::<i64>(), 3, "{rows:?}");
    says(&told, "1 of 2 usage ids made no request");

    let _ = emulated.execute(&["revoke", &billing]).exits(0);
    assert!(!emulated.execute(&["mirror"]).exits(0).errors.contains("eventledger-metered-standard meters no stage"));
    assert_eq!(edge::ask(&api, &value), 403, "a disabled usage id opens nothing");
    let again = emulated.run(&["usage", "--since", "2d", "-o", "json"]).exits(0);
    assert_eq!(again.json()["api_key_usage"], told.json()["api_key_usage"], "what it used is still told");
}

#[test]
#[ignore = "needs an emulator of AWS; just check-aws runs it"]
fn points_of_a_metric_are_read_back_as_they_were_put() {
    let emulated = Emulated::environment("points");
    emulated.runtime.block_on(async {
        let client = aws_sdk_cloudwatch::Client::new(&platform::config::aws(Some(emulated::REGION.to_owned())).await);
        let namespace = "EventLedger/points";
        let lag = catalogue::CONSUMER_LAG_SECONDS.name;
        let keeper = cloudwatch::Dimension::builder().name("service").value("keeper").build();
        let minute = i64::try_from(Clock::system().now().0 / 60_000).expect("a minute") * 60;
        // Of two subscriptions, three minutes.
        let put = [(-180, [3.0, 40.0]), (-120, [2.0, 100.0]), (-60, [1.0, 160.0])];
        for (offset, values) in put {
            let datum = cloudwatch::MetricDatum::builder().metric_name(lag).dimensions(keeper.clone());
            let datum = datum.timestamp(DateTime::from_secs(minute + offset)).unit(cloudwatch::StandardUnit::Seconds);
            let datum = datum.set_values(Some(values.to_vec())).build();
            client.put_metric_data().namespace(namespace).metric_data(datum).send().await.expect("put");
        }
        let metric = cloudwatch::Metric::builder().namespace(namespace).metric_name(lag).dimensions(keeper).build();
        let query = |id: &str, stat: &str| {
            let asked = cloudwatch::MetricStat::builder().metric(metric.clone()).period(60).stat(stat).build();
            cloudwatch::MetricDataQuery::builder().id(id).metric_stat(asked).build()
        };
        let asked = client.get_metric_data().metric_data_queries(query("max", "Maximum"));
        let asked = asked.metric_data_queries(query("count", "SampleCount"));
        let asked = asked.start_time(DateTime::from_secs(minute - 600)).end_time(DateTime::from_secs(minute + 60));
        let told = asked.send().await.expect("told");
        let of = |id: &str| {
            let result = told.metric_data_results().iter().find(|result| result.id() == Some(id)).expect("a result");
            let times = result.timestamps().iter().map(|time| time.secs() - minute);
            let mut points: Vec<_> = times.zip(result.values().iter().copied()).collect();
            points.sort_by_key(|(time, _)| *time);
            points
        };
        assert_eq!(of("max"), [(-180, 40.0), (-120, 100.0), (-60, 160.0)]);
        assert_eq!(of("count"), [(-180, 2.0), (-120, 2.0), (-60, 2.0)]);
    });
    let told = emulated.history(&["--since", "10m", "-o", "json"]).exits(0).json()["points"].clone();
    let values: Vec<_> = told.as_array().expect("points").iter().map(|point| point["value"].clone()).collect();
    assert_eq!(values, [40.0, 100.0, 160.0], "{told}");
}

#[test]
#[ignore = "needs an emulator of AWS; just check-aws runs it"]
fn an_alarm_goes_off_by_what_was_put_and_is_told_with_its_state() {
    emulated::runtime().block_on(async {
        let client = aws_sdk_cloudwatch::Client::new(&platform::config::aws(Some(emulated::REGION.to_owned())).await);
        let (namespace, name) = ("EventLedger/alarmed", "eventledger-alarmed-consumer-lag");
        let wanted = client.put_metric_alarm().alarm_name(name).namespace(namespace);
        let wanted = wanted.metric_name(catalogue::CONSUMER_LAG_SECONDS.name).statistic(cloudwatch::Statistic::Maximum);
        let wanted = wanted.period(60).evaluation_periods(3).datapoints_to_alarm(2).threshold(600.0);
        let wanted = wanted.comparison_operator(cloudwatch::ComparisonOperator::GreaterThanThreshold);
        let wanted = wanted.treat_missing_data("notBreaching").alarm_description("Runbook: consumer-lag");
        wanted.send().await.expect("an alarm");
        let alarm = async || {
            let told = client.describe_alarms().alarm_names(name).send().await.expect("told");
            told.metric_alarms().first().cloned().expect("the alarm")
        };
        let made = alarm().await;
        assert_eq!(made.state_value(), Some(&cloudwatch::StateValue::InsufficientData));
        assert_eq!((made.datapoints_to_alarm(), made.evaluation_periods()), (Some(2), Some(3)));
        assert_eq!((made.threshold(), made.treat_missing_data()), (Some(600.0), Some("notBreaching")));
        assert_eq!(made.alarm_description(), Some("Runbook: consumer-lag"));

        let set = async |state: cloudwatch::StateValue, reason: &str| {
            let wanted = client.set_alarm_state().alarm_name(name).state_value(state).state_reason(reason);
            wanted.send().await.expect("set");
        };
        set(cloudwatch::StateValue::Alarm, "a game day").await;
        let ringing = alarm().await;
        assert_eq!(ringing.state_value(), Some(&cloudwatch::StateValue::Alarm));
        assert_eq!(ringing.state_reason(), Some("a game day"));
        let ringing = client.describe_alarms().state_value(cloudwatch::StateValue::Alarm).send().await.expect("told");
        assert!(ringing.metric_alarms().iter().any(|alarm| alarm.alarm_name() == Some(name)));
        set(cloudwatch::StateValue::Ok, "it is over").await;
        assert_eq!(alarm().await.state_value(), Some(&cloudwatch::StateValue::Ok));

        let rings = async |seconds: f64| {
            let datum =
                cloudwatch::MetricDatum::builder().metric_name(catalogue::CONSUMER_LAG_SECONDS.name).value(seconds);
            client.put_metric_data().namespace(namespace).metric_data(datum.build()).send().await.expect("put");
            alarm().await.state_value().cloned()
        };
        assert_eq!(rings(60.0).await, Some(cloudwatch::StateValue::Ok));
        assert_eq!(rings(3_600.0).await, Some(cloudwatch::StateValue::Alarm));
    });
}
