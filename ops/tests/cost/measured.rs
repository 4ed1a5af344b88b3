//! What `ops/cost/figures.json` calls measured, measured: how events are stored, how long lines and answers are, and how many
//! series of numbers an environment tells. What is committed stays as long as it is near.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use embedded::TABLE;
use expect_test::expect_file;
use keeper::Task;
use ledger::Randomness;
use ops::lag::cost::figures::Measured;
use serde_json::Value;

use crate::events::event;
use crate::fleet::Fleet;
use crate::play::{Played, Player};
use crate::workload;

/// How far something committed may be from what is measured, as a share: a line may get a member more.
const NEAR: f64 = 0.02;
/// What CloudWatch counts for a line beside its text.
const LINE_BYTES: usize = 26;

/// Events of the publishes whose record batches are measured, and how many there are of each.
const COUNTS: [u32; 6] = [1, 2, 5, 10, 25, 100];
const PUBLISHES: u32 = 40;

type Item = HashMap<String, AttributeValue>;

/// A mean, and the standard deviation.
fn spread(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

/// What an attribute takes, as DynamoDB counts it.
fn attribute_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.trim_matches('0').len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        other => panic!("the ledger stores nothing like {other:?}"),
    }
}

fn item_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + attribute_bytes(value)).sum()
}

/// The items of a kind.
async fn items(fleet: &Fleet, beginning: &str) -> Vec<Item> {
    let mut pages = fleet.engine.client().scan().table_name(TABLE).into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(item) = pages.next().await {
        let item = item.expect("the table");
        if item["PK"].as_s().is_ok_and(|key| key.starts_with(beginning)) {
            found.push(item);
        }
    }
    found
}

/// How record batches are stored: what they take beside their bodies, and bodies of so many events.
struct Bodies {
    without: f64,
    bytes: BTreeMap<u32, f64>,
    deviation: f64,
}

async fn bodies() -> Bodies {
    let (fleet, randomness) = (Fleet::with(1, 0).await, Randomness::seeded(3));
    let mut number = 0;
    for count in COUNTS {
        for _ in 0..PUBLISHES {
            let events = (number..number + u64::from(count)).map(|number| event(&randomness, number)).collect();
            number += u64::from(count);
            fleet.publish(events, None).await;
        }
    }
    let batches = items(&fleet, "LOG#").await;
    let body = |item: &Item| attribute_bytes(&item["body"]) as f64;
    let (without, _) = spread(&batches.iter().map(|item| item_bytes(item) as f64 - body(item)).collect::<Vec<_>>());
    let of = |count: u32| {
        let is_such = |item: &&Item| item["count"].as_n().is_ok_and(|number| *number == count.to_string());
        spread(&batches.iter().filter(is_such).map(body).collect::<Vec<_>>())
    };
    // Of many events together, because what one adds depends on those before it.
    let deviation = of(25).1 / 25_f64.sqrt();
    Bodies { without, bytes: COUNTS.into_iter().map(|count| (count, of(count).0)).collect(), deviation }
}

/// Plays a workload with all that watches it, and hands on what was read and what was stored.
async fn play(name: &str, seconds: u64) -> (Played, Fleet, f64) {
    let (workload, volume) = workload(name, 1);
    let fleet = Fleet::with(volume.partitions, workload.subscribers as usize).await;
    let mut player = Player::begin(&fleet, &workload, &volume).await;
    let mut played = player.busy(seconds, 1_000).await;
    played.pages.extend(player.idle(60).await.pages);
    let mean = player.event_bytes();
    drop(player);
    (played, fleet, mean)
}

/// The bytes of the lines of an invocation, by its operation; and the series that were told.
fn told(lines: &[String]) -> (BTreeMap<String, f64>, BTreeSet<String>) {
    let (mut bytes, mut invocations) = (BTreeMap::<String, usize>::new(), BTreeMap::<String, usize>::new());
    let mut series = BTreeSet::new();
    for line in lines {
        let document: Value = serde_json::from_str(line).expect("a line is JSON");
        let operation = document["operation"].as_str().expect("each line has an operation").to_owned();
        *bytes.entry(operation.clone()).or_default() += line.len() + LINE_BYTES;
        *invocations.entry(operation).or_default() += usize::from(document["duration_ms"].is_u64());
        // A line of which CloudWatch is told nothing has none.
        for directive in document["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
            let list = |name: &str| directive[name].as_array().expect("a list").clone();
            for (dimensions, metric) in list("Dimensions").iter().flat_map(|set| {
                let metrics = list("Metrics");
                metrics.into_iter().map(move |metric| (set.clone(), metric))
            }) {
                let names = dimensions.as_array().expect("a set").iter().map(|name| name.as_str().expect("a name"));
                let values: Vec<_> = names.map(|name| format!("{name}={}", document[name])).collect();
                series.insert(format!("{} {}", metric["Name"], values.join(" ")));
            }
        }
    }
    let mean = |(operation, bytes): (String, usize)| {
        let each = bytes as f64 / invocations[&operation] as f64;
        (operation, each)
    };
    (bytes.into_iter().map(mean).collect(), series)
}

async fn measure() -> Measured {
    let Bodies { without, bytes, deviation } = bodies().await;
    let (played, batched, event_bytes) = play("batched", 120).await;
    let compacted: Vec<f64> = items(&batched, "COMPACT#").await.iter().map(|item| item_bytes(item) as f64).collect();
    let (compacted_bytes, compacted_deviation) = spread(&compacted);

    for _ in 0..3 {
        batched.clock.advance(60_000);
        batched.round().await;
        batched.compact(&batched.changed()).await;
        batched.keep(Task::Sample).await;
    }
    batched.keep(Task::Sweep).await;
    let (line_bytes, series) = told(&batched.tower.take());
    let (idle, full): (Vec<_>, Vec<_>) = played.pages.iter().partition(|(events, _)| *events == 0);
    let (page_bytes, _) = spread(&idle.iter().map(|(_, bytes)| *bytes as f64).collect::<Vec<_>>());
    let of_events = full.iter().map(|(events, bytes)| (*bytes as f64 - page_bytes) / *events as f64);
    Measured {
        event_bytes,
        record_batch_bytes: without,
        body_bytes: bytes,
        event_deviation: deviation,
        compacted_bytes,
        compacted_deviation,
        page_bytes,
        page_event_bytes: spread(&of_events.collect::<Vec<_>>()).0,
        line_bytes,
        custom_metrics: series.len() as f64,
    }
}

/// What is committed where it is near, and what was measured where it is not.
fn settled(committed: &Value, measured: &Value) -> Value {
    match (committed, measured) {
        (Value::Object(committed), Value::Object(measured)) => {
            let settle = |(name, value): (&String, &Value)| {
                (name.clone(), settled(committed.get(name).unwrap_or(&Value::Null), value))
            };
            Value::Object(measured.iter().map(settle).collect())
        }
        (_, Value::Number(measured)) => {
            let measured = measured.as_f64().expect("a figure");
            let near = committed.as_f64().filter(|known| (known - measured).abs() <= (NEAR * measured).max(1.0));
            near.map_or_else(|| (measured.round() as u64).into(), |_| committed.clone())
        }
        (_, other) => other.clone(),
    }
}

#[tokio::test]
async fn what_is_called_measured_is_measured() {
    let measured = serde_json::to_value(measure().await).expect("figures are JSON");
    let committed = include_str!("../../cost/figures.json");
    let mut document: Value = serde_json::from_str(committed).expect("JSON");
    document["measured"] = settled(&document["measured"], &measured);
    // How many there are is not nearly so many.
    document["measured"]["custom_metrics"] = measured["custom_metrics"].as_f64().map(|count| count as u64).into();
    let text = serde_json::to_string_pretty(&document).expect("JSON") + "\n";
    expect_file!["../../cost/figures.json"].assert_eq(&text);
}
