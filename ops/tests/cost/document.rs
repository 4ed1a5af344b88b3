//! The document of the bill: its tables are what the program answers. `UPDATE_EXPECT=1` writes them again.

use std::collections::BTreeSet;

use expect_test::expect_file;
use serde_json::Value;

use crate::program::run;

const DOCUMENT: &str = include_str!("../../cost/README.md");
/// What is less in every bill is no line of the table.
const CENTS: f64 = 0.05;

/// What the program shows of something.
fn shown(what: &str) -> Vec<Value> {
    let answer = run("ledger-lag", &["cost", "--show", what, "-o", "json"]).exits(0).json();
    answer[what].as_array().expect("rows").clone()
}

/// The bill that a row belongs to.
fn bill(row: &Value) -> (String, u64) {
    (row["workload"].as_str().expect("a name").to_owned(), row["events_per_month"].as_u64().expect("a number"))
}

fn amount(dollars: f64) -> String {
    if dollars >= 100.0 { format!("{dollars:.0}") } else { format!("{dollars:.2}") }
}

fn dollars(row: &Value) -> f64 {
    row["dollars"].as_f64().expect("dollars")
}

fn marked(row: &Value) -> String {
    amount(dollars(row)) + if row["verified"] == false { " ?" } else { "" }
}

fn table(heading: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|{}\n", " --- |".repeat(heading.len()));
    line(heading) + &rule + &rows.into_iter().map(|cells| line(&cells)).collect::<String>()
}

fn bills() -> String {
    let heading = ["workload", "events", "sum", "always", "target", "missed by", "largest"].map(str::to_owned);
    let rows = shown("bills");
    let others = rows[0]["others"].as_array().expect("others").iter();
    let heading: Vec<_> =
        heading.into_iter().chain(others.map(|other| other["name"].as_str().expect("a name").to_owned())).collect();
    let cells = |row: &Value| {
        let (workload, events) = bill(row);
        let target = row["target_dollars"].as_f64().map_or_else(String::new, |target| format!("{target}"));
        let missed = row["target_dollars"].as_f64().map(|target| dollars(row) - target).filter(|missed| *missed > 0.0);
        let missed = missed.map_or_else(String::new, amount);
        let always = amount(row["always_dollars"].as_f64().expect("dollars"));
        let largest = row["largest_line"].as_str().expect("a line").to_owned();
        let others = row["others"].as_array().expect("others").iter().map(marked);
        [workload, format!("{}M", events / 1_000_000), marked(row), always, target, missed, largest]
            .into_iter()
            .chain(others)
            .collect()
    };
    table(&heading, rows.iter().map(cells))
}

/// A row for each text, a column for each bill.
fn by_bill(rows: &[Value], first: &str, text: impl Fn(&Value) -> String, cell: impl Fn(&Value) -> String) -> String {
    let bills: BTreeSet<_> = rows.iter().map(bill).collect();
    let columns = bills.iter().map(|(workload, events)| format!("{workload} {}M", events / 1_000_000));
    let heading: Vec<_> = std::iter::once(first.to_owned()).chain(columns).collect();
    let mut texts: Vec<String> = Vec::new();
    for row in rows {
        if !texts.contains(&text(row)) {
            texts.push(text(row));
        }
    }
    let line = |name: &String| {
        let of = |one: &(String, u64)| rows.iter().find(|row| bill(row) == *one && text(row) == *name);
        let cells: Vec<_> = bills.iter().map(|one| of(one).map_or_else(String::new, &cell)).collect();
        let matters = bills.iter().filter_map(of).any(|row| dollars(row) >= CENTS);
        matters.then(|| std::iter::once(name.clone()).chain(cells).collect())
    };
    table(&heading, texts.iter().filter_map(line))
}

fn lines() -> String {
    let rows = shown("lines");
    let text = |row: &Value| {
        format!("{} {}", row["service"].as_str().expect("a service"), row["what"].as_str().expect("what"))
    };
    let cell = |row: &Value| {
        let amount = amount(dollars(row));
        if row["largest"] == true { format!("**{amount}**") } else { amount }
    };
    by_bill(&rows, "line", text, cell)
}

fn variations() -> String {
    let text = |row: &Value| row["what"].as_str().expect("what").to_owned();
    by_bill(&shown("variations"), "if", text, |row| amount(dollars(row)))
}

#[test]
fn the_tables_of_the_document_are_what_the_program_says() {
    let mut text = DOCUMENT.to_owned();
    for (name, table) in [("bills", bills()), ("lines", lines()), ("variations", variations())] {
        let (begin, end) = (format!("<!-- {name} -->\n"), "<!-- end -->");
        let from = text.find(&begin).unwrap_or_else(|| panic!("there is no place for {name}")) + begin.len();
        let to = from + text[from..].find(end).expect("the place ends");
        text.replace_range(from..to, &table);
    }
    expect_file!["../../cost/README.md"].assert_eq(&text);
}

#[test]
fn what_is_shown_fits_a_terminal_and_reads_as_what_it_is() {
    for what in ["bills", "lines", "variations", "prices"] {
        let shown = run("ledger-lag", &["cost", "--show", what]).exits(0);
        assert!(shown.answer.lines().all(|line| line.chars().count() <= 100), "{}", shown.answer);
        assert!(shown.errors.contains("us-east-1, read on 20"), "{}", shown.errors);
        let rows = run("ledger-lag", &["cost", "--show", what, "-o", "csv"]).exits(0);
        assert!(rows.answer.lines().count() > 6, "{}", rows.answer);
    }
    let _ = run("ledger-lag", &["cost", "--workload", "no-such.json"]).exits(3);
    let _ = run("ledger-lag", &["cost", "--prices", "README.md"]).exits(1);
}

#[test]
fn lines_add_up_and_one_is_the_largest() {
    let lines = shown("lines");
    for row in shown("bills") {
        let of_bill: Vec<_> = lines.iter().filter(|line| bill(line) == bill(&row)).collect();
        let sum: f64 = of_bill.iter().map(|line| dollars(line)).sum();
        assert!((sum - dollars(&row)).abs() < 1e-6, "{row}");
        let largest: Vec<_> = of_bill.iter().filter(|line| line["largest"] == true).collect();
        assert_eq!(largest.len(), 1, "{row}");
        assert!(of_bill.iter().all(|line| dollars(line) <= dollars(largest[0])), "{row}");
    }
}
