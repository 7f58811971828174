//! Batches, messages and the history of a room.

use std::time::{SystemTime, UNIX_EPOCH};

use rmpv::Value;

use crate::params;
use crate::wire::{Params, Peer, gate, ints};

/// A chat of user 7 in room 1.
fn chat(mid: i64, text: &str) -> Params {
    params! { "rid" => 1, "from" => 7, "mid" => mid, "mtype" => 30, "msg" => text, "attrs" => "" }
}

fn set(mut params: Params, key: &str, value: impl Into<Value>) -> Params {
    params.retain(|(name, _)| name.as_str() != Some(key));
    params.push((key.into(), value.into()));
    params
}

/// The key of a message of user 7 in room 1.
fn key(mid: i64) -> Params {
    params! { "xid" => 1, "type" => 3, "from" => 7, "mid" => mid }
}

/// A gate with user 7 in room 1, and a connection to it.
fn room_with_member() -> (rtm_server_sdk::gate::Gate, Peer) {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    peer.result("addroommember", params! { "rid" => 1, "uid" => 7 });
    (gate, peer)
}

fn page(peer: &mut Peer, params: Params) -> Value {
    let mut all = params! { "rid" => 1, "uid" => 0 };
    all.extend(params);
    peer.result("getroommsg", all)
}

fn mids(page: &Value) -> Vec<i64> {
    let rows = page["msgs"].as_array().unwrap();
    assert_eq!(page["num"], rows.len().into());
    rows.iter().map(|row| row[3].as_i64().unwrap()).collect()
}

/// The parameters of the page after `page`.
fn next(page: &Value, newest_first: bool, num: i64) -> Params {
    params! {
        "desc" => newest_first, "num" => num, "lastid" => page["lastid"].clone(),
        "begin" => page["begin"].clone(), "end" => page["end"].clone(),
    }
}

#[test]
fn batches_change_many_members_at_once() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    let added = peer.result("addroommembers", params! { "rid" => 1, "uids" => ints([3, 1, 3, 2]) });
    assert_eq!(added["successedUids"], ints([3, 1, 2]));
    let removed = peer.result("delroommembers", params! { "rid" => 1, "uids" => ints([9, 2, 1]) });
    assert_eq!(removed["successedUids"], ints([2, 1]), "9 was not there");
    peer.result("adduserrooms", params! { "rids" => ints([1, 5]), "uid" => 8 });
    assert_eq!(peer.result("getroommembers", params! { "rid" => 1 })["uids"], ints([3, 8]));
    peer.result("deleteuserrooms", params! { "rids" => ints([1, 6]), "uid" => 8 });
    assert_eq!(peer.result("getroommembers", params! { "rid" => 1 })["uids"], ints([3]));
    assert_eq!(peer.result("getroommembers", params! { "rid" => 5 })["uids"], ints([8]));
}

#[test]
fn empty_batch_is_200033() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    for method in ["addroommembers", "delroommembers"] {
        assert_eq!(peer.call(method, params! { "rid" => 1, "uids" => ints([]) }).code(), 200_033);
        assert_eq!(peer.call(method, params! { "rid" => 1 }).code(), 200_034);
    }
    for method in ["adduserrooms", "deleteuserrooms"] {
        assert_eq!(peer.call(method, params! { "uid" => 1, "rids" => ints([]) }).code(), 200_033);
        assert_eq!(peer.call(method, params! { "uid" => 1 }).code(), 200_034);
    }
}

#[test]
fn message_is_pushed_as_it_was_sent() {
    let (_gate, mut peer) = room_with_member();
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let bodies = [Value::from("你好 \u{0}🎉"), Value::Binary(vec![0, 0xff]), Value::Binary(b"hi".to_vec()), "".into()];
    for (mid, body) in (1..).zip(bodies) {
        let message = set(set(chat(mid, ""), "msg", body.clone()), "attrs", r#"{"k":1}"#);
        let mtime = peer.result("sendroommsg", message)["mtime"].as_i64().unwrap();
        assert!((before..before + 60_000).contains(&mtime), "{mtime}");
        let told = peer.result("getmsg", key(mid));
        assert_eq!((&told["msg"], &told["attrs"]), (&body, &r#"{"k":1}"#.into()));
        assert_eq!((&told["mtype"], &told["mtime"]), (&30.into(), &mtime.into()));
        let row = page(&mut peer, params! { "desc" => true, "num" => 1 })["msgs"][0].clone();
        let expected = [told["id"].clone(), 7.into(), 30.into(), mid.into(), false.into(), body, told["attrs"].clone()];
        assert_eq!(row.as_array().unwrap()[..7], expected);
    }
}

#[test]
fn only_members_who_are_not_banned_may_speak() {
    let (_gate, mut peer) = room_with_member();
    assert_eq!(peer.call("sendroommsg", set(chat(1, "x"), "from", 8)).code(), 200_040);
    assert_eq!(peer.call("sendroommsg", set(chat(1, "x"), "rid", 2)).code(), 200_040);
    for ban in [params! { "rid" => 1, "uid" => 7 }, params! { "uid" => 7 }] {
        peer.result("addroomban", ban.clone());
        assert_eq!(peer.call("sendroommsg", chat(1, "x")).code(), 200_045);
        peer.result("removeroomban", ban);
    }
    peer.result("sendroommsg", chat(1, "x"));
}

#[test]
fn repeated_mid_is_200053_only_for_its_sender_and_room() {
    let (_gate, mut peer) = room_with_member();
    peer.result("addroommembers", params! { "rid" => 2, "uids" => ints([7, 8]) });
    peer.result("sendroommsg", chat(1, "x"));
    assert_eq!(peer.call("sendroommsg", chat(1, "y")).code(), 200_053);
    peer.result("sendroommsg", set(chat(1, "x"), "rid", 2));
    peer.result("sendroommsg", set(set(chat(1, "x"), "rid", 2), "from", 8));
    peer.result("delmsg", key(1));
    assert_eq!(peer.call("sendroommsg", chat(1, "z")).code(), 200_053, "a deleted message does not free its mid");
}

#[test]
fn message_that_is_too_large_or_of_an_unknown_type_is_refused() {
    let (_gate, mut peer) = room_with_member();
    let mut code = |key: &str, value: Value| peer.call("sendroommsg", set(chat(1, "x"), key, value)).code();
    // The limits are in bytes, and each of these characters has two.
    assert_eq!(code("msg", "é".repeat(10_241).into()), 200_030);
    assert_eq!(code("msg", Value::Binary(vec![0; 20_481])), 200_030);
    assert_eq!(code("attrs", "é".repeat(1025).into()), 200_030);
    for mtype in [0, -1, 128, 256 + 30, i64::MIN] {
        assert_eq!(code("mtype", mtype.into()), 200_005, "{mtype}");
    }
    for (key, wrong) in [("msg", Value::from(5)), ("msg", Value::Nil), ("mid", "1".into()), ("attrs", 5.into())] {
        assert_eq!(code(key, wrong.clone()), 200_034, "{key} {wrong}");
    }
    assert_eq!(code("msg", "é".repeat(10_240).into()), 0);
    assert_eq!(peer.result("getmsgnum", params! { "xid" => 1, "type" => 3 })["num"], 1.into());
}

#[test]
fn pages_work_in_both_directions_while_messages_arrive_and_are_deleted() {
    for newest_first in [true, false] {
        let (_gate, mut peer) = room_with_member();
        for mid in 1..=50 {
            peer.result("sendroommsg", chat(mid, "x"));
        }
        let mut seen = Vec::new();
        let mut page = page(&mut peer, params! { "desc" => newest_first, "num" => 7 });
        let mut arriving = 51..;
        while !mids(&page).is_empty() {
            seen.extend(mids(&page));
            // Once the newest have been seen, each further one would be another page.
            if seen.len() < 30 {
                peer.result("sendroommsg", chat(arriving.next().unwrap(), "x"));
                peer.result("delmsg", key(*seen.last().unwrap()));
            }
            page = self::page(&mut peer, next(&page, newest_first, 7));
        }
        let expected: Vec<i64> = if newest_first { (1..=50).rev().collect() } else { (1..arriving.start).collect() };
        assert_eq!(seen, expected);
    }
}

#[test]
fn page_has_at_most_20_rows_of_the_requested_types_and_times() {
    let (_gate, mut peer) = room_with_member();
    for mid in 1..=30 {
        peer.result("sendroommsg", set(chat(mid, "x"), "mtype", if mid % 3 == 0 { 32 } else { 30 }));
    }
    assert_eq!(mids(&page(&mut peer, params! { "desc" => false, "num" => 1000 })), (1..=20).collect::<Vec<_>>());
    assert_eq!(mids(&page(&mut peer, params! { "desc" => false, "num" => 0 })), []);
    let commands = page(&mut peer, params! { "desc" => true, "num" => 3, "mtypes" => ints([32]) });
    assert_eq!(mids(&commands), [30, 27, 24]);
    let all = page(&mut peer, params! { "desc" => true, "num" => 1, "mtypes" => ints([]) });
    assert_eq!(mids(&all), [30]);
    let last = all["msgs"][0][7].as_i64().unwrap();
    assert_eq!(mids(&page(&mut peer, params! { "desc" => true, "num" => 9, "begin" => last + 1 })), []);
    assert_eq!(mids(&page(&mut peer, params! { "desc" => true, "num" => 1, "begin" => last })), [30]);
    assert_eq!(mids(&page(&mut peer, params! { "desc" => true, "num" => 9, "end" => 1 })), []);
}

#[test]
fn room_keeps_its_last_500_messages() {
    let (_gate, mut peer) = room_with_member();
    for mid in 1..=501 {
        peer.result("sendroommsg", chat(mid, "x"));
    }
    assert_eq!(mids(&page(&mut peer, params! { "desc" => false, "num" => 1 })), [2]);
    assert_eq!(peer.call("getmsg", key(1)).code(), 200_070);
    assert_eq!(peer.result("getmsgnum", params! { "xid" => 1, "type" => 3 })["num"], 500.into());
}

#[test]
fn deleted_message_is_marked_in_the_history_and_absent_elsewhere() {
    let (_gate, mut peer) = room_with_member();
    peer.result("sendroommsg", chat(1, "secret"));
    peer.result("delmsg", key(1));
    let rows = page(&mut peer, params! { "desc" => true, "num" => 9 })["msgs"].clone();
    assert_eq!((&rows[0][4], &rows[0][5]), (&true.into(), &"".into()));
    for method in ["getmsg", "delmsg"] {
        assert_eq!(peer.call(method, key(1)).code(), 200_070);
        assert_eq!(peer.call(method, key(2)).code(), 200_070);
    }
}

#[test]
fn messages_are_deleted_by_sender_and_by_time() {
    let (_gate, mut peer) = room_with_member();
    peer.result("addroommember", params! { "rid" => 1, "uid" => 8 });
    for (mid, from) in [(1, 7), (2, 8), (3, 7)] {
        peer.result("sendroommsg", set(chat(mid, "x"), "from", from));
    }
    let count = |peer: &mut Peer| {
        let counts = peer.result("getmsgnum", params! { "xid" => 1, "type" => 3 });
        (counts["sender"].as_i64().unwrap(), counts["num"].as_i64().unwrap())
    };
    assert_eq!(count(&mut peer), (2, 3));
    peer.result("delconversationmsgs", params! { "xid" => 1, "type" => 3, "from" => 7 });
    assert_eq!(count(&mut peer), (1, 1));
    let clean = |begin: i64, end: i64| params! { "from" => 0, "xid" => 1, "type" => 3, "begin" => begin, "end" => end };
    peer.result("cleanmsg", clean(1, 2));
    assert_eq!(count(&mut peer), (1, 1));
    peer.result("cleanmsg", clean(1, i64::MAX));
    assert_eq!(count(&mut peer), (0, 0));
}

#[test]
fn message_is_edited_while_it_is_young_enough() {
    let (_gate, mut peer) = room_with_member();
    let mtime = peer.result("sendroommsg", chat(1, "old"))["mtime"].clone();
    let edit = |mid: i64, limit: i64| {
        let mut params = key(mid);
        params.extend(params! { "msg" => "new", "attrs" => "a", "timeLimit" => limit });
        params
    };
    assert_eq!(peer.call("editmsg", edit(2, 60_000)).code(), 200_070);
    assert_eq!(peer.call("editmsg", edit(1, -1)).code(), 200_021);
    assert_eq!(peer.call("editmsg", set(edit(1, 60_000), "msg", "x".repeat(20_481))).code(), 200_030);
    assert_eq!(peer.result("getmsg", key(1))["msg"], "old".into());
    peer.result("editmsg", edit(1, 60_000));
    let told = peer.result("getmsg", key(1));
    assert_eq!((&told["msg"], &told["attrs"], &told["mtime"]), (&"new".into(), &"a".into(), &mtime));
}

#[test]
fn conversations_other_than_rooms_are_200034() {
    let (_gate, mut peer) = room_with_member();
    for kind in [1, 2, 4] {
        for method in ["getmsg", "delmsg", "getmsgnum", "cleanmsg", "delconversationmsgs"] {
            assert_eq!(peer.call(method, set(key(1), "type", kind)).code(), 200_034, "{method} {kind}");
        }
    }
}
