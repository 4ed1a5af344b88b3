//! A repository's history, commit by commit, as `git log` streams it: nothing but the current commit is held in memory.
//!
//! Follows first parents, so each commit's changes are the difference to the state before it, merges included, and the
//! fold of all changes up to a commit is exactly its tree.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::api::Failure;

/// One commit of the first-parent line.
#[derive(Debug)]
pub(crate) struct Commit {
    /// Its object name.
    pub(crate) id: String,
    /// Who wrote it.
    pub(crate) author: String,
    /// When, in RFC 3339.
    pub(crate) time: String,
    /// What it changed, in git's order.
    pub(crate) changes: Vec<Change>,
}

/// One changed path. A rename is two: the old path deleted, the new one added.
#[derive(Debug)]
pub(crate) struct Change {
    /// The path, any bytes but NUL.
    pub(crate) path: Vec<u8>,
    /// Its mode and blob since this commit; none when it was deleted.
    pub(crate) content: Option<(String, String)>,
}

/// The commits after a given one, oldest first.
#[derive(Debug)]
pub(crate) struct History {
    git: Child,
    output: BufReader<ChildStdout>,
    /// The first field of the next commit, which ends the changes of the one before.
    header: Option<Vec<u8>>,
    /// How many commits there are.
    pub(crate) total: u64,
}

impl History {
    /// Starts reading after a commit, or from the beginning.
    pub(crate) fn after(repository: &Path, commit: Option<&str>) -> Result<Self, Failure> {
        let head = answer(repository, &["rev-parse", "--verify", "HEAD"])?;
        let range = commit.map_or_else(|| head.clone(), |commit| format!("{commit}..{head}"));
        let elsewhere = |commit: &str| {
            format!(
                "the stream goes up to commit {commit}, which is not on the first-parent line of HEAD: another repository, \
                 or a rewritten history; publish it to another stream with --stream"
            )
        };
        if let Some(commit) = commit
            && answer(repository, &["cat-file", "-t", commit]).is_err()
        {
            return Err(elsewhere(commit).into());
        }
        let total = answer(repository, &["rev-list", "--count", "--first-parent", &range])?.parse()?;
        if let Some(commit) = commit
            && answer(repository, &["rev-parse", "--verify", &format!("{head}~{total}")])? != commit
        {
            return Err(elsewhere(commit).into());
        }
        let mut git = git(repository)
            .args(["log", "--first-parent", "--reverse", "-m", "--raw", "-z", "--root", "--no-renames", "--no-abbrev"])
            .args(["--ignore-submodules=none", "--format=tformat:>%H%x00%an%x00%aI", &range])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut output = BufReader::new(git.stdout.take().ok_or("git log has no output")?);
        let header = field(&mut output)?;
        Ok(Self { git, output, header, total })
    }

    /// The next commit; none after the last.
    pub(crate) fn next_commit(&mut self) -> Result<Option<Commit>, Failure> {
        let Some(header) = self.header.take() else {
            let status = self.git.wait()?;
            return if status.success() { Ok(None) } else { Err(format!("git log ended with {status}").into()) };
        };
        let mut commit = Commit {
            id: text(header.strip_prefix(b">").ok_or("git log answered in another format")?),
            author: text(&self.required()?),
            time: text(&self.required()?),
            changes: Vec::new(),
        };
        while let Some(next) = field(&mut self.output)? {
            match next.trim_ascii_start().strip_prefix(b":") {
                Some(columns) => {
                    let path = self.required()?;
                    commit.changes.push(Change { path, content: content(&text(columns))? });
                }
                None if next.is_empty() => {}
                None => {
                    self.header = Some(next);
                    break;
                }
            }
        }
        Ok(Some(commit))
    }

    fn required(&mut self) -> Result<Vec<u8>, Failure> {
        field(&mut self.output)?.ok_or_else(|| "git log ended in the middle of a commit".into())
    }
}

impl Drop for History {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.git.kill();
        let _ = self.git.wait();
    }
}

/// The sizes of blobs, asked one after the other of one `git cat-file`.
#[derive(Debug)]
pub(crate) struct Sizes {
    git: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Sizes {
    /// Starts the process that knows.
    pub(crate) fn open(repository: &Path) -> Result<Self, Failure> {
        let mut git = git(repository)
            .args(["cat-file", "--batch-check=%(objectsize)"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = git.stdin.take().ok_or("git cat-file has no input")?;
        let output = BufReader::new(git.stdout.take().ok_or("git cat-file has no output")?);
        Ok(Self { git, input, output })
    }

    /// The size in bytes; none for an object that is not here, such as the commit of a submodule.
    pub(crate) fn of(&mut self, object: &str) -> Result<Option<u64>, Failure> {
        writeln!(self.input, "{object}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim_end().parse().ok())
    }
}

impl Drop for Sizes {
    fn drop(&mut self) {
        let _ = self.git.kill();
        let _ = self.git.wait();
    }
}

fn git(repository: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(PathBuf::from(repository)).args(["-c", "log.showSignature=false", "--no-pager"]);
    command
}

/// The one-line answer of a short git command.
fn answer(repository: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let output = git(repository).args(arguments).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("git {} ended with {}", arguments.join(" "), output.status).into());
    }
    Ok(text(output.stdout.trim_ascii_end()))
}

/// The bytes up to the next NUL; none at the end.
fn field(output: &mut impl BufRead) -> Result<Option<Vec<u8>>, Failure> {
    let mut bytes = Vec::new();
    if output.read_until(0, &mut bytes)? == 0 {
        return Ok(None);
    }
    if bytes.pop() != Some(0) {
        return Err("git log ended in the middle of a field".into());
    }
    Ok(Some(bytes))
}

/// New mode and blob of `<old mode> <new mode> <old blob> <new blob> <status>`.
fn content(columns: &str) -> Result<Option<(String, String)>, Failure> {
    let [_, mode, _, blob, status] = columns.split(' ').collect::<Vec<_>>()[..] else {
        return Err("git log answered a change in another format".into());
    };
    Ok((status != "D").then(|| (mode.to_owned(), blob.to_owned())))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
