//! Commands where something goes wrong: no server, a server that refuses, a pipe that closes, Ctrl-C.

use std::process::{Command, Stdio};

use super::codec;
use super::fake::{Act, FakeServer};
use super::tool::{PID, Run, SECRET, Scratch, after, bare_tool, done, gate, rows, run, tool};

/// Nobody listens there: it takes a privilege to, and no service does.
const NOBODY: &str = "127.0.0.1:1";

#[test]
fn missing_server_is_status_3() {
    let outcome = run(tool(NOBODY, &["members", "42"]), "").expect(3);
    outcome.says("cannot connect");
    outcome.says("check --endpoint");
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.lines().count()), ("", 1));
}

#[test]
fn bulk_without_a_server_reads_no_row_and_leaves_no_report() {
    let scratch = Scratch::new();
    let report = scratch.path("failed.csv");
    run(tool(NOBODY, &["bulk", "add", "-", "--failed", &report]), &rows(3)).expect(3).says("cannot connect");
    assert!(!std::path::Path::new(&report).exists());
}

#[test]
fn bad_usage_is_status_2_before_any_network() {
    for args in [
        &["add", "42"][..],
        &["add", "42", "somebody"],
        &["ban", "42", "1001", "--for", "0s"],
        &["ban", "42", "1001", "--for", "600"],
        &["ban", "--all-rooms", "42", "1001"],
        &["info", "set", "42"],
        &["members", "42", "--timeout", "0s"],
        &["bulk", "add", "/nonexistent.csv"],
        &["bulk", "add", "/"],
        &["bulk", "add", "-", "--window", "0"],
        &["bulk", "add", "-", "--secret-file", "-"],
        &["info", "set", "42", "--public-file", "-", "--private-file", "-"],
    ] {
        let outcome = run(tool(NOBODY, args), "");
        assert_eq!(outcome.status, Some(2), "{args:?}: {}", outcome.stderr);
        assert!(!outcome.stderr.is_empty());
    }
}

#[test]
fn missing_settings_are_named() {
    let endpoint = "127.0.0.1:1";
    run(bare_tool(&["members", "42"]), "").expect(2).says("RTM_ENDPOINT");
    run(bare_tool(&["members", "42", "--endpoint", endpoint]), "").expect(2).says("RTM_PID");
    run(bare_tool(&["members", "42", "--endpoint", endpoint, "--pid", PID]), "").expect(2).says("RTM_SECRET");
    run(tool("no endpoint", &["members", "42"]), "").expect(2).says("host:port");
    run(tool(endpoint, &["members", "42", "--secret-file", "/dev/null"]), "")
        .expect(2)
        .says("/dev/null holds no secret");
    let mut without = tool(endpoint, &["members", "42"]);
    without.env("RTM_SECRET", "");
    run(without, "").expect(2).says("RTM_SECRET is empty");
}

#[test]
fn secret_can_come_from_a_file_or_from_stdin() {
    let server = FakeServer::start(|_| Act::done());
    let scratch = Scratch::new();
    let file = scratch.write("secret", &format!("{SECRET}\n"));
    for secret_file in [file.as_str(), "-"] {
        let mut command = tool(&server.endpoint(), &["add", "42", "1001", "--secret-file", secret_file]);
        command.env_remove("RTM_SECRET");
        run(command, &format!("{SECRET}\r\n")).expect(0);
    }
}

#[test]
fn secret_in_a_file_of_another_system_is_read_or_the_file_blamed() {
    let server = FakeServer::start(|_| Act::done());
    let scratch = Scratch::new();
    let marked = scratch.write("marked", &format!("\u{feff}{SECRET}\r\n"));
    run(tool(&server.endpoint(), &["add", "42", "1001", "--secret-file", &marked]), "").expect(0);
    let utf_16 = scratch.path("utf-16");
    std::fs::write(&utf_16, b"\xff\xfes\0").unwrap();
    let outcome = run(tool(&server.endpoint(), &["add", "42", "1001", "--secret-file", &utf_16]), "").expect(2);
    outcome.says("utf-16: this is not text in UTF-8");
}

#[test]
fn help_shows_no_secret() {
    for args in [&["--help"][..], &["bulk", "--help"], &["help", "ban"], &["man"], &["completions", "bash"]] {
        let outcome = run(tool("rtm.example.com:1", args), "").expect(0);
        assert!(!outcome.stdout.is_empty() && !outcome.stdout.contains("rtm.example.com"));
    }
}

#[test]
fn refusal_is_status_1_and_its_text_obeyed_by_no_terminal() {
    let server = FakeServer::start(|_| Act::Refuse(200_021));
    let outcome = run(tool(&server.endpoint(), &["add", "42", "1001"]), "").expect(1);
    outcome.says("200021 RTM_EC_PERMISSION_DENIED");
    assert!(!outcome.stderr.contains('\u{1b}'));
    assert_eq!(outcome.stderr.lines().count(), 1);
}

#[test]
fn error_without_a_reason_leaves_the_doubt_that_is_told() {
    for code in [20_001, 200_999] {
        let server = FakeServer::start(move |_| Act::Refuse(code));
        run(tool(&server.endpoint(), &["add", "42", "1001"]), "").expect(1).says("may have done it");
        let outcome = run(tool(&server.endpoint(), &["members", "42"]), "").expect(1);
        assert!(!outcome.stderr.contains("may have done it"), "{}", outcome.stderr);
    }
}

#[test]
fn silent_server_is_status_1_and_the_doubt_is_told() {
    let server = FakeServer::start(|_| Act::Hold);
    let outcome = run(tool(&server.endpoint(), &["add", "42", "1001", "--timeout", "3s"]), "").expect(1);
    outcome.says("timed out after 3s");
    outcome.says("may have done it");

    let outcome = run(tool(&server.endpoint(), &["members", "42", "--timeout", "1s"]), "").expect(1);
    outcome.says("raise --timeout");
    assert!(!outcome.stderr.contains("may have done it"), "a call that only reads leaves no doubt: {}", outcome.stderr);
}

#[test]
fn closed_pipe_is_no_error() {
    let users: Vec<rmpv::Value> = (0..200_000).map(rmpv::Value::from).collect();
    let answer = codec::map([("uids", rmpv::Value::Array(users))]);
    let server = FakeServer::start(move |_| Act::Answer(answer.clone()));
    for command in [tool(&server.endpoint(), &["members", "42"]), bare_tool(&["completions", "zsh"])] {
        let outcome = with_closed_stdout(command);
        assert_eq!(outcome.status.code(), Some(0));
        assert_eq!(String::from_utf8_lossy(&outcome.stderr), "");
    }
}

fn with_closed_stdout(mut command: Command) -> std::process::Output {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child.wait_with_output().unwrap()
}

#[test]
fn full_disk_is_told() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    for args in [&["completions", "zsh"][..], &["--help"], &["--version"]] {
        let mut command = bare_tool(args);
        let output = command.stdout(full.try_clone().unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("could not be written"), "{args:?}");
    }
}

#[test]
fn closed_stdout_is_status_1_before_anything_is_done() {
    let gate = gate();
    for args in [
        &["members", "42"][..],
        &["count", "42"],
        &["is-banned", "42", "1001"],
        &["info", "get", "42"],
        &["say", "42", "--from", "1001", "hello"],
        &["history", "42"],
        &["watch", "42"],
        &["quest", "getroominfo", "{\"rid\": 42}"],
        &["bulk", "add", "-"],
        &["add", "42", "1001", "--json"],
        &["man"],
        &["completions", "bash"],
        &["--version"],
        &["bulk", "--help"],
    ] {
        let outcome = run(after("exec >&-", &tool(gate.endpoint(), args)), "42,1001\n");
        assert_eq!(outcome.status, Some(1), "{args:?}: {}", outcome.stderr);
        outcome.says("stdout is closed, so nothing was done");
    }
    assert_eq!(gate.stats().connections_accepted, 0);

    // What prints nothing needs no stdout.
    run(after("exec >&-", &tool(gate.endpoint(), &["add", "42", "1001"])), "").expect(0);
    assert_eq!(done(&gate, &["members", "42"]), "1001\n");
}

#[test]
fn result_may_be_thrown_away() {
    let gate = gate();
    // The second is what Python's `subprocess.DEVNULL` is, and what Rust puts in place of a closed stdout.
    for away in ["exec >/dev/null", "exec 1<>/dev/null"] {
        run(after(away, &tool(gate.endpoint(), &["members", "42"])), "").expect(0);
        run(after(away, &bare_tool(&["--help"])), "").expect(0);
    }
}

#[test]
fn bulk_tries_again_what_the_server_turned_away() {
    let server = FakeServer::start(|quest| if quest == 2 { Act::Refuse(200_010) } else { Act::done() });
    let outcome = run(tool(&server.endpoint(), &["bulk", "add", "-", "--json"]), &rows(3)).expect(0);
    let summary = outcome.json();
    assert_eq!((&summary["done"], &summary["tried_again"]), (&3.into(), &1.into()));
    server.wait_for_quests(4);
}

#[test]
fn bulk_tries_nothing_again_that_may_have_been_done() {
    let server = FakeServer::start(|quest| if quest == 2 { Act::Refuse(20_001) } else { Act::done() });
    let outcome = run(tool(&server.endpoint(), &["bulk", "add", "-", "--json"]), &rows(3)).expect(1);
    assert_eq!(outcome.json()["failed_by_code"], serde_json::json!({"20001": 1}));
    assert_eq!(outcome.stderr_as_json()[0]["error"]["line"], 2);
    server.wait_for_quests(3);
    assert_eq!(server.further_quests(), 0);
}

#[test]
fn bulk_gives_a_row_up_after_its_time() {
    let server = FakeServer::start(|_| Act::Refuse(200_010));
    let scratch = Scratch::new();
    let report = scratch.path("failed.csv");
    let args = ["bulk", "ban", "-", "--retry-for", "0s", "--failed", &report, "--json"];
    let outcome = run(tool(&server.endpoint(), &args), "42,1001,60,Ann\n").expect(1);
    assert_eq!(outcome.json()["tried_again"], 0);
    let failed = scratch.read("failed.csv");
    let mut lines = failed.lines();
    assert_eq!(lines.next(), Some("room,user,seconds,code,reason"));
    let row = lines.next().unwrap();
    assert!(row.starts_with("42,1001,60,200010,") && row.ends_with(",Ann"), "{row}");
}

#[test]
fn bulk_ends_when_the_server_is_gone_and_says_how_to_go_on() {
    let server = FakeServer::start(|quest| if quest == 2 { Act::Disconnect } else { Act::done() });
    let args = ["bulk", "add", "-", "--window", "1", "--retry-for", "0s", "--json"];
    let outcome = run(tool(&server.endpoint(), &args), &rows(9)).expect(3);
    let summary = outcome.json();
    assert_eq!(summary["failed_by_code"], serde_json::json!({"20002": 1}));
    assert_eq!((&summary["done"], &summary["next_line"]), (&1.into(), &3.into()));
    outcome.says("--start-line 3");
}

#[test]
fn ctrl_c_finishes_what_is_in_flight_and_says_how_to_go_on() {
    let server = FakeServer::start(|quest| if quest <= 3 { Act::Hold } else { Act::done() });
    let scratch = Scratch::new();
    let file = scratch.write("rows.csv", &rows(10));
    let mut run_to_stop = Run::start(tool(&server.endpoint(), &["bulk", "add", &file, "--window", "3", "--json"]));
    server.wait_for_quests(3);
    run_to_stop.interrupt();
    run_to_stop.wait_for_stderr("calls in flight");
    server.release();
    let outcome = run_to_stop.finish().expect(130);
    outcome.says("--start-line 4");
    assert_eq!((&outcome.json()["done"], &outcome.json()["next_line"]), (&3.into(), &4.into()));
    assert_eq!(server.further_quests(), 0);

    let rest = run(tool(&server.endpoint(), &["bulk", "add", &file, "--start-line", "4", "--json"]), "").expect(0);
    assert_eq!(rest.json()["done"], 7);
}

#[test]
fn second_ctrl_c_stops_at_once() {
    let server = FakeServer::start(|_| Act::Hold);
    let mut stalled = Run::start(tool(&server.endpoint(), &["bulk", "add", "-", "--window", "3"]));
    stalled.write(&rows(10));
    server.wait_for_quests(3);
    stalled.interrupt();
    stalled.wait_for_stderr("calls in flight");
    stalled.interrupt();
    stalled.finish_with_stdin_open().expect(130).says("--start-line 1");
}

#[test]
fn ctrl_c_does_not_wait_for_a_pipe_that_says_nothing() {
    let server = FakeServer::start(|_| Act::done());
    let mut waiting = Run::start(tool(&server.endpoint(), &["bulk", "add", "-"]));
    waiting.write("a bad row leaves nothing in flight\n");
    waiting.wait_for_stderr("line 1: ");
    waiting.interrupt();
    waiting.finish_with_stdin_open().expect(130).says("--start-line 2");
}

#[test]
fn unclosed_quote_does_not_swallow_the_rest() {
    let server = FakeServer::start(|_| Act::done());
    let input = rows(2) + "42,\"3\n" + &rows(500_000);
    let outcome = run(tool(&server.endpoint(), &["bulk", "add", "-", "--json"]), &input).expect(2);
    assert_eq!(outcome.json()["done"], 2);
    outcome.says("is a quote left open?");
    outcome.says("--start-line 3");
}
