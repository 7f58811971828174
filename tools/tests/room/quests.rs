//! `quest`: any call, by the name of its method.

use serde_json::{Value, json};

use super::tool::{done, done_with, gate, run, tool};

#[test]
fn any_method_is_called_with_json_and_answers_in_json() {
    let gate = gate();
    assert_eq!(done(&gate, &["quest", "addroommember", r#"{"rid": 42, "uid": 1001}"#]), "{}\n");
    assert_eq!(done(&gate, &["members", "42"]), "1001\n");
    let answer = done_with(&gate, &["quest", "getroommembers", "-"], "{\"rid\": 42}\n").stdout;
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), json!({"uids": [1001]}));
}

#[test]
fn parameters_that_are_no_object_are_bad_usage() {
    for params in ["{", "[1]", "42"] {
        run(tool("127.0.0.1:1", &["quest", "getroominfo", params]), "").expect(2).says("JSON");
    }
    let signed = r#"{"rid": 42, "sign": "x"}"#;
    run(tool("127.0.0.1:1", &["quest", "getroominfo", signed]), "")
        .expect(2)
        .says("the client sets the parameter `sign` itself; leave it out");
}

#[test]
fn method_that_is_not_known_is_the_servers_refusal() {
    let gate = gate();
    run(tool(gate.endpoint(), &["quest", "nosuchmethod"]), "").expect(1).says("20004");
}
