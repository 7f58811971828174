//! The frames that the vendor's SDKs send for the nine Room methods, and signatures of other clients.

use std::sync::Arc;

use rmpv::Value;
use rustc_hash::FxHashMap;
use serde_json::Value as Json;

use super::{TS, answers, code, frame, map, quest, service};
use crate::gate::clock::Now;
use crate::gate::service::{Service, Settings};
use crate::gate::session::Session;
use crate::gate::stats::Counters;
use crate::golden_files::{load, unhex};
use crate::rtm::Signer;

/// Returns an input of a vector, with generated values written out, or `None` if it is absent.
pub(super) fn text_input(input: &Json) -> Option<String> {
    match input {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        generated => {
            let count = generated["count"].as_u64().unwrap() as usize;
            Some(generated["text"].as_str().unwrap().repeat(count))
        }
    }
}

pub(super) fn int_input(input: &Json) -> Option<i64> {
    input.as_str().map(|digits| digits.parse().unwrap())
}

pub(super) fn ints_input(input: &Json) -> Vec<i64> {
    if let Some(list) = input.as_array() {
        return list.iter().filter_map(int_input).collect();
    }
    let [start, step] = ["start", "step"].map(|key| int_input(&input[key]).unwrap());
    (0..input["count"].as_i64().unwrap()).map(|index| start + step * index).collect()
}

/// Returns the whole frame of a vector. Long vectors contain only the head; the rest is one text or one list of
/// integers, written in the style of the vector's SDK.
fn vector_frame(vector: &Json) -> Vec<u8> {
    if let Some(hex) = vector["frame_hex"].as_str() {
        return unhex(hex);
    }
    let head = unhex(vector["frame_head_hex"].as_str().unwrap());
    let inputs = &vector["inputs"];
    let is_node = vector["sdk"] == "node";
    let int = |value: i64, out: &mut Vec<u8>| {
        if is_node {
            rmp::encode::write_i64(out, value).unwrap();
        } else {
            rmp::encode::write_sint(out, value).unwrap();
        }
    };
    let mut frame = head[..12 + 4 + vector["method"].as_str().unwrap().len()].to_vec();
    rmp::encode::write_map_len(&mut frame, vector["fields"].as_array().unwrap().len() as u32).unwrap();
    for field in vector["fields"].as_array().unwrap() {
        let key = field["key"].as_str().unwrap();
        rmp::encode::write_str(&mut frame, key).unwrap();
        match key {
            "pid" => _ = rmp::encode::write_uint(&mut frame, 80_000_001).unwrap(),
            "ts" => _ = rmp::encode::write_uint(&mut frame, TS as u64).unwrap(),
            "salt" => int(1_234_567_890_123_456_789, &mut frame),
            "sign" => rmp::encode::write_str(&mut frame, vector["sign"].as_str().unwrap()).unwrap(),
            "rid" => int(int_input(&inputs["rid"]).unwrap(), &mut frame),
            "oinfo" | "pinfo" => rmp::encode::write_str(&mut frame, &text_input(&inputs[key]).unwrap()).unwrap(),
            "rids" => {
                let rids = ints_input(&inputs["rids"]);
                rmp::encode::write_array_len(&mut frame, rids.len() as u32).unwrap();
                rids.into_iter().for_each(|rid| int(rid, &mut frame));
            }
            other => panic!("no long frame holds {other}"),
        }
    }
    assert_eq!(frame.len() as u64, vector["frame_length"].as_u64().unwrap(), "{}", vector["name"]);
    assert_eq!(&frame[..head.len()], head, "{}", vector["name"]);
    frame
}

/// A call that shows the effect of another: its method, its parameters, its answer.
type FollowUp = (&'static str, Vec<(&'static str, Value)>, Value);

/// Returns the expected answer of a gate without any rooms, and a second call with the answer that shows the effect.
fn expected(vector: &Json) -> (Value, Option<FollowUp>) {
    let inputs = &vector["inputs"];
    let (rid, uid) = (int_input(&inputs["rid"]), int_input(&inputs["uid"]));
    let both = || vec![("rid", rid.unwrap_or(12_345).into()), ("uid", uid.unwrap().into())];
    let room = || vec![("rid", rid.unwrap().into())];
    let infos = |oinfo: &str, pinfo: &str| map([("oinfo", oinfo.into()), ("pinfo", pinfo.into())]);
    match vector["function"].as_str().unwrap() {
        "add_room_member" => {
            let uids = Value::Array(vec![uid.unwrap().into()]);
            (map([]), Some(("getroommembers", room(), map([("uids", uids)]))))
        }
        "delete_room_member" => (map([]), None),
        "add_room_ban" => (map([]), Some(("isbanofroom", both(), map([("ok", true.into())])))),
        "remove_room_ban" => (map([]), Some(("isbanofroom", both(), map([("ok", false.into())])))),
        "is_ban_of_room" => (map([("ok", false.into())]), None),
        "get_room_info" => (infos("", ""), None),
        "get_room_members" => (map([("uids", Value::Array(vec![]))]), None),
        "set_room_info" => {
            let [oinfo, pinfo] = ["oinfo", "pinfo"].map(|key| text_input(&inputs[key]).unwrap_or_default());
            (map([]), Some(("getroominfo", room(), infos(&oinfo, &pinfo))))
        }
        "get_room_count" => {
            let mut rids = ints_input(&inputs["rids"]);
            rids.sort_unstable();
            rids.dedup();
            let counts = rids.into_iter().map(|rid| (rid.to_string().into(), 0.into())).collect();
            (map([("cn", Value::Map(counts))]), None)
        }
        other => panic!("unknown function {other}"),
    }
}

#[test]
fn every_frame_of_the_vendors_sdks_is_executed() {
    let requests: Json = load("requests.json");
    let vectors = requests["vectors"].as_array().unwrap();
    assert!(vectors.len() > 500);
    for vector in vectors {
        let name = vector["name"].as_str().unwrap();
        // All vectors share one salt, so each needs a gate that has seen no signature.
        let (mut session, mut service, now) = (Session::new(0), service(), Now::at(TS));
        let answer = answers(&mut session, &mut service, now, &vector_frame(vector)).remove(0);
        assert_eq!(u64::from(answer.0), vector["seq"].as_u64().unwrap(), "{name}");
        let is_too_large = |key| text_input(&vector["inputs"][key]).is_some_and(|info: String| info.len() > 65_535);
        if vector["function"] == "set_room_info" && (is_too_large("oinfo") || is_too_large("pinfo")) {
            assert_eq!(code(&answer), 200_030, "{name}");
            continue;
        }
        let (expected, effect) = expected(vector);
        assert_eq!((answer.1, answer.2), (0, expected), "{name}");
        if let Some((method, params, expected)) = effect {
            let ask = quest(method, 1, TS, params);
            assert_eq!(answers(&mut session, &mut service, now, &ask)[0].2, expected, "{name}");
        }
    }
}

#[test]
fn every_signature_vector_is_accepted() {
    let signatures: Json = load("signatures.json");
    let vectors = signatures["vectors"].as_array().unwrap();
    for vector in vectors {
        let number = |key: &str| vector[key].as_str().unwrap().parse::<i64>().unwrap();
        let (pid, salt, ts) = (number("pid"), number("salt"), number("ts"));
        let secret = vector["secret"].as_str().unwrap();
        let Ok(project) = i32::try_from(pid) else { continue };
        let signers = FxHashMap::from_iter([(project, Signer::new(project, secret))]);
        let mut service = Service::new(signers, Settings::default(), Arc::new(Counters::default()));
        let signature = [
            ("pid", pid.into()),
            ("sign", vector["sign"].as_str().unwrap().into()),
            ("salt", salt.into()),
            ("ts", ts.into()),
        ];
        let rest = [("rid", 1.into()), ("uid", 1.into()), ("oinfo", "".into()), ("rids", Value::Array(vec![]))];
        let quest = frame(1, vector["cmd"].as_str().unwrap(), &map(signature.into_iter().chain(rest)));
        let answer = answers(&mut Session::new(0), &mut service, Now::at(ts), &quest).remove(0);
        assert_eq!(code(&answer), 0, "{}: {}", vector["name"], answer.2);
    }
}
