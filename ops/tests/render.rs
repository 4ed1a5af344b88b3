//! What infrastructure code reads, and the pictures for people, are what the catalogue says: `UPDATE_EXPECT=1` writes them again.

mod program;

use std::path::Path;

use expect_test::ExpectFile;
use program::run;

/// A file of the repository.
fn committed(path: &str) -> ExpectFile {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("ops is in the workspace");
    expect_test::expect_file![root.join(path)]
}

#[test]
fn alarms_and_dashboards_of_every_environment_are_the_committed_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../environments");
    let entries = std::fs::read_dir(folder).expect("the environments").map(|entry| entry.expect("an entry"));
    let environments = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name());
    let environments: Vec<_> = environments.map(|name| name.into_string().expect("a name")).collect();
    assert!(environments.len() >= 2, "{environments:?}");
    for environment in &environments {
        for what in ["alarms", "dashboards"] {
            let rendered = run("ledger-lag", &["--env", environment, "render", what]).exits(0);
            assert_eq!(rendered.errors, "");
            serde_json::from_str::<serde_json::Value>(&rendered.answer).expect("JSON");
            committed(&format!("environments/{environment}/{what}.json")).assert_eq(&rendered.answer);
        }
    }
}

#[test]
fn the_pictures_are_of_the_dashboards() {
    for dashboard in platform::telemetry::dashboards::all() {
        let drawn = run("ledger-lag", &["render", "picture", dashboard.name]).exits(0);
        for panel in &dashboard.panels {
            assert!(drawn.answer.contains(panel.title), "{} is not in the picture of {}", panel.title, dashboard.name);
        }
        committed(&format!("runbooks/dashboards/{}.svg", dashboard.name)).assert_eq(&drawn.answer);
    }
}

#[test]
fn what_cannot_be_rendered_is_told_with_what_can() {
    let unknown = run("ledger-lag", &["render", "picture", "weather"]).exits(3);
    assert!(unknown.errors.contains("overview, streams, machinery"), "{unknown:?}");
    let nowhere = run("ledger-lag", &["render", "alarms"]).exits(2);
    assert!(nowhere.errors.contains("--env"), "{nowhere:?}");
    let _ = run("ledger-lag", &["--env", "production", "render", "alarms"]).exits(3);
}
