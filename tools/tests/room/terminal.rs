//! How results look in terminals of 40 and 80 columns.

use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use super::fake::{Act, FakeServer};
use super::pty::run_in_terminal;
use super::tool::{Scratch, bare_tool, done, gate, tool};

/// The text as a terminal shows it, and whether colours were in it.
fn shown(text: &str) -> (String, bool) {
    let mut parts = text.split("\u{1b}[");
    let mut shown = parts.next().unwrap().to_owned();
    let mut has_colours = false;
    for part in parts {
        let (codes, rest) = part.split_at(part.find(|c: char| c.is_ascii_alphabetic()).unwrap());
        has_colours |= rest.starts_with('m') && !codes.is_empty();
        shown += &rest[1..];
    }
    (shown, has_colours)
}

#[test]
fn headings_have_colours_on_a_terminal_and_none_with_no_color() {
    let gate = gate();
    done(&gate, &["add", "42", "1001"]);
    let members = || tool(gate.endpoint(), &["members", "42"]);
    assert_eq!(shown(&run_in_terminal(members(), 80)), ("USER\n1001\n".to_owned(), true));

    let mut without = std::process::Command::new("env");
    without.arg("NO_COLOR=1").arg(members().get_program()).args(["members", "42"]);
    without.envs(members().get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert_eq!(run_in_terminal(without, 80), "USER\n1001\n");
}

#[test]
fn texts_fit_terminals_of_40_and_80_columns() {
    let gate = gate();
    let text = "欢迎来到这个房间，请文明发言。👋 ".repeat(4) + "Be kind to each other, and welcome whoever is new.";
    done(&gate, &["info", "set", "42", "--public", &text, "--private", "level 3"]);
    for columns in [40, 80] {
        let (screen, _) = shown(&run_in_terminal(tool(gate.endpoint(), &["info", "get", "42"]), columns));
        assert!(screen.lines().all(|line| line.width() <= columns.into()), "{columns}:\n{screen}");
        assert!(screen.starts_with("public   欢迎") && screen.contains("\nprivate  level 3\n"), "{screen}");
        let words = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        assert!(words(&screen).contains(&words(&text)), "something is lost:\n{screen}");
    }
}

#[test]
fn control_characters_of_others_are_shown_and_not_obeyed() {
    let gate = gate();
    let text = "a\u{1b}[31mb\u{7}\u{202e}c\u{9b}";
    done(&gate, &["info", "set", "42", "--public", text]);
    for args in [&["info", "get", "42"][..], &["info", "get", "42", "--public"]] {
        let screen = run_in_terminal(tool(gate.endpoint(), args), 80);
        assert!(screen.contains("a\\u{1b}[31mb\\u{7}\\u{202e}c\\u{9b}"), "{screen}");
    }
    for args in [&["info", "get", "42", "--json"][..], &["quest", "getroominfo", "{\"rid\": 42}"]] {
        let screen = run_in_terminal(tool(gate.endpoint(), args), 80);
        assert!(screen.contains("a\\u001b[31mb\\u0007\\u202ec\\u009b"), "{screen}");
    }
}

#[test]
fn info_that_is_not_there_is_a_sentence_on_a_terminal() {
    let gate = gate();
    for (further, sentence) in [
        (&[][..], "Room 42 has no info."),
        (&["--public"], "Room 42 has no public info."),
        (&["--private"], "Room 42 has no private info."),
    ] {
        let args = [&["info", "get", "42"], further].concat();
        assert_eq!(run_in_terminal(tool(gate.endpoint(), &args), 80).trim_end(), sentence);
    }
}

#[test]
fn help_fits_terminals_of_40_and_80_columns() {
    for columns in [40, 80] {
        for args in [&["--help"][..], &["bulk", "--help"], &["info", "set", "--help"]] {
            let (screen, _) = shown(&run_in_terminal(bare_tool(args), columns));
            // The usage is a command line, which stays whole.
            let lines = screen.lines().filter(|line| !line.starts_with("Usage: "));
            let longest = lines.map(|line| line.width()).max().unwrap();
            assert!(longest <= columns.into(), "{args:?} takes {longest} of {columns} columns:\n{screen}");
            let meanings = screen.split("Exit status:\n").nth(1).unwrap_or_default();
            assert!(meanings.lines().all(|line| line.is_empty() || line.starts_with("  ")), "{meanings}");
        }
    }
}

#[test]
fn summary_of_a_run_with_failures_fits_terminals_of_40_and_80_columns() {
    let server = FakeServer::start(|_| Act::Refuse(200_021));
    let scratch = Scratch::new();
    let file = scratch.write("rows.csv", "42,1\n");
    for (columns, line) in [(40, "failed with 200021  1"), (80, "failed with 200021 RTM_EC_PERMISSION_DENIED  1")] {
        let (screen, _) = shown(&run_in_terminal(tool(&server.endpoint(), &["bulk", "add", &file]), columns));
        // The progress was on the same line before.
        let mut lines = screen.split(['\r', '\n']);
        assert!(lines.clone().all(|line| line.trim_end().width() <= columns.into()), "{columns}:\n{screen}");
        assert!(lines.any(|printed| printed == line), "{screen}");
    }
}

#[test]
fn progress_fits_a_terminal_of_40_columns() {
    const ROWS: usize = 20_000;
    let server = FakeServer::start(|quest| {
        // The run is to take longer than it lets pass without a word, on the fastest machine too.
        if quest % ROWS == ROWS / 2 {
            std::thread::sleep(Duration::from_millis(200));
        }
        Act::done()
    });
    let scratch = Scratch::new();
    let rows: String = (0..ROWS).map(|user| format!("42,{user}\n")).collect();
    let file = scratch.write("rows.csv", &rows);
    for columns in [40, 80] {
        let screen = run_in_terminal(tool(&server.endpoint(), &["bulk", "add", &file]), columns);
        let (screen, _) = shown(&screen);
        let frames = screen.split(['\r', '\n']);
        assert!(frames.clone().all(|frame| frame.trim_end().width() <= columns.into()), "{screen}");
        assert!(frames.clone().any(|frame| frame.contains("rows  ")), "{screen}");
        assert!(screen.contains(&format!("done             {ROWS}\n")), "{screen}");
    }
}
