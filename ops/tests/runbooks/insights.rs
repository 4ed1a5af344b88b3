//! Which properties the lines of our logs have: taken from the sources that write them, so that a query cannot name one that
//! nobody writes.

use std::collections::BTreeSet;
use std::path::Path;

use platform::telemetry::catalogue;

use crate::page::root;

/// What the format of lines brings along, and what CloudWatch adds by itself.
const GIVEN: &[&str] = &["timestamp", "level", "message", "target"];
const OF_CLOUDWATCH: &[&str] = &["@timestamp", "@message", "@log", "@logStream"];
/// What a line has that Lambda writes itself, in JSON.
const OF_LAMBDA: &[&str] = &["type", "record"];
/// What a line of the access log has, in `infra/modules/http_api` and `rest_api`.
const OF_THE_EDGE: &[&str] = &["id", "ip", "route", "status", "ms", "error", "integration"];
/// Words of the language itself.
const WORDS: &[&str] = &[
    "fields",
    "filter",
    "stats",
    "sort",
    "limit",
    "by",
    "as",
    "and",
    "or",
    "not",
    "like",
    "in",
    "asc",
    "desc",
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "pct",
    "latest",
    "bin",
    "ispresent",
];

/// The names of all properties.
pub(crate) fn known() -> BTreeSet<String> {
    let mut names: BTreeSet<String> =
        GIVEN.iter().chain(OF_CLOUDWATCH).chain(OF_LAMBDA).chain(OF_THE_EDGE).map(|name| (*name).to_owned()).collect();
    for metric in catalogue::ALL {
        names.insert(metric.name.to_owned());
        names.extend(metric.labels.iter().map(|dimension| dimension.as_str().to_owned()));
    }
    let mut sources = vec![root().join("platform/src")];
    let services = std::fs::read_dir(root().join("services")).expect("the services");
    sources.extend(services.map(|service| service.expect("a service").path().join("src")).filter(|path| path.is_dir()));
    sources.iter().for_each(|folder| collect(folder, &mut names));
    names
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            for opening in ["note(\"", ".insert(\""] {
                names.extend(text.split(opening).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
            }
            for opening in ["tracing::error!(", "tracing::warn!(", "tracing::info!(", "tracing::info_span!("] {
                names.extend(text.split(opening).skip(1).flat_map(fields));
            }
        }
    }
}

/// The fields of a line of the log, by what stands in the parentheses of its macro.
fn fields(rest: &str) -> Vec<String> {
    let (mut depth, mut quoted, mut parts) = (0_i32, false, vec![String::new()]);
    for character in rest.chars() {
        match character {
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if depth < 0 {
            break;
        }
        parts.last_mut().expect("a part").push(character);
    }
    let name = |part: &String| part.split('=').next().map(|name| name.trim().trim_start_matches(['%', '?']).to_owned());
    let is_name =
        |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    parts.iter().filter_map(name).filter(is_name).collect()
}

/// The properties that a query names.
pub(crate) fn named(query: &str) -> BTreeSet<String> {
    let bare = without_texts(query);
    let words: Vec<&str> = bare
        .split(|character: char| !(character.is_ascii_alphanumeric() || "_.@".contains(character)))
        .filter(|word| !word.is_empty())
        .collect();
    let aliases: BTreeSet<_> = words.windows(2).filter(|pair| pair[0] == "as").map(|pair| pair[1]).collect();
    words
        .into_iter()
        .filter(|word| !word.starts_with(|first: char| first.is_ascii_digit()))
        .filter(|word| !WORDS.contains(word) && !aliases.contains(word))
        // What is within a property is not told apart.
        .filter_map(|word| word.split('.').next().map(str::to_owned))
        .collect()
}

/// A query without what it compares with.
fn without_texts(query: &str) -> String {
    let unquoted: String = query.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let mut parts = unquoted.split("like /");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for rest in parts {
        kept.push_str(rest.split_once('/').map_or("", |(_, after)| after));
    }
    kept
}

#[test]
fn a_query_names_what_it_asks_for_and_nothing_else() {
    let query = r#"filter level = "ERROR" and @message like /a b/ | stats count(*) as times, sum(lag_ms) / 60000 by dynamo.Query"#;
    let expected = ["@message", "dynamo", "lag_ms", "level"].map(str::to_owned);
    assert_eq!(named(query), BTreeSet::from(expected));
    let line = "level = 1, %error, code = call(a, \"b, c\"), causes,\n  \"a text, and more\")rest, other = 1";
    assert_eq!(fields(line), ["level", "error", "code", "causes"]);
}
