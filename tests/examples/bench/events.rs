//! The events that are published: JSON texts of one length, with a key each, and filled with random letters.

use ledger::Randomness;

/// Bytes of an event as it is sent.
pub(crate) const EVENT_BYTES: usize = 240;
/// Different keys of a stream under load. Events that follow one another have different ones.
pub(crate) const KEYS: u64 = 1_000;

/// Makes events, the same in each run.
#[derive(Debug)]
pub(crate) struct Events {
    randomness: Randomness,
    next: u64,
    keys: u64,
}

impl Events {
    /// Events whose keys come again after so many.
    pub(crate) fn new(keys: u64) -> Self {
        Self { randomness: Randomness::seeded(1), next: 0, keys }
    }

    /// The next so many.
    pub(crate) fn take(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.one()).collect()
    }

    fn one(&mut self) -> String {
        let number = self.next % self.keys;
        self.next += 1;
        let cents = 10_000 + self.randomness.below(90_000);
        let begin = format!(
            r#"{{"key":"order-{number:08}","type":"order.changed","data":{{"order":"{number:08}","state":"paid","total":{cents},"note":""#
        );
        let end = r#""}}"#;
        let note = self.randomness.base62(EVENT_BYTES - begin.len() - end.len());
        begin + &note + end
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_is_json_of_one_length_and_keys_come_again() {
        let events = Events::new(7).take(15);
        let key = |text: &String| {
            assert_eq!(text.len(), EVENT_BYTES);
            let event: serde_json::Value = serde_json::from_str(text).unwrap();
            event["key"].as_str().unwrap().to_owned()
        };
        let keys: Vec<String> = events.iter().map(key).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 7);
        assert_eq!(keys[..7], keys[7..14]);
        assert_ne!(events[0], events[7], "what is said of a key differs");
    }
}
