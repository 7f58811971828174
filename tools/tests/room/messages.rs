//! Messages of rooms: sent, listed, deleted; and members in batches.

use serde_json::json;

use super::fake::{Act, FakeServer};
use super::pty::run_in_terminal;
use super::tool::{Run, done, done_with, gate, run, tool};

/// The last column of what `history` prints into a pipe.
fn texts(history: &str) -> Vec<&str> {
    history.lines().map(|line| line.split('\t').nth(4).unwrap()).collect()
}

#[test]
fn what_is_said_is_in_the_history_newest_last() {
    let gate = gate();
    done(&gate, &["members", "42", "--add", "1001", "1002"]);
    let mid = done(&gate, &["say", "42", "--from", "1001", "你好"]);
    done(&gate, &["say", "42", "--from", "1002", "--cmd", "mute"]);
    done(&gate, &["say", "42", "--from", "1002", "--type", "100", "--attrs", "{\"round\":7}", "-> score"]);
    let history = done(&gate, &["history", "42"]);
    assert_eq!(texts(&history), ["你好", "mute", "-> score"]);
    let first: Vec<_> = history.lines().next().unwrap().split('\t').collect();
    assert_eq!((first[1], first[2], first[3]), ("1001", mid.trim(), "30"));
    assert!(first[0].starts_with("20") && first[0].ends_with('Z'), "{history}");

    assert_eq!(texts(&done(&gate, &["history", "42", "--limit", "2"])), ["mute", "-> score"]);
    assert_eq!(texts(&done(&gate, &["history", "42", "--limit", "2", "--oldest"])), ["你好", "mute"]);
    assert_eq!(texts(&done(&gate, &["history", "42", "--type", "30", "--type", "100"])), ["你好", "-> score"]);
    assert_eq!(texts(&done(&gate, &["history", "42", "--since", "1h"])), ["你好", "mute", "-> score"]);
    assert_eq!(done(&gate, &["history", "43"]), "");
}

#[test]
fn history_goes_back_further_than_a_page() {
    let gate = gate();
    done(&gate, &["add", "42", "1001"]);
    let lines: String = (1..=45).map(|number| format!("line {number}\n")).collect();
    let mids = done_with(&gate, &["say", "42", "--from", "1001", "-"], &(lines.clone() + "\n")).stdout;
    assert_eq!(mids.lines().count(), 45);
    assert_eq!(texts(&done(&gate, &["history", "42"])).len(), 20);
    let all = done(&gate, &["history", "42", "--limit", "1000"]);
    assert_eq!(texts(&all), lines.lines().collect::<Vec<_>>());
}

#[test]
fn history_is_one_json_object_a_line() {
    let gate = gate();
    done(&gate, &["add", "42", "1001"]);
    let sent = run(tool(gate.endpoint(), &["say", "42", "--from", "1001", "a\tb", "--json"]), "").expect(0).json();
    done(&gate, &["say", "42", "--from", "1001", "second"]);
    let history = done(&gate, &["history", "42", "--json"]);
    let messages: Vec<serde_json::Value> = history.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(messages.len(), 2);
    let expected = json!({
        "room": 42, "from": 1001, "mid": sent["mid"], "type": 30, "text": "a\tb", "attrs": "", "time": sent["time"],
    });
    assert_eq!(messages[0], expected);
}

#[test]
fn history_fits_terminals_of_40_and_80_columns() {
    use unicode_width::UnicodeWidthStr;
    let gate = gate();
    done(&gate, &["add", "42", "1001"]);
    done(&gate, &["say", "42", "--from", "1001", &"欢迎来到房间 👋 ".repeat(6)]);
    done(&gate, &["say", "42", "--from", "1001", "red \u{1b}[31m"]);
    for columns in [40, 80] {
        let mut command = tool(gate.endpoint(), &["history", "42"]);
        command.env("NO_COLOR", "1");
        let screen = run_in_terminal(command, columns);
        let screen = screen.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
        assert!(screen.lines().all(|line| line.width() <= columns.into()), "{screen}");
        assert!(screen.contains("red \\u{1b}[31m") && screen.contains("欢迎来到房间"), "{screen}");
    }
}

#[test]
fn message_that_is_deleted_is_gone_from_the_history() {
    let gate = gate();
    done(&gate, &["add", "42", "1001"]);
    let mid = done(&gate, &["say", "42", "--from", "1001", "oops"]);
    done(&gate, &["delete-message", "42", mid.trim(), "--from", "1001"]);
    assert_eq!(done(&gate, &["history", "42"]), "");
}

#[test]
fn message_that_was_refused_says_why_and_what_to_do() {
    let gate = gate();
    let outcome = run(tool(gate.endpoint(), &["say", "42", "--from", "1001", "hello"]), "").expect(1);
    outcome.says("200040 RTM_EC_NOT_IN_ROOM");
    outcome.says("add the user to the room first");
    let outcome = run(tool(gate.endpoint(), &["say", "42", "--from", "1001", "-"]), "\nhello\nworld\n").expect(1);
    outcome.says("line 2: ");
    outcome.says("the lines after it were not sent");
    run(tool(gate.endpoint(), &["say", "42", "--from", "1001", "hello", "--type", "128"]), "").expect(2);
    run(tool(gate.endpoint(), &["say", "42", "--from", "1001", "-", "--mid", "7"]), "").expect(2);
}

#[test]
fn lines_are_text_in_utf_8() {
    let gate = gate();
    done(&gate, &["add", "42", "1001"]);
    done_with(&gate, &["say", "42", "--from", "1001", "-"], "\u{feff}one\r\n\ntwo");
    assert_eq!(texts(&done(&gate, &["history", "42"])), ["one", "two"]);
    let mut say = Run::start(tool(gate.endpoint(), &["say", "42", "--from", "1001", "-"]));
    say.write_bytes(b"three\n\xff\nfour\n");
    say.finish().expect(2).says("line 2 of stdin is not text in UTF-8");
    assert_eq!(texts(&done(&gate, &["history", "42"])), ["one", "two", "three"]);
}

#[test]
fn message_of_unknown_fate_can_be_sent_again_under_its_id() {
    let server = FakeServer::start(|_| Act::Hold);
    let args = ["say", "42", "--from", "1001", "hello", "--timeout", "1s"];
    let outcome = run(tool(&server.endpoint(), &args), "").expect(1);
    let mid = outcome.stderr.split("--mid ").nth(1).unwrap().split(',').next().unwrap().to_owned();

    let gate = gate();
    done(&gate, &["add", "42", "1001"]);
    let again = ["say", "42", "--from", "1001", "hello", "--mid", &mid];
    assert_eq!(done(&gate, &again).trim(), mid);
    run(tool(gate.endpoint(), &again), "").expect(1).says("200053 RTM_EC_DUPLICATED_MID");
    assert_eq!(texts(&done(&gate, &["history", "42"])), ["hello"]);
}

#[test]
fn errors_are_json_for_programs() {
    let error = |outcome: super::tool::Outcome| serde_json::from_str::<serde_json::Value>(&outcome.stderr).unwrap();
    let gate = gate();
    let refused = error(run(tool(gate.endpoint(), &["say", "42", "--from", "1", "x", "--json"]), "").expect(1));
    let refused = &refused["error"];
    assert_eq!((&refused["code"], &refused["name"]), (&json!(200_040), &json!("RTM_EC_NOT_IN_ROOM")));
    assert_eq!(refused["retry"], "never");
    assert!(refused["message"].as_str().unwrap().contains("200040"));

    let away = error(run(tool("127.0.0.1:1", &["members", "42", "--json"]), "").expect(3));
    assert_eq!((&away["error"]["code"], &away["error"]["retry"]), (&json!(20_012), &json!("after")));
    assert!(away["error"]["retry_after_ms"].as_u64().unwrap() > 0);
    assert_eq!(away["error"]["may_have_executed"], false);

    let usage = error(run(tool("127.0.0.1:1", &["info", "set", "42", "--json"]), "").expect(2));
    assert!(usage["error"]["message"].as_str().unwrap().contains("nothing to set"));

    let argument = error(run(tool("127.0.0.1:1", &["members", "x", "--json"]), "").expect(2));
    assert!(argument["error"]["message"].as_str().unwrap().contains("a room id is a whole number"));
}

#[test]
fn members_are_changed_in_batches() {
    let gate = gate();
    let users: Vec<String> = (1..=250).map(|user| user.to_string()).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    done(&gate, &[&["members", "42", "--add"], &users[..]].concat());
    assert_eq!(done(&gate, &["count", "42"]), "42\t250\n");
    assert_eq!(gate.stats().executed("addroommembers"), 3);
    done(&gate, &["members", "42", "--remove", "1", "2", "--add", "1000"]);
    assert_eq!(done(&gate, &["count", "42"]), "42\t249\n");
}

#[test]
fn user_who_is_named_twice_counts_once() {
    let gate = gate();
    let change = ["members", "42", "--add", "2", "1", "2", "--remove", "1", "1", "--json"];
    let changed = run(tool(gate.endpoint(), &change), "").expect(0).json();
    assert_eq!((&changed["added"], &changed["removed"]), (&2.into(), &1.into()));

    let server = FakeServer::start(|_| Act::Refuse(20_004));
    let outcome = run(tool(&server.endpoint(), &["members", "42", "--add", "1", "1", "--json"]), "").expect(1);
    assert_eq!(outcome.stderr_as_json()[0]["error"]["result"]["not_added"], serde_json::json!([1]));
}

#[test]
fn server_without_batches_is_asked_one_by_one() {
    let server = FakeServer::start(|quest| match quest {
        1 => Act::Refuse(20_004),
        3 => Act::Refuse(200_047),
        _ => Act::done(),
    });
    let args = ["members", "42", "--add", "1", "2", "3"];
    let outcome = run(tool(&server.endpoint(), &args), "").expect(1);
    outcome.says("room 42: not added: 2 (200047 RTM_EC_");
    server.wait_for_quests(4);
    assert_eq!(server.further_quests(), 0);
}

#[test]
fn users_that_a_batch_leaves_out_are_named() {
    use super::codec;
    let server = FakeServer::start(|_| {
        Act::Answer(codec::map([("successedUids", rmpv::Value::Array(vec![1.into(), 3.into()]))]))
    });
    let args = ["members", "42", "--remove", "1", "2", "3"];
    run(tool(&server.endpoint(), &args), "").expect(1).says("room 42: not removed: 2");
}
