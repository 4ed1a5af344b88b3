//! Where everything is measured: the systems that are installed, the disk that their data is on, how long and how often, and the
//! bar that shows how far it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;

use crate::client::Result;
use crate::load::Window;
use crate::machine::Machine;
use crate::options::Options;
use crate::system::{Kind, Server, System};

/// The stream under load.
pub(crate) const STREAM: &str = "orders";

/// Everything that a measurement needs.
#[derive(Debug)]
pub(crate) struct Workbench {
    /// How long each run is.
    pub(crate) window: Window,
    /// How many runs of each.
    pub(crate) runs: u32,
    /// Whether it is only to be seen that everything works.
    pub(crate) quick: bool,
    /// What is measured, EventLedger first.
    pub(crate) systems: Vec<System>,
    /// What is not, and why.
    pub(crate) absent: Vec<String>,
    /// What it is measured on.
    pub(crate) machine: Machine,
    /// When, and by which commit.
    pub(crate) date: String,
    pub(crate) commit: String,
    root: PathBuf,
}

impl Workbench {
    /// Looks at the machine and for the systems. Nothing is started yet.
    pub(crate) async fn prepare(options: &Options) -> Result<Self> {
        let programs = std::env::current_exe()?.ancestors().nth(2).ok_or("this program lies nowhere")?.to_owned();
        let root = options.data.clone().unwrap_or_else(|| programs.with_file_name("bench"));
        std::fs::create_dir_all(&root).map_err(|error| format!("{}: {error}", root.display()))?;
        let machine = Machine::look(&root)?;
        for doubt in machine.doubts() {
            eprintln!("{doubt}");
        }
        let server = options.server.clone().unwrap_or_else(|| programs.join("eventledger"));
        let (systems, absent) = crate::system::find(&server, options.alone).await?;
        let milliseconds = if options.quick { 400 } else { options.seconds.max(1) * 1_000 };
        let measured = Duration::from_millis(milliseconds);
        Ok(Self {
            window: Window { warm_up: measured / 4, measured },
            runs: if options.quick { 1 } else { options.runs },
            quick: options.quick,
            systems,
            absent,
            machine,
            date: ledger::Clock::system().now().to_string(),
            commit: commit().await,
            root,
        })
    }

    /// EventLedger as it comes.
    pub(crate) fn ours(&self) -> &System {
        &self.systems[0]
    }

    /// All systems but EventLedger without compaction, where that makes no difference.
    pub(crate) fn products(&self) -> Vec<&System> {
        self.systems.iter().filter(|system| system.kind != Kind::Uncompacted).collect()
    }

    /// A folder that is deleted when it is dropped.
    pub(crate) fn folder(&self) -> Result<TempDir> {
        Ok(tempfile::tempdir_in(&self.root)?)
    }

    /// A bar for so many steps.
    pub(crate) fn bar(&self, what: &str, steps: u64) -> Result<ProgressBar> {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed}")?;
        let bar = ProgressBar::new(steps).with_style(style).with_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(500));
        Ok(bar)
    }

    /// Has work done on a server that was just started on a fresh folder, with the stream there.
    pub(crate) async fn on_fresh<T>(&self, system: &System, work: impl AsyncFnOnce(&Server) -> Result<T>) -> Result<T> {
        let folder = self.folder()?;
        let server = system.start(folder.path()).await?;
        server.create(STREAM).await?;
        let done = work(&server).await.map_err(|failure| format!("{}: {failure}", system.name))?;
        server.stop().await?;
        Ok(done)
    }

    /// Has work done by each system as often as there are runs, in turns, so that the machine's moods meet all alike. What came of
    /// it is in the order of the systems.
    pub(crate) async fn compare<T>(
        &self,
        what: &str,
        systems: &[&System],
        work: impl AsyncFn(&Server) -> Result<T>,
    ) -> Result<Vec<Vec<T>>> {
        let bar = self.bar(what, u64::from(self.runs) * systems.len() as u64)?;
        let mut all: Vec<Vec<T>> = systems.iter().map(|_| Vec::new()).collect();
        for _ in 0..self.runs {
            for (system, done) in systems.iter().zip(&mut all) {
                done.push(self.on_fresh(system, &work).await?);
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        Ok(all)
    }
}

/// The commit of the folder that it is run in, if it is one of git's.
async fn commit() -> String {
    let git = tokio::process::Command::new("git").args(["describe", "--always", "--dirty"]).output().await;
    let told = git.ok().filter(|output| output.status.success());
    told.map_or_else(|| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The number of thousands, rounded up.
pub(crate) fn thousands(count: u64) -> u64 {
    count.div_ceil(1_000).max(1)
}

/// A folder inside another, made when it is absent.
pub(crate) fn inside(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::create_dir_all(&path)?;
    Ok(path)
}
