//! What is said of bad usage, and in which words.

use super::tool::{PID, SECRET, bare_tool, gate, run, tool};

const NOBODY: &str = "127.0.0.1:1";

#[test]
fn number_that_is_none_is_named_with_what_to_give() {
    for (args, what) in [
        (["add", "abc", "1001"], "a room id is a whole number"),
        (["add", "42", "10x"], "a user id is a whole number"),
        (["members", "42", "--pid=abc"], "a project id is a whole number"),
        (["members", "42", "--timeout=5"], "a number with a unit"),
        (["history", "42", "--limit=0"], "give a whole number, 1 or more"),
    ] {
        let outcome = run(tool(NOBODY, &args), "").expect(2);
        outcome.says(what);
        assert!(!outcome.stderr.contains("invalid digit"), "{}", outcome.stderr);
    }
}

#[test]
fn number_of_a_bulk_run_that_makes_no_sense_is_told_what_would() {
    for (option, what) in [
        ("--window=x", "give a whole number from 1 to 65536"),
        ("--window=65537", "give a whole number from 1 to 65536"),
        ("--start-line=0", "a line is a whole number, 1 or more"),
        ("--rate=0.5", "give a whole number, 1 or more"),
        ("--retry-for=60", "a number with a unit"),
    ] {
        run(tool(NOBODY, &["bulk", "add", "-", option]), "").expect(2).says(what);
    }
}

#[test]
fn negative_value_is_told_what_to_give_in_its_place() {
    for (args, what) in [
        (&["members", "42", "--timeout", "-5s"][..], "a number with a unit"),
        (&["ban", "42", "1001", "--for", "-10m"], "a number with a unit"),
        (&["history", "42", "--since", "-2h"], "a number with a unit"),
        (&["history", "42", "--limit", "-1"], "give a whole number, 1 or more"),
        (&["history", "42", "--type", "-1"], "a message type is a number from 1 to 127"),
        (&["bulk", "add", "-", "--retry-for", "-1m"], "a number with a unit"),
        (&["bulk", "add", "-", "--window", "-1"], "give a whole number from 1 to 65536"),
        (&["bulk", "add", "-", "--rate", "-1"], "give a whole number, 1 or more"),
        (&["bulk", "add", "-", "--start-line", "-1"], "a line is a whole number, 1 or more"),
    ] {
        let outcome = run(tool(NOBODY, args), "").expect(2);
        outcome.says(what);
        assert!(!outcome.stderr.contains("tip:"), "{}", outcome.stderr);
    }
}

#[test]
fn argument_that_is_no_utf8_is_bad_usage() {
    use std::os::unix::ffi::OsStrExt;
    for further in [&[][..], &["--json"]] {
        let mut command = tool(NOBODY, &[&["members"], further].concat());
        command.arg(std::ffi::OsStr::from_bytes(b"\xff"));
        run(command, "").expect(2).says("invalid UTF-8");
    }
}

#[test]
fn variable_that_makes_no_sense_is_blamed_itself() {
    let mut command = bare_tool(&["members", "42", "--endpoint", NOBODY]);
    command.env("RTM_PID", "abc").env("RTM_SECRET", SECRET);
    let outcome = run(command, "").expect(2);
    outcome.says("RTM_PID is `abc`: a project id is a whole number");
    assert!(!outcome.stderr.contains("--pid"), "{}", outcome.stderr);
}

#[test]
fn option_comes_before_its_variable() {
    let mut command = bare_tool(&["members", "42", "--endpoint", NOBODY, "--pid", PID]);
    command.env("RTM_PID", "abc").env("RTM_SECRET", SECRET);
    run(command, "").expect(3);
}

#[test]
fn refusal_names_the_user_and_the_room() {
    let gate = gate();
    let refusal = run(tool(gate.endpoint(), &["say", "42", "--from", "1", "hello"]), "").expect(1);
    refusal.says(": user 1 is not in room 42;");
}

#[test]
fn info_set_without_a_text_names_every_way_to_give_one() {
    let outcome = run(tool(NOBODY, &["info", "set", "42"]), "").expect(2);
    outcome.says("nothing to set: give --public TEXT, --private TEXT, --public-file FILE or --private-file FILE");
}

#[test]
fn help_lists_every_exit_status_and_variable() {
    let help = run(bare_tool(&["--help"]), "").expect(0).stdout;
    for part in ["RTM_ENDPOINT", "RTM_PID", "RTM_SECRET", "NO_COLOR", "RUST_LOG", "  0  ", "  3  ", "130  "] {
        assert!(help.contains(part), "`{part}` is not in:\n{help}");
    }
}
