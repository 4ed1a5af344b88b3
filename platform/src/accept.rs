//! `Accept`: every answer of ours is JSON, so a request that takes none is refused before anything is done for it.

use http::{HeaderMap, header};

use crate::problem::{Code, Problem, Result};

/// Refuses a request that takes no JSON.
///
/// # Errors
/// 406.
pub(crate) fn check(headers: &HeaderMap) -> Result<()> {
    let accepts = headers.get_all(header::ACCEPT);
    let mut ranges = accepts.iter().flat_map(|value| value.to_str().unwrap_or_default().split(',')).peekable();
    if ranges.peek().is_none() {
        return Ok(());
    }
    let ranges: Vec<(String, bool)> = ranges.map(media_range).collect();
    // The most specific range decides.
    let decides = ["application/json", "application/problem+json", "application/*", "*/*"]
        .iter()
        .find_map(|known| ranges.iter().find(|(range, _)| range == known));
    match decides {
        Some((_, true)) => Ok(()),
        _ => Err(Problem::new(Code::NotAcceptable, "`Accept` must allow `application/json`")),
    }
}

/// A media range without its parameters, and whether its quality is above zero.
fn media_range(text: &str) -> (String, bool) {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().unwrap_or_default().to_ascii_lowercase();
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (range, quality.is_none_or(|quality| quality.parse().is_ok_and(|quality: f32| quality > 0.0)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn accept_is_asked_for_json() {
        let accepts = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(header::ACCEPT, HeaderValue::from_static(value));
            check(&headers).is_ok()
        };
        assert!(check(&HeaderMap::new()).is_ok());
        for good in [
            "*/*",
            "application/json",
            "text/html, application/*;q=0.1",
            "APPLICATION/JSON; charset=utf-8",
            "application/problem+json",
        ] {
            assert!(accepts(good), "{good}");
        }
        for bad in ["text/html", "", "application/json;q=0", "application/json;q=0, */*", "application/xml"] {
            assert!(!accepts(bad), "{bad}");
        }
    }
}
