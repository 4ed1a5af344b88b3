//! How files look: an essay at the door, rooms of a size that one can oversee, and nothing left lying around.

use std::path::{Path, PathBuf};

const LONGEST_FILE_LINES: usize = 500;
const LONGEST_FUNCTION_LINES: usize = 70;

/// What a finished repository does not contain. Written in halves, so that this file does not contain it either.
const STRAY: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("dbg", "!("),
    concat!("unimpl", "emented!("),
    concat!("to", "do!("),
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
];

const EXPECTED: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "LICENSE",
    "PROTOCOL.md",
    "README.md",
    "SECURITY.md",
    "justfile",
    ".ci/run",
    "services/openapi.json",
];

#[test]
fn rust_files_begin_with_an_essay() {
    for (path, text) in rust_files() {
        assert!(text.starts_with("//! "), "{path} does not begin by saying what it is for");
    }
}

#[test]
fn files_and_functions_can_be_overseen() {
    for (path, text) in rust_files() {
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() <= LONGEST_FILE_LINES, "{path} has {} lines", lines.len());
        for (first, length) in functions(&lines) {
            assert!(length <= LONGEST_FUNCTION_LINES, "{path}:{first}: a function of {length} lines");
        }
    }
}

#[test]
fn nothing_is_left_lying_around() {
    for (path, text) in files(|path| !path.ends_with("Cargo.lock")) {
        for stray in STRAY {
            let line = text.lines().position(|line| line.contains(stray));
            assert!(line.is_none(), "{path}:{}: {stray}", line.unwrap_or_default() + 1);
        }
    }
}

#[test]
fn the_documents_of_the_house_exist() {
    for name in EXPECTED {
        let length = std::fs::metadata(root().join(name)).map_or(0, |metadata| metadata.len());
        assert!(length > 0, "{name} is missing or empty");
    }
}

#[test]
fn function_lengths_are_measured() {
    let text =
        ["fn one() {}", "impl X {", "    pub async fn two(", "        &self,", "    ) {", "        1", "    }", "}"];
    assert_eq!(functions(&text), [(3, 5)]);
}

/// First line and length of each function, as rustfmt lays them out: it ends at a brace below its beginning.
fn functions(lines: &[&str]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let words: Vec<&str> = code.split(' ').take_while(|word| *word != "fn").collect();
        let begins = code.contains("fn ")
            && words.iter().all(|word| matches!(*word, "const" | "async" | "extern") || word.starts_with("pub"));
        if begins && !code.ends_with('}') && !code.ends_with(';') {
            let end = format!("{}}}", &line[..line.len() - code.len()]);
            let length = lines[number..].iter().position(|line| *line == end).unwrap_or_default() + 1;
            found.push((number + 1, length));
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rust_files() -> Vec<(String, String)> {
    let files = files(|path| path.extension().is_some_and(|extension| extension == "rs"));
    assert!(files.len() > 20, "too few Rust files were found: is the walk right?");
    files
}

/// Path and text of every file of the repository that is text and wanted.
fn files(wanted: impl Fn(&Path) -> bool) -> Vec<(String, String)> {
    let (root, mut found) = (root(), Vec::new());
    let mut ahead = vec![root.clone()];
    while let Some(folder) = ahead.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder can be read") {
            let entry = entry.expect("a folder can be read");
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let made = matches!(&*name, ".git" | ".terraform") || folder == root && matches!(&*name, "target" | "data");
            if entry.file_type().expect("a file has a type").is_dir() {
                ahead.extend((!made).then_some(path));
            } else if !made
                && wanted(&path)
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                let shown = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
                found.push((shown, text));
            }
        }
    }
    found.sort();
    found
}
