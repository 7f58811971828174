//! A listener that nobody reads from costs only its queue's memory. In its own file, because it measures the whole
//! process.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::{Duration, Instant};

use rtm_server_sdk::{GapReason, Listen, Push};

use common::fixtures;
use common::process::peak_memory;
use common::pushing::{agree, next_quest, room_push};
use common::scripted::ScriptedServer;
use common::watchdog::guarded_for;
use common::wire;

const ROOM: i64 = 42;
const QUEUE: u64 = 4096;
/// The memory of messages seen takes 12 MiB; the rest is the allocator's and the server's.
const MOST_GROWTH: usize = 64 * 1024 * 1024;

/// Pushes `count` messages at a limited rate, and leaves the listener alone.
fn leave_untouched(pushes: i64, a_second: i64) {
    let server = ScriptedServer::start();
    let client = fixtures::client(server.endpoint());
    let theirs = client.clone();
    let starting = std::thread::spawn(move || theirs.listen(Listen::new().room(ROOM)).start());
    let connection = server.accept();
    agree(&connection);
    let listener = starting.join().unwrap().unwrap();
    let before = peak_memory();
    let begun = Instant::now();
    let mut pushed = 0;
    while pushed < pushes {
        let due = begun.elapsed().as_millis() as i64 * a_second / 1000;
        let due = due.clamp(pushed, pushes).min(pushed + 1000);
        let bytes: Vec<u8> = (pushed + 1..=due).flat_map(|mid| room_push(mid as u32, ROOM, mid)).collect();
        connection.send(&bytes);
        connection.packets().try_iter().for_each(drop);
        pushed = due;
        std::thread::sleep(Duration::from_millis(1));
    }
    // The connection still works, and everything pushed before the answer has been handled.
    let pending = client.get_room_info(1).submit();
    let quest = next_quest(&connection);
    connection.send(&wire::answer(quest.seq(), &wire::plausible_result(&quest.method)));
    pending.wait().unwrap();
    let grown = peak_memory().saturating_sub(before);
    assert!(grown < MOST_GROWTH, "took {} KiB more", grown / 1024);
    assert_eq!(client.stats().pushes_received, pushes as u64);
    for mid in 1..=QUEUE as i64 {
        assert!(matches!(listener.recv().unwrap(), Push::Message(message) if message.mid == mid));
    }
    match listener.recv().unwrap() {
        Push::Gap(gap) => {
            assert_eq!((gap.reason(), gap.missed()), (GapReason::Overflow, Some(pushes as u64 - QUEUE)));
        }
        push => panic!("{push:?}"),
    }
}

#[test]
fn untouched_listener_costs_its_queue() {
    guarded_for(Duration::from_secs(120), || leave_untouched(100_000, 50_000));
}

/// `cargo test --all-features --release --test untouched_listener -- --ignored`
#[test]
#[ignore = "takes a minute"]
fn untouched_listener_costs_its_queue_for_a_minute() {
    guarded_for(Duration::from_secs(240), || leave_untouched(600_000, 10_000));
}
