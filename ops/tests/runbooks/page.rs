//! A page of the runbooks as a test sees it: lines of text and of code, each with the section that it stands in, and the
//! commands, links and names that are among them.

use std::path::{Path, PathBuf};

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    /// Where it is, from `runbooks/` on.
    pub(crate) name: String,
    lines: Vec<Line>,
}

/// A line of a page; one of a shell that is continued is one.
#[derive(Debug)]
struct Line {
    number: usize,
    /// The heading of the second level above it.
    section: String,
    /// The language of the block of code that it stands in.
    language: Option<String>,
    text: String,
}

/// A command that a page tells somebody to type.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    /// Page and line.
    pub(crate) place: String,
    /// The heading of the second level above it.
    pub(crate) section: String,
    /// Its words, as a shell takes them.
    pub(crate) words: Vec<String>,
    /// How it ends in the examples, where the page says so.
    pub(crate) exits: Option<i32>,
}

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The pages of a folder in `runbooks/`, by their names.
pub(crate) fn pages(folder: &str) -> Vec<Page> {
    let path = root().join("runbooks").join(folder);
    let entries = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut names: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| format!("{folder}{}", path.file_name().expect("a name").to_string_lossy()))
        .collect();
    names.sort();
    names.into_iter().map(Page::read).collect()
}

/// Every page there is.
pub(crate) fn all() -> Vec<Page> {
    pages("").into_iter().chain(pages("procedures/")).collect()
}

/// A text without the ends of its lines, which mean nothing.
pub(crate) fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Page {
    fn read(name: String) -> Self {
        let text = std::fs::read_to_string(root().join("runbooks").join(&name)).expect("a page");
        let (mut section, mut language) = (String::new(), None);
        let mut lines: Vec<Line> = Vec::new();
        let mut continues = false;
        for (number, text) in (1..).zip(text.lines()) {
            if let Some(fence) = text.strip_prefix("```") {
                language = if language.is_none() { Some(fence.to_owned()) } else { None };
                continue;
            }
            if let (None, Some(heading)) = (&language, text.strip_prefix("## ")) {
                section = heading.to_owned();
            }
            let (text, goes_on) = text.strip_suffix('\\').map_or((text, false), |text| (text, true));
            match lines.last_mut().filter(|_| continues) {
                Some(last) => last.text.push_str(text),
                None => lines.push(Line {
                    number,
                    section: section.clone(),
                    language: language.clone(),
                    text: text.to_owned(),
                }),
            }
            continues = goes_on;
        }
        assert!(language.is_none(), "{name}: a block of code has no end");
        Self { name, lines }
    }

    /// What it is called, as an alarm is.
    pub(crate) fn stem(&self) -> &str {
        self.name.trim_end_matches(".md")
    }

    /// Its headings of every level, with their marks.
    pub(crate) fn headings(&self) -> Vec<&str> {
        self.text().map(|line| line.text.as_str()).filter(|text| text.starts_with('#')).collect()
    }

    /// The text below a heading of the second level.
    pub(crate) fn section(&self, heading: &str) -> String {
        let below = self.text().filter(|line| line.section == heading && !line.text.starts_with("## "));
        flat(&below.map(|line| line.text.as_str()).collect::<Vec<_>>().join(" "))
    }

    /// What is to be typed into a shell, or is written as a whole command of ours in the text.
    pub(crate) fn commands(&self) -> Vec<Command> {
        let of_line = |line: &Line| {
            let exits = line.text.rsplit_once(" # exits ").map(|(_, code)| code.parse().expect("an exit code"));
            self.command(&line.text, &format!("{}:{}", self.name, line.number), &line.section, exits)
        };
        let typed = self.code("sh").filter(|line| !line.text.trim().is_empty()).map(of_line);
        let told = self.names().into_iter().filter(|name| name.starts_with("ledger-") && name.contains("--env"));
        typed.chain(told.map(|text| self.command(&text, &self.name, "", None))).collect()
    }

    fn command(&self, text: &str, place: &str, section: &str, exits: Option<i32>) -> Command {
        let words = shell_words::split(text).unwrap_or_else(|error| panic!("{place}: {error}"));
        // Where the answer goes is the shell's to see to.
        let words = words.into_iter().take_while(|word| word != ">").collect();
        Command { place: place.to_owned(), section: section.to_owned(), words, exits }
    }

    /// Its queries of CloudWatch Logs Insights.
    pub(crate) fn queries(&self) -> Vec<(String, String)> {
        let mut queries: Vec<(usize, String, String)> = Vec::new();
        for line in self.code("insights") {
            match queries.last_mut().filter(|(number, _, _)| number + 1 == line.number) {
                Some((number, _, query)) => {
                    *number = line.number;
                    query.push_str(&format!(" {}", line.text));
                }
                None => queries.push((line.number, format!("{}:{}", self.name, line.number), line.text.clone())),
            }
        }
        queries.into_iter().map(|(_, place, query)| (place, query)).collect()
    }

    /// What is written as code within its text.
    pub(crate) fn names(&self) -> Vec<String> {
        let text = self.text().map(|line| line.text.as_str()).collect::<Vec<_>>().join(" ");
        text.split('`').skip(1).step_by(2).map(flat).collect()
    }

    /// Where its links lead.
    pub(crate) fn links(&self) -> Vec<String> {
        let text = self.text().map(|line| line.text.as_str()).collect::<Vec<_>>().join(" ");
        text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
    }

    fn text(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.language.is_none())
    }

    fn code(&self, language: &str) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.language.as_deref() == Some(language))
    }
}

/// The name by which a link leads to a heading, as renderers of Markdown make it.
pub(crate) fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|character| character.is_alphanumeric() || " -_".contains(*character));
    kept.map(|character| if character == ' ' { '-' } else { character }).collect()
}
