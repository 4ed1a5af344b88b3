//! git-generate: makes a large repository through `git fast-import`, for measuring. The same seed, the same repository.
//!
//! Every kind of change is in it: files added, changed, deleted and renamed, executable bits, merges, empty commits, and
//! paths that are no text, hold control characters or are longer than an event key may be.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;

type Failure = Box<dyn std::error::Error>;

/// Makes a large synthetic git repository.
#[derive(Debug, Parser)]
#[command(name = "git-generate", after_help = "Example:\n  git-generate --commits 30000 /tmp/large")]
struct Arguments {
    /// Where; must not exist yet.
    directory: PathBuf,
    /// How many commits on the first-parent line.
    #[arg(long, default_value_t = 30_000)]
    commits: u64,
    /// About how many files are alive at the end.
    #[arg(long, default_value_t = 20_000)]
    files: usize,
    /// Which of all possible repositories.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The files that are alive and what changes next.
struct Author<W> {
    output: W,
    seed: u64,
    alive: Vec<String>,
    most_alive: usize,
    made: u64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.directory.exists() {
        return Err(format!("{} exists already", arguments.directory.display()).into());
    }
    let created =
        Command::new("git").args(["init", "--quiet", "--bare", "-b", "main"]).arg(&arguments.directory).status()?;
    let mut import = Command::new("git")
        .arg("-C")
        .arg(&arguments.directory)
        .args(["fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()?;
    let output = BufWriter::new(import.stdin.take().ok_or("git fast-import has no input")?);
    let mut author =
        Author { output, seed: arguments.seed, alive: Vec::new(), most_alive: arguments.files.max(1), made: 0 };
    for number in 1..=arguments.commits {
        author.commit(number)?;
    }
    author.output.flush()?;
    drop(author);
    if !created.success() || !import.wait()?.success() {
        return Err("git could not make the repository".into());
    }
    Ok(())
}

impl<W: Write> Author<W> {
    /// One commit on the main line; every fortieth merges a side branch of one commit.
    fn commit(&mut self, number: u64) -> Result<(), Failure> {
        let merges = number.is_multiple_of(40);
        if merges {
            // The side branch leaves from the commit before and changes a file of its own.
            self.header("side", 2 * number, number)?;
            writeln!(self.output, "from :{}", 2 * (number - 1) + 1)?;
            self.content(&format!("side/{number}"))?;
        }
        self.header("main", 2 * number + 1, number)?;
        if number > 1 {
            writeln!(self.output, "from :{}", 2 * (number - 1) + 1)?;
        }
        if merges {
            writeln!(self.output, "merge :{}", 2 * number)?;
            // A merge takes the tree of its first parent; what the side branch brought is said again.
            self.content(&format!("side/{number}"))?;
        }
        let changes = if number.is_multiple_of(97) { 0 } else { 1 + self.draw(5) };
        for _ in 0..changes {
            self.change()?;
        }
        writeln!(self.output)?;
        Ok(())
    }

    fn header(&mut self, branch: &str, mark: u64, number: u64) -> Result<(), Failure> {
        let message = format!("Change number {number}");
        writeln!(self.output, "commit refs/heads/{branch}\nmark :{mark}")?;
        writeln!(
            self.output,
            "committer Author {} <author@example.com> {} +0100",
            number % 7,
            1_700_000_000 + number * 60
        )?;
        writeln!(self.output, "data {}\n{message}", message.len())?;
        Ok(())
    }

    /// Adds, changes, renames or deletes a file.
    fn change(&mut self) -> Result<(), Failure> {
        let position = usize::try_from(self.draw(self.alive.len().max(1) as u64))?;
        let full = self.alive.len() >= self.most_alive;
        match self.draw(10) {
            0 if full || self.alive.len() > 20 => {
                let path = self.alive.swap_remove(position);
                writeln!(self.output, "D {path}")?;
            }
            1 if !self.alive.is_empty() => {
                let new = self.new_path();
                let old = std::mem::replace(&mut self.alive[position], new.clone());
                writeln!(self.output, "R {old} {new}")?;
            }
            2..=5 if !full => {
                let path = self.new_path();
                self.content(&path)?;
                self.alive.push(path);
            }
            _ if !self.alive.is_empty() => {
                let path = self.alive[position].clone();
                self.content(&path)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A path in the spelling of fast-import: quoted, bytes that are not plain text as octal escapes.
    fn new_path(&mut self) -> String {
        self.made += 1;
        let (number, folder) = (self.made, self.draw(200));
        match number % 500 {
            1 => format!("\"folder-{folder}/no text \\377\\376 {number}\""),
            2 => format!("\"folder-{folder}/two\\nlines {number}\""),
            3 => format!("\"folder-{folder}/{}/{number}\"", ["long"; 120].join("/")),
            4 => format!("\"folder-{folder}/caf\\303\\251 {number}\""),
            _ => format!("\"folder-{folder}/file-{number}.txt\""),
        }
    }

    fn content(&mut self, path: &str) -> Result<(), Failure> {
        let mode = if self.draw(10) == 0 { "100755" } else { "100644" };
        let text = "x".repeat(usize::try_from(self.draw(300))?) + &self.draw(u64::MAX).to_string();
        writeln!(self.output, "M {mode} inline {path}\ndata {}\n{text}", text.len())?;
        Ok(())
    }

    /// A number below a bound (splitmix64; slightly uneven, which does not matter here).
    fn draw(&mut self, bound: u64) -> u64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}
