//! Names as people type them.

use ledger::model::{StreamName, SubscriptionName};

pub(crate) fn stream(text: &str) -> Result<StreamName, String> {
    StreamName::parse(text).ok_or_else(|| format!("`{text}` is no name of a stream"))
}

pub(crate) fn subscription(text: &str) -> Result<SubscriptionName, String> {
    SubscriptionName::parse(text).ok_or_else(|| format!("`{text}` is no name of a subscription"))
}
