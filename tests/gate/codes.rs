//! What is refused, and with which code.

use rmpv::Value;

use crate::params;
use crate::wire::{PID, Params, Peer, SECRET, fresh_salt, gate, packet, payload, sign, signature, signed, unix_s};

/// A signed `getroominfo` whose fields are then changed.
fn edited(edit: impl FnOnce(&mut Params)) -> Params {
    let mut params = signed("getroominfo", params! { "rid" => 1 });
    edit(&mut params);
    params
}

fn set(params: &mut Params, key: &str, value: impl Into<Value>) {
    params.retain(|(name, _)| name.as_str() != Some(key));
    params.push((key.into(), value.into()));
}

fn remove(params: &mut Params, key: &str) {
    params.retain(|(name, _)| name.as_str() != Some(key));
}

#[test]
fn unknown_project_is_200001() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    for pid in [0, 80_000_002, -80_000_001, i64::MAX, PID + (1 << 32)] {
        assert_eq!(peer.ask("getroominfo", edited(|params| set(params, "pid", pid))).code(), 200_001, "{pid}");
    }
}

#[test]
fn wrong_signature_is_200002() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    let (salt, ts) = (fresh_salt(), unix_s());
    let right = sign(PID, SECRET, salt, "getroominfo", ts);
    let wrong = [
        sign(PID, "secrets", salt, "getroominfo", ts),
        sign(PID, SECRET, salt, "getroommembers", ts),
        sign(PID, SECRET, salt + 1, "getroominfo", ts),
        sign(PID, SECRET, salt, "getroominfo", ts + 1),
        right.to_lowercase(),
        right[1..].to_owned(),
        format!("{right}0"),
        String::new(),
    ];
    let quest = |sign: &str| params! { "pid" => PID, "sign" => sign, "salt" => salt, "ts" => ts, "rid" => 1 };
    for sign in wrong {
        assert_eq!(peer.ask("getroominfo", quest(&sign)).code(), 200_002, "{sign}");
    }
    // None of them has used up the salt.
    assert_eq!(peer.ask("getroominfo", quest(&right)).code(), 0);
}

#[test]
fn clock_that_is_off_is_200008() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    // A few seconds from the limit, for a slow machine.
    for (offset, expected) in [(-1_000_000, 200_008), (-61, 200_008), (-40, 0), (40, 0), (100, 200_008)] {
        let (salt, ts) = (fresh_salt(), unix_s() + offset);
        let sign = sign(PID, SECRET, salt, "getroominfo", ts);
        let quest = params! { "pid" => PID, "sign" => sign, "salt" => salt, "ts" => ts, "rid" => 1 };
        assert_eq!(peer.ask("getroominfo", quest).code(), expected, "{offset} s");
    }
}

#[test]
fn repeated_signature_is_200006_on_every_connection() {
    let gate = gate();
    let quest = signed("addroommember", params! { "rid" => 1, "uid" => 7 });
    let mut peer = Peer::connect(&gate);
    let codes = [quest.clone(), quest.clone()].map(|quest| peer.ask("addroommember", quest).code());
    assert_eq!(codes, [0, 200_006]);
    assert_eq!(Peer::connect(&gate).ask("addroommember", quest).code(), 200_006);
    assert_eq!(gate.stats().executed("addroommember"), 1);
}

#[test]
fn signature_of_a_refused_call_is_used_up_too() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    let mut quest = signature("getroominfo");
    assert_eq!(peer.ask("getroominfo", quest.clone()).code(), 200_034);
    set(&mut quest, "rid", 1);
    assert_eq!(peer.ask("getroominfo", quest).code(), 200_006);
}

#[test]
fn missing_or_ill_typed_signature_field_is_200034() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    for key in ["pid", "sign", "salt", "ts"] {
        assert_eq!(peer.ask("getroominfo", edited(|params| remove(params, key))).code(), 200_034, "{key}");
        for wrong in [Value::Nil, true.into(), 1.5.into(), Value::Array(vec![]), Value::Map(vec![])] {
            let quest = edited(|params| set(params, key, wrong.clone()));
            assert_eq!(peer.ask("getroominfo", quest).code(), 200_034, "{key}: {wrong}");
        }
    }
    assert_eq!(peer.ask("getroominfo", vec![]).code(), 200_034);
}

#[test]
fn missing_signature_field_is_200034_for_an_unknown_project_too() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    for key in ["sign", "salt", "ts"] {
        let quest = edited(|params| {
            set(params, "pid", 5);
            remove(params, key);
        });
        assert_eq!(peer.ask("getroominfo", quest).code(), 200_034, "{key}");
    }
}

#[test]
fn missing_or_ill_typed_parameter_is_200034() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    let member = ["addroommember", "delroommember", "isbanofroom"];
    for method in member {
        assert_eq!(peer.call(method, params! { "rid" => 1 }).code(), 200_034);
        assert_eq!(peer.call(method, params! { "uid" => 1 }).code(), 200_034);
    }
    for method in ["getroominfo", "getroommembers", "getroomcount", "addroomban", "removeroomban"] {
        assert_eq!(peer.call(method, params! {}).code(), 200_034, "{method}");
    }
    for wrong in ["1".into(), Value::Nil, 0.5.into(), u64::MAX.into(), f64::NAN.into(), 1e300.into(), true.into()] {
        let quest = params! { "rid" => 1, "uid" => wrong.clone() };
        assert_eq!(peer.call("addroommember", quest).code(), 200_034, "uid {wrong}");
    }
    assert_eq!(peer.call("addroomban", params! { "rid" => "1", "uid" => 1 }).code(), 200_034);
    assert_eq!(peer.call("removeroomban", params! { "rid" => "1", "uid" => 1 }).code(), 200_034);
    for wrong in [Value::from("9"), 1.5.into(), (1_i64 << 31).into(), (-1_i64 << 32).into()] {
        let quest = params! { "rid" => 1, "uid" => 1, "btime" => wrong.clone() };
        assert_eq!(peer.call("addroomban", quest).code(), 200_034, "btime {wrong}");
    }
    for wrong in [Value::Nil, 5.into(), Value::Map(vec![]), Value::Array(vec!["5".into()])] {
        assert_eq!(peer.call("getroomcount", params! { "rids" => wrong.clone() }).code(), 200_034, "rids {wrong}");
    }
    assert_eq!(gate.stats().executed_in_all(), 0);
}

#[test]
fn info_is_a_text_and_at_least_one_is_given() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    assert_eq!(peer.call("setroominfo", params! { "rid" => 1 }).code(), 200_034);
    assert_eq!(peer.call("setroominfo", params! { "rid" => 1, "oinfo" => 5 }).code(), 200_034);
    let not_utf8 = Value::Binary(vec![0xff]);
    assert_eq!(peer.call("setroominfo", params! { "rid" => 1, "oinfo" => not_utf8 }).code(), 200_034);
    assert_eq!(peer.call("setroominfo", params! { "oinfo" => "x" }).code(), 200_034);
}

#[test]
fn info_over_the_limit_is_200030_and_changes_nothing() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    // The limit is in bytes: these are 65,536 bytes in 32,768 characters.
    let too_long = "é".repeat(32_768);
    assert_eq!(peer.call("setroominfo", params! { "rid" => 1, "oinfo" => &*too_long }).code(), 200_030);
    assert_eq!(peer.call("setroominfo", params! { "rid" => 1, "oinfo" => "", "pinfo" => &*too_long }).code(), 200_030);
    let info = peer.result("getroominfo", params! { "rid" => 1 });
    assert_eq!((&info["oinfo"], &info["pinfo"]), (&"".into(), &"".into()));
}

#[test]
fn unknown_method_is_20004_whatever_its_signature() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    assert_eq!(peer.call("sendmsg", params! { "rid" => 1 }).code(), 20_004);
    assert_eq!(peer.ask("AddRoomMember", vec![]).code(), 20_004);
    assert_eq!(peer.ask(&"x".repeat(255), vec![]).code(), 20_004);
}

#[test]
fn payload_that_is_not_plain_msgpack_is_10008() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    for (flag, bytes) in [(0x40, b"{}".to_vec()), (0xa0, payload(vec![])), (0x90, payload(vec![]))] {
        peer.send(&packet(flag, 1, Some(3), "*ping", &bytes));
        assert_eq!(peer.receive().code(), 10_008, "{flag:#04x}");
    }
    assert_eq!(peer.ask("*ping", vec![]).code(), 0);
}

#[test]
fn no_answer_shows_the_secret() {
    let gate = rtm_server_sdk::gate::Gate::builder().project(80_000_001, "Hush-Hush").bind("127.0.0.1:0").unwrap();
    let mut peer = Peer::connect(&gate);
    let answer = peer.ask("getroominfo", edited(|_| ()));
    assert_eq!(answer.code(), 200_002);
    assert!(!answer.payload.to_string().contains("Hush"));
    assert!(!format!("{gate:?}").contains("Hush"));
}
