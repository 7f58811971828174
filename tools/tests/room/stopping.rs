//! Bulk runs that end before their file does: signals, a full disk, refusals that stand for all rows.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::fake::{Act, FakeServer};
use super::tool::{Run, Scratch, after, onto_a_full_disk, rows, run, tool};

#[test]
fn signals_reach_the_tool_where_the_tests_themselves_ignore_them() {
    let mut tests = Command::new(std::env::current_exe().unwrap());
    tests.args(["--exact", "stopping::hang_up_ends_a_run_unless_it_was_ignored_from_the_start"]);
    tests.arg("stopping::ctrl_c_while_the_server_is_away_is_status_130");
    let output = after("trap '' HUP INT TERM", &tests).output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && report.contains("2 passed"), "{report}");
}

#[test]
fn hang_up_ends_a_run_unless_it_was_ignored_from_the_start() {
    for is_ignored in [false, true] {
        let server = FakeServer::start(|quest| if quest == 1 { Act::Hold } else { Act::done() });
        let command = tool(&server.endpoint(), &["bulk", "add", "-", "--window", "1", "--json"]);
        let command = if is_ignored { after("trap '' HUP", &command) } else { command };
        let mut bulk = Run::start(command);
        bulk.write(&rows(3));
        server.wait_for_quests(1);
        bulk.signal(Signal::SIGHUP);
        if !is_ignored {
            bulk.wait_for_stderr("waiting for 1 call in flight");
        }
        server.release();
        let outcome = bulk.finish().expect(if is_ignored { 0 } else { 130 });
        assert_eq!(outcome.json()["done"], if is_ignored { 3 } else { 1 });
    }
}

#[test]
fn ctrl_c_while_the_server_is_away_is_status_130() {
    // From the start: connections come about, but nobody ever answers the key exchange or accepts.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = silent.local_addr().unwrap().to_string();
    let mut bulk = Run::start(tool(&endpoint, &["bulk", "add", "-", "--timeout", "5s"]));
    bulk.write(&rows(3));
    let (_connection, _) = silent.accept().unwrap();
    bulk.interrupt();
    bulk.finish_with_stdin_open().expect(130);

    // In the middle: the rows wait for a server that went away.
    let server = FakeServer::start(|quest| if quest == 2 { Act::Disconnect } else { Act::done() });
    let mut bulk = Run::start(tool(&server.endpoint(), &["bulk", "add", "-", "--window", "1"]));
    bulk.write(&rows(9));
    bulk.wait_for_stderr("line 2: ");
    bulk.interrupt();
    bulk.finish_with_stdin_open().expect(130).says("--start-line 3");
}

#[test]
fn full_disk_loses_no_row() {
    // The header goes into the report, and then no more than a block.
    let server = FakeServer::start(|quest| match quest {
        1..=19 => Act::Refuse(200_021),
        20 => Act::Hold,
        _ => Act::done(),
    });
    let scratch = Scratch::new();
    let report = scratch.path("failed.csv");
    let args = ["bulk", "add", "-", "--window", "1", "--failed", &report, "--json"];
    let outcome = run(onto_a_full_disk(&tool(&server.endpoint(), &args)), &rows(40)).expect(1);
    let summary = outcome.json();
    let (done, failed) = (summary["done"].as_u64().unwrap(), summary["failed"].as_u64().unwrap());
    let next_line = summary["next_line"].as_u64().unwrap();
    outcome.says(&format!("go on with --start-line {next_line}"));
    assert_eq!(done, 0);
    // What is not in the report is at or after the line to go on with.
    let reported = scratch.read("failed.csv").lines().count() as u64 - 1;
    assert!(reported > 0 && reported < failed, "{reported} of {failed}");
    assert_eq!(next_line, reported + 1);
}

#[test]
fn full_disk_abandons_no_call_in_flight() {
    const DONE: usize = 5;
    // The first that are refused fill the disk.
    let server = FakeServer::start(|quest| if quest > 40 - DONE { Act::Hold } else { Act::HoldThenRefuse(200_021) });
    let scratch = Scratch::new();
    let report = scratch.path("failed.csv");
    let args = ["bulk", "add", "-", "--window", "40", "--failed", &report, "--json"];
    let mut bulk = Run::start(onto_a_full_disk(&tool(&server.endpoint(), &args)));
    bulk.write(&rows(40));
    server.wait_for_quests(40);
    server.release();
    let outcome = bulk.finish().expect(1);
    outcome.says("this row is not in the report");
    outcome.says("go on with --start-line");
    let summary = outcome.json();
    assert_eq!((&summary["done"], &summary["failed"]), (&DONE.into(), &(40 - DONE).into()));
}

#[test]
fn report_that_cannot_be_begun_ends_the_run_before_its_first_call() {
    if std::fs::metadata("/dev/full").is_err() {
        return;
    }
    let server = FakeServer::start(|_| Act::done());
    let outcome = run(tool(&server.endpoint(), &["bulk", "add", "-", "--failed", "/dev/full", "--json"]), &rows(5));
    let outcome = outcome.expect(1);
    outcome.says("No space left on device");
    assert_eq!((&outcome.json()["done"], &outcome.json()["next_line"]), (&0.into(), &1.into()));
    assert_eq!(server.further_quests(), 0);
}

#[test]
fn refusal_of_a_whole_window_ends_the_run() {
    let server = FakeServer::start(|_| Act::Refuse(200_001));
    let outcome = run(tool(&server.endpoint(), &["bulk", "add", "-", "--window", "200", "--json"]), &rows(100_000));
    let summary = outcome.expect(1).json();
    assert!(summary["failed"].as_u64().unwrap() <= 400, "{summary}");
    assert_eq!((&summary["done"], &summary["next_line"]), (&0.into(), &1.into()));
}

#[test]
fn refusals_between_rows_that_are_done_do_not_end_the_run() {
    let server = FakeServer::start(|quest| if quest % 50 == 0 { Act::done() } else { Act::Refuse(200_001) });
    let outcome =
        run(tool(&server.endpoint(), &["bulk", "add", "-", "--window", "1", "--json"]), &rows(1000)).expect(1);
    assert_eq!((&outcome.json()["done"], &outcome.json()["failed"]), (&20.into(), &980.into()));
}

#[test]
fn closed_stderr_stops_no_run() {
    let server = FakeServer::start(|_| Act::done());
    let mut command = after("exec 2>&-", &tool(&server.endpoint(), &["bulk", "add", "-", "--json"]));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"42,oops\n42,1\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &summary["done"]), (Some(1), &1.into()));
}
