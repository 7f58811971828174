//! The service and the session on simulated time, and a whole gate with limits that tests can reach.

mod limits;
mod room_vectors;
mod vectors;

use std::sync::Arc;
use std::time::Duration;

use rmpv::Value;
use rustc_hash::FxHashMap;

use super::clock::Now;
use super::failure::Violation;
use super::service::{Service, Settings};
use super::session::{Served, Session};
use super::stats::Counters;
use crate::rtm::Signer;

const PID: i32 = 80_000_001;
const SECRET: &str = "secret-key-for-tests";
const TS: i64 = 1_700_000_000;

fn service() -> Service {
    let signers = FxHashMap::from_iter([(PID, Signer::new(PID, SECRET))]);
    Service::new(signers, Settings::default(), Arc::new(Counters::default()))
}

/// Returns a session's answers to `bytes`, decoded: sequence number, status, payload.
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

/// Creates a signed call as a well-behaved client writes it.
fn quest(method: &str, salt: i64, ts: i64, params: impl IntoIterator<Item = (&'static str, Value)>) -> Vec<u8> {
    signed_quest(method, salt, ts, params.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

fn signed_quest(method: &str, salt: i64, ts: i64, params: Vec<(Value, Value)>) -> Vec<u8> {
    let sign = Signer::new(PID, SECRET).sign(salt, method.as_bytes(), ts);
    let signature = [
        ("pid", PID.into()),
        ("sign", std::str::from_utf8(&sign).unwrap().into()),
        ("salt", salt.into()),
        ("ts", ts.into()),
    ];
    let signature = signature.into_iter().map(|(key, value)| (key.into(), value));
    frame(1, method, &Value::Map(signature.chain(params).collect()))
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
        let answers = answers(&mut Session::new(0), &mut service(), Now::at(TS), &quest);
        assert_eq!(code(&answers[0]), expected, "ts off by {offset} s");
    }
}

#[test]
fn repeated_signature_is_refused_until_the_clock_check_takes_over() {
    let (mut session, mut service, start) = (Session::new(0), service(), Now::at(TS));
    let quest = quest("getroominfo", 1, TS + 60, [("rid", 1.into())]);
    let codes: Vec<i64> = [0, 1, 60, 120, 121]
        .map(|seconds| start.later(Duration::from_secs(seconds)))
        .map(|now| code(&answers(&mut session, &mut service, now, &quest)[0]))
        .into();
    assert_eq!(codes, [0, 200_006, 200_006, 200_006, 200_008]);
}

#[test]
fn ban_expires_on_the_clock() {
    let (mut session, mut service, start) = (Session::new(0), service(), Now::at(TS));
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
    let (mut session, mut service) = (Session::new(0), service());
    let now = Now::at(TS);
    let mut one_way = quest("addroommember", 1, TS, [("rid", 5.into()), ("uid", 7.into())]);
    one_way[6] = 0;
    one_way.drain(12..16);
    assert_eq!(answers(&mut session, &mut service, now, &one_way), []);
    // A refused one-way quest gets no answer either.
    assert_eq!(answers(&mut session, &mut service, now, &one_way), []);
    let ask = quest("getroommembers", 2, TS, [("rid", 5.into())]);
    assert_eq!(answers(&mut session, &mut service, now, &ask)[0].2["uids"], Value::Array(vec![7.into()]));
}

#[test]
fn session_stops_while_nobody_takes_its_answers() {
    let (mut session, mut service, now) = (Session::new(0), service(), Now::at(TS));
    let info: Value = "x".repeat(60_000).into();
    let set = quest("setroominfo", 0, TS, [("rid", 1.into()), ("oinfo", info)]);
    answers(&mut session, &mut service, now, &set);
    let asks: Vec<u8> = (1..=100).flat_map(|salt| quest("getroominfo", salt, TS, [("rid", 1.into())])).collect();
    session.space()[..asks.len()].copy_from_slice(&asks);
    session.advance(asks.len());
    assert_eq!(session.serve(&mut service, now).unwrap(), Served::OutputFull);
    assert!(session.unsent().len() < 1024 * 1024 + 70_000, "{} bytes wait", session.unsent().len());

    // It continues as the answers are taken, in pieces of any size, and none is lost.
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
        let mut session = Session::new(0);
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
fn broken_packet_differs_from_a_refused_quest() {
    let outcome = |edit: fn(&mut Vec<u8>)| {
        let mut bytes = quest("getroominfo", 1, TS, [("rid", 1.into())]);
        edit(&mut bytes);
        let mut session = Session::new(0);
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
