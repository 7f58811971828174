//! The crate's promises about what it is built from: compilers, licences, sources.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// Licences that only require attribution. A dependency with several licences may use any of them.
const ALLOWED: [&str; 8] =
    ["MIT", "MIT-0", "Apache-2.0", "Unlicense", "Zlib", "BSD-2-Clause", "BSD-3-Clause", "Unicode-3.0"];

/// Used only by the allocation bench, and never shipped.
const BENCH_ONLY: [&str; 1] = ["tracking-allocator"];

fn packages() -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--all-features"]);
    let metadata: Value = serde_json::from_str(&printed_by(cargo)).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn printed_by(mut cargo: Command) -> String {
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the packages of a program that depends on the library with these features.
fn dependencies_with(features: &str) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--locked", "--package", env!("CARGO_PKG_NAME"), "--edges", "normal", "--prefix", "none"]);
    cargo.args(["--no-default-features", "--features", features, "--format", "{p}"]);
    printed_by(cargo).lines().map(|line| line.split(" (").next().unwrap().to_owned()).collect()
}

fn version(text: &str) -> Vec<u32> {
    let mut parts: Vec<u32> = text.split('.').map(|part| part.parse().unwrap()).collect();
    parts.resize(3, 0);
    parts
}

#[test]
fn no_locked_dependency_needs_a_newer_compiler_than_the_crate() {
    let ours = version(env!("CARGO_PKG_RUST_VERSION"));
    for package in packages() {
        if let Some(theirs) = package["rust_version"].as_str() {
            assert!(version(theirs) <= ours, "{} {} needs Rust {theirs}", package["name"], package["version"]);
        }
    }
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or("none");
        // `A OR B`, `A/B`: any one suffices. `A AND B`: all are needed.
        let is_allowed = licence.split(" AND ").all(|part| {
            let mut choices = part.split(['/', '(', ')']).flat_map(|part| part.split(" OR ")).map(str::trim);
            choices.any(|choice| ALLOWED.contains(&choice))
        });
        assert!(is_allowed || BENCH_ONLY.contains(&name), "{name} is under {licence}");
    }
}

#[test]
fn every_dependency_comes_from_the_registry() {
    let ours = [env!("CARGO_PKG_NAME"), "rtm-tools"];
    for package in packages().iter().filter(|package| !ours.contains(&package["name"].as_str().unwrap())) {
        let source = package["source"].as_str().unwrap_or("a path");
        assert!(source.starts_with("registry+"), "{} comes from {source}", package["name"]);
    }
}

#[test]
fn gate_needs_no_dependency_that_the_client_does_not() {
    let client = dependencies_with("encryption");
    assert!(client.len() > 20 && client.iter().any(|line| line.starts_with("mio ")), "{client:?}");
    assert_eq!(dependencies_with("encryption,gate"), client);
}

#[test]
fn metrics_need_the_facade_alone() {
    let client = dependencies_with("encryption");
    let with_metrics = dependencies_with("encryption,metrics");
    let names: Vec<&str> = with_metrics.difference(&client).filter_map(|line| line.split(' ').next()).collect();
    // The facade, its hash, and what that is built with.
    assert_eq!(names, ["metrics", "rapidhash", "rustversion"]);
}
