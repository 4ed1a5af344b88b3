//! Names as people type them.

use crate::output::printable;
use ledger::model::{StreamName, SubscriptionName};

pub(crate) fn stream(text: &str) -> Result<StreamName, String> {
    StreamName::parse(text).ok_or_else(|| format!("`{}` is no name of a stream", printable(text)))
}

pub(crate) fn subscription(text: &str) -> Result<SubscriptionName, String> {
    SubscriptionName::parse(text).ok_or_else(|| format!("`{}` is no name of a subscription", printable(text)))
}
