//! What each method does.

use rmpv::Value;
use rtm_server_sdk::gate::Gate;

use crate::params;
use crate::wire::{PID, Params, Peer, fresh_salt, gate, ints, packet, payload, sign, signed, unix_s};

fn map(pairs: Params) -> Value {
    Value::Map(pairs)
}

#[test]
fn members_come_and_go() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    for uid in [7, i64::MIN, i64::MAX, -1, 0, 7] {
        assert_eq!(peer.result("addroommember", params! { "rid" => 1, "uid" => uid }), map(vec![]));
    }
    let uids = [i64::MIN, -1, 0, 7, i64::MAX];
    assert_eq!(peer.result("getroommembers", params! { "rid" => 1 }), map(params! { "uids" => ints(uids) }));
    assert_eq!(peer.result("delroommember", params! { "rid" => 1, "uid" => 0 }), map(vec![]));
    assert_eq!(peer.result("delroommember", params! { "rid" => 1, "uid" => 12_345 }), map(vec![]));
    let uids = [i64::MIN, -1, 7, i64::MAX];
    assert_eq!(peer.result("getroommembers", params! { "rid" => 1 }), map(params! { "uids" => ints(uids) }));
    assert_eq!(peer.result("getroommembers", params! { "rid" => 2 }), map(params! { "uids" => ints([]) }));
}

#[test]
fn infos_are_set_one_by_one_or_together() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    let info = |oinfo: &str, pinfo: &str| map(params! { "oinfo" => oinfo, "pinfo" => pinfo });
    assert_eq!(peer.result("getroominfo", params! { "rid" => 1 }), info("", ""));
    assert_eq!(peer.result("setroominfo", params! { "rid" => 1, "oinfo" => "公开" }), map(vec![]));
    assert_eq!(peer.result("getroominfo", params! { "rid" => 1 }), info("公开", ""));
    peer.result("setroominfo", params! { "rid" => 1, "pinfo" => "\u{0}🎉", "oinfo" => Value::Nil });
    assert_eq!(peer.result("getroominfo", params! { "rid" => 1 }), info("公开", "\u{0}🎉"));
    let longest = "x".repeat(65_535);
    peer.result("setroominfo", params! { "rid" => 1, "oinfo" => &*longest, "pinfo" => &*longest });
    assert_eq!(peer.result("getroominfo", params! { "rid" => 1 }), info(&longest, &longest));
}

#[test]
fn counts_have_strings_as_keys() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    for (room, uid) in [(5, 1), (5, 2), (-6, 1)] {
        peer.result("addroommember", params! { "rid" => room, "uid" => uid });
    }
    let counts = map(params! { "cn" => map(params! { "-6" => 1, "5" => 2, "77" => 0 }) });
    assert_eq!(peer.result("getroomcount", params! { "rids" => ints([5, 77, -6, 5]) }), counts);
    let nothing = map(params! { "cn" => map(vec![]) });
    assert_eq!(peer.result("getroomcount", params! { "rids" => ints([]) }), nothing);
}

#[test]
fn single_room_is_counted_as_the_cpp_sdk_asks() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    peer.result("addroommember", params! { "rid" => 5, "uid" => 1 });
    let counts = map(params! { "cn" => map(params! { "5" => 1 }) });
    assert_eq!(peer.result("getroomcount", params! { "rid" => 5 }), counts);
}

fn is_banned(peer: &mut Peer, room: i64, uid: i64) -> bool {
    let answer = peer.result("isbanofroom", params! { "rid" => room, "uid" => uid });
    assert_eq!(answer.as_map().unwrap().len(), 1);
    answer["ok"].as_bool().unwrap()
}

#[test]
fn ban_without_time_or_with_none_is_for_ever() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    assert_eq!(peer.result("addroomban", params! { "rid" => 1, "uid" => 7 }), map(vec![]));
    peer.result("addroomban", params! { "rid" => 2, "uid" => 7, "btime" => 0 });
    peer.result("addroomban", params! { "rid" => 3, "uid" => 7, "btime" => i32::MIN });
    assert!((1..=3).all(|room| is_banned(&mut peer, room, 7)));
    assert!(!is_banned(&mut peer, 4, 7));
    assert!(!is_banned(&mut peer, 1, 8));
    assert_eq!(peer.result("removeroomban", params! { "rid" => 1, "uid" => 7 }), map(vec![]));
    assert!(!is_banned(&mut peer, 1, 7));
    assert!(is_banned(&mut peer, 2, 7));
}

#[test]
fn ban_runs_out_by_itself() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    let start = std::time::Instant::now();
    peer.result("addroomban", params! { "rid" => 1, "uid" => 7, "btime" => 1 });
    let mut checks = 0;
    while is_banned(&mut peer, 1, 7) {
        checks += 1;
        assert!(start.elapsed() < crate::wire::WATCHDOG);
    }
    assert!(checks > 0 || start.elapsed().as_secs() >= 1);
    assert!(start.elapsed().as_secs() >= 1);
}

#[test]
fn ban_without_room_holds_everywhere_until_it_is_lifted_everywhere() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    peer.result("addroomban", params! { "uid" => 7, "btime" => 3600 });
    peer.result("addroomban", params! { "uid" => 7, "rid" => 5 });
    assert!([i64::MIN, 0, 5, i64::MAX].into_iter().all(|room| is_banned(&mut peer, room, 7)));
    peer.result("removeroomban", params! { "rid" => 5, "uid" => 7 });
    assert!(is_banned(&mut peer, 5, 7));
    peer.result("addroomban", params! { "uid" => 7, "rid" => 5 });
    peer.result("removeroomban", params! { "uid" => 7 });
    assert!(![0, 5].into_iter().any(|room| is_banned(&mut peer, room, 7)));
}

#[test]
fn integral_floats_and_wide_integers_are_integers() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    let (salt, ts) = (fresh_salt(), unix_s());
    let quest = params! {
        "ts" => ts as f64, "salt" => salt as f64, "sign" => sign(PID, "secret", salt, "addroommember", ts),
        "pid" => PID as f64, "rid" => 4_294_967_296.0_f64, "uid" => -3.0_f32,
    };
    assert_eq!(peer.ask("addroommember", quest).code(), 0);
    let members = peer.result("getroommembers", params! { "rid" => 4_294_967_296_i64 });
    assert_eq!(members["uids"], ints([-3]));
    let counts = peer.result("getroomcount", params! { "rids" => vec![Value::from(4_294_967_296.0)] });
    assert_eq!(counts["cn"], map(params! { "4294967296" => 1 }));
}

#[test]
fn keys_may_be_unordered_with_unknown_ones_and_trailing_bytes() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    let strange = map(vec![(Value::Nil, ints([1, 2])), (Value::F64(0.5), Value::Ext(5, vec![1, 2, 3]))]);
    let mut params = signed("setroominfo", params! { "rid" => 1, "oinfo" => Value::Binary(b"open".to_vec()) });
    params.push(("raw".into(), strange.clone()));
    params.reverse();
    params.push(("more".into(), Value::Array(vec![strange, Value::Nil, true.into()])));
    let mut bytes = payload(params);
    bytes.extend(b"\xc1behind");
    peer.send(&packet(0x80, 1, Some(77), "setroominfo", &bytes));
    let answer = peer.receive();
    assert_eq!((answer.seq, answer.code()), (77, 0));
    assert_eq!(peer.result("getroominfo", params! { "rid" => 1 })["oinfo"], "open".into());
}

#[test]
fn ping_needs_no_signature_and_tells_the_time() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    let before = unix_s() * 1000;
    let answer = peer.ask("*ping", vec![]);
    assert_eq!(answer.code(), 0);
    let ts = answer.payload["ts"].as_i64().unwrap();
    assert!((before..before + 60_000).contains(&ts), "{ts} against {before}");
    assert_eq!(gate.stats().executed("*ping"), 1);
    assert_eq!(gate.stats().executed_in_all(), 0);
}

#[test]
fn projects_do_not_see_each_other() {
    let gate = Gate::builder().project(80_000_001, "secret").project(-5, "other").bind("127.0.0.1:0").unwrap();
    let mut peer = Peer::connect(&gate);
    peer.result("addroommember", params! { "rid" => 1, "uid" => 7 });
    let (salt, ts) = (fresh_salt(), unix_s());
    let other = params! {
        "pid" => -5, "salt" => salt, "ts" => ts, "sign" => sign(-5, "other", salt, "getroommembers", ts), "rid" => 1,
    };
    let answer = peer.ask("getroommembers", other);
    assert_eq!((answer.code(), &answer.payload["uids"]), (0, &ints([])));
}

#[test]
fn one_way_quest_is_executed_and_gets_no_answer() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    for params in [params! { "rid" => 1, "uid" => 7 }, params! { "rid" => 1 }] {
        peer.send(&packet(0x80, 0, None, "addroommember", &payload(signed("addroommember", params))));
    }
    // The next answer is that of the next call.
    assert_eq!(peer.result("getroommembers", params! { "rid" => 1 })["uids"], ints([7]));
    assert_eq!((gate.stats().executed("addroommember"), gate.stats().refused), (1, 1));
}

#[test]
fn calls_are_counted_by_method_before_their_answers_are_there() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    for count in 1..=3 {
        peer.result("addroommember", params! { "rid" => 1, "uid" => count });
        assert_eq!(gate.stats().executed("addroommember"), count);
    }
    assert_eq!(peer.call("addroommember", params! { "rid" => 1 }).code(), 200_034);
    peer.result("getroommembers", params! { "rid" => 1 });
    let stats = gate.stats();
    assert_eq!((stats.executed("addroommember"), stats.executed("getroommembers"), stats.refused), (3, 1, 1));
    assert_eq!((stats.executed_in_all(), stats.executed("nonsense")), (4, 0));
    assert_eq!((stats.connections_accepted, stats.connections_open), (1, 1));
}
