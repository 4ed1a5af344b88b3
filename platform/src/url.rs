//! What every URL must be like, whatever it leads to: not longer than anyone needs, and free of credentials, which leak from
//! URLs into logs. Looked at as soon as it is known what is asked for.

use http::Uri;
use ledger::limits;
use percent_encoding::percent_decode_str;

use crate::api_key;
use crate::problem::{Code, Problem, Result};

/// Refuses what no URL should be like.
///
/// # Errors
/// 400, which blames the part that is too long, and does not repeat a credential.
pub(crate) fn check(uri: &Uri) -> Result<()> {
    let query = uri.query().map_or(0, |query| query.len() + 1);
    if uri.path().len() > limits::URI_BYTES {
        return Err(Problem::new(Code::InvalidPath, "the path must be at most 8 KiB"));
    }
    if uri.path().len() + query > limits::URI_BYTES {
        return Err(Problem::new(Code::InvalidQuery, "path and query must be at most 8 KiB together"));
    }
    if is_leak(uri.path(), uri.query().unwrap_or_default()) {
        let detail =
            "credentials do not belong in a URL, where they are logged: replace this one, and send it as a header";
        return Err(Problem::new(Code::CredentialInUrl, detail));
    }
    Ok(())
}

/// Known by the name of a parameter or by its look, wherever it is. Names may begin as a key does.
fn is_leak(path: &str, query: &str) -> bool {
    const NAMES: [&str; 5] = ["api_key", "apikey", "x-api-key", "access_token", "token"];
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    parameters.any(|(name, value)| {
        NAMES.contains(&name.to_ascii_lowercase().as_str()) || [name, value].iter().any(|text| api_key::is_in(text))
    }) || api_key::is_in(&percent_decode_str(path).decode_utf8_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(uri: &str) -> Option<Code> {
        check(&uri.parse().unwrap()).err().map(|problem| problem.code())
    }

    #[test]
    fn length_blames_the_part_that_is_too_long() {
        assert_eq!(refused(&format!("/{}", "a".repeat(9_000))), Some(Code::InvalidPath));
        assert_eq!(refused(&format!("/a?b={}", "a".repeat(9_000))), Some(Code::InvalidQuery));
        assert_eq!(refused("/a?b=c"), None);
    }

    #[test]
    fn credentials_are_noticed_by_name_and_by_look() {
        for bad in ["api_key=x", "API_KEY=x", "a=1&token=y"] {
            assert_eq!(refused(&format!("/?{bad}")), Some(Code::CredentialInUrl), "{bad}");
        }
        let key = api_key::Token::mint(&ledger::Randomness::seeded(1), "dev").reveal();
        for bad in [&key, &key[..key.len() - 1], &format!("%20{key}x"), &key.replace("elk", "%65lk")] {
            assert_eq!(refused(&format!("/streams/orders/compacted/{bad}")), Some(Code::CredentialInUrl), "{bad}");
            assert_eq!(refused(&format!("/{bad}/events")), Some(Code::CredentialInUrl), "{bad}");
            for query in
                [format!("cursor={bad}"), bad.to_owned(), format!("a=Bearer%20{bad}"), format!("a=%22{bad}%22")]
            {
                assert_eq!(refused(&format!("/?{query}")), Some(Code::CredentialInUrl), "{query}");
            }
        }
        for good in [
            "/streams/elk_herd/events",
            "/streams/elk_dev_orders?limit=5&prefix=elkhound",
            "/elk_a_elk_b_c",
            "/streams?after=elk_herd",
            // An id has as many letters as "transactions" and "reservations" have.
            "/streams/elk_prod_transactions_v2",
            "/streams/orders/compacted/elk_eu_reservations_77?a=whelk_eu_reservations_of_the_day",
        ] {
            assert_eq!(refused(good), None, "{good}");
        }
    }
}
