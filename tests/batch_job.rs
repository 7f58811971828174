//! The example `batch_job` during an outage: it completes every row.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rtm_server_sdk::gate::Gate;

use common::fixtures::{self, PID, SECRET};
use common::proxy::{Direction, Event, Fault, FaultProxy};
use common::watchdog::guarded_for;

const ROWS: usize = 20_000;
/// Some hundreds of rows.
const BYTES_BEFORE_THE_OUTAGE: usize = 50_000;
const OUTAGE: Duration = Duration::from_secs(3);

/// Builds the example, which cargo does not do for a single test. Returns its path.
fn example() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--all-features", "--example", "batch_job"]);
    cargo.args(["--message-format", "json"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = cargo.stderr(Stdio::inherit()).output().unwrap();
    let messages = String::from_utf8(output.stdout).unwrap();
    let built = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let programs = built.filter(|message| message["target"]["name"] == "batch_job");
    let mut paths = programs.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    paths.next_back().expect("cargo built the example")
}

#[test]
fn batch_job_ends_with_every_row_done_after_an_outage_of_three_seconds() {
    // Enough for a slow machine or another build.
    let program = example();
    guarded_for(Duration::from_secs(300), move || {
        let gate = Gate::builder().project(PID, SECRET).bind("127.0.0.1:0").unwrap();
        let is_back = Arc::new(AtomicBool::new(false));
        let proxy = {
            let is_back = Arc::clone(&is_back);
            let fault = move |connection| match connection {
                0 => Fault::Cut(Direction::ToServer, BYTES_BEFORE_THE_OUTAGE),
                _ if is_back.load(Ordering::SeqCst) => Fault::None,
                _ => Fault::CloseAtOnce,
            };
            FaultProxy::start(gate.local_addr(), fault)
        };
        let mut job = Command::new(program);
        job.args(["--rows", &ROWS.to_string(), "--window", "64", "--timeout-ms", "1000"]);
        job.env("RTM_ENDPOINT", proxy.endpoint()).env("RTM_PID", PID.to_string()).env("RTM_SECRET", SECRET);
        let job = job.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();

        proxy.wait_for(Event::Struck(0));
        thread::sleep(OUTAGE);
        let executed_before = gate.stats().executed("addroommember");
        assert!((1..ROWS as u64).contains(&executed_before), "{executed_before} rows before the outage");
        is_back.store(true, Ordering::SeqCst);

        let output = job.wait_with_output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
        assert!(printed.starts_with(&format!("done {ROWS} of {ROWS} ")), "{printed}");
        let client = fixtures::client(gate.endpoint());
        let rids: Vec<i64> = (1..=100).collect();
        let members: i64 = client.get_room_count(&rids).call().unwrap().values().sum();
        assert_eq!(members, ROWS as i64);
    });
}
