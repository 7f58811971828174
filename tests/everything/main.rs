//! Everything at once, from a seed: 200 threads call in all ways over proxies that cut, with callbacks that call, panic
//! and block, executors that drop, delay and reorder, listeners that come and go, plain and encrypted, while clients are
//! closed, shut down and dropped. Every call is accounted for, and nothing is left behind.
//!
//! Twenty short rounds run with the other tests. Longer, by hand:
//! `RTM_SOAK_SECONDS=3600 RTM_SOAK_SEED=1 cargo test --release --all-features --test everything -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;

mod callers;
mod executors;
mod ledger;
mod world;

use std::time::{Duration, Instant};

use common::watchdog::guarded_for;
use common::{eventually, process};
use ledger::Totals;
use world::World;

const SEED: u64 = 20_261_124;
const SHORT_ROUND: Duration = Duration::from_millis(150);
const LONG_ROUND: Duration = Duration::from_secs(2);

/// A round, after which nothing of it may be left.
fn play(seed: u64, time: Duration) -> Totals {
    let (threads, descriptors) = (process::threads().len(), process::descriptors());
    let world = World::start(seed);
    world.run_for(time);
    let totals = world.end();
    eventually("the threads of the round have ended", || process::threads().len() <= threads);
    eventually("the descriptors of the round are closed", || process::descriptors() <= descriptors);
    totals
}

#[test]
fn twenty_rounds_account_for_every_call_and_leave_nothing_behind() {
    guarded_for(Duration::from_secs(300), || {
        let totals: Totals = (0..20).map(|round| play(SEED + round, SHORT_ROUND)).sum();
        println!("{totals:?}");
        assert!(totals.succeeded > 0 && totals.failed > 0 && totals.pushes > 0, "{totals:?}");
    });
}

#[test]
#[ignore = "takes as long as RTM_SOAK_SECONDS says, 600 by default"]
fn rounds_account_for_every_call_and_leave_nothing_behind() {
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (seconds, seed) = (number("RTM_SOAK_SECONDS", 600), number("RTM_SOAK_SEED", SEED));
    let time = Duration::from_secs(seconds);
    guarded_for(time + Duration::from_secs(120), move || {
        let started = Instant::now();
        let mut rounds = 0;
        let mut totals = Totals::default();
        while started.elapsed() < time {
            totals += play(seed + rounds, LONG_ROUND);
            rounds += 1;
            println!("round {rounds}, seed {}: {totals:?}", seed + rounds - 1);
        }
        println!("peak memory {} MiB", process::peak_memory() >> 20);
    });
}
