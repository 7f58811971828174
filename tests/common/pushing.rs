//! The server's side of listening: grants and pushes.

use rmpv::Value;

use super::scripted::Connection;
use super::wire::{self, ANSWER, Packet, map};

/// The next frame of the client that is not an answer.
pub fn next_quest(connection: &Connection) -> Packet {
    std::iter::repeat_with(|| connection.next()).find(|packet| packet.mtype != ANSWER).unwrap()
}

/// Takes the client's next quest, which must be a `setlisten`, and agrees.
pub fn agree(connection: &Connection) -> Packet {
    let quest = next_quest(connection);
    assert_eq!(quest.method, "setlisten");
    connection.send(&wire::empty_answer(quest.seq()));
    quest
}

/// The keys of a room message.
pub fn room_message(rid: i64, from: i64, mid: i64, mtime: i64, text: &str) -> Value {
    map([
        ("from", from.into()),
        ("rid", rid.into()),
        ("mid", mid.into()),
        ("mtype", 30.into()),
        ("mtime", mtime.into()),
        ("msg", text.into()),
        ("attrs", "".into()),
    ])
}

/// The push of a room message whose time is its id.
pub fn room_push(seq: u32, rid: i64, mid: i64) -> Vec<u8> {
    wire::two_way_quest(seq, "pushroommsg", &room_message(rid, 1001, mid, mid, "hello"))
}

/// The push of an event.
pub fn event_push(seq: u32, name: &str, uid: i64) -> Vec<u8> {
    let params = map([
        ("pid", 80_000_001.into()),
        ("event", name.into()),
        ("uid", uid.into()),
        ("time", 1_700_000_000.into()),
        ("endpoint", "10.0.0.1:13321".into()),
    ]);
    wire::two_way_quest(seq, "pushevent", &params)
}

/// The ids in the list under `key` of a `setlisten`.
pub fn ids(quest: &Packet, key: &str) -> Vec<i64> {
    match quest.get(key) {
        Some(Value::Array(ids)) => ids.iter().map(|id| id.as_i64().unwrap()).collect(),
        other => panic!("`{key}` is {other:?}"),
    }
}

/// The answer to a `getroommsg` that gives these messages, each as its id and its time.
pub fn history_page(quest: &Packet, rows: &[(i64, i64)]) -> Vec<u8> {
    let last = rows.last().copied().unwrap_or_default();
    let row = |&(mid, mtime): &(i64, i64)| {
        Value::Array(vec![
            mid.into(),
            1001.into(),
            30.into(),
            mid.into(),
            false.into(),
            "hello".into(),
            "".into(),
            mtime.into(),
        ])
    };
    let page = map([
        ("num", rows.len().into()),
        ("lastid", last.0.into()),
        ("begin", rows.first().map_or(0, |row| row.1).into()),
        ("end", last.1.into()),
        ("msgs", Value::Array(rows.iter().map(row).collect())),
    ]);
    wire::answer(quest.seq(), &page)
}
