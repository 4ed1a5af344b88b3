//! The contract and its suite mirror each other: every clause of PROTOCOL.md has a test, every test a clause.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_clause_has_a_test_and_every_test_a_clause() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let protocol = std::fs::read_to_string(root.join("PROTOCOL.md")).expect("PROTOCOL.md can be read");
    let (clauses, tests) = (clauses(&protocol), tests(&root.join("tests/contract")));
    assert!(clauses.len() > 40, "too few clauses were found: {clauses:?}");
    let untested: Vec<_> = clauses.difference(&tests).collect();
    assert!(untested.is_empty(), "clauses without a test: {untested:?}");
    let unwritten: Vec<_> = tests.difference(&clauses).collect();
    assert!(unwritten.is_empty(), "tests without a clause: {unwritten:?}");
}

/// What the bold beginning of an item names: `**P1 …`, `**A2, A3**`, `**B1 to B14**`.
fn clauses(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for item in text.lines().filter_map(|line| line.strip_prefix("- **")) {
        let bold = item.split("**").next().unwrap_or_default();
        let names: Vec<&str> = bold.split([' ', ',']).filter(|word| is_clause(word)).collect();
        match (names.as_slice(), bold.contains(" to ")) {
            ([first, last], true) => {
                let number = |name: &str| name[1..].parse::<u32>().expect("a clause has a number");
                found.extend((number(first)..=number(last)).map(|number| format!("{}{number}", &first[..1])));
            }
            _ => found.extend(names.into_iter().map(str::to_owned)),
        }
    }
    found
}

fn is_clause(word: &str) -> bool {
    let digits = word.strip_prefix(|letter: char| letter.is_ascii_uppercase()).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The clauses that the names of the tests begin with.
fn tests(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the suite can be read") {
        let path = entry.expect("the suite can be read").path();
        if path.is_dir() {
            found.extend(tests(&path));
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("the suite can be read");
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("async fn "));
        let clause = |name: &str| name.split('_').next().map(str::to_uppercase).filter(|word| is_clause(word));
        found.extend(names.filter_map(clause));
    }
    found
}
