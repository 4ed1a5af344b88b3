//! The example of the README, end to end: a real repository is published, rebuilt from its stream and followed, by the
//! programs that a reader would run, over a socket.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::app::App;

/// What a program printed; it must end like this.
#[track_caller]
fn run(program: &str, arguments: &[&str], server: &Server, succeeds: bool) -> String {
    let output = Command::new(example(program))
        .args(arguments)
        .env("EVENTLEDGER_API_URL", &server.url)
        .env("EVENTLEDGER_API_KEY", &server.key)
        .output()
        .expect("the program runs");
    let (printed, failure) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.success(), succeeds, "{program} {arguments:?}: {printed}{failure}");
    format!("{printed}{failure}")
}

/// `cargo test` builds the examples too, beside `deps/<this test>`, unless it is asked for single tests.
fn example(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its file");
    let path = own.ancestors().nth(2).expect("target/<profile>/deps/<test>").join("examples").join(name);
    assert!(
        path.exists(),
        "{name} is not built; run `cargo test --workspace`, or `cargo build --workspace --examples`"
    );
    path
}

#[track_caller]
fn git(repository: &Path, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"];
    let output =
        Command::new("git").arg("-C").arg(repository).args(identity).args(arguments).output().expect("git runs");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The services of this process behind a socket.
struct Server {
    url: String,
    key: String,
}

impl Server {
    async fn start() -> Self {
        let app = App::start(platform::access::Quotas::default()).await;
        let key = app.admin_key().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app.router).await });
        Self { url, key }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_is_published_rebuilt_and_followed() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let repository = folder.path().join("generated");
    let path = repository.to_str().expect("a path of text");
    run("git-generate", &[path, "--commits", "700", "--files", "400"], &server, true);
    let place = ["--repo", path, "--stream", "generated"];
    let of = |more: &[&'static str]| [&place[..], more].concat();

    assert!(run("git-bootstrap", &place, &server, false).contains("there is no stream"));
    // Stopped on the way, and started again until nothing is left.
    assert!(run("git-publish", &of(&["--limit-commits", "123"]), &server, true).starts_with("123 commits, "));
    let part = run("git-bootstrap", &place, &server, true);
    assert!(part.contains(&format!("equal the tree of {}", git(&repository, &["rev-parse", "main~577"]))), "{part}");
    assert!(run("git-publish", &place, &server, true).starts_with("577 commits, "));
    assert!(run("git-publish", &place, &server, true).starts_with("0 commits, 0 events"));
    let head = git(&repository, &["rev-parse", "main"]);
    let count = git(&repository, &["ls-tree", "-r", "--name-only", "main"]).lines().count();
    let whole = run("git-bootstrap", &place, &server, true);
    assert!(whole.contains(&format!("{count} paths equal the tree of {head}")), "{whole}");

    // What follows is printed once, and what was not published is a difference.
    let follow = ["--stream", "generated", "--once"];
    assert_eq!(run("git-follow", &follow, &server, true), "");
    commit_on_top(&repository);
    assert!(run("git-publish", &place, &server, true).starts_with("1 commits, 2 events"));
    let lines = run("git-follow", &follow, &server, true);
    let shown: Vec<&str> = lines.lines().filter_map(|line| line.split_once(' ').map(|(_, rest)| rest.trim())).collect();
    assert!(shown.iter().any(|line| line.starts_with("changed new name (Ann, ")), "{lines}");
    assert_eq!(shown.len(), 2, "{lines}");
    assert_eq!(run("git-follow", &follow, &server, true), "");
    assert!(run("git-bootstrap", &place, &server, true).contains("equal the tree of"));
}

/// Renames a file of the newest commit.
fn commit_on_top(repository: &Path) {
    let files = git(repository, &["ls-tree", "-r", "--name-only", "main"]);
    let old = files.lines().find(|path| !path.contains(['"', ' '])).expect("a plain path");
    let author = "Ann <ann@example.com> 1800000000 +0000";
    let commit = format!("commit refs/heads/main\ncommitter {author}\ndata 0\nfrom main^0\nR {old} \"new name\"\n");
    let script = repository.join("commit-on-top");
    std::fs::write(&script, commit).expect("a file can be written");
    let mut import = Command::new("git");
    import.arg("-C").arg(repository).args(["fast-import", "--quiet"]);
    let status = import.stdin(std::fs::File::open(&script).expect("the file can be read")).status();
    assert!(status.expect("git runs").success(), "git fast-import failed");
}
