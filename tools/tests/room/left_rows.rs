//! Bulk runs that end before their file does: each row is done, has failed and is reported, or is left to the next run.

use std::sync::mpsc::channel;

use super::fake::{Act, FakeServer};
use super::tool::{Outcome, Run, Scratch, onto_a_full_disk, rows, tool};

/// The users in a report, whose rows have to be whole.
fn reported_users(report: &str) -> Vec<u64> {
    assert!(report.ends_with('\n'), "the last row is cut: {report}");
    let mut lines = report.lines().map(|line| line.split(',').collect::<Vec<_>>());
    assert_eq!(lines.next().unwrap(), ["room", "user", "code", "reason"]);
    lines.inspect(|row| assert_eq!(row.len(), 4, "{row:?}")).map(|row| row[1].parse().unwrap()).collect()
}

/// The lines of which stderr says that they failed. What is no JSON is the log.
fn told_lines(outcome: &Outcome) -> Vec<u64> {
    let json = outcome.stderr.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    json.filter_map(|line| line["error"]["line"].as_u64()).collect()
}

fn counts(outcome: &Outcome) -> [u64; 3] {
    let summary = outcome.json();
    ["done", "failed", "next_line"].map(|name| summary[name].as_u64().unwrap())
}

#[test]
fn report_on_a_full_disk_ends_with_a_whole_row_before_the_line_to_go_on_with() {
    // One row is in flight while rows after it fail.
    let server =
        FakeServer::start(|quest| if quest == 3 { Act::HoldThenRefuse(200_021) } else { Act::Refuse(200_021) });
    let scratch = Scratch::new();
    let report = scratch.path("failed.csv");
    let args = ["bulk", "add", "-", "--window", "8", "--failed", &report, "--json"];
    let mut bulk = Run::start(onto_a_full_disk(&tool(&server.endpoint(), &args)));
    bulk.write(&rows(40));
    server.wait_for_quests(12);
    server.release();
    let outcome = bulk.finish().expect(1);
    let [done, failed, next_line] = counts(&outcome);
    let reported = reported_users(&scratch.read("failed.csv"));
    assert_eq!((done, &reported), (0, &(1..next_line).collect()));
    assert!(reported.len() > 3 && failed > reported.len() as u64);
}

#[test]
fn rows_that_are_done_behind_a_cut_report_are_said_to_be_repeated() {
    // The first row is in flight while all others end.
    let server = FakeServer::start(|quest| match quest {
        1 => Act::HoldThenRefuse(200_021),
        40 => Act::done(),
        _ => Act::Refuse(200_021),
    });
    let scratch = Scratch::new();
    let report = scratch.path("failed.csv");
    let args = ["bulk", "add", "-", "--window", "2", "--failed", &report, "--json"];
    let mut bulk = Run::start(onto_a_full_disk(&tool(&server.endpoint(), &args)));
    bulk.write(&rows(40));
    server.wait_for_quests(40);
    server.release();
    let outcome = bulk.finish().expect(1);
    let next_line = outcome.json()["next_line"].as_u64().unwrap();
    outcome.says(&format!("the rows from line {next_line} on are not all done: go on with --start-line {next_line}"));
    outcome.says("; it repeats those that are done");
    assert_eq!(reported_users(&scratch.read("failed.csv")), (1..next_line).collect::<Vec<_>>());
}

/// Stops a run whose server went away with this quest, while a window of rows waits for it.
fn stop_without_a_server(last_quest: usize, further: &[&str]) -> Outcome {
    let server = FakeServer::start(move |quest| if quest == last_quest { Act::Disconnect } else { Act::done() });
    let args = [&["bulk", "add", "-", "--window", "4", "--json", "-v"], further].concat();
    let mut bulk = Run::start(tool(&server.endpoint(), &args));
    bulk.write(&rows(20));
    bulk.wait_for_stderr("failures in a row: 3");
    bulk.interrupt();
    bulk.finish_with_stdin_open().expect(130)
}

#[test]
fn rows_that_wait_for_a_server_that_is_away_are_left_and_not_told() {
    let outcome = stop_without_a_server(3, &[]);
    let [done, failed, next_line] = counts(&outcome);
    // What was in flight may have been executed.
    assert!(failed > 0 && outcome.stderr.contains("may have done it"), "{}", outcome.stderr);
    assert_eq!((done, next_line), (2, 1 + done + failed), "{}", outcome.stderr);
    assert_eq!(told_lines(&outcome), (done + 1..next_line).collect::<Vec<_>>(), "{}", outcome.stderr);
}

#[test]
fn rows_in_doubt_are_left_if_repeating_them_does_no_harm() {
    let outcome = stop_without_a_server(3, &["--retry-uncertain"]);
    assert_eq!(counts(&outcome), [2, 0, 3], "{}", outcome.stderr);
    assert!(told_lines(&outcome).is_empty(), "{}", outcome.stderr);
}

#[test]
fn refusal_after_ctrl_c_leaves_no_row_that_is_done() {
    let (refuse, when_to_refuse) = channel();
    let (began, when_begun) = channel();
    let server = FakeServer::start(move |quest| {
        if quest != 2 {
            return Act::done();
        }
        began.send(()).unwrap();
        when_to_refuse.recv().unwrap();
        Act::Refuse(200_021)
    });
    let mut bulk = Run::start(tool(&server.endpoint(), &["bulk", "add", "-", "--window", "3", "--json"]));
    bulk.write(&rows(9));
    when_begun.recv().unwrap();
    bulk.interrupt();
    bulk.wait_for_stderr("in flight");
    refuse.send(()).unwrap();
    let outcome = bulk.finish_with_stdin_open().expect(130);
    let [done, failed, next_line] = counts(&outcome);
    assert_eq!((failed, next_line), (1, 1 + done + failed), "{}", outcome.stderr);
    assert_eq!(told_lines(&outcome), [2]);
}

#[test]
fn row_that_waits_before_others_that_are_done_is_reported() {
    for is_reported in [true, false] {
        // Row 2 is refused each time, and tried again after a second.
        let server = FakeServer::start(|quest| if matches!(quest, 1 | 3) { Act::done() } else { Act::Refuse(20_014) });
        let scratch = Scratch::new();
        let report = scratch.path("failed.csv");
        let further: &[&str] = if is_reported { &["--failed", &report] } else { &[] };
        let mut bulk = Run::start(tool(&server.endpoint(), &[&["bulk", "add", "-", "--json"], further].concat()));
        bulk.write(&rows(3));
        server.wait_for_quests(4);
        bulk.interrupt();
        let outcome = bulk.finish_with_stdin_open().expect(130);
        assert_eq!((counts(&outcome), told_lines(&outcome)), ([2, 1, 4], vec![2]), "{}", outcome.stderr);
        if is_reported {
            assert_eq!(reported_users(&scratch.read("failed.csv")), [2]);
        }
    }
}
