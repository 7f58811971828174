//! The frames that the vendor's SDKs send for batches, messages, histories and listening.

use rmpv::Value;
use serde_json::Value as Json;

use super::vectors::{int_input, ints_input, text_input};
use super::{TS, answers, code, map, quest, service, signed_quest};
use crate::gate::clock::Now;
use crate::gate::session::Session;
use crate::golden_files::{load, unhex};
use crate::rtm::{Message, MessageType, Target};

/// The id that a client chooses if the caller passes none.
const MID: i64 = 7_234_567_890_123_456_781;

/// Returns the whole frame of a vector. Long vectors contain only the head; the rest of `msg` and empty `attrs` follow.
fn vector_frame(vector: &Json) -> Vec<u8> {
    if let Some(hex) = vector["frame_hex"].as_str() {
        return unhex(hex);
    }
    const EMPTY_ATTRS: &[u8] = b"\xa5attrs\xa0";
    let mut frame = unhex(vector["frame_head_hex"].as_str().unwrap());
    frame.resize(vector["frame_length"].as_u64().unwrap() as usize - EMPTY_ATTRS.len(), b'x');
    frame.extend_from_slice(EMPTY_ATTRS);
    frame
}

fn body(input: &Json) -> Value {
    match input["hex"].as_str() {
        Some(hex) => Value::Binary(unhex(hex)),
        None => text_input(input).unwrap().into(),
    }
}

/// Returns the call that prepares the room for the vector's call.
fn preparation(vector: &Json) -> Option<Vec<u8>> {
    let inputs = &vector["inputs"];
    let member = match vector["method"].as_str().unwrap() {
        "sendroommsg" => [("rid", int_input(&inputs["rid"])?.into()), ("uid", int_input(&inputs["from_uid"])?.into())],
        _ => return None,
    };
    Some(quest("addroommember", 1, TS, member))
}

/// Returns the expected answer: an error code, or a result.
fn expected(vector: &Json) -> Result<Value, i64> {
    let inputs = &vector["inputs"];
    let given = |key: &str| int_input(&inputs[key]).unwrap_or_default();
    match vector["method"].as_str().unwrap() {
        "sendroommsg" => match (int_input(&inputs["mtype"]), body(&inputs["message"])) {
            (Some(128), _) => Err(200_005),
            (_, Value::String(text)) if text.as_bytes().len() > 20_480 => Err(200_030),
            _ => Ok(map([("mtime", (TS * 1000).into())])),
        },
        "getmsg" | "delmsg" | "editmsg" => Err(200_070),
        "getroommsg" => Ok(map([
            ("num", 0.into()),
            ("lastid", given("lastid").into()),
            ("begin", given("begin").into()),
            ("end", given("end").into()),
            ("msgs", Value::Array(vec![])),
        ])),
        "getmsgnum" => Ok(map([("sender", 0.into()), ("num", 0.into())])),
        "addroommembers" | "delroommembers" | "adduserrooms" | "deleteuserrooms" => batch(vector),
        "cleanmsg" | "delconversationmsgs" | "addlisten" | "removelisten" | "setlisten" => Ok(map([])),
        // Its parameters are not those of the method.
        "addroommember" => Err(200_034),
        _ => Err(20_004),
    }
}

fn batch(vector: &Json) -> Result<Value, i64> {
    let (method, inputs) = (vector["method"].as_str().unwrap(), &vector["inputs"]);
    let mut ids = ints_input(&inputs[if method.ends_with("rooms") { "rids" } else { "uids" }]);
    ids.dedup();
    match method {
        _ if ids.is_empty() => Err(200_033),
        "addroommembers" => Ok(map([("successedUids", Value::Array(ids.into_iter().map(Value::from).collect()))])),
        "delroommembers" => Ok(map([("successedUids", Value::Array(vec![]))])),
        _ => Ok(map([])),
    }
}

/// Returns the expected history row of the message that a vector sent.
fn expected_row(vector: &Json) -> Value {
    let inputs = &vector["inputs"];
    let mtype = int_input(&inputs["mtype"]).unwrap_or(if vector["function"] == "send_room_cmd" { 32 } else { 30 });
    Value::Array(vec![
        1.into(),
        int_input(&inputs["from_uid"]).unwrap().into(),
        mtype.into(),
        int_input(&inputs["mid"]).unwrap_or(MID).into(),
        false.into(),
        body(&inputs["message"]),
        text_input(&inputs["attrs"]).unwrap().into(),
        (TS * 1000).into(),
    ])
}

#[test]
fn every_frame_of_the_vendors_sdks_is_understood() {
    let requests: Json = load("room_requests.json");
    let vectors = requests["vectors"].as_array().unwrap();
    assert!(vectors.len() > 180);
    for vector in vectors {
        let name = vector["name"].as_str().unwrap();
        // All vectors share one salt, so each needs a gate that has seen no signature.
        let (mut session, mut service, now) = (Session::new(0), service(), Now::at(TS));
        if let Some(frame) = preparation(vector) {
            assert_eq!(code(&answers(&mut session, &mut service, now, &frame)[0]), 0, "{name}");
        }
        let answer = answers(&mut session, &mut service, now, &vector_frame(vector)).remove(0);
        assert_eq!(u64::from(answer.0), vector["seq"].as_u64().unwrap(), "{name}");
        match expected(vector) {
            Ok(result) => assert_eq!((answer.1, answer.2), (0, result), "{name}"),
            Err(expected) => assert_eq!(code(&answer), expected, "{name}"),
        }
        if vector["method"] == "sendroommsg" && answer.1 == 0 {
            let rid = int_input(&vector["inputs"]["rid"]).unwrap();
            let ask = quest("getroommsg", 2, TS, [("rid", rid.into()), ("desc", true.into()), ("num", 9.into())]);
            let page = answers(&mut session, &mut service, now, &ask).remove(0).2;
            assert_eq!(page["msgs"], Value::Array(vec![expected_row(vector)]), "{name}");
        }
    }
}

/// Reads a typed value of the golden files.
fn typed(value: &Json) -> Value {
    match value["t"].as_str().unwrap() {
        "bool" => value["v"].as_bool().unwrap().into(),
        "int" => int_input(&value["v"]).unwrap().into(),
        "str" => value["v"].as_str().unwrap().into(),
        "array" => Value::Array(value["v"].as_array().unwrap().iter().map(typed).collect()),
        "map" => {
            let pairs = value["v"].as_array().unwrap().iter();
            Value::Map(pairs.map(|pair| (typed(&pair[0]), typed(&pair[1]))).collect())
        }
        other => panic!("no listening call holds {other}"),
    }
}

/// Whether one of the calls names the room, in a list or a map, or all rooms.
fn names_room(calls: &[(String, Value)], room: i64) -> bool {
    calls.iter().any(|(_, params)| {
        let named = match &params["rids"] {
            Value::Array(rooms) => rooms.contains(&room.into()),
            Value::Map(rooms) => rooms.iter().any(|(key, _)| *key == room.into()),
            _ => false,
        };
        named || params["room"] == true.into()
    })
}

#[test]
fn subscriptions_an_sdk_restores_after_a_reconnect_are_effective() {
    let requests: Json = load("room_requests.json");
    for vector in requests["after_reconnect"].as_array().unwrap() {
        for moment in ["sent_after_first_reconnect", "sent_after_second_reconnect"] {
            let name = format!("{} {moment}", vector["name"]);
            let (mut session, mut service, now) = (Session::new(0), service(), Now::at(TS));
            let calls: Vec<(String, Value)> = vector[moment]
                .as_array()
                .unwrap()
                .iter()
                .map(|call| (call["method"].as_str().unwrap().to_owned(), typed(&call["params"])))
                .collect();
            for (salt, (method, params)) in (1..).zip(&calls) {
                let quest = signed_quest(method, salt, TS, params.as_map().unwrap().clone());
                assert_eq!(code(&answers(&mut session, &mut service, now, &quest)[0]), 0, "{name}");
            }
            for room in [100, 200, 300] {
                let target = Target::Room(room);
                let (mtype, body, attrs) = (MessageType::CHAT, "x".into(), String::new());
                service.push_message(Message { target, from: 1, mid: 2, mtype, body, attrs, mtime: None }, now);
                assert_eq!(service.take_pushes().len() == 1, names_room(&calls, room), "{name}: room {room}");
            }
        }
    }
}
