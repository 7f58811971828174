//! Two users with a terminal each: `watch` shows what `say` says, and `history` what was said.

use rtm_server_sdk::gate::Gate;
use unicode_width::UnicodeWidthStr;

use super::pty::{Terminal, run_in_terminal};
use super::tool::{done, eventually, gate, tool};

const NARROW: u16 = 40;
const WIDE: u16 = 80;
const LONG_ID: &str = "9007199254740993123";

fn watch_in_terminal(gate: &Gate, columns: u16) -> Terminal {
    let asked_before = gate.stats().executed("setlisten");
    let mut terminal = Terminal::start(tool(gate.endpoint(), &["watch", "42"]), columns);
    terminal.wait_for("listening; press Ctrl-C to end");
    eventually("the gate agrees", || gate.stats().executed("setlisten") > asked_before);
    terminal
}

fn say_in_terminal(gate: &Gate, from: &str, text: &str) {
    let screen = run_in_terminal(tool(gate.endpoint(), &["say", "42", "--from", from, text]), NARROW);
    assert!(screen.replace('\n', " ").contains("sent to room 42"), "{screen}");
    assert_fits(&screen, NARROW);
}

#[track_caller]
fn assert_fits(screen: &str, columns: u16) {
    assert!(screen.lines().all(|line| line.width() <= columns.into()), "{columns} columns:\n{screen}");
}

/// The text without what wrapping puts into it or takes away.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn two_terminals_hold_a_conversation() {
    let gate = gate();
    done(&gate, &["members", "42", "--add", "1001", "1002", LONG_ID]);
    let mut terminals = [(watch_in_terminal(&gate, NARROW), NARROW), (watch_in_terminal(&gate, WIDE), WIDE)];
    let texts = [
        ("1001", "Hello, room!", "Hello, room!"),
        ("1002", "你好，房间里的各位！今天我们要讨论的是下个月的活动安排。👋🎉", "👋🎉"),
        ("1001", "red \u{1b}[31mtext\u{7}", "\\u{1b}[31mtext\\u{7}"),
        (LONG_ID, "A sentence that has to be wrapped in terminals of forty and of eighty columns.", "columns."),
    ];
    for (from, text, end) in texts {
        say_in_terminal(&gate, from, text);
        terminals.iter_mut().for_each(|(terminal, _)| terminal.wait_for(end));
    }
    for (terminal, columns) in terminals {
        terminal.interrupt();
        let (status, screen) = terminal.finish();
        assert_eq!(status, Some(0), "{screen}");
        assert_shows_all(&screen, columns);
    }
    for columns in [NARROW, WIDE] {
        assert_shows_all(&run_in_terminal(tool(gate.endpoint(), &["history", "42"]), columns), columns);
    }
}

#[test]
fn lines_that_are_typed_are_said_until_ctrl_d() {
    const CTRL_D: &str = "\u{4}";
    let gate = gate();
    done(&gate, &["add", "42", "1001"]);
    let mut terminal = Terminal::start(tool(gate.endpoint(), &["say", "42", "--from", "1001", "-"]), NARROW);
    // The first one ends the line, the second one the input.
    terminal.type_in(&format!("one\ntwo{CTRL_D}{CTRL_D}"));
    assert_eq!(terminal.finish().0, Some(0));
    assert_eq!(
        done(&gate, &["history", "42"]).lines().map(|line| &line[line.len() - 3..]).collect::<Vec<_>>(),
        ["one", "two"]
    );
}

#[track_caller]
fn assert_shows_all(screen: &str, columns: u16) {
    let screen = screen.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
    assert_fits(&screen, columns);
    let shown = unwrapped(&screen);
    for part in [
        "1001  Hello, room!",
        "1002  你好，房间里的各位！今天我们要讨论的是下个月的活动安排。👋🎉",
        "1001  red \\u{1b}[31mtext\\u{7}",
        "9007199254740993123  A sentence that has to be wrapped in terminals of forty and of eighty columns.",
    ] {
        assert!(shown.contains(&unwrapped(part)), "`{part}` is not in {columns} columns:\n{screen}");
    }
}
