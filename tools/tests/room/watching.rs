//! `watch`: what is said and what happens, live.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rtm_server_sdk::gate::Gate;

use super::tool::{PID, Run, SECRET, done, done_with, eventually, gate, run, tool};

/// A run of `watch` that the gate has agreed to.
fn watching(gate: &Gate, args: &[&str]) -> Run {
    let asked_before = gate.stats().executed("setlisten");
    let run = Run::start(tool(gate.endpoint(), &[&["watch"], args].concat()));
    eventually("the gate agrees", || gate.stats().executed("setlisten") > asked_before);
    run
}

#[test]
fn what_is_said_is_shown_at_once_until_ctrl_c() {
    let gate = gate();
    done(&gate, &["add", "42", "1001"]);
    done(&gate, &["add", "43", "1001"]);
    let mut watch = watching(&gate, &["42"]);
    done(&gate, &["say", "43", "--from", "1001", "elsewhere"]);
    let mid = done(&gate, &["say", "42", "--from", "1001", "hello\tyou"]);
    let line = watch.wait_for_stdout("hello");
    let cells: Vec<_> = line.trim_end().split('\t').collect();
    assert_eq!((cells[0], &cells[2..]), ("message", &["42", "1001", mid.trim(), "30", "hello\\tyou"][..]));
    watch.interrupt();
    let outcome = watch.finish().expect(0);
    assert_eq!((outcome.stdout.lines().count(), outcome.stderr.as_str()), (1, ""));
}

#[test]
fn two_users_hold_a_conversation() {
    let gate = gate();
    done(&gate, &["members", "42", "--add", "1", "2"]);
    let mut of_one = watching(&gate, &["42", "--json"]);
    let mut of_two = watching(&gate, &["--all-rooms", "--json"]);
    for (user, text) in [("1", "hello"), ("2", "good morning"), ("1", "how are you?")] {
        done(&gate, &["say", "42", "--from", user, text]);
        for watch in [&mut of_one, &mut of_two] {
            let line: serde_json::Value = serde_json::from_str(&watch.wait_for_stdout(text)).unwrap();
            assert_eq!((&line["kind"], &line["text"], &line["room"]), (&"message".into(), &text.into(), &42.into()));
        }
    }
    for watch in [of_one, of_two] {
        watch.interrupt();
        watch.finish().expect(0);
    }
}

#[test]
fn events_are_shown_by_name() {
    let gate = gate();
    let mut watch = watching(&gate, &["--events", "login,logout"]);
    gate.push_event("login", 1001);
    assert!(watch.wait_for_stdout("login").starts_with("event\t"));
    watch.interrupt();
    watch.finish().expect(0);
}

#[test]
fn lost_connection_is_made_anew_and_what_was_missed_is_shown() {
    let gate = gate();
    done(&gate, &["add", "42", "1001"]);
    let mut watch = watching(&gate, &["42"]);
    done(&gate, &["say", "42", "--from", "1001", "before"]);
    watch.wait_for_stdout("before");
    let asked = gate.stats().executed("setlisten");
    gate.disconnect_all();
    done(&gate, &["say", "42", "--from", "1001", "meanwhile"]);
    watch.wait_for_stdout("meanwhile");
    eventually("the tool listens again", || gate.stats().executed("setlisten") > asked);
    done(&gate, &["say", "42", "--from", "1001", "after"]);
    watch.wait_for_stdout("after");
    // Said on a thread of its own, which may come to it later than to the messages.
    watch.wait_for_stderr("connected again");
    watch.interrupt();
    let outcome = watch.finish().expect(0);
    let texts: Vec<_> = outcome
        .stdout
        .lines()
        .filter(|line| line.starts_with("message"))
        .filter_map(|line| line.rsplit('\t').next())
        .collect();
    assert_eq!(texts, ["before", "meanwhile", "after"]);
    outcome.says("; reconnecting");
}

#[test]
fn gap_that_no_history_fills_is_shown_in_its_place() {
    let gate = gate();
    done(&gate, &["add", "42", "1001"]);
    let mut watch = watching(&gate, &["--all-rooms"]);
    done(&gate, &["say", "42", "--from", "1001", "before"]);
    watch.wait_for_stdout("before");
    gate.disconnect_all();
    assert!(watch.wait_for_stdout("gap").contains("messages may be missing"));
    done(&gate, &["say", "42", "--from", "1001", "after"]);
    watch.wait_for_stdout("after");
    watch.interrupt();
    watch.finish().expect(0);
}

#[test]
fn second_ctrl_c_ends_a_watch_that_nobody_reads() {
    /// Of 20,000 bytes each; half of them are more than a pipe holds.
    const MESSAGES: u64 = 20;
    let gate = gate();
    done(&gate, &["add", "42", "1001"]);
    let mut command = tool(gate.endpoint(), &["watch", "42"]);
    let mut watch = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the gate agrees", || gate.stats().executed("setlisten") > 0);
    let answered = gate.stats().pushes_answered;
    let lines: String = (0..MESSAGES).map(|_| "x".repeat(20_000) + "\n").collect();
    done_with(&gate, &["say", "42", "--from", "1001", "-"], &lines);
    eventually("the messages have come", || gate.stats().pushes_answered >= answered + MESSAGES / 2);
    let interrupt = || kill(Pid::from_raw(watch.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    interrupt();
    eventually("the connection is closed", || gate.stats().connections_open == 0);
    interrupt();
    eventually("the tool ends", || watch.try_wait().unwrap().is_some());
    assert_eq!(watch.wait().unwrap().code(), Some(130));
}

#[test]
fn nothing_to_watch_is_bad_usage_and_a_missing_server_status_3() {
    run(tool("127.0.0.1:1", &["watch"]), "").expect(2);
    run(tool("127.0.0.1:1", &["watch", "42"]), "").expect(3).says("check --endpoint");
    let gate = Gate::builder().project(PID.parse().unwrap(), SECRET).bind("127.0.0.1:0").unwrap();
    let mut command = tool(gate.endpoint(), &["watch", "42"]);
    command.env("RTM_SECRET", "guess");
    run(command, "").expect(1).says("check the project's id and its secret");
}
