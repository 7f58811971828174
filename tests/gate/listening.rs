//! What connections listen to, and what they are pushed.

use std::time::Duration;

use rmpv::Value;
use rtm_server_sdk::gate::Gate;
use rtm_server_sdk::{Message, MessageType, Target};

use crate::codec::empty_answer;
use crate::params;
use crate::wire::{PID, Params, Peer, SECRET, fresh_salt, gate, ints, sign, unix_s, wait_until};

const USER: i64 = 7;

fn texts<const N: usize>(values: [&str; N]) -> Value {
    Value::Array(values.map(Value::from).into())
}

/// A gate with a user in rooms 1 and 2, and a connection that speaks for the user.
fn rooms() -> (Gate, Peer) {
    let gate = gate();
    let mut speaker = Peer::connect(&gate);
    speaker.result("adduserrooms", params! { "rids" => ints([1, 2]), "uid" => USER });
    (gate, speaker)
}

fn say(speaker: &mut Peer, room: i64, text: &str) -> i64 {
    let mid = fresh_salt();
    let message = params! { "rid" => room, "from" => USER, "mid" => mid, "mtype" => 30, "msg" => text, "attrs" => "a" };
    speaker.result("sendroommsg", message);
    mid
}

fn message(target: Target, from: i64, mid: i64) -> Message {
    let (mtype, body, attrs) = (MessageType::new(51), vec![0, 0xff].into(), String::new());
    Message { target, from, mid, mtype, body, attrs, mtime: None }
}

/// Everything that can be pushed, each with a number.
fn push_everything(gate: &Gate) {
    for (target, mid) in [(Target::Room(1), 1), (Target::Room(2), 2), (Target::Group(1), 3), (Target::Group(2), 4)] {
        gate.push_message(message(target, USER, mid));
    }
    gate.push_message(message(Target::User(1), 2, 5));
    gate.push_message(message(Target::User(3), 1, 6));
    gate.push_message(message(Target::User(3), 4, 7));
    gate.push_event("login", 8);
    gate.push_event("logout", 9);
}

/// The numbers of what `peer` receives of that.
fn heard(gate: &Gate, peer: &mut Peer) -> Vec<i64> {
    push_everything(gate);
    peer.send(&crate::wire::quest(u32::MAX, "*ping", vec![]));
    let mut heard = Vec::new();
    loop {
        let packet = peer.receive_packet();
        if packet.seq() == u32::MAX {
            return heard;
        }
        heard.push(packet.int(if packet.method == "pushevent" { "uid" } else { "mid" }));
    }
}

#[test]
fn message_reaches_every_connection_that_listens_the_senders_own_included() {
    let (gate, mut speaker) = rooms();
    let (mut listener, mut stranger) = (Peer::connect(&gate), Peer::connect(&gate));
    listener.result("addlisten", params! { "rids" => ints([1]) });
    speaker.result("addlisten", params! { "rids" => ints([1]) });
    let before = unix_s() * 1000;
    let mid = say(&mut speaker, 1, "你好");
    for peer in [&mut speaker, &mut listener] {
        let push = peer.receive_push("pushroommsg");
        assert_eq!((push.int("from"), push.int("rid"), push.int("to"), push.int("mid")), (USER, 1, 1, mid));
        assert_eq!(
            (push.int("mtype"), push.get("msg"), push.get("attrs")),
            (30, Some("你好".into()), Some("a".into()))
        );
        assert!((before..before + 60_000).contains(&push.int("mtime")));
        peer.send(&empty_answer(push.seq()));
    }
    assert_eq!(stranger.ask("*ping", vec![]).code(), 0, "it gets nothing but its answer");
    wait_until(|| gate.stats().pushes_answered == 2);
    assert_eq!(gate.stats().pushes_sent, 2);
}

#[test]
fn pushes_arrive_in_order_with_the_gates_own_numbers() {
    let (gate, mut speaker) = rooms();
    let mut listener = Peer::connect(&gate);
    listener.result("setlisten", params! { "room" => true });
    let mids: Vec<i64> = (0..100).map(|_| say(&mut speaker, 1, "x")).collect();
    for (seq, mid) in (1..).zip(mids) {
        let push = listener.receive_push("pushroommsg");
        assert_eq!((push.seq(), push.int("mid")), (seq, mid));
    }
}

#[test]
fn groups_users_and_events_are_pushed_too() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    peer.result("setlisten", params! { "p2p" => true, "group" => true, "ev" => true });
    gate.push_message(Message { mtime: Some(5), ..message(Target::Group(3), 1, 2) });
    let push = peer.receive_push("pushgroupmsg");
    assert_eq!((push.int("gid"), push.int("to"), push.int("from"), push.int("mid")), (3, 3, 1, 2));
    assert_eq!((push.int("mtime"), push.get("msg")), (5, Some(Value::Binary(vec![0, 0xff]))));
    gate.push_message(message(Target::User(4), 1, 3));
    let push = peer.receive_push("pushmsg");
    assert_eq!((push.int("to"), push.int("from"), push.get("rid")), (4, 1, None));
    gate.push_event("login", 1001);
    let push = peer.receive_push("pushevent");
    assert_eq!((push.int("pid"), push.get("event"), push.int("uid")), (PID, Some("login".into()), 1001));
    assert!((unix_s() - 60..=unix_s()).contains(&push.int("time")));
    assert!(push.get("endpoint").unwrap().is_str());
}

#[test]
fn lists_booleans_and_maps_select_subscriptions() {
    let map = |keys: Vec<Value>| Value::Map(keys.into_iter().map(|key| (key, Value::Map(vec![]))).collect());
    let cases: [(&str, Params, Vec<i64>); 12] = [
        ("addlisten", params! { "rids" => ints([1]), "gids" => ints([2]) }, vec![1, 4]),
        ("addlisten", params! { "uids" => ints([1]) }, vec![5, 6]),
        ("addlisten", params! { "events" => texts(["logout", "other"]) }, vec![9]),
        ("addlisten", params! { "rids" => ints([]) }, vec![]),
        ("addlisten", vec![], vec![]),
        ("setlisten", params! { "room" => true, "gids" => ints([1]) }, vec![1, 2, 3]),
        ("setlisten", params! { "room" => true, "rids" => ints([1]) }, vec![1, 2]),
        ("setlisten", params! { "room" => false, "rids" => ints([1]) }, vec![1]),
        ("setlisten", params! { "p2p" => true, "group" => false, "ev" => 1 }, vec![5, 6, 7, 8, 9]),
        ("setlisten", params! { "rids" => map(vec![2.into()]), "events" => map(vec!["login".into()]) }, vec![2, 8]),
        ("setlisten", params! { "rids" => map(vec![]), "uids" => Value::Nil }, vec![]),
        ("removelisten", params! { "rids" => ints([1]) }, vec![]),
    ];
    for (method, params, expected) in cases {
        let gate = gate();
        let mut peer = Peer::connect(&gate);
        peer.result(method, params.clone());
        assert_eq!(heard(&gate, &mut peer), expected, "{method} {params:?}");
    }
}

#[test]
fn setting_replaces_the_kinds_that_are_named_and_keeps_the_others() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    let steps: [(&str, Params, Vec<i64>); 7] = [
        ("setlisten", params! { "rids" => ints([1, 2]), "group" => true }, vec![1, 2, 3, 4]),
        ("setlisten", params! { "rids" => ints([2]) }, vec![2, 3, 4]),
        ("addlisten", params! { "rids" => ints([1]) }, vec![1, 2, 3, 4]),
        ("removelisten", params! { "rids" => ints([2, 3]) }, vec![1, 3, 4]),
        ("setlisten", params! { "room" => true, "group" => false }, vec![1, 2]),
        ("setlisten", params! { "room" => false }, vec![1]),
        ("setlisten", params! { "rids" => ints([]), "ev" => true }, vec![8, 9]),
    ];
    for (step, (method, params, expected)) in steps.into_iter().enumerate() {
        peer.result(method, params);
        assert_eq!(heard(&gate, &mut peer), expected, "step {step}");
    }
    peer.result("setlisten", params! { "room" => true });
    peer.result("setlisten", params! { "rids" => ints([2]), "ev" => false });
    assert_eq!(heard(&gate, &mut peer), [2], "a list by itself replaces all rooms");
}

#[test]
fn ill_typed_list_is_200034_and_changes_nothing() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    for wrong in [Value::from(1), "1".into(), texts(["1"]), Value::Array(vec![Value::Nil])] {
        let params = params! { "gids" => ints([1]), "rids" => wrong.clone() };
        assert_eq!(peer.call("setlisten", params).code(), 200_034, "{wrong}");
    }
    for wrong in [Value::from(1), ints([1]), Value::Array(vec![Value::Nil])] {
        let params = params! { "gids" => ints([1]), "events" => wrong.clone() };
        assert_eq!(peer.call("addlisten", params).code(), 200_034, "{wrong}");
    }
    assert_eq!(heard(&gate, &mut peer), []);
}

#[test]
fn projects_do_not_share_pushes_except_those_of_a_test() {
    let gate = Gate::builder().project(80_000_001, SECRET).project(-5, "other").bind("127.0.0.1:0").unwrap();
    let mut other = Peer::connect(&gate);
    let (salt, ts) = (fresh_salt(), unix_s());
    let listen = params! {
        "pid" => -5, "salt" => salt, "ts" => ts, "sign" => sign(-5, "other", salt, "setlisten", ts),
        "room" => true, "ev" => true,
    };
    assert_eq!(other.ask("setlisten", listen).code(), 0);
    let mut speaker = Peer::connect(&gate);
    speaker.result("addroommember", params! { "rid" => 1, "uid" => USER });
    say(&mut speaker, 1, "x");
    assert_eq!(other.ask("*ping", vec![]).code(), 0);
    gate.push_event("login", 1);
    assert_eq!(other.receive_push("pushevent").int("pid"), -5);
}

#[test]
fn connection_that_has_ended_is_forgotten() {
    let (gate, mut speaker) = rooms();
    let mut listener = Peer::connect(&gate);
    listener.result("setlisten", params! { "room" => true });
    drop(listener);
    wait_until(|| gate.stats().connections_open == 1);
    // The next connection has the key of the one that ended, but none of its subscriptions.
    let mut next = Peer::connect(&gate);
    assert_eq!(next.ask("*ping", vec![]).code(), 0);
    say(&mut speaker, 1, "x");
    assert_eq!(next.ask("*ping", vec![]).code(), 0);
    assert_eq!(gate.stats().pushes_sent, 0);
}

#[test]
fn listeners_to_events_are_pinged() {
    let gate = gate();
    let (mut events, mut rooms) = (Peer::connect(&gate), Peer::connect(&gate));
    events.result("addlisten", params! { "events" => texts(["login"]) });
    rooms.result("setlisten", params! { "room" => true });
    for _ in 0..3 {
        gate.advance(Duration::from_secs(20));
        let ping = events.receive_push("ping");
        assert_eq!(ping.params(), []);
        events.send(&empty_answer(ping.seq()));
    }
    assert_eq!(rooms.ask("*ping", vec![]).code(), 0);
    wait_until(|| gate.stats().pushes_answered == 3);
}

#[test]
fn listener_that_does_not_read_is_closed_and_stalls_no_other() {
    let (gate, mut speaker) = rooms();
    let mut deaf = Peer::connect(&gate);
    deaf.result("setlisten", params! { "room" => true });
    let mut listener = Peer::connect(&gate);
    listener.result("setlisten", params! { "room" => true });
    let text = "x".repeat(20_000);
    // Far more than the outbox and the kernel's buffers hold.
    let mut said = 0;
    while gate.stats().connections_open == 3 {
        assert!(said < 5000, "it is still open after {said} messages");
        let mid = say(&mut speaker, 1, &text);
        assert_eq!(listener.receive_push("pushroommsg").int("mid"), mid);
        said += 1;
    }
    deaf.wait_for_close();
    let mid = say(&mut speaker, 1, "x");
    assert_eq!(listener.receive_push("pushroommsg").int("mid"), mid);
}

#[test]
fn answer_to_no_push_is_ignored() {
    let gate = gate();
    let mut peer = Peer::connect(&gate);
    peer.send(&empty_answer(1));
    assert_eq!(peer.ask("*ping", vec![]).code(), 0);
    assert_eq!(gate.stats().pushes_answered, 0);
}
