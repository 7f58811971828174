//! Every command against a gate, in each way to print its result.

use serde_json::json;

use super::tool::{Scratch, done, done_with, gate, run, tool};

#[test]
fn members_come_and_go() {
    let gate = gate();
    assert_eq!(done(&gate, &["add", "42", "1001"]), "");
    assert_eq!(done(&gate, &["add", "42", "1002"]), "");
    assert_eq!(done(&gate, &["members", "42"]), "1001\n1002\n");
    assert_eq!(done(&gate, &["remove", "42", "1001"]), "");
    assert_eq!(done(&gate, &["members", "42"]), "1002\n");
    assert_eq!(done(&gate, &["count", "7", "42"]), "7\t0\n42\t1\n");
}

#[test]
fn ids_may_be_negative() {
    let gate = gate();
    done(&gate, &["add", "-42", "-9223372036854775808"]);
    assert_eq!(done(&gate, &["members", "-42"]), "-9223372036854775808\n");
    assert_eq!(done(&gate, &["count", "-42"]), "-42\t1\n");
}

#[test]
fn bans_begin_and_end() {
    let gate = gate();
    done(&gate, &["ban", "42", "1001", "--for", "10m"]);
    assert_eq!(done(&gate, &["is-banned", "42", "1001"]), "yes\n");
    done(&gate, &["unban", "42", "1001"]);
    assert_eq!(done(&gate, &["is-banned", "42", "1001"]), "no\n");
    done(&gate, &["ban", "--all-rooms", "1001"]);
    assert_eq!(done(&gate, &["is-banned", "7", "1001"]), "yes\n");
    done(&gate, &["unban", "--all-rooms", "1001"]);
    assert_eq!(done(&gate, &["is-banned", "7", "1001"]), "no\n");
}

#[test]
fn infos_are_set_one_by_one_and_read_back_as_they_were() {
    let gate = gate();
    let scratch = Scratch::new();
    done(&gate, &["info", "set", "42", "--public", "-> Welcome!"]);
    let private = scratch.write("private", "two\nlines\t\n");
    done(&gate, &["info", "set", "42", "--private-file", &private]);
    assert_eq!(done(&gate, &["info", "get", "42"]), "public\t-> Welcome!\nprivate\ttwo\\nlines\\t\n");
    assert_eq!(done(&gate, &["info", "get", "42", "--private"]), "two\nlines\t\n");
    done_with(&gate, &["info", "set", "42", "--public-file", "-"], "from stdin");
    assert_eq!(done(&gate, &["info", "get", "42", "--public"]), "from stdin\n");
}

#[test]
fn json_holds_ids_as_numbers() {
    let gate = gate();
    let json = |args: &[&str]| run(tool(gate.endpoint(), &[args, &["--json"]].concat()), "").expect(0).json();
    let (room, user) = (i64::MAX, i64::MIN);
    let (room_arg, user_arg) = (room.to_string(), user.to_string());
    assert_eq!(json(&["add", &room_arg, &user_arg]), json!({"room": room, "user": user, "done": true}));
    assert_eq!(json(&["members", &room_arg]), json!({"room": room, "members": [user]}));
    assert_eq!(json(&["count", &room_arg]), json!({"counts": [{"room": room, "members": 1}]}));
    assert_eq!(json(&["ban", "--all-rooms", "1"]), json!({"room": null, "user": 1, "done": true}));
    assert_eq!(json(&["is-banned", "42", "1"]), json!({"room": 42, "user": 1, "banned": true}));
    assert_eq!(json(&["unban", "--all-rooms", "1"])["done"], true);
    assert_eq!(json(&["remove", &room_arg, &user_arg])["done"], true);
    assert_eq!(json(&["info", "set", "42", "--public", "é"]), json!({"room": 42, "done": true}));
    assert_eq!(json(&["info", "get", "42"])["public"], "é");
}

#[test]
fn wrong_secret_is_status_1_and_the_advice_is_to_check_it() {
    let gate = gate();
    let mut command = tool(gate.endpoint(), &["members", "42"]);
    command.env("RTM_SECRET", "guess");
    let outcome = run(command, "").expect(1);
    outcome.says("200002 RTM_EC_INVALID_PID_OR_SIGN");
    outcome.says("check the project's id and its secret");
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.lines().count()), ("", 1));
}

#[test]
fn manual_has_a_page_for_every_command() {
    let gate = gate();
    let scratch = Scratch::new();
    done(&gate, &["man", "--dir", &scratch.path("man")]);
    assert!(scratch.read("man/rtm-room-bulk.1").contains("start"));
    for page in ["rtm-room", "rtm-room-bulk", "rtm-room-info-set"] {
        let page = scratch.read(&format!("man/{page}.1"));
        for part in [".SH \"EXIT STATUS\"", ".SH ENVIRONMENT", "\\fBRTM_SECRET\\fR", "\\fB130\\fR"] {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
        assert!(!page.contains(".SH EXTRA"), "{page}");
        for mentioned in page.lines().filter_map(|line| line.strip_suffix("(1)")) {
            scratch.read(&format!("man/{}.1", mentioned.replace('\\', "")));
        }
    }
}

#[test]
fn commands_of_the_documentation_print_what_it_says() {
    let gate = gate();
    super::documented::check(include_str!("../../../docs/cli.md"), gate.endpoint());
}

#[cfg(feature = "encryption")]
#[test]
fn connection_is_encrypted_with_the_servers_key_and_fails_with_another() {
    use super::tool::{PID, SECRET};
    use rtm_server_sdk::gate::{Curve, Gate, GateKey};

    let scratch = Scratch::new();
    let key = GateKey::generate(Curve::Secp256k1).unwrap();
    let key_file = scratch.write("server.pem", &key.public_pem().unwrap());
    let other = GateKey::generate(Curve::Secp256k1).unwrap();
    let other_file = scratch.write("other.pem", &other.public_pem().unwrap());
    let gate = Gate::builder()
        .project(PID.parse().unwrap(), SECRET)
        .key(key)
        .require_encryption()
        .bind("127.0.0.1:0")
        .unwrap();
    for (bits, mode) in [("128", "stream"), ("256", "stream"), ("128", "package"), ("256", "package")] {
        done(&gate, &["add", "42", "1001", "--key", &key_file, "--key-bits", bits, "--cipher-mode", mode]);
    }
    assert_eq!(done(&gate, &["members", "42", "--key", &key_file]), "1001\n");

    let with = |key: &str| run(tool(gate.endpoint(), &["members", "42", "--timeout", "3s", "--key", key]), "");
    with(&other_file).expect(3).says("is this the server's key?");
    with(&scratch.write("no.pem", "no key")).expect(2).says("no.pem: ");
    with(&scratch.path("missing.pem")).expect(2).says("missing.pem");
}
