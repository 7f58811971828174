//! The checks of the fuzz targets, run on every seed and on a fixed number of damaged copies of it.
//!
//! `fuzz/` has the same checks for a fuzzer; here they need no fuzzer and no nightly toolchain. Inputs that the fuzzer
//! found are kept in `FOUND`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/golden_files.rs"]
mod golden_files;
mod seeds;

mod cut;
mod engine;
mod feed;
mod gate;
mod keys;
mod package;
mod push;
mod readers;
mod simulated_time;
mod stream;

use std::fs;
use std::path::Path;

/// The number of damaged copies of each seed.
const COPIES: usize = 4;

/// One fuzz target: its name, its check, and its seeds.
struct Target {
    name: &'static str,
    check: fn(&[u8]),
    seeds: fn() -> Vec<Vec<u8>>,
}

const TARGETS: [Target; 6] = [
    Target { name: "stream", check: stream::check, seeds: seeds::streams },
    Target { name: "package", check: package::check, seeds: seeds::packages },
    Target { name: "keys", check: keys::check, seeds: seeds::keys },
    Target { name: "gate", check: gate::check, seeds: seeds::quests },
    Target { name: "push", check: push::check, seeds: seeds::pushes },
    Target { name: "engine", check: engine::check, seeds: seeds::events },
];

/// Inputs that once failed a check, with the name of its target.
const FOUND: [(&str, &[u8]); 2] = [
    // The first push has an earlier time than the messages before it.
    ("push", &[32, 3, 0, 4, 252, 12, 180, 0, 147, 13, 0, 3, 0]),
    // Gaps for two reasons take turns, with no push in between.
    ("push", include_bytes!("found/repeated_gap")),
];

fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap()
}

/// Returns a copy of `bytes` with a few of them changed, removed or repeated.
fn damaged(bytes: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.usize(1..5) {
        if bytes.is_empty() {
            return bytes;
        }
        let at = random.usize(..bytes.len());
        match random.u8(..4) {
            0 => bytes[at] ^= 1 << random.u8(..8),
            1 => bytes[at] = random.u8(..),
            2 => bytes.truncate(at),
            _ => bytes.extend_from_within(at..),
        }
    }
    bytes
}

fn check_seeds_of(name: &str) {
    let Target { check, seeds, .. } = target(name);
    let mut random = fastrand::Rng::with_seed(14);
    for seed in seeds() {
        check(&seed);
        for _ in 0..COPIES {
            check(&damaged(&seed, &mut random));
        }
    }
}

#[test]
fn stream_holds_on_damaged_seeds() {
    check_seeds_of("stream");
}

#[test]
fn package_holds_on_damaged_seeds() {
    check_seeds_of("package");
}

#[test]
fn keys_hold_on_damaged_seeds() {
    check_seeds_of("keys");
}

#[test]
fn gate_holds_on_damaged_seeds() {
    check_seeds_of("gate");
}

#[test]
fn pushes_hold_on_damaged_seeds() {
    check_seeds_of("push");
}

#[test]
fn engine_holds_on_random_events() {
    check_seeds_of("engine");
}

#[test]
fn inputs_that_once_broke_a_check_no_longer_do() {
    for (name, input) in FOUND {
        (target(name).check)(input);
    }
}

/// Writes the seeds for the fuzzer: `RTM_FUZZ_CORPUS=fuzz/corpus cargo test --all-features --test fuzz -- --ignored`.
#[test]
#[ignore = "writes files, into the directory RTM_FUZZ_CORPUS"]
fn write_the_seeds() {
    let corpus = std::env::var("RTM_FUZZ_CORPUS").expect("RTM_FUZZ_CORPUS names a directory");
    for Target { name, seeds, .. } in TARGETS {
        let directory = Path::new(&corpus).join(name);
        fs::create_dir_all(&directory).unwrap();
        for (number, seed) in seeds().into_iter().enumerate() {
            fs::write(directory.join(format!("seed-{number:04}")), seed).unwrap();
        }
    }
}
