//! Messages whose connection was cut are sent again, with their ids, until each is in its room exactly once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use rtm_server_sdk::gate::Gate;
use rtm_server_sdk::{Client, Error, ErrorCode, History, NewMessage};

use common::fixtures::{self, PID, SECRET};
use common::proxy::{Direction, Fault, FaultProxy};
use common::watchdog::guarded_for;

const THREADS: i64 = 8;
/// The gate keeps this many messages of a room.
const PER_ROOM: i64 = 500;
/// Messages in flight from one thread.
const WINDOW: usize = 100;
/// About the size of 100 messages on the wire, so that one in a hundred has its connection cut.
const BYTES_PER_100_MESSAGES: usize = 17_000;
const SENDER: i64 = 1001;

/// Cuts every connection, each at a different byte, sometimes before a message arrives and sometimes before its answer
/// does.
fn fault_of(connection: usize) -> Fault {
    let spread = connection.wrapping_mul(7919) % BYTES_PER_100_MESSAGES;
    match connection % 3 {
        // An answer is a fifth as long as a message.
        0 => Fault::Cut(Direction::ToClient, (BYTES_PER_100_MESSAGES / 2 + spread) / 5),
        _ => Fault::Cut(Direction::ToServer, BYTES_PER_100_MESSAGES / 2 + spread),
    }
}

/// Sends the messages until each has been accepted. Returns how often one had to be repeated.
fn send_all(client: &Client, rid: i64, mut messages: Vec<NewMessage>) -> usize {
    let mut repeated = 0;
    while !messages.is_empty() {
        let mut failed = Vec::new();
        for window in messages.chunks(WINDOW) {
            let pendings: Vec<_> =
                window.iter().map(|message| client.send_room_message(rid, SENDER, message).submit()).collect();
            for (message, pending) in window.iter().zip(pendings) {
                match pending.wait() {
                    Ok(sent) => assert_eq!(sent.mid, message.mid()),
                    Err(Error::Answer(error)) => assert_eq!(error.code(), ErrorCode::RTM_EC_DUPLICATED_MID),
                    Err(_) => failed.push(message.clone()),
                }
            }
        }
        if !failed.is_empty() {
            // The next connection may be cut while it is being made; then there is another one.
            let _ = client.connect();
        }
        repeated += failed.len();
        messages = failed;
    }
    repeated
}

/// The ids of all messages of a room, in the order of the history, read without the proxy.
fn stored(client: &Client, rid: i64) -> Vec<i64> {
    client.room_messages(rid, History::oldest()).map(|message| message.unwrap().mid).collect()
}

fn send_from_all_threads(rooms_per_thread: i64) {
    let gate = Gate::builder().project(PID, SECRET).bind("127.0.0.1:0").unwrap();
    let proxy = FaultProxy::start(gate.local_addr(), fault_of);
    let direct = fixtures::client(gate.endpoint());
    let threads: Vec<_> = (0..THREADS)
        .map(|index| {
            let (client, direct) = (fixtures::client(proxy.endpoint()), direct.clone());
            thread::spawn(move || {
                let mut repeated = 0;
                for rid in (0..rooms_per_thread).map(|room| index * rooms_per_thread + room) {
                    direct.add_room_member(rid, SENDER).call().unwrap();
                    let messages: Vec<_> = (0..PER_ROOM).map(|n| NewMessage::chat(format!("message {n}"))).collect();
                    let mids: BTreeSet<i64> = messages.iter().map(NewMessage::mid).collect();
                    repeated += send_all(&client, rid, messages);
                    let stored = stored(&direct, rid);
                    assert_eq!(stored.len() as i64, PER_ROOM, "each is there once");
                    assert_eq!(stored.into_iter().collect::<BTreeSet<_>>(), mids);
                }
                repeated
            })
        })
        .collect();
    let repeated: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    let sent = THREADS * rooms_per_thread * PER_ROOM;
    assert_eq!(gate.stats().executed("sendroommsg"), sent as u64);
    assert!(proxy.struck() as i64 > sent / 200, "{} connections were cut for {sent} messages", proxy.struck());
    assert!(repeated as i64 > sent / 200, "{repeated} of {sent} messages were sent again");
}

#[test]
fn messages_of_cut_connections_are_sent_again_until_each_is_there_exactly_once() {
    guarded_for(Duration::from_secs(120), || send_from_all_threads(5));
}

#[test]
#[ignore = "a million messages: run it with --release"]
fn a_million_messages_are_there_exactly_once() {
    guarded_for(Duration::from_secs(3_600), || send_from_all_threads(250));
}
