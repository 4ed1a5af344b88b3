//! Who may import whom: the table of ARCHITECTURE.md, compared with what cargo says.
//!
//! Normal dependencies only: a test may import what it needs. A new arrow between our crates is a change of the
//! architecture, and is made here and in ARCHITECTURE.md first.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Each crate of ours, and which of ours it may import.
const TABLE: &[(&str, &[&str])] = &[
    ("ledger", &[]),
    ("platform", &["ledger"]),
    ("admin", &["ledger", "platform"]),
    ("publish", &["ledger", "platform"]),
    ("poll", &["ledger", "platform"]),
    ("compactor", &["ledger", "platform"]),
    ("keeper", &["ledger", "platform"]),
    ("canary", &["ledger", "platform"]),
    ("authorizer", &["ledger", "platform"]),
    ("embedded", &["ledger"]),
    ("local", &["admin", "compactor", "embedded", "keeper", "ledger", "platform", "poll", "publish"]),
    ("ops", &["embedded", "ledger", "platform"]),
    (
        "tests",
        &["admin", "canary", "compactor", "embedded", "keeper", "ledger", "local", "platform", "poll", "publish"],
    ),
];

/// Crates that one of ours must not name, as prefixes.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("ledger", &["axum", "http", "hyper", "tower", "lambda", "reqwest", "dynoxide"]),
    ("platform", &["dynoxide", "aws-sdk-apigateway", "aws-sdk-cloudwatch"]),
    ("admin", &["aws-sdk-", "dynoxide"]),
    ("publish", &["aws-sdk-", "dynoxide"]),
    ("poll", &["aws-sdk-", "dynoxide"]),
    ("compactor", &["aws-sdk-", "dynoxide"]),
    ("keeper", &["aws-sdk-", "dynoxide"]),
    ("canary", &["aws-sdk-", "dynoxide"]),
    ("authorizer", &["aws-sdk-", "dynoxide"]),
];

const LAMBDAS: &[&str] = &["admin", "publish", "poll", "compactor", "keeper", "canary", "authorizer"];
/// What no Lambda carries, however far down its dependency tree.
const NOT_IN_A_LAMBDA: &[&str] = &["embedded", "dynoxide-rs", "libsqlite3-sys", "local", "tests"];

#[test]
fn crates_import_only_what_the_table_allows() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let rows: BTreeSet<&str> = TABLE.iter().map(|(name, _)| *name).collect();
    assert_eq!(ours, rows, "the crates of the workspace are not the rows of the import table");

    for package in metadata.workspace_packages() {
        let allowed = TABLE.iter().find(|(name, _)| *name == package.name.as_str()).map_or(&[][..], |(_, row)| row);
        let forbidden =
            FORBIDDEN.iter().find(|(name, _)| *name == package.name.as_str()).map_or(&[][..], |(_, row)| row);
        for dependency in package.dependencies.iter().filter(|each| each.kind == DependencyKind::Normal) {
            let name = dependency.name.as_str();
            assert!(
                !ours.contains(name) || allowed.contains(&name),
                "{} imports {name}, and the table does not allow it",
                package.name
            );
            assert!(
                !forbidden.iter().any(|prefix| name.starts_with(prefix)),
                "{} imports {name}, which is forbidden to it",
                package.name
            );
        }
    }
}

#[test]
fn lambdas_do_not_carry_the_embedded_table() {
    let metadata = metadata();
    for lambda in LAMBDAS {
        let carried = dependency_tree(&metadata, lambda);
        assert!(carried.len() > 1 || carried.contains("ledger"), "{lambda} carries nothing: is the walk right?");
        for name in NOT_IN_A_LAMBDA {
            assert!(!carried.contains(name), "{lambda} carries {name}");
        }
    }
    // The walk finds what is there: the local server does carry it.
    assert!(dependency_tree(&metadata, "local").contains("dynoxide-rs"));
}

#[test]
fn every_crate_takes_the_lints_of_the_house() {
    for package in metadata().workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("a manifest can be read");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} does not take the workspace's lints", package.name);
    }
}

fn metadata() -> Metadata {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).exec().expect("cargo describes the workspace")
}

/// Names of everything that a crate is linked with.
fn dependency_tree<'a>(metadata: &'a Metadata, root: &str) -> BTreeSet<&'a str> {
    let resolve = metadata.resolve.as_ref().expect("dependencies are resolved");
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let start = metadata.workspace_packages().into_iter().find(|package| package.name.as_str() == root);
    let mut ahead = vec![&start.expect("the crate is in the workspace").id];
    let mut seen = BTreeSet::new();
    while let Some(id) = ahead.pop() {
        if seen.insert(id) {
            let linked = nodes[id]
                .deps
                .iter()
                .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
            ahead.extend(linked.map(|dependency| &dependency.pkg));
        }
    }
    seen.into_iter().map(|id| metadata[id].name.as_str()).collect()
}
