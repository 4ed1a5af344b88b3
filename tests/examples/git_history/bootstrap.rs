//! git-bootstrap: builds the newest state of a repository from its stream alone, and compares it with git's own tree.
//!
//! The subscription starts from compacted state and ends caught up with the log: each path once, then what changed
//! meanwhile. The comparison is path by path, both ways, with the tree of the last commit that was published.

mod api;
mod path_key;
mod progress;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use api::{Api, Call, Failure, Place, finish};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use path_key::path_key;
use progress::{PROGRESS_KEY, Progress};
use reqwest::Method;
use serde_json::{Value, json};

/// Mode and blob of each path.
type Tree = BTreeMap<String, String>;

/// Builds the state of a repository from its stream and compares it with the repository.
#[derive(Debug, Parser)]
#[command(name = "git-bootstrap", after_help = "Example:\n  git-bootstrap --repo ../website --stream website")]
struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The repository to compare with.
    #[arg(long, default_value = ".")]
    repo: PathBuf,
    /// The subscription; made anew. git-follow goes on with it.
    #[arg(long, default_value = "git-tree")]
    subscription: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    finish(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let api = Api::new(&arguments.place)?;
    api.stream(false).await?;
    let bar = ProgressBar::new_spinner()
        .with_style(ProgressStyle::with_template("{spinner} {msg} {pos} records, {per_sec}")?)
        .with_message("waiting for compaction");
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    // What is not compacted yet would come from the log, key by key instead of once each.
    if Progress::read(&api).await?.is_none() {
        return Err("nothing was published yet: run git-publish first".into());
    }
    bar.set_message("bootstrapping");
    bar.reset_elapsed();
    let (built, progress) = build(&api, &arguments.subscription, &bar).await?;
    let seconds = bar.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let Progress { commit: Some(commit), partial: None, .. } = progress else {
        return Err("publishing stopped in the middle of a commit: run git-publish again".into());
    };
    let expected = tree(&arguments.repo, &commit)?;
    let differences = compare(&built, &expected);
    println!(
        "{} records in {seconds:.1} s ({:.0} keys/s)",
        bar.position(),
        f64::from(u32::try_from(built.len())?) / seconds
    );
    if differences > 0 {
        println!("{differences} paths differ from the tree of {commit}");
        return Ok(ExitCode::FAILURE);
    }
    println!("{} paths equal the tree of {commit}", built.len());
    Ok(ExitCode::SUCCESS)
}

/// Reads a new subscription until it has caught up.
async fn build(api: &Api, subscription: &str, bar: &ProgressBar) -> Result<(Tree, Progress), Failure> {
    let path = format!("/subscriptions/{subscription}");
    api.call(&Call::new(Method::DELETE, &path)).await?.expect(&[204, 404])?;
    let definition = json!({ "subscription_id": subscription, "start_from": "compacted" });
    api.call(&Call::post("/subscriptions", &definition)).await?.expect(&[201])?;
    let (mut tree, mut progress) = (Tree::new(), Progress::default());
    loop {
        let page = api.call(&Call::new(Method::GET, format!("{path}/poll?limit=1000"))).await?.expect(&[200])?;
        for event in page["events"].as_array().ok_or("a page without events")? {
            apply(event, &mut tree, &mut progress)?;
            bar.inc(1);
        }
        api.call(&Call::post(format!("{path}/commit"), &json!({ "cursor": page["cursor"] }))).await?.expect(&[200])?;
        if page["caught_up"] == true && page["phase"] == "live" {
            return Ok((tree, progress));
        }
    }
}

fn apply(event: &Value, tree: &mut Tree, progress: &mut Progress) -> Result<(), Failure> {
    let key = event["key"].as_str().ok_or("an event without a key")?;
    if key == PROGRESS_KEY {
        *progress = Progress::from_event(event)?;
    } else if event["data"].is_null() {
        tree.remove(key);
    } else {
        let member = |name: &str| event["data"][name].as_str().unwrap_or("-").to_owned();
        tree.insert(key.to_owned(), format!("{} {}", member("mode"), member("blob")));
    }
    Ok(())
}

/// The tree of a commit, by the keys that its paths have in the stream.
fn tree(repository: &Path, commit: &str) -> Result<Tree, Failure> {
    let output = Command::new("git")
        .arg("-C")
        .arg(repository)
        .args(["ls-tree", "-r", "-z", "--full-tree", commit])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("git ls-tree ended with {}", output.status).into());
    }
    let mut tree = Tree::new();
    for line in output.stdout.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let tab = line.iter().position(|byte| *byte == b'\t').ok_or("git ls-tree answered in another format")?;
        let columns = String::from_utf8_lossy(&line[..tab]).into_owned();
        let [mode, _, blob] = columns.split(' ').collect::<Vec<_>>()[..] else {
            return Err("git ls-tree answered in another format".into());
        };
        tree.insert(path_key(&line[tab + 1..]), format!("{mode} {blob}"));
    }
    Ok(tree)
}

/// Prints every path that differs, and counts them.
fn compare(built: &Tree, expected: &Tree) -> usize {
    let missing = expected.iter().filter(|(path, _)| !built.contains_key(*path));
    let differing = built.iter().filter(|(path, content)| expected.get(*path) != Some(content));
    let mut differences = 0;
    for (path, _) in missing.chain(differing) {
        let shown = |tree: &Tree| tree.get(path).cloned().unwrap_or_else(|| "absent".to_owned());
        println!("{path}: stream {}, git {}", shown(built), shown(expected));
        differences += 1;
    }
    differences
}
