//! The service and the session on simulated time, fed with the frames that the vendor's SDKs really send.

use std::sync::Arc;
use std::time::Duration;

use rmpv::Value;
use rustc_hash::FxHashMap;
use serde_json::Value as Json;

use super::clock::Now;
use super::failure::Violation;
use super::handshake::Handshake;
use super::service::Service;
use super::session::{Served, Session};
use super::stats::Counters;
use crate::golden_files::{load, unhex};
use crate::rtm::Signer;

const PID: i32 = 80_000_001;
const SECRET: &str = "secret-key-for-tests";
const TS: i64 = 1_700_000_000;

fn service() -> Service {
    let signers = FxHashMap::from_iter([(PID, Signer::new(PID, SECRET))]);
    Service::new(signers, Handshake::default(), Arc::new(Counters::default()))
}

/// What a session answers to `bytes`, taken apart: sequence number, status, payload.
fn answers(session: &mut Session, service: &mut Service, now: Now, bytes: &[u8]) -> Vec<(u32, u8, Value)> {
    let mut bytes = bytes;
    let mut output = Vec::new();
    while !bytes.is_empty() {
        let space = session.space();
        let len = space.len().min(bytes.len());
        space[..len].copy_from_slice(&bytes[..len]);
        session.advance(len);
        bytes = &bytes[len..];
        assert_eq!(session.serve(service, now).unwrap(), Served::All);
        output.extend_from_slice(session.unsent());
        session.mark_sent(session.unsent().len());
    }
    split_answers(&output)
}

fn split_answers(mut output: &[u8]) -> Vec<(u32, u8, Value)> {
    let mut answers = Vec::new();
    while !output.is_empty() {
        assert_eq!(&output[..7], b"FPNN\x01\x80\x02");
        let payload_len = u32::from_le_bytes(output[8..12].try_into().unwrap()) as usize;
        let seq = u32::from_le_bytes(output[12..16].try_into().unwrap());
        let (frame, rest) = output.split_at(16 + payload_len);
        answers.push((seq, frame[7], rmpv::decode::read_value(&mut &frame[16..]).unwrap()));
        output = rest;
    }
    answers
}

fn map(pairs: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

/// A signed call, as a well-behaved client writes it.
fn quest(method: &str, salt: i64, ts: i64, params: impl IntoIterator<Item = (&'static str, Value)>) -> Vec<u8> {
    let sign = Signer::new(PID, SECRET).sign_bytes(salt.into(), method.as_bytes(), ts.into());
    let signature = [
        ("pid", PID.into()),
        ("sign", std::str::from_utf8(&sign).unwrap().into()),
        ("salt", salt.into()),
        ("ts", ts.into()),
    ];
    frame(1, method, &map(signature.into_iter().chain(params)))
}

fn frame(kind: u8, method: &str, payload: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, payload).unwrap();
    let mut frame = b"FPNN\x01\x80".to_vec();
    frame.extend([kind, method.len().try_into().unwrap()]);
    frame.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    if kind == 1 {
        frame.extend(9_u32.to_le_bytes());
    }
    frame.extend(method.bytes());
    frame.extend(bytes);
    frame
}

fn code(answer: &(u32, u8, Value)) -> i64 {
    match answer.1 {
        0 => 0,
        _ => answer.2["code"].as_i64().unwrap(),
    }
}

#[test]
fn signed_call_passes_while_its_time_stamp_is_near_the_clock() {
    for (offset, expected) in [(-61, 200_008), (-60, 0), (0, 0), (60, 0), (61, 200_008)] {
        let quest = quest("getroominfo", 1, TS + offset, [("rid", 1.into())]);
        let answers = answers(&mut Session::new(), &mut service(), Now::at(TS), &quest);
        assert_eq!(code(&answers[0]), expected, "ts off by {offset} s");
    }
}

#[test]
fn repeated_signature_is_refused_until_the_clock_check_takes_over() {
    let (mut session, mut service, start) = (Session::new(), service(), Now::at(TS));
    let quest = quest("getroominfo", 1, TS + 60, [("rid", 1.into())]);
    let codes: Vec<i64> = [0, 1, 60, 120, 121]
        .map(|seconds| start.later(Duration::from_secs(seconds)))
        .map(|now| code(&answers(&mut session, &mut service, now, &quest)[0]))
        .into();
    assert_eq!(codes, [0, 200_006, 200_006, 200_006, 200_008]);
}

#[test]
fn ban_runs_out_on_the_clock() {
    let (mut session, mut service, start) = (Session::new(), service(), Now::at(TS));
    let ban = quest("addroomban", 1, TS, [("rid", 5.into()), ("uid", 7.into()), ("btime", 30.into())]);
    assert_eq!(answers(&mut session, &mut service, start, &ban)[0].2, map([]));
    for (salt, seconds, banned) in [(2, 29, true), (3, 30, false)] {
        let now = start.later(Duration::from_secs(seconds));
        let ask = quest("isbanofroom", salt, TS, [("rid", 5.into()), ("uid", 7.into())]);
        assert_eq!(answers(&mut session, &mut service, now, &ask)[0].2, map([("ok", banned.into())]));
    }
}

#[test]
fn one_way_quest_is_executed_without_an_answer() {
    let (mut session, mut service) = (Session::new(), service());
    let now = Now::at(TS);
    let mut one_way = quest("addroommember", 1, TS, [("rid", 5.into()), ("uid", 7.into())]);
    one_way[6] = 0;
    one_way.drain(12..16);
    assert_eq!(answers(&mut session, &mut service, now, &one_way), []);
    // A refusal is no answer either.
    assert_eq!(answers(&mut session, &mut service, now, &one_way), []);
    let ask = quest("getroommembers", 2, TS, [("rid", 5.into())]);
    assert_eq!(answers(&mut session, &mut service, now, &ask)[0].2["uids"], Value::Array(vec![7.into()]));
}

#[test]
fn session_stops_at_answers_that_nobody_takes() {
    let (mut session, mut service, now) = (Session::new(), service(), Now::at(TS));
    let info: Value = "x".repeat(60_000).into();
    let set = quest("setroominfo", 0, TS, [("rid", 1.into()), ("oinfo", info)]);
    answers(&mut session, &mut service, now, &set);
    let asks: Vec<u8> = (1..=100).flat_map(|salt| quest("getroominfo", salt, TS, [("rid", 1.into())])).collect();
    session.space()[..asks.len()].copy_from_slice(&asks);
    session.advance(asks.len());
    assert_eq!(session.serve(&mut service, now).unwrap(), Served::OutputFull);
    assert!(session.unsent().len() < 1024 * 1024 + 70_000, "{} bytes wait", session.unsent().len());

    // It goes on as the answers are taken, in pieces of any size, and none is lost.
    let mut output = Vec::new();
    loop {
        let taken = session.unsent().len().min(99_999);
        output.extend_from_slice(&session.unsent()[..taken]);
        session.mark_sent(taken);
        if session.serve(&mut service, now).unwrap() == Served::All && session.unsent().is_empty() {
            break;
        }
    }
    assert_eq!(split_answers(&output).len(), 100);
}

#[test]
fn packet_over_8_mib_is_refused_by_its_header() {
    let refused = |payload_len: u32| {
        let mut session = Session::new();
        let mut header = frame(1, "getroominfo", &Value::Nil)[..12].to_vec();
        header[8..].copy_from_slice(&payload_len.to_le_bytes());
        session.space()[..12].copy_from_slice(&header);
        session.advance(12);
        session.serve(&mut service(), Now::at(TS)).is_err()
    };
    let overhead = 12 + 4 + 11;
    let largest = 8 * 1024 * 1024 - overhead;
    assert_eq!([largest, largest + 1, u32::MAX].map(refused), [false, true, true]);
}

#[test]
fn broken_packet_is_told_from_a_refused_quest() {
    let outcome = |edit: fn(&mut Vec<u8>)| {
        let mut bytes = quest("getroominfo", 1, TS, [("rid", 1.into())]);
        edit(&mut bytes);
        let mut session = Session::new();
        session.space()[..bytes.len()].copy_from_slice(&bytes);
        session.advance(bytes.len());
        session.serve(&mut service(), Now::at(TS)).map(|_| split_answers(session.unsent()).first().map(code))
    };
    assert_eq!(outcome(|_| ()), Ok(Some(0)));
    assert_eq!(outcome(|bytes| bytes[4] = 77), Ok(Some(0)), "nobody checks the version");
    assert_eq!(outcome(|bytes| bytes[5] = 0xa0), Ok(Some(10_008)));
    assert_eq!(outcome(|bytes| bytes[5] = 0x40), Ok(Some(10_008)));
    assert_eq!(outcome(|bytes| bytes[5] = 0xc0), Err(Violation::Flag(0xc0)));
    assert_eq!(outcome(|bytes| bytes[5] = 0x20), Err(Violation::Flag(0x20)));
    assert!(matches!(outcome(|bytes| bytes[0] = b'f'), Err(Violation::Framing(_))));
    assert!(matches!(outcome(|bytes| bytes[6] = 3), Err(Violation::Framing(_))));
    assert!(matches!(outcome(|bytes| bytes[27] = 0x90), Err(Violation::Payload(_))));
    assert!(matches!(outcome(|bytes| bytes[8] -= 1), Err(Violation::Payload(_))));
    let nameless = |bytes: &mut Vec<u8>| {
        bytes[7] = 0;
        bytes.drain(16..27);
    };
    assert_eq!(outcome(nameless), Err(Violation::NoMethod));
}

/// An input of a vector, its generated values written out, or `None` where it was not given.
fn text_input(input: &Json) -> Option<String> {
    match input {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        generated => {
            let count = generated["count"].as_u64().unwrap() as usize;
            Some(generated["text"].as_str().unwrap().repeat(count))
        }
    }
}

fn int_input(input: &Json) -> Option<i64> {
    input.as_str().map(|digits| digits.parse().unwrap())
}

fn ints_input(input: &Json) -> Vec<i64> {
    if let Some(list) = input.as_array() {
        return list.iter().filter_map(int_input).collect();
    }
    let [start, step] = ["start", "step"].map(|key| int_input(&input[key]).unwrap());
    (0..input["count"].as_i64().unwrap()).map(|index| start + step * index).collect()
}

/// The whole frame of a vector. Long ones are held by their head only: what follows is one text, or one list of
/// integers, which is written again in the style of the vector's SDK.
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

/// A call that shows what another did: its method, its parameters, its answer.
type FollowUp = (&'static str, Vec<(&'static str, Value)>, Value);

/// What the vector's call must be answered with by a gate without any rooms, and what it must have changed: a second
/// call and its answer.
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
        // All vectors share one salt, so that each needs a gate without a memory.
        let (mut session, mut service, now) = (Session::new(), service(), Now::at(TS));
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
        let mut service = Service::new(signers, Handshake::default(), Arc::new(Counters::default()));
        let signature = [
            ("pid", pid.into()),
            ("sign", vector["sign"].as_str().unwrap().into()),
            ("salt", salt.into()),
            ("ts", ts.into()),
        ];
        let rest = [("rid", 1.into()), ("uid", 1.into()), ("oinfo", "".into()), ("rids", Value::Array(vec![]))];
        let quest = frame(1, vector["cmd"].as_str().unwrap(), &map(signature.into_iter().chain(rest)));
        let answer = answers(&mut Session::new(), &mut service, Now::at(ts), &quest).remove(0);
        assert_eq!(code(&answer), 0, "{}: {}", vector["name"], answer.2);
    }
}
