//! For the same arguments, the client sends what one of the vendor's SDKs sends, with the same meaning: messages,
//! histories, batches, and calls by name. The tests of pushes cover the requests to listen.
#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;

use rmpv::Value;
use rtm_server_sdk::{Client, Error};

use common::fixtures::{PID, SECRET, connected};
use common::rooms::{self, Inputs, LISTENING, RoomRequest, Waiting};
use common::scripted::Connection;
use common::watchdog::guarded;
use common::wire::{self, MSGPACK, Packet, TWO_WAY, signature};

type Params = BTreeMap<String, Value>;

/// The arguments that this library refuses but the vendor's SDKs send, by the end of the vector's name.
const REFUSED: [&str; 6] = [
    "mtype_128",
    "message_65536",
    "get_room_message.num_0",
    "get_room_message.num_int16_max",
    "_members.empty",
    "_user_rooms.empty",
];

fn is_refused(vector: &RoomRequest) -> bool {
    REFUSED.iter().any(|end| vector.name.ends_with(end))
}

/// The parameters of a quest, with integers in one form.
fn params(packet: &Packet) -> Params {
    let pairs = packet.params();
    let count = pairs.len();
    let map: Params = pairs.into_iter().map(|(key, value)| (key, rooms::plain(value))).collect();
    assert_eq!(map.len(), count, "a key comes twice in {packet:?}");
    map
}

/// Removes what is new in every call, and times and cursors of zero, which mean the same as none.
fn meaning(packet: &Packet, function: &str, has_mid: bool) -> Params {
    let mut params = params(packet);
    params.retain(|key, _| !["sign", "salt", "ts"].contains(&key.as_str()));
    params.retain(|key, value| !["begin", "end", "lastid"].contains(&key.as_str()) || value.as_i64() != Some(0));
    if function.starts_with("send_") && !has_mid {
        let mid = params.remove("mid").expect("a message has an id");
        assert!(mid.as_i64().is_some_and(|mid| mid != 0), "{mid}");
    }
    params
}

/// What the SDKs send for the same call, if their frames are in the file.
fn theirs(vector: &RoomRequest, all: &[RoomRequest]) -> Vec<Params> {
    let same_call = |other: &&RoomRequest| other.function == vector.function && other.inputs == vector.inputs;
    let frames = all.iter().filter(same_call).filter_map(|other| other.frame_hex.as_deref());
    let packets = frames.map(|hex| Packet::parse(&common::golden_files::unhex(hex)).unwrap());
    packets.map(|packet| meaning(&packet, &vector.function, Inputs(&vector.inputs).int("mid").is_some())).collect()
}

/// Submits the call of a vector. Only a page has a cursor, so a call with one follows a page that contains it.
fn submit(client: &Client, connection: &Connection, vector: &RoomRequest) -> Waiting {
    let inputs = Inputs(&vector.inputs);
    let function = vector.function.as_str();
    if function == "call" {
        let params = rooms::typed(&vector.inputs["params"]);
        return rooms::submit_by_name(client, vector.inputs["method"].as_str().unwrap(), &params);
    }
    if function == "clear_project_message" {
        let params = wire::map([("type", inputs.int("clear_type").unwrap().into())]);
        return rooms::submit_by_name(client, "clearprojectmsg", &params);
    }
    let Some(last_id) = inputs.int("lastid") else { return rooms::submit(client, function, &inputs) };
    let rid = inputs.int("rid").unwrap();
    let get = |query| match function {
        "get_room_chat" => client.get_room_chat(rid, query),
        _ => client.get_room_message(rid, query),
    };
    let query = inputs.query();
    let first = get(&query).submit();
    let quest = connection.next();
    let row = Value::Array(vec![1.into(), 1.into(), 30.into(), 1.into(), false.into(), "".into(), "".into(), 1.into()]);
    let page = wire::map([
        ("msgs", Value::Array(vec![row; quest.int("num") as usize])),
        ("lastid", last_id.into()),
        ("begin", inputs.int("begin").unwrap_or_default().into()),
        ("end", inputs.int("end").unwrap_or_default().into()),
    ]);
    connection.send(&wire::answer(quest.seq(), &page));
    let next = first.wait().unwrap().next.expect("the page was full");
    let pending = get(&next).submit();
    Box::new(move || pending.wait().map(|page| rooms::Outcome::Messages(page.messages)))
}

fn check_signature(name: &str, packet: &Packet) {
    let params = params(packet);
    let [sign, salt, ts] = ["sign", "salt", "ts"].map(|key| params[key].clone());
    let expected = signature(PID.into(), SECRET, &salt.to_string(), &packet.method, &ts.to_string());
    assert_eq!(sign.as_str(), Some(&expected[..]), "{name}");
    assert_eq!(params["pid"].as_i64(), Some(PID.into()), "{name}");
}

/// The file does not contain long frames, so their content is checked separately.
fn check_content(vector: &RoomRequest, packet: &Packet) {
    if vector.function.starts_with("send_") {
        let message = Inputs(&vector.inputs).message(30.into());
        let same = rtm_server_sdk::NewMessage::new(30.into(), body(packet)).attrs(text(packet, "attrs"));
        assert_eq!(message.clone().with_mid(0), same.with_mid(0), "{}", vector.name);
    }
}

fn text(packet: &Packet, key: &str) -> String {
    packet.get(key).unwrap().as_str().unwrap().to_owned()
}

fn body(packet: &Packet) -> rtm_server_sdk::MessageBody {
    match packet.get("msg").unwrap() {
        Value::Binary(bytes) => bytes.into(),
        text => text.as_str().unwrap().into(),
    }
}

#[test]
fn every_request_means_the_same_as_one_of_the_vendors() {
    guarded(|| {
        let all = rooms::requests();
        let (server, client, connection) = connected();
        let (mut compared, mut refused) = (0, 0);
        for vector in all.iter().filter(|vector| !LISTENING.contains(&vector.function.as_str())) {
            let (name, function) = (&vector.name, vector.function.as_str());
            let waiting = submit(&client, &connection, vector);
            if is_refused(vector) {
                let outcome = waiting();
                assert!(matches!(outcome, Err(Error::InvalidArgument(_))), "{name}: {outcome:?}");
                refused += 1;
                continue;
            }
            let packet = connection.next();
            assert_eq!((packet.mtype, packet.flag, &packet.method), (TWO_WAY, MSGPACK, &vector.method), "{name}");
            check_signature(name, &packet);
            check_content(vector, &packet);
            let ours = meaning(&packet, function, Inputs(&vector.inputs).int("mid").is_some());
            let theirs = theirs(vector, &all);
            if !theirs.is_empty() {
                assert!(theirs.contains(&ours), "{name}: we send {ours:?}, they send {theirs:?}");
                compared += 1;
            }
            let result = match function {
                "get_message_num" => wire::map([("sender", 1.into()), ("num", 1.into())]),
                _ => wire::map([]),
            };
            connection.send(&wire::answer(packet.seq(), &result));
            waiting().unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert_eq!((compared, refused), (133, 12));
        assert_eq!(server.accepted(), 1);
    });
}
