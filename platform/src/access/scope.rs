//! What an API key allows: scopes such as `poll:orders-*:billing`. Whatever no scope names is denied.

use ledger::model::{StreamName, SubscriptionName};
use serde::Serialize;

/// What can be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Action {
    /// Publish events.
    #[serde(rename = "publish")]
    Publish,
    /// Read events, compacted state and subscriptions.
    #[serde(rename = "poll")]
    Poll,
    /// Commit positions.
    #[serde(rename = "commit")]
    Commit,
    /// Let a subscription start from compacted state, beside what that needs anyway.
    #[serde(rename = "bootstrap")]
    Bootstrap,
    /// Create, delete and compact streams.
    #[serde(rename = "stream.admin")]
    StreamAdmin,
    /// Create, move and delete subscriptions.
    #[serde(rename = "sub.admin")]
    SubscriptionAdmin,
    /// Manage API keys. Guards nothing yet, because no route does so.
    #[serde(rename = "keys.admin")]
    KeysAdmin,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 7] = [
        Self::Publish,
        Self::Poll,
        Self::Commit,
        Self::Bootstrap,
        Self::StreamAdmin,
        Self::SubscriptionAdmin,
        Self::KeysAdmin,
    ];

    /// As it is spelled in scopes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Poll => "poll",
            Self::Commit => "commit",
            Self::Bootstrap => "bootstrap",
            Self::StreamAdmin => "stream.admin",
            Self::SubscriptionAdmin => "sub.admin",
            Self::KeysAdmin => "keys.admin",
        }
    }
}

/// One grant: an action on streams, perhaps only on some subscriptions of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    action: Action,
    stream: Pattern,
    subscription: Option<Pattern>,
}

impl Scope {
    /// Reads `<action>:<stream or prefix*>[:<subscription or prefix*>]`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let name = parts.next()?;
        let action = Action::ALL.into_iter().find(|action| action.as_str() == name)?;
        let stream = Pattern::parse(parts.next()?)?;
        let subscription = match parts.next() {
            Some(pattern) => Some(Pattern::parse(pattern)?),
            None => None,
        };
        parts.next().is_none().then_some(Self { action, stream, subscription })
    }

    /// Whether it allows anything at all on a stream.
    pub(super) fn touches(&self, stream: &StreamName) -> bool {
        self.stream.matches(stream.as_str())
    }

    /// Whether it allows the action for some subscription of a stream.
    pub(super) fn allows_some(&self, action: Action, stream: &StreamName) -> bool {
        self.action == action && self.touches(stream)
    }

    /// Whether it allows the action on a stream, for all its subscriptions or for the one that is named.
    pub(super) fn allows(&self, action: Action, stream: &StreamName, subscription: Option<&SubscriptionName>) -> bool {
        let covers = match (&self.subscription, subscription) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(pattern), Some(name)) => pattern.matches(name.as_str()),
        };
        covers && self.allows_some(action, stream)
    }

    /// The action.
    pub(super) fn action(&self) -> Action {
        self.action
    }
}

/// A name, or a prefix of names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Name(String),
    Prefix(String),
}

impl Pattern {
    /// `*` alone is the prefix of everything.
    fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('*') {
            Some("") => Some(Self::Prefix(String::new())),
            Some(prefix) => StreamName::parse(prefix).map(|name| Self::Prefix(name.as_str().to_owned())),
            None => StreamName::parse(text).map(|name| Self::Name(name.as_str().to_owned())),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(only) => name == only,
            Self::Prefix(prefix) => name.starts_with(prefix.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(scope: &str, action: Action, stream: &str, subscription: Option<&str>) -> bool {
        let subscription = subscription.map(|name| SubscriptionName::parse(name).unwrap());
        Scope::parse(scope).unwrap().allows(action, &StreamName::parse(stream).unwrap(), subscription.as_ref())
    }

    #[test]
    fn a_scope_covers_what_it_names_and_nothing_else() {
        assert!(allows("poll:orders", Action::Poll, "orders", None));
        assert!(allows("poll:orders", Action::Poll, "orders", Some("billing")));
        assert!(allows("poll:orders-*", Action::Poll, "orders-eu", None));
        assert!(allows("poll:*", Action::Poll, "anything", None));
        assert!(!allows("poll:orders", Action::Poll, "orders-eu", None));
        assert!(!allows("poll:orders", Action::Poll, "Orders", None));
        assert!(!allows("poll:orders-*", Action::Poll, "orders", None));
        assert!(!allows("poll:orders", Action::Commit, "orders", None));
    }

    #[test]
    fn a_scope_of_subscriptions_does_not_cover_the_stream() {
        assert!(allows("poll:orders:bill*", Action::Poll, "orders", Some("billing")));
        assert!(!allows("poll:orders:bill*", Action::Poll, "orders", Some("shipping")));
        assert!(!allows("poll:orders:*", Action::Poll, "orders", None));
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        for bad in [
            "",
            "poll",
            "poll:",
            "read:orders",
            "poll:*orders",
            "poll:or*ders",
            "poll:orders:a:b",
            "poll:orders:",
            "POLL:a",
        ] {
            assert_eq!(Scope::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn actions_are_spelled_as_serde_writes_them() {
        for action in Action::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        }
    }
}
