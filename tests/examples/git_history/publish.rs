//! git-publish: publishes the history of a repository, one event per changed file, keyed by its path.
//!
//! Started again, it goes on exactly where it stopped, even in the middle of a commit: each atomic request carries the
//! progress it makes. So it can be run after every push, killed at any moment, and never publishes a change twice.

mod api;
mod batch;
mod history;
mod path_key;
mod progress;

use std::path::PathBuf;
use std::process::ExitCode;

use api::{Api, Call, Failure, Place, finish};
use batch::Batch;
use clap::Parser;
use history::{Commit, History, Sizes};
use indicatif::{ProgressBar, ProgressStyle};
use progress::{Partial, Progress};
use reqwest::Method;

/// Publishes the history of a git repository to a stream.
#[derive(Debug, Parser)]
#[command(name = "git-publish", after_help = "Example:\n  git-publish --repo ../website --stream website")]
struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The repository.
    #[arg(long, default_value = ".")]
    repo: PathBuf,
    /// Stop after so many commits.
    #[arg(long)]
    limit_commits: Option<u64>,
}

/// A run: what is on its way, and what has arrived.
struct Publisher {
    api: Api,
    incarnation: String,
    batch: Batch,
    /// What the log holds.
    published: Progress,
    /// What it holds once the batch has arrived.
    progress: Progress,
    sizes: Sizes,
    bytes: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    finish(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let api = Api::new(&arguments.place)?;
    let incarnation = api.stream(true).await?;
    let before = Progress::read(&api).await?.unwrap_or_default();
    let mut history = History::after(&arguments.repo, before.commit.as_deref())?;
    let sizes = Sizes::open(&arguments.repo)?;
    let limit = arguments.limit_commits.unwrap_or(u64::MAX);
    let bar = ProgressBar::new(history.total.min(limit))
        .with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} commits, {per_sec}, {eta} left")?);

    let (published, progress) = (before.clone(), before.clone());
    let mut publisher = Publisher { api, incarnation, batch: Batch::default(), published, progress, sizes, bytes: 0 };
    let mut commits = 0;
    while commits < limit
        && let Some(commit) = history.next_commit()?
    {
        publisher.add(&commit).await?;
        commits += 1;
        bar.inc(1);
    }
    publisher.send().await?;
    bar.finish_and_clear();

    let events = publisher.published.changes - before.changes;
    let seconds = bar.elapsed().as_secs_f64();
    println!(
        "{commits} commits, {events} events in {seconds:.1} s ({:.0} events/s), {} bytes sent",
        if seconds > 0.0 { precise(events) / seconds } else { 0.0 },
        publisher.bytes,
    );
    Ok(ExitCode::SUCCESS)
}

impl Publisher {
    /// Adds the changes of a commit, and sends what is full.
    async fn add(&mut self, commit: &Commit) -> Result<(), Failure> {
        let done = match self.progress.partial.take() {
            Some(partial) if partial.commit == commit.id => partial.changes,
            Some(partial) => return Err(format!("{} was published in part and is gone", partial.commit).into()),
            None => 0,
        };
        for (number, change) in commit.changes.iter().enumerate().skip(done) {
            let event = batch::event(commit, change, &mut self.sizes)?;
            if !self.batch.fits(&event) {
                self.progress.partial = (number > 0).then(|| Partial { commit: commit.id.clone(), changes: number });
                self.send().await?;
            }
            self.batch.push(event);
            self.progress.changes += 1;
        }
        self.progress.partial = None;
        self.progress.commit = Some(commit.id.clone());
        self.progress.commits += 1;
        Ok(())
    }

    /// Publishes the batch and the progress it makes, if it makes any.
    async fn send(&mut self) -> Result<(), Failure> {
        if self.progress == self.published {
            return Ok(());
        }
        let (body, key) = self.batch.close(&self.incarnation, &self.published, &self.progress);
        let bytes = u64::try_from(body.len())?;
        let call = Call { body: Some(body), idempotency_key: Some(key), ..Call::new(Method::POST, "/events") };
        let receipts = self.api.call(&call).await?.expect(&[201])?;
        let accepted = receipts["events"].as_array().map_or(0, Vec::len);
        if accepted != self.batch.len() + 1 {
            return Err(format!("{accepted} receipts for {} events", self.batch.len() + 1).into());
        }
        self.bytes += bytes;
        self.batch = Batch::default();
        self.published = self.progress.clone();
        Ok(())
    }
}

/// Counts of one run are far below the 2^53 up to which this is exact.
#[expect(clippy::cast_precision_loss, reason = "a rate is shown without decimals")]
fn precise(count: u64) -> f64 {
    count as f64
}
