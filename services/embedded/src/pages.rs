//! How much of the truth a query sees: pages that DynamoDB may cut where it likes, empty ones included, and items of
//! transactions that are not visible yet.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::fault::Page;

/// Begins the sort key of a continuation that an empty page made up; what follows is the true one, if there was one.
const MADE_UP: char = '\u{1}';

/// Prepares a query for its page. When nothing is to be seen of it, this is the answer.
pub(crate) fn begin(operation: &str, request: &mut Value, page: Page) -> Option<Answer> {
    if operation != "Query" {
        return None;
    }
    let key = request["ExclusiveStartKey"]["SK"]["S"].as_str().unwrap_or_default().to_owned();
    let made_up = key.strip_prefix(MADE_UP);
    match made_up {
        Some("") => drop(request.as_object_mut().and_then(|members| members.remove("ExclusiveStartKey"))),
        Some(true_key) => request["ExclusiveStartKey"]["SK"]["S"] = Value::from(true_key),
        None => {}
    }
    match page {
        Page::Whole => None,
        Page::Cut(items) => {
            let limit = request["Limit"].as_u64().unwrap_or(u64::MAX).min(u64::from(items.max(1)));
            request["Limit"] = Value::from(limit);
            None
        }
        // A continuation that is made up already would be followed for ever.
        Page::Empty if made_up.is_some() => None,
        Page::Empty => {
            let values = request["ExpressionAttributeValues"].as_object()?;
            let partition_key = values.get(":pk")?.clone();
            let next = json!({ "PK": partition_key, "SK": { "S": format!("{MADE_UP}{key}") } });
            let body = json!({ "Items": [], "Count": 0, "ScannedCount": 0, "LastEvaluatedKey": next });
            Some(Answer::success(body.to_string().into_bytes()))
        }
    }
}

/// Items of transactions that queries do not see yet, although whoever asks for one by its key does.
#[derive(Default)]
pub(crate) struct Unseen {
    hidden: BTreeSet<String>,
    /// Once seen, for ever seen: also when the same transaction is asked for again.
    seen: BTreeSet<String>,
}

impl Unseen {
    /// Hides what some actions of a transaction put, chosen by a bit each; the rest is seen.
    pub(crate) fn hide(&mut self, request: &Value, chosen: u128) {
        self.hidden.extend(put_by(request, chosen).filter(|key| !self.seen.contains(key)));
        self.seen.extend(put_by(request, !chosen).filter(|key| !self.hidden.contains(key)));
    }

    /// Shows all that a transaction put.
    pub(crate) fn reveal(&mut self, request: &Value) {
        for key in put_by(request, u128::MAX) {
            self.hidden.remove(&key);
            self.seen.insert(key);
        }
    }

    /// The answer of a query without what it does not see.
    pub(crate) fn hide_from(&self, operation: &str, answer: Answer) -> Answer {
        if operation != "Query" || self.hidden.is_empty() || answer.status != 200 {
            return answer;
        }
        let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else { return answer };
        let Some(items) = body["Items"].as_array_mut() else { return answer };
        items.retain(|item| !self.hidden.contains(&key(item)));
        let count = items.len();
        body["Count"] = Value::from(count);
        Answer { body: body.to_string().into_bytes(), ..answer }
    }
}

/// Only puts can be unseen: an item that is updated was there before.
fn put_by(request: &Value, chosen: u128) -> impl Iterator<Item = String> {
    let actions = request["TransactItems"].as_array().into_iter().flatten().take(128).enumerate();
    let chosen = actions.filter(move |(index, _)| chosen >> index & 1 == 1);
    chosen.filter_map(|(_, action)| action["Put"].get("Item").map(key))
}

fn key(item: &Value) -> String {
    json!([item["PK"]["S"], item["SK"]["S"]]).to_string()
}
