//! The part of a DynamoDB stream event that the compactor looks at: the partition keys of the items that changed.
//!
//! Whatever else is in an event, and items that are no record batches, is passed over, so nothing in it can poison the
//! shard.

use std::collections::BTreeSet;

use ledger::PartitionId;
use ledger::model::Incarnation;
use serde::Deserialize;

/// A batch of changes of the table.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Changes {
    #[serde(rename = "Records", default)]
    records: Vec<Change>,
}

#[derive(Clone, Debug, Deserialize)]
struct Change {
    #[serde(default)]
    dynamodb: Item,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Item {
    #[serde(rename = "Keys", default)]
    keys: Keys,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Keys {
    #[serde(rename = "PK", default)]
    partition_key: Text,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Text {
    #[serde(rename = "S", default)]
    text: String,
}

impl Changes {
    /// The partitions whose logs changed, each once.
    #[must_use]
    pub fn partitions(&self) -> BTreeSet<PartitionId> {
        self.records.iter().filter_map(|change| partition(&change.dynamodb.keys.partition_key.text)).collect()
    }
}

/// Reads `LOG#<incarnation>#<partition>`.
fn partition(key: &str) -> Option<PartitionId> {
    let (incarnation, partition) = key.strip_prefix("LOG#")?.split_once('#')?;
    Some(PartitionId { incarnation: Incarnation::parse(incarnation)?, partition: partition.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_event_names_each_partition_once() {
        let changes: Changes = serde_json::from_str(include_str!("../fixtures/changes.json")).unwrap();
        let partitions: Vec<_> =
            changes.partitions().iter().map(|id| format!("{} {}", id.incarnation, id.partition)).collect();
        assert_eq!(partitions, ["00000000000000000000000000000001 3", "0123456789abcdef0123456789abcdef 0"]);
    }

    #[test]
    fn nothing_in_an_event_is_poison() {
        for text in [
            "{}",
            r#"{"Records":[]}"#,
            r#"{"Records":[{}]}"#,
            r#"{"Records":[{"dynamodb":{"Keys":{"PK":{"N":"1"}}}}]}"#,
        ] {
            assert!(serde_json::from_str::<Changes>(text).unwrap().partitions().is_empty());
        }
        for key in ["", "LOG#", "LOG#xyz#0", "LOG#0123456789abcdef0123456789abcdef#-1", "STREAM#orders"] {
            assert_eq!(partition(key), None);
        }
    }
}
