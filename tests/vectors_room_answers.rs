//! Every answer on messages, histories and batches that a server may send is read correctly, and leaves the connection
//! in use.
#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use rtm_server_sdk::{Client, Error, MessageCount};
use serde_json::{Value as Json, json};

use common::rooms::{self, Inputs, LISTENING, Outcome, RoomAnswer, Waiting};
use common::vector_answers::{NamedFrame, answer_all_at_once, answer_one_by_one};
use common::vectors::{Expected, number, typed_bytes};
use common::watchdog::guarded;
use common::wire;

const RID: i64 = 100;
const FROM: i64 = 999_000_011;
const MID: i64 = 5;

/// Borderline vectors whose notes allow a decoding error instead of a value.
const MAY_BE_REFUSED: [&str; 3] = [
    "add_room_members.floats_integral",
    "send_room_message.mtime_float_integral",
    "get_room_message.mtime_float_integral",
];
/// Borderline vectors whose notes allow a value instead of a decoding error.
const MAY_BE_READ: [&str; 1] = ["get_room_message.mtype_1000"];

fn submit(client: &Client, function: &str) -> Waiting {
    let inputs = json!({
        "rid": RID.to_string(), "xid": RID.to_string(), "uid": "1", "from_uid": FROM.to_string(), "mid": MID.to_string(),
        "uids": ["1"], "rids": ["1"], "mtype": "51", "message": "m", "attrs": "", "desc": true, "num": "20",
        "begin": "1", "end": "2", "time_limit": "1",
    });
    match function {
        function if function == "call" || LISTENING.contains(&function) => {
            rooms::submit_by_name(client, "anymethod", &wire::map([]))
        }
        function => rooms::submit(client, function, &Inputs(&inputs)),
    }
}

/// The vector's result.
fn outcome(function: &str, value: &Json) -> Outcome {
    let int = |key: &str| value[key].as_str().map(|digits| i64::try_from(number(digits)).unwrap());
    match function {
        "add_room_members" | "delete_room_members" => Outcome::Users(rooms::ids(&value["uids"])),
        "send_room_message" | "send_room_chat" | "send_room_cmd" => Outcome::Sent(int("mtime")),
        "get_room_message" | "get_room_chat" => Outcome::Messages(rooms::messages(&value["messages"], RID)),
        "get_room_message_info" if value.is_null() => Outcome::Info(None),
        "get_room_message_info" => Outcome::Info(Some(rooms::message(value, RID, FROM, MID))),
        "get_message_num" => {
            Outcome::Count(MessageCount { senders: int("sender").unwrap(), messages: int("num").unwrap() })
        }
        "call" => Outcome::Params(rooms::plain(rooms::typed(&value["params"]))),
        _ => Outcome::Done,
    }
}

fn check(vector: &RoomAnswer, result: &Result<Outcome, Error>) {
    let (name, function) = (vector.name.as_str(), vector.function.as_str());
    let is_decode_error = matches!(result, Err(Error::Decode { .. }));
    match (&vector.expected, result) {
        (Expected::Ok { .. }, Err(Error::Decode(_))) if vector.lenient && MAY_BE_REFUSED.contains(&name) => {}
        (Expected::DecodeError, Ok(_)) if vector.lenient && MAY_BE_READ.contains(&name) => {}
        (Expected::DecodeError, Err(error)) if is_decode_error => assert_eq!(error.code(), 20_006, "{name}"),
        // Here, calls by name replace listening, whose answers have no content.
        (Expected::Ok { .. }, Ok(Outcome::Params(_))) if LISTENING.contains(&function) => {}
        (Expected::Ok { value }, Ok(got)) => {
            assert_eq!(*got, outcome(function, value.as_ref().unwrap_or(&Json::Null)), "{name}");
        }
        (Expected::Error { code, .. }, Ok(Outcome::Info(None))) => assert_eq!(code, "200070", "{name}"),
        (Expected::Error { code, message }, Err(Error::Answer(error))) => {
            assert_eq!(error.code().value().to_string(), *code, "{name}");
            if let Some(expected) = message.as_ref().and_then(typed_bytes) {
                assert_eq!(error.message().as_bytes(), expected, "{name}");
            }
        }
        (expected, result) => panic!("{name} came out as {result:?} in place of {expected:?}"),
    }
}

/// Makes the call of a vector. The returned function checks its outcome.
fn submit_vector<'a>(client: &Client, vector: &'a RoomAnswer) -> impl FnOnce() + use<'a> {
    let waiting = submit(client, &vector.function);
    move || check(vector, &waiting())
}

fn frames(vectors: &[RoomAnswer]) -> Vec<NamedFrame> {
    vectors.iter().map(|vector| (vector.name.clone(), vector.frame.bytes())).collect()
}

#[test]
fn every_answer_is_read_as_it_is_meant_and_leaves_the_connection_in_use() {
    guarded(|| {
        let vectors = rooms::answers();
        assert_eq!(vectors.len(), 137);
        answer_one_by_one(&frames(&vectors), |client, place| submit_vector(client, &vectors[place]));
    });
}

#[test]
fn all_answers_are_read_if_they_arrive_at_once() {
    guarded(|| {
        let vectors = rooms::answers();
        answer_all_at_once(&frames(&vectors), |client, place| submit_vector(client, &vectors[place]));
    });
}
