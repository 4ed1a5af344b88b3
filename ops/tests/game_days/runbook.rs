//! The pages of the runbooks, and their commands, run as they are written: with the real programs, on the table of a world.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::program::{Done, OPERATOR};
use crate::world::{BILLING, World};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The commands of ours in a section of a page.
fn commands(page: &str, section: &str) -> Vec<String> {
    let path = Path::new(REPOSITORY).join("runbooks").join(format!("{page}.md"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut commands, mut within, mut in_block) = (Vec::new(), false, false);
    // A command may go on behind the end of a line.
    for line in text.replace("\\\n", " ").lines() {
        match line.trim() {
            heading if heading.starts_with("## ") => within = heading == format!("## {section}"),
            "```sh" => in_block = true,
            "```" => in_block = false,
            command if within && in_block && command.starts_with("ledger-") => commands.push(command.to_owned()),
            _ => {}
        }
    }
    commands
}

/// Commands and what became of them.
#[derive(Debug)]
pub(crate) struct Looked(Vec<(String, Done)>);

impl Looked {
    /// Insists that a command with these words answered or said this.
    pub(crate) fn says(self, command: &str, what: &str) -> Self {
        let mut of_command = self.0.iter().filter(|(line, _)| line.contains(command));
        assert!(
            of_command.any(|(_, done)| done.answer.contains(what) || done.errors.contains(what)),
            "{what}: {self:#?}"
        );
        self
    }

    /// Insists on how a command with these words ended.
    pub(crate) fn exits(self, command: &str, code: i32) -> Self {
        let mut of_command = self.0.iter().filter(|(line, _)| line.contains(command));
        assert!(of_command.any(|(_, done)| done.code == Some(code)), "{code}: {self:#?}");
        self
    }
}

impl World {
    /// Runs a command as a page has it.
    pub(crate) fn run(&mut self, command: &str) -> Done {
        let mut words = shell_words::split(command).expect("a command for a shell").into_iter();
        let path = match words.next().as_deref() {
            Some("ledger-keys") => env!("CARGO_BIN_EXE_ledger-keys"),
            Some("ledger-offsets") => env!("CARGO_BIN_EXE_ledger-offsets"),
            Some("ledger-lag") => env!("CARGO_BIN_EXE_ledger-lag"),
            other => panic!("there is no program {other:?}"),
        };
        let arguments: Vec<String> = words.collect();
        let folder = self.folder.path().to_owned();
        self.lend(|data| {
            let mut tool = Command::new(path);
            tool.args(&arguments).arg(format!("--backend=embedded:{}", data.display()));
            tool.arg(format!("--environments={REPOSITORY}/environments"));
            // A shell would say who it is.
            tool.env_clear().env("USER", OPERATOR).current_dir(folder).stdin(Stdio::null());
            let Output { status, stdout, stderr } = tool.output().expect("the program runs");
            let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
            Done { code: status.code(), answer: text(stdout), errors: text(stderr) }
        })
    }

    /// Runs what the page of an alarm has for the first five minutes, but for what asks AWS. Nothing of it writes.
    pub(crate) fn look(&mut self, alarm: &str) -> Looked {
        let mut commands = commands(alarm, "First five minutes");
        commands.retain(|command| !(command.starts_with("ledger-lag") && command.contains(" history ")));
        assert!(commands.iter().all(|command| !command.contains("--execute")), "{alarm}: {commands:?}");
        let looked = self.run_all(commands);
        for (command, done) in &looked.0 {
            // Done, something found, or a check that warns.
            assert!(matches!(done.code, Some(0 | 1 | 10 | 11)), "{alarm}: {command}: {done:?}");
        }
        looked
    }

    /// Runs the commands with which the page of an alarm mends things, as far as they have these words.
    pub(crate) fn mend(&mut self, alarm: &str, words: &str) -> Looked {
        self.follow(alarm, "Mitigate", words)
    }

    /// Runs the commands with which the page of an alarm verifies that all is well, and insists that it is.
    pub(crate) fn verify(&mut self, alarm: &str) -> Looked {
        let verified = self.follow(alarm, "Verify", "ledger-");
        assert!(verified.0.iter().all(|(_, done)| done.code == Some(0)), "{alarm}: {verified:#?}");
        verified
    }

    /// Runs the commands of a section of a page that have these words.
    pub(crate) fn follow(&mut self, page: &str, section: &str, words: &str) -> Looked {
        let mut commands = commands(page, section);
        commands.retain(|command| command.contains(words));
        assert!(!commands.is_empty(), "{page} has no command with {words} in its section {section}");
        self.run_all(commands)
    }

    fn run_all(&mut self, commands: Vec<String>) -> Looked {
        // Nobody waits here; how things move is told by the alarms.
        let run = |command: String| {
            let done = self.run(&command.replace("--over 30s", "--once").replace(BILLING, &self.meant));
            (command, done)
        };
        Looked(commands.into_iter().map(run).collect())
    }
}
