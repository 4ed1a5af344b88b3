//! Writes the table to its place in a document, between two marks, as the run that measured it. Nobody types a figure there.

use std::path::Path;

use super::{Report, table, write as write_file};
use crate::client::Result;

/// Writes the document again with this report in it.
pub(crate) fn write(file: &Path, report: &Report) -> Result<()> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let written = with(&text, report).map_err(|failure| format!("{}: {failure}", file.display()))?;
    write_file(file, &written)
}

fn with(text: &str, report: &Report) -> Result<String> {
    let [begin, end] = ["begin", "end"].map(|which| format!("<!-- {}: {which} -->\n", report.subject));
    let parts = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.ok_or_else(|| format!("there is no place between {begin} and {end}"))?;
    Ok(format!("{before}{begin}{}\n{end}{after}", table::text(report)))
}

#[cfg(test)]
mod tests {
    use super::super::SUBJECTS;
    use super::super::tests::report;
    use super::*;

    const DOCUMENT: &str = include_str!("../README.md");

    #[test]
    fn a_report_takes_the_place_of_the_last_one_of_its_kind() {
        for subject in SUBJECTS {
            let once = with(DOCUMENT, &report(subject)).unwrap();
            assert_eq!(once.matches("2 cores of A processor").count(), 1);
            assert_eq!(with(&once, &report(subject)).unwrap(), once);
            assert_eq!(once.lines().last(), DOCUMENT.lines().last());
        }
    }

    #[test]
    fn a_document_without_a_place_is_left_alone() {
        assert!(with("# Something else\n", &report("scale")).is_err());
    }
}
