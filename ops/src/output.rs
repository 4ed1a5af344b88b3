//! Answers: data on standard output, as a table, JSON or CSV, and everything else on standard error.

use std::io::{IsTerminal, Write};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::failure::{Failure, Result};
use crate::options::Format;

/// The version of every JSON answer. It grows when a member goes or changes its meaning, not when one is added.
pub(crate) const SCHEMA_VERSION: u32 = 1;
/// What a table may be wide.
const COLUMNS: u16 = 100;
/// What separates its columns.
const PADDING: (u16, u16) = (0, 2);

/// One thing that is told, a row of a table.
pub(crate) trait Row: Serialize {
    /// What its cells are called.
    const COLUMNS: &'static [&'static str];

    /// Its cells.
    fn cells(&self) -> Vec<String>;
}

/// Where answers go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Writes an answer of many, which JSON calls so.
    pub(crate) fn rows<R: Row>(self, kind: &'static str, rows: &[R]) -> Result<()> {
        let text = match self.format {
            Format::Table if rows.is_empty() => {
                say(&format!("there are no {}", kind.replace('_', " ")));
                return Ok(());
            }
            Format::Table => table(rows),
            Format::Json => json(kind, rows)?,
            Format::Csv => csv(rows)?,
        };
        print(&text)
    }
}

/// Writes an answer that is a text.
pub(crate) fn print(text: &str) -> Result<()> {
    // Whoever reads no further than a line, as `head` does, wants no complaint.
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("cannot write the answer: {error}")))
        }
        _ => Ok(()),
    }
}

/// Says something beside the answer.
pub(crate) fn say(text: &str) {
    // Where nobody listens to standard error, the answer and the exit code still tell.
    writeln!(std::io::stderr(), "{text}").ok();
}

/// Whether somebody watches what goes on.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// A text without what a terminal would obey: names of files and of events are anybody's.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

fn table<R: Row>(rows: &[R]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(COLUMNS);
    table.set_header(R::COLUMNS.iter().map(|name| name.to_uppercase()));
    table.add_rows(rows.iter().map(|row| row.cells().into_iter().map(|cell| printable(&cell))));
    for (column, name) in table.column_iter_mut().zip(R::COLUMNS) {
        // What is long breaks, and no heading.
        let (left, right) = PADDING;
        column.set_padding(PADDING);
        let heading = name.len() + usize::from(left + right);
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(u16::try_from(heading).unwrap_or(COLUMNS))));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn json<R: Row>(kind: &'static str, rows: &[R]) -> Result<String> {
    let text = serde_json::to_string_pretty(&Answer { kind, rows }).map_err(unwritable)?;
    Ok(text + "\n")
}

/// What is written as JSON; directly, because a value in between would round numbers that events hold.
struct Answer<'a, R> {
    kind: &'static str,
    rows: &'a [R],
}

impl<R: Row> Serialize for Answer<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut answer = serializer.serialize_map(Some(2))?;
        answer.serialize_entry("schema_version", &SCHEMA_VERSION)?;
        answer.serialize_entry(self.kind, self.rows)?;
        answer.end()
    }
}

fn csv<R: Row>(rows: &[R]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = R::COLUMNS.iter().map(|name| name.replace(' ', "_"));
    writer.write_record(names).map_err(unwritable)?;
    for row in rows {
        writer.write_record(row.cells()).map_err(unwritable)?;
    }
    let bytes = writer.into_inner().map_err(unwritable)?;
    String::from_utf8(bytes).map_err(unwritable)
}

fn unwritable(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(format!("the answer cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Serialize)]
    struct Long {
        name: &'static str,
        text: String,
    }

    impl Row for Long {
        const COLUMNS: &'static [&'static str] = &["name", "long text"];

        fn cells(&self) -> Vec<String> {
            vec![self.name.to_owned(), self.text.clone()]
        }
    }

    #[test]
    fn a_table_fits_a_hundred_columns_and_loses_nothing() {
        let words = "word ".repeat(60);
        let shown = table(&[Long { name: "n", text: words.clone() }]);
        assert!(shown.lines().all(|line| line.chars().count() <= usize::from(COLUMNS)), "{shown}");
        assert_eq!(shown.matches("word").count(), 60);
    }

    #[test]
    fn nothing_in_a_table_is_obeyed_by_a_terminal() {
        let shown = table(&[Long { name: "n", text: "\u{1b}[2Jx".to_owned() }]);
        assert!(shown.contains("[2Jx") && !shown.contains('\u{1b}'), "{shown:?}");
    }

    #[test]
    fn json_has_a_version_and_csv_has_names() {
        let rows = [Long { name: "a,b", text: "x".to_owned() }];
        let value: serde_json::Value = serde_json::from_str(&json("long_things", &rows).unwrap()).unwrap();
        assert_eq!(value["schema_version"], SCHEMA_VERSION);
        assert_eq!(value["long_things"][0]["name"], "a,b");
        assert_eq!(csv(&rows).unwrap(), "name,long_text\n\"a,b\",x\n");
    }
}
