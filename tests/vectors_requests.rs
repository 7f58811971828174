//! For the same arguments, the client sends what the vendor's SDKs send, with the same meaning.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::{BTreeMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use rmpv::Value;
use rtm_server_sdk::Error;

use common::answering::AnsweringServer;
use common::fixtures::{self, Arguments, PID, SECRET};
use common::golden_files::unhex;
use common::vectors::{self, Request};
use common::watchdog::guarded;
use common::wire::{self, MSGPACK, Packet, TWO_WAY, signature};

const MAX_INFO: usize = 65_535;
const SIGNATURE: [&str; 4] = ["pid", "sign", "salt", "ts"];

fn has_long_info(arguments: &Arguments) -> bool {
    [&arguments.oinfo, &arguments.pinfo].into_iter().flatten().any(|info| info.len() > MAX_INFO)
}

/// Converts integers to one form, whatever form they arrived in.
fn plain(value: Value) -> Value {
    match value {
        Value::F64(float) if float.fract() == 0.0 => (float as i64).into(),
        Value::Array(values) => Value::Array(values.into_iter().map(plain).collect()),
        value => value.as_i64().map_or(value, Value::from),
    }
}

fn params(packet: &Packet) -> BTreeMap<String, Value> {
    let params = packet.params();
    let count = params.len();
    let map: BTreeMap<_, _> = params.into_iter().map(|(key, value)| (key, plain(value))).collect();
    assert_eq!(map.len(), count, "a key comes twice in {packet:?}");
    map
}

/// The arguments of a vector in their form on the wire.
fn expected_params(function: &str, arguments: &Arguments) -> BTreeMap<String, Value> {
    let takes_uid = ["add_room_member", "delete_room_member", "add_room_ban", "remove_room_ban", "is_ban_of_room"];
    let mut expected = BTreeMap::from([("pid".to_owned(), Value::from(PID))]);
    let mut put = |key: &str, value: Option<Value>| expected.extend(value.map(|value| (key.to_owned(), value)));
    match function {
        "get_room_count" => put("rids", Some(Value::Array(arguments.rids.iter().map(|&rid| rid.into()).collect()))),
        _ => put("rid", arguments.rid.map(Value::from)),
    }
    if takes_uid.contains(&function) {
        put("uid", Some(arguments.uid.into()));
    }
    if function == "set_room_info" {
        put("oinfo", arguments.oinfo.as_deref().map(Value::from));
        put("pinfo", arguments.pinfo.as_deref().map(Value::from));
    }
    if function == "add_room_ban" {
        put("btime", arguments.btime.map(|time| time.as_secs().into()));
    }
    expected.into_iter().map(|(key, value)| (key, plain(value))).collect()
}

fn check(vector: &Request, arguments: &Arguments, packet: &Packet) {
    let name = &vector.name;
    assert_eq!((packet.mtype, packet.flag, &packet.method), (TWO_WAY, MSGPACK, &vector.method), "{name}");
    let mut ours = params(packet);
    let [_, sign, salt, ts] = SIGNATURE.map(|key| ours.get(key).unwrap_or_else(|| panic!("{name}: no {key}")).clone());
    let expected = signature(PID.into(), SECRET, &salt.to_string(), &vector.method, &ts.to_string());
    assert_eq!(sign.as_str(), Some(&expected[..]), "{name}");

    let carried = ["sign", "salt", "ts"];
    ours.retain(|key, _| !carried.contains(&key.as_str()));
    assert_eq!(ours, expected_params(&vector.function, arguments), "{name}");
    if let Some(hex) = &vector.frame_hex {
        let theirs = Packet::parse(&unhex(hex)).unwrap();
        let mut theirs = params(&theirs);
        theirs.retain(|key, _| !carried.contains(&key.as_str()));
        assert_eq!(ours, theirs, "{name}: the vendor's SDK sends something else");
    }
}

#[test]
fn every_request_means_the_same_as_the_vendors() {
    guarded(|| {
        let requests = vectors::requests();
        let (pid, secret) = (requests.common.pid.as_str(), requests.common.secret.as_str());
        assert_eq!((pid, secret), (PID.to_string().as_str(), SECRET));
        let server = AnsweringServer::start();
        let client = fixtures::client(server.endpoint());
        let (mut sent, mut rejected, mut not_expressible) = (Vec::new(), 0, 0);
        for vector in &requests.vectors {
            let Some(arguments) = Arguments::of(&vector.inputs) else {
                not_expressible += 1;
                continue;
            };
            let waiting = fixtures::submit(&client, &vector.function, &arguments);
            if has_long_info(&arguments) {
                rejected += 1;
                let outcome = waiting();
                assert!(matches!(outcome, Err(Error::InvalidArgument { .. })), "{}: {outcome:?}", vector.name);
            } else {
                sent.push((vector, arguments, waiting));
            }
        }
        assert_eq!((sent.len(), rejected, not_expressible), (519, 8, 8));

        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let mut salts = HashSet::new();
        for (vector, arguments, waiting) in sent {
            let packet = server.next();
            check(vector, &arguments, &packet);
            assert!(packet.int("salt") >= 0 && salts.insert(packet.int("salt")), "{}", vector.name);
            assert!((packet.int("ts") - now).abs() <= 60, "{}: ts {}", vector.name, packet.int("ts"));
            let outcome = waiting();
            assert!(outcome.is_ok(), "{}: {outcome:?}", vector.name);
        }
        assert_eq!(server.received(), []);
        assert_eq!(server.accepted(), 1);
    });
}

#[test]
fn call_that_can_never_work_sends_nothing() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = fixtures::client(server.endpoint());
        let not_sent = vectors::requests().not_sent;
        assert_eq!(not_sent.len(), 1);
        for vector in &not_sent {
            let arguments = Arguments::of(&vector.inputs).unwrap();
            let outcome = fixtures::submit(&client, &vector.function, &arguments)();
            let error = outcome.expect_err(&vector.name);
            assert!(matches!(error, Error::InvalidArgument { .. }), "{}: {error:?}", vector.name);
            assert_eq!(error.code(), 200_034);
            assert!(!error.may_have_executed());
        }
        client.add_room_member(1, 2).call().unwrap();
        let received = server.received();
        assert_eq!(received.len(), 1, "{received:?}");
    });
}

#[test]
fn ban_without_an_end_sends_a_time_of_0() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = fixtures::client(server.endpoint());
        client.add_room_ban(None, 2, None).call().unwrap();
        let packet = server.next();
        assert_eq!((packet.int("btime"), packet.get("rid")), (0, None));
    });
}

#[test]
fn live_sequence_numbers_are_unique() {
    guarded(|| {
        let server = AnsweringServer::with(|_| None);
        let client = fixtures::client(server.endpoint());
        let _pending: Vec<_> = (0..1000).map(|uid| client.add_room_member(1, uid).submit()).collect();
        let seqs: HashSet<u32> = (0..1000).map(|_| server.next().seq()).collect();
        assert_eq!(seqs.len(), 1000);
    });
}

#[test]
fn answers_are_matched_by_their_sequence_number() {
    guarded(|| {
        // Answers each call with its own room number, so that a mix-up shows.
        let server = AnsweringServer::with(|quest| {
            let uids = Value::Array(vec![quest.int("rid").into()]);
            Some(wire::answer(quest.seq(), &wire::map([("uids", uids)])))
        });
        let client = fixtures::client(server.endpoint());
        let pending: Vec<_> = (0..2000).map(|rid| client.get_room_members(rid).submit()).collect();
        for (rid, pending) in (0..2000).zip(pending) {
            assert_eq!(pending.wait().unwrap(), [rid]);
        }
    });
}
