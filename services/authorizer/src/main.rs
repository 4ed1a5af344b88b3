//! The Lambda of the authorizer.

use std::sync::{Arc, OnceLock};

use authorizer::Request;
use platform::access::Authorizer;
use platform::config::Config;

fn main() -> Result<(), platform::lambda::Error> {
    let environment: Arc<str> = Config::from_environment()?.environment.into();
    // What it knows of keys outlives a request.
    let known = Arc::new(OnceLock::new());
    platform::lambda::serve_events(
        "authorizer",
        |_: &Request| "authorize",
        move |ledger, request| {
            let (known, environment) = (Arc::clone(&known), Arc::clone(&environment));
            async move {
                let authorizer = known.get_or_init(|| Authorizer::new(&ledger, &environment));
                authorizer::authorize(authorizer, &environment, request).await
            }
        },
    )
}
