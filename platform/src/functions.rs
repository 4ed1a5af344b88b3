//! The Lambdas of an environment, as whoever sets them up has to know them: for how long each may run, what wakes it, what it
//! is told, and what it may do to which items of the table.
//!
//! Infrastructure code reads this as `infra/services.json`, alarms rest on it, and the simulation holds each service to its
//! permissions and finds those that nobody needs. What a Lambda does when it is woken is in its service.

use serde::Serialize;

use crate::config;

/// A Lambda.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Function {
    /// Its service.
    #[serde(skip)]
    pub service: &'static str,
    /// For how long AWS lets it run, in seconds. Those that clients ask are cut off by API Gateway after 29 or 30.
    #[serde(rename = "timeout_seconds")]
    pub timeout_s: u32,
    /// The environment variables that it does not start without.
    pub variables: &'static [&'static str],
    /// What it may do with the table.
    pub access: &'static [Access],
}

/// Permissions on items.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Access {
    /// Their partition keys, as `dynamodb:LeadingKeys` in a policy names them: a `*` at the end stands for any rest.
    pub partition_keys: &'static [&'static str],
    /// DynamoDB's actions.
    pub actions: &'static [&'static str],
}

impl Access {
    const fn to(partition_keys: &'static [&'static str], actions: &'static [&'static str]) -> Self {
        Self { partition_keys, actions }
    }

    /// Each pattern of a partition key with each action.
    pub fn permissions(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.partition_keys.iter().flat_map(|key| self.actions.iter().map(move |action| (*key, *action)))
    }
}

impl Function {
    /// The permission that lets it do something to items with a partition key: the pattern of the key, and the action.
    #[must_use]
    pub fn permission(&self, action: &str, partition_key: &str) -> Option<(&'static str, &'static str)> {
        let matches = |pattern: &str| match pattern.strip_suffix('*') {
            Some(beginning) => partition_key.starts_with(beginning),
            None => partition_key == pattern,
        };
        self.access.iter().flat_map(Access::permissions).find(|(key, allowed)| *allowed == action && matches(key))
    }
}

/// Something that is due at times.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Schedule {
    /// The service that is woken.
    pub function: &'static str,
    /// What is due.
    pub name: &'static str,
    /// The same, for people.
    pub description: &'static str,
    /// How often, in the words of EventBridge.
    pub rate: &'static str,
    /// The event; EventBridge's own where it is absent.
    pub input: Option<&'static str>,
}

/// What of the table's change stream wakes the compactor.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Doorbell {
    /// The service that is woken.
    pub function: &'static str,
    /// What happened to an item, as the change stream calls it.
    pub event: &'static str,
    /// How the item's partition key begins.
    pub partition_keys_begin_with: &'static str,
}

/// Record batches are only ever added.
pub const DOORBELL: Doorbell = Doorbell { function: "compactor", event: "INSERT", partition_keys_begin_with: "LOG#" };

/// What is due at times.
pub const SCHEDULES: &[Schedule] = &[
    Schedule {
        function: "keeper",
        name: "sweep",
        description: "Heals and tidies every stream, and looks at the API keys",
        rate: "rate(1 hour)",
        input: None,
    },
    Schedule {
        function: "keeper",
        name: "sample",
        description: "Looks at how every subscription does",
        rate: "rate(1 minute)",
        input: Some(r#"{"task": "sample"}"#),
    },
    Schedule {
        function: "canary",
        name: "round",
        description: "Does what clients do",
        rate: "rate(1 minute)",
        input: None,
    },
];

/// The service that answers requests to no route.
pub const FALLBACK: &str = "admin";

/// The service that tells a REST edge who asks. Other environments have none.
pub const AUTHORIZER: &str = "authorizer";

/// What each function may be told and starts without.
pub const WISHES: &[&str] = &[config::LOG, config::TRACES_ENDPOINT];

/// What every one of ours has to be told.
const TABLE: &[&str] = &[config::TABLE, config::ENVIRONMENT];
/// What one is told that is also a client of the API.
const CLIENT: &[&str] = &[config::TABLE, config::ENVIRONMENT, config::API_URL, config::API_KEY];

/// What asking for an API key and its quotas takes: to read the key, note its use, and lease from its quotas.
const CALLERS: [Access; 3] = [
    Access::to(&["KEY#*"], &["GetItem", "UpdateItem"]),
    Access::to(&["KEYS"], &["GetItem"]),
    Access::to(&["LIMIT#*"], &["UpdateItem"]),
];

/// The Lambdas: those that clients ask first.
pub const FUNCTIONS: &[Function] = &[
    Function {
        service: "admin",
        timeout_s: 30,
        variables: TABLE,
        access: &[
            CALLERS[0],
            CALLERS[1],
            CALLERS[2],
            Access::to(&["STREAMS", "STREAM#*"], &["GetItem", "PutItem", "Query", "UpdateItem"]),
            Access::to(&["LOG#*"], &["GetItem", "Query"]),
            Access::to(&["COMPACT#*", "DELETED"], &["PutItem"]),
            Access::to(&["KEEPER"], &["GetItem"]),
        ],
    },
    Function {
        service: "publish",
        timeout_s: 30,
        variables: TABLE,
        access: &[
            CALLERS[0],
            CALLERS[1],
            CALLERS[2],
            Access::to(&["STREAMS"], &["GetItem"]),
            Access::to(&["STREAM#*"], &["UpdateItem"]),
            Access::to(&["LOG#*"], &["PutItem", "Query", "UpdateItem"]),
            Access::to(&["IDEM#*"], &["GetItem", "PutItem"]),
        ],
    },
    Function {
        service: "poll",
        timeout_s: 30,
        variables: TABLE,
        access: &[
            CALLERS[0],
            CALLERS[1],
            CALLERS[2],
            Access::to(&["STREAMS"], &["GetItem"]),
            Access::to(&["STREAM#*"], &["GetItem", "UpdateItem"]),
            Access::to(&["LOG#*", "COMPACT#*"], &["GetItem", "Query"]),
        ],
    },
    Function {
        service: "compactor",
        timeout_s: 300,
        variables: TABLE,
        access: &[
            Access::to(&["LOG#*"], &["GetItem", "Query"]),
            Access::to(&["STREAM#*"], &["GetItem", "UpdateItem"]),
            Access::to(&["COMPACT#*"], &["PutItem"]),
        ],
    },
    Function {
        service: "keeper",
        timeout_s: 300,
        variables: TABLE,
        access: &[
            Access::to(&["STREAMS"], &["GetItem", "Query", "UpdateItem"]),
            Access::to(&["STREAM#*"], &["DeleteItem", "GetItem", "Query", "UpdateItem"]),
            Access::to(&["LOG#*"], &["ConditionCheckItem", "DeleteItem", "GetItem", "Query", "UpdateItem"]),
            Access::to(&["COMPACT#*"], &["DeleteItem", "PutItem", "Query"]),
            Access::to(&["DELETED"], &["DeleteItem", "Query"]),
            Access::to(&["KEYS"], &["Query"]),
            Access::to(&["KEY#*"], &["GetItem"]),
            Access::to(&["KEEPER"], &["UpdateItem"]),
        ],
    },
    // A client like any other: it asks the API and nothing else.
    Function { service: "canary", timeout_s: 30, variables: CLIENT, access: &[] },
    // Clients wait for it before anything else happens.
    Function {
        service: AUTHORIZER,
        timeout_s: 10,
        variables: TABLE,
        access: &[Access::to(&["KEY#*", "KEYS"], &["GetItem"])],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_for_an_action_on_keys_of_a_kind() {
        let compactor = FUNCTIONS.iter().find(|function| function.service == "compactor").unwrap();
        let allowed = |action, key| compactor.permission(action, key);
        assert_eq!(allowed("PutItem", "COMPACT#0123#4"), Some(("COMPACT#*", "PutItem")));
        for (action, key) in [("PutItem", "LOG#0123#4"), ("GetItem", "STREAMS"), ("Scan", ""), ("GetItem", "LOG")] {
            assert_eq!(allowed(action, key), None, "{action} {key}");
        }
        let keeper = FUNCTIONS.iter().find(|function| function.service == "keeper").unwrap();
        assert_eq!(keeper.permission("Query", "STREAMS"), Some(("STREAMS", "Query")));
        assert_eq!(keeper.permission("Query", "STREAMS#"), None);
    }
}
