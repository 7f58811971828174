//! `bulk --json`: what is said on stderr is one line of JSON each.

use serde_json::{Value, json};

use super::fake::{Act, FakeServer};
use super::tool::{Scratch, gate, run, tool};

#[test]
fn every_row_that_failed_is_an_object_with_all_that_is_known_of_it() {
    let server = FakeServer::start(|quest| match quest {
        1 => Act::Refuse(200_021),
        2 => Act::Drop,
        _ => Act::done(),
    });
    let rows = "room,user,name\n42,1,Ann\n42,oops,\"Bo,b\"\n42,2,Cy\n42,3,Di\n";
    let outcome = run(tool(&server.endpoint(), &["bulk", "add", "-", "--window", "1", "--json"]), rows).expect(1);
    let lines = outcome.stderr_as_json();
    assert_eq!(lines.len(), 3, "{}", outcome.stderr);
    let refused = &lines[0]["error"];
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("200021 RTM_EC_PERMISSION_DENIED") && !message.contains("line"), "{message}");
    let expected = json!({
        "line": 2, "row": ["42", "1", "Ann"], "code": 200_021, "name": "RTM_EC_PERMISSION_DENIED", "message": message,
        "may_have_executed": false, "retry": "never", "retry_after_ms": null,
    });
    assert_eq!(refused, &expected);
    let bad = json!({
        "line": 3, "row": ["42", "oops", "Bo,b"], "code": 200_034, "name": "RTM_EC_INVALID_PARAMETER",
        "message": "`oops` is not a user id", "may_have_executed": false, "retry": "never", "retry_after_ms": null,
    });
    assert_eq!(lines[1]["error"], bad);
    let uncertain = &lines[2]["error"];
    assert_eq!((&uncertain["line"], &uncertain["code"]), (&json!(4), &json!(20_002)));
    assert_eq!((&uncertain["may_have_executed"], &uncertain["retry"]), (&json!(true), &json!("now")));
    assert_eq!((&outcome.json()["done"], &outcome.json()["failed"]), (&json!(1), &json!(3)));
}

#[test]
fn no_row_is_left_out_and_what_is_no_error_is_a_note() {
    const ROWS: u64 = 60;
    let gate = gate();
    let scratch = Scratch::new();
    let rows: String = (1..=ROWS).map(|row| format!("42,user {row}\n")).collect();
    let args = ["bulk", "add", "-", "--failed", &scratch.path("failed.csv"), "--json"];
    let outcome = run(tool(gate.endpoint(), &args), rows.trim_end()).expect(1);
    let lines = outcome.stderr_as_json();
    let (notes, errors): (Vec<&Value>, Vec<&Value>) = lines.iter().partition(|line| line["note"].is_object());
    assert!(errors.iter().map(|error| error["error"]["line"].as_u64().unwrap()).eq(1..=ROWS), "{}", outcome.stderr);
    assert_eq!(notes.len(), 1);
    assert!(notes[0]["note"]["message"].as_str().unwrap().contains("has no line end"));
}

#[test]
fn earlier_try_of_a_row_may_have_been_carried_out_too() {
    let server = FakeServer::start(|quest| if quest == 1 { Act::Refuse(20_001) } else { Act::Refuse(200_021) });
    let args = ["bulk", "add", "-", "--retry-uncertain", "--json"];
    let outcome = run(tool(&server.endpoint(), &args), "42,1\n").expect(1);
    let lines = outcome.stderr_as_json();
    let error = &lines[0]["error"];
    assert_eq!((&error["code"], &error["may_have_executed"]), (&json!(200_021), &json!(true)));
}

#[test]
fn end_of_a_run_that_has_rows_left_names_the_line_to_go_on_with() {
    let gate = gate();
    let mut command = tool(gate.endpoint(), &["bulk", "add", "-", "--window", "1", "--json"]);
    command.env("RTM_SECRET", "guess");
    let outcome = run(command, "42,1\n42,2\n").expect(1);
    let lines = outcome.stderr_as_json();
    let end = &lines.last().unwrap()["error"];
    assert_eq!((&end["next_line"], &end["code"], &end["retry"]), (&json!(1), &json!(200_002), &json!("never")));
    assert!(end["message"].as_str().unwrap().contains("go on with --start-line 1"));
}
