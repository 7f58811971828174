//! `rtm-gate` as its users see it: what it prints, when it ends, and with which status.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::params;
use crate::wire::{Peer, gate};

pub fn rtm_gate(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtm-gate"));
    command
        .args(args)
        .env_remove("RTM_SECRET")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A process that is gone when the test is, however it ends.
pub struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub endpoint: String,
}

impl Running {
    pub fn start(mut command: Command) -> Running {
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let endpoint = line.strip_prefix("listening on ").and_then(|rest| rest.strip_suffix('\n')).map(str::to_owned);
        Running { child, stdout, endpoint: endpoint.unwrap_or_else(|| panic!("it printed {line:?}")) }
    }

    /// Sends a signal and gives what was printed after the first line, to standard output and to standard error.
    pub fn end(mut self, signal: Signal) -> (Option<i32>, String, String) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (self.child.wait().unwrap().code(), stdout, stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

pub fn finished(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = rtm_gate(args).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

pub const USUAL: [&str; 6] = ["--listen", "127.0.0.1:0", "--pid", "80000001", "--secret", "secret"];

#[test]
fn it_serves_where_it_says_and_ends_cleanly_on_either_signal() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let gate = Running::start(rtm_gate(&USUAL));
        let mut peer = Peer::connect_to(&gate.endpoint);
        peer.result("addroommember", params! { "rid" => 1, "uid" => 7 });
        assert_eq!(gate.end(signal), (Some(0), String::new(), String::new()));
        assert_eq!(peer.wait_for_close(), 0);
    }
}

#[test]
fn secret_comes_from_a_file_or_from_the_environment_too() {
    let file = std::env::temp_dir().join(format!("rtm-gate-secret-{}", std::process::id()));
    std::fs::write(&file, "\u{feff}secret\r\n").unwrap();
    let listen = ["--listen", "127.0.0.1:0", "--pid", "80000001"];
    let mut from_file = rtm_gate(&listen);
    from_file.arg("--secret-file").arg(&file);
    let mut from_environment = rtm_gate(&listen);
    from_environment.env("RTM_SECRET", "secret");
    for command in [from_file, from_environment] {
        let gate = Running::start(command);
        Peer::connect_to(&gate.endpoint).result("getroominfo", params! { "rid" => 1 });
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn bad_usage_is_status_2_and_one_sentence() {
    let listen = ["--listen", "127.0.0.1:0"];
    let bad: [(&[&str], &str); 12] = [
        (&["--secret", "secret"], "--pid"),
        (&["--pid", "1"], "a secret is needed"),
        (&["--pid", "1", "--secret", ""], "secret"),
        (&["--pid", "one", "--secret", "x"], "a project id is a whole number"),
        (&["--pid", "1", "--secret", "x", "--idle-timeout", "1m"], "give whole seconds"),
        (&["--pid", "1", "--secret", "x", "--calls-per-second", "0"], "give a whole number, 1 or more"),
        (&["--pid", "1", "--secret", "x", "--calls-per-second", "-1"], "give a whole number, 1 or more"),
        (&["--pid", "1", "--secret", "x", "--idle-timeout", "-1"], "give whole seconds"),
        (&["--pid", "1", "--secret", "x", "--delay", "-5ms"], "a time is a number with a unit"),
        (&["--pid", "1", "--secret", "x", "--secret-file", "y"], "cannot be used with"),
        (&["--pid", "1", "--secret-file", "/no/such/file"], "/no/such/file"),
        (&["--pid", "1", "--secret", "x", "--log", "loud"], "loud"),
    ];
    for (args, expected) in bad {
        let (status, stdout, stderr) = finished(&[&listen[..], args].concat());
        assert_eq!((status, &*stdout), (Some(2), ""), "{args:?}");
        assert!(stderr.starts_with("error: ") && stderr.contains(expected), "{args:?}: {stderr}");
    }
    let (status, _, stderr) = finished(&["--listen", "nonsense", "--pid", "1", "--secret", "x"]);
    assert_eq!(status, Some(2));
    assert!(stderr.contains("nonsense"), "{stderr}");
}

#[test]
fn port_that_is_taken_is_status_1_and_one_line() {
    let other = gate();
    let (status, stdout, stderr) = finished(&["--listen", other.endpoint(), "--pid", "1", "--secret", "x"]);
    assert_eq!((status, &*stdout), (Some(1), ""));
    assert!(stderr.starts_with(&format!("rtm-gate: listening on {} failed: ", other.endpoint())), "{stderr}");
    assert!(stderr.contains("a free port to --listen"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1);
}

#[test]
fn refusals_are_logged_with_their_reason_and_without_the_secret() {
    let usual = ["--listen", "127.0.0.1:0", "--pid", "80000001", "--secret", "Hush-Hush"];
    let refused = |level: &[&str]| {
        let gate = Running::start(rtm_gate(&[&usual[..], level].concat()));
        assert_eq!(Peer::connect_to(&gate.endpoint).call("getroominfo", params! { "rid" => 1 }).code(), 200_002);
        gate.end(Signal::SIGTERM).2
    };
    let usual_log = refused(&[]);
    assert!(usual_log.contains("getroominfo") && usual_log.contains("200002"), "{usual_log}");
    let everything = refused(&["--log", "trace"]);
    assert!(everything.contains("200002") && everything.len() > usual_log.len(), "{everything}");
    assert!(!everything.contains("Hush"));
    assert_eq!(refused(&["--log", "off"]), "");
}

#[test]
fn help_tells_of_every_option_and_shows_no_secret() {
    let output = rtm_gate(&["--help"]).env("RTM_SECRET", "Hush-Hush").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for option in [
        "--fault",
        "--delay",
        "--single-room",
        "--calls-per-second",
        "--listen",
        "--pid",
        "--secret",
        "--secret-file",
        "--log",
        "RTM_SECRET",
        "127.0.0.1:13325",
    ] {
        assert!(help.contains(option), "{option} is missing in\n{help}");
    }
    assert!(!help.contains("Hush"));
}
