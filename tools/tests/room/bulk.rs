//! `bulk` against a gate: good rows, bad rows, and the report of those that failed.

use serde_json::json;

use super::fake::{Act, FakeServer};
use super::tool::{Run, Scratch, done, done_with, gate, run, tool};

#[test]
fn bulk_with_a_wrong_secret_ends_early() {
    let gate = gate();
    let rows: String = (1..=5000).map(|user| format!("42,{user}\n")).collect();
    let mut command = tool(gate.endpoint(), &["bulk", "add", "-", "--window", "10", "--json"]);
    command.env("RTM_SECRET", "guess");
    let outcome = run(command, &rows).expect(1);
    outcome.says("check the project's id and its secret; the rows from line");
    let summary = outcome.json();
    assert_eq!(summary["done"], 0);
    assert!(summary["failed"].as_u64().unwrap() <= 10, "{summary}");
    assert_eq!(summary["next_line"], 1);
}

#[test]
fn bulk_does_every_row() {
    let gate = gate();
    let rows: String = (1..=3000).map(|user| format!("42,{user}\n")).collect();
    let summary = done_with(&gate, &["bulk", "add", "-", "--json", "--window", "100"], &rows).json();
    assert_eq!((&summary["done"], &summary["next_line"]), (&json!(3000), &json!(null)));
    assert_eq!(done(&gate, &["count", "42"]), "42\t3000\n");
    done_with(&gate, &["bulk", "remove", "-"], "name,user,room\nAnn,1,42\n");
    assert_eq!(done(&gate, &["count", "42"]), "42\t2999\n");
    done_with(&gate, &["bulk", "ban", "-"], "\u{feff}Name, User,RID,seconds\r\n\"a,b\",2,42, 60\r\n,3,42,\r\n");
    assert_eq!(done(&gate, &["is-banned", "42", "2"]), "yes\n");
    assert_eq!(done(&gate, &["is-banned", "42", "3"]), "yes\n");
    assert_eq!(done(&gate, &["is-banned", "42", "4"]), "no\n");
}

#[test]
fn rows_that_end_in_any_kind_of_line_end_are_all_counted() {
    let gate = gate();
    for line_end in ["\n", "\r\n", "\r"] {
        let rows: String = (1..=5).map(|user| format!("42,{user}{line_end}")).collect();
        let summary = done_with(&gate, &["bulk", "add", "-", "--json"], &rows).json();
        assert_eq!(summary["done"], 5, "{line_end:?}");
    }
}

#[test]
fn bulk_reads_a_file_that_is_redirected_to_it() {
    let gate = gate();
    let scratch = Scratch::new();
    let file = scratch.write("rows.csv", "42,1\n42,2");
    for stdin in [true, false] {
        let mut command = tool(gate.endpoint(), &["bulk", "add", if stdin { "-" } else { &file }, "--json"]);
        command.stdin(std::fs::File::open(&file).unwrap());
        let output = command.output().unwrap();
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &summary["done"]), (Some(0), &json!(2)));
    }
}

#[test]
fn bulk_without_rows_does_nothing_and_says_so() {
    let gate = gate();
    for input in ["", "room,user\n"] {
        let outcome = run(tool(gate.endpoint(), &["bulk", "add", "-", "--json"]), input).expect(0);
        assert_eq!(outcome.json()["done"], 0);
        outcome.says("there are no rows");
    }
}

#[test]
fn bad_rows_are_told_by_line_and_reported_and_the_others_done() {
    let gate = gate();
    let scratch = Scratch::new();
    let report = scratch.path("failed.csv");
    let half_a_file = "room,user,name\n42,1,Ann\n\n42,x,\"Bo,b\"\n42,2,Cy\n42";
    let outcome = run(tool(gate.endpoint(), &["bulk", "add", "-", "--failed", &report]), half_a_file).expect(1);
    outcome.says("line 4: `x` is not a user id");
    outcome.says("line 6: the user is missing");
    assert_eq!(done(&gate, &["members", "42"]), "1\n2\n");
    let expected =
        "room,user,name,code,reason\n42,x,\"Bo,b\",200034,`x` is not a user id\n42,,,200034,the user is missing\n";
    assert_eq!(scratch.read("failed.csv"), expected);
}

#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    let gate = gate();
    let input = "\u{feff}42, 1\r\nx,2\r\n\r\nx,4\n\n\nx,7,\"a\r\nb\n\"\r\nx,10\n";
    let outcome = run(tool(gate.endpoint(), &["bulk", "add", "-", "--json"]), input).expect(1);
    let lines: Vec<_> = outcome.stderr_as_json().iter().map(|line| line["error"]["line"].clone()).collect();
    assert_eq!(lines, [2, 4, 7, 10]);
    assert_eq!(outcome.json()["done"], 1);
}

#[test]
fn header_without_a_user_column_is_status_2() {
    let gate = gate();
    let outcome = run(tool(gate.endpoint(), &["bulk", "add", "-"]), "room,who\n42,1\n").expect(2);
    outcome.says("line 1: the header names a room column and no user column");
}

#[test]
fn file_that_is_no_csv_is_status_2_before_any_call() {
    let server = FakeServer::start(|_| Act::done());
    for (file, what) in [
        (&b"room;user\n42;1\n"[..], "line 1: the columns are separated by semicolons"),
        (b"42\t1\n42\t2\n", "line 1: the columns are separated by tabs"),
        (b"\xff\xfe4\x002\0,\x001\0\n\0", "line 1: this is not text in UTF-8"),
        (b"member,group\n1,42\n", "call them `room` and `user`"),
    ] {
        let mut bulk = Run::start(tool(&server.endpoint(), &["bulk", "add", "-"]));
        bulk.write_bytes(file);
        bulk.finish().expect(2).says(what);
    }
    assert_eq!(server.further_quests(), 0);
}

#[test]
fn start_line_beyond_the_end_is_said() {
    let gate = gate();
    let outcome = run(tool(gate.endpoint(), &["bulk", "add", "-", "--start-line", "50"]), "42,1\n42,2\n").expect(0);
    outcome.says("no row is at line 50 or after it: the last one is at 2");
    assert_eq!(done(&gate, &["count", "42"]), "42\t0\n");
}

#[test]
fn row_that_was_cut_before_its_seconds_bans_nobody() {
    let gate = gate();
    let outcome =
        run(tool(gate.endpoint(), &["bulk", "ban", "-"]), "room,user,seconds\n51,7001,3600\n51,7002").expect(1);
    outcome.says("line 3: the row ends before its seconds");
    assert_eq!(done(&gate, &["is-banned", "51", "7001"]), "yes\n");
    assert_eq!(done(&gate, &["is-banned", "51", "7002"]), "no\n");
}

#[test]
fn last_line_without_its_line_end_is_said() {
    let gate = gate();
    let outcome = run(tool(gate.endpoint(), &["bulk", "ban", "-"]), "51,7001,3600\n51,7002,36").expect(0);
    outcome.says("line 2, the last, has no line end");
    assert_eq!(done_with(&gate, &["bulk", "unban", "-"], "51,7001\n51,7002\n").stderr, "");
    assert_eq!(done(&gate, &["is-banned", "51", "7001"]), "no\n");
}

#[test]
fn report_of_failed_rows_can_be_fed_in_again() {
    let scratch = Scratch::new();
    let (first, second) = (scratch.path("first.csv"), scratch.path("second.csv"));
    let refuse = |code| FakeServer::start(move |_| Act::Refuse(code)).endpoint();
    let once = run(tool(&refuse(200_021), &["bulk", "ban", "-", "--failed", &first]), "42,1,60\n42,2,\n").expect(1);
    once.says("200021 RTM_EC_PERMISSION_DENIED");
    run(tool(&refuse(200_999), &["bulk", "ban", &first, "--failed", &second]), "").expect(1);
    let twice = scratch.read("second.csv");
    assert_eq!(twice.lines().next(), Some("room,user,seconds,code,reason"));
    assert!(twice.contains("42,1,60,200999,") && twice.contains("42,2,,200999,") && !twice.contains("200021"));

    let gate = gate();
    done(&gate, &["bulk", "ban", &second]);
    assert_eq!(done(&gate, &["is-banned", "42", "1"]), "yes\n");
    assert_eq!(done(&gate, &["is-banned", "42", "2"]), "yes\n");
}

#[test]
fn report_overwrites_no_file() {
    let gate = gate();
    let scratch = Scratch::new();
    let file = scratch.write("rows.csv", "42,1\n");
    run(tool(gate.endpoint(), &["bulk", "add", &file, "--failed", &file]), "").expect(2).says("already exists");
    assert_eq!(scratch.read("rows.csv"), "42,1\n");
    for (report, what) in [("/", "/ is a directory"), ("-", "--failed takes the name of a file")] {
        run(tool(gate.endpoint(), &["bulk", "add", &file, "--failed", report]), "").expect(2).says(what);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_file() {
    const ROWS: usize = 200_000;
    let server = FakeServer::start(|quest| if quest == ROWS { Act::Hold } else { Act::done() });
    let scratch = Scratch::new();
    let rows: String = (0..ROWS).map(|user| format!("42,{user},{:100}\n", "a column that is ignored")).collect();
    let file = scratch.write("rows.csv", &rows);
    let bulk = Run::start(tool(&server.endpoint(), &["bulk", "add", &file, "--json"]));
    server.wait_for_quests(ROWS);
    let peak = bulk.peak_memory();
    server.release();
    assert_eq!(bulk.finish().expect(0).json()["done"], ROWS);
    assert!(peak < rows.len(), "{peak} bytes for a file of {}", rows.len());
}
