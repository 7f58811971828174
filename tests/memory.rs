//! Promise 7, the part on memory: whatever the peer sends, what is held stays bounded. In a file of its own, one test at
//! a time, since it measures the whole process.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rtm_server_sdk::error::{CloseReason, ProtocolError};
use rtm_server_sdk::{Client, Error, KeepAlive, ReconnectPolicy};

use common::eventually;
use common::fixtures;
use common::process;
use common::scripted::ScriptedServer;
use common::watchdog::guarded;
use common::wire;

const MIB: usize = 1024 * 1024;
const SHORT: Duration = Duration::from_millis(50);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs `body`, and fails the test if the process took more than `most` bytes more for it than it had before.
fn within(most: usize, body: impl FnOnce() + Send + 'static) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    guarded(move || {
        let before = process::peak_memory();
        body();
        let grown = process::peak_memory().saturating_sub(before);
        assert!(grown <= most, "took {} MiB more, and at most {} are in order", grown / MIB, most / MIB);
    });
}

fn eager(server: &ScriptedServer) -> Client {
    fixtures::builder(server.endpoint()).reconnect(ReconnectPolicy::never()).build().unwrap()
}

#[test]
fn answers_that_nobody_waits_for_take_no_memory() {
    within(48 * MIB, || {
        let server = ScriptedServer::start();
        let client = eager(&server);
        let pending = client.get_room_info(1).submit();
        let connection = server.accept();
        let live = connection.next();
        let stray = wire::answer(live.seq().wrapping_add(1), &wire::map([("oinfo", "x".repeat(60_000).into())]));
        // 120 MB in all.
        for _ in 0..2_000 {
            connection.send(&stray);
        }
        connection.answer(&live);
        pending.wait().unwrap();
        assert_eq!(client.stats().late_answers, 2_000);
    });
}

/// 480 MiB of answers are due, and nobody takes them.
#[test]
fn answers_that_nobody_takes_stay_within_max_undelivered_and_nothing_is_lost() {
    const CALLS: usize = 60;
    const ANSWER: usize = 8 * MIB;
    const LIMIT: usize = 64 * MIB;
    // The answer that is being received may exceed the limit, twice over while its buffer grows; the server holds one.
    within(LIMIT + 5 * ANSWER, || {
        let server = ScriptedServer::start();
        let keep_alive = KeepAlive::default().interval(SHORT).timeout(SHORT).tries(1);
        let builder = fixtures::builder(server.endpoint()).reconnect(ReconnectPolicy::never());
        let client = builder.keep_alive(keep_alive).max_undelivered(LIMIT).build().unwrap();
        let pending: Vec<_> = (0..CALLS as i64).map(|rid| client.get_room_info(rid).submit()).collect();
        let connection = server.accept();
        let quests = connection.take(CALLS);
        let answering = thread::spawn(move || {
            let mut answer = wire::answer(0, &wire::map([("oinfo", "x".repeat(ANSWER).into())]));
            for quest in quests {
                answer[12..16].copy_from_slice(&quest.seq().to_le_bytes());
                connection.send(&answer);
            }
            connection
        });
        // As much as there may be has come: the client stops reading.
        eventually("the limit is reached", || client.stats().bytes_in as usize > LIMIT);
        // A call behind all that has its own time, many times that of the keep-alive.
        let outcome = client.add_room_member(1, 1).timeout(10 * SHORT).call();
        assert!(matches!(outcome, Err(Error::Timeout(_))), "{outcome:?}");
        assert!((client.stats().bytes_in as usize) < LIMIT + 2 * ANSWER, "it reads on");
        assert!(client.is_connected());
        for pending in pending {
            assert_eq!(pending.wait().unwrap().oinfo.map(|info| info.len()), Some(ANSWER));
        }
        drop(answering.join().unwrap());
        assert_eq!(client.stats().connections, 1);
    });
}

#[test]
fn server_that_asks_without_reading_the_answers_is_hung_up_on() {
    within(96 * MIB, || {
        let server = ScriptedServer::start();
        let client = eager(&server);
        let pending = client.get_room_info(1).submit();
        let connection = server.accept();
        connection.next();
        connection.stop_reading();
        let most = 1024 * MIB;
        let sent = connection.flood(&wire::two_way_quest(1, "nosuchmethod", &wire::map([])), most);
        assert!(sent < most, "the client took {sent} bytes of quests whose answers nobody read");
        let Err(Error::ConnectionClosed(closed)) = pending.wait() else { panic!("the connection ends") };
        let reason = closed.reason();
        assert!(matches!(reason, CloseReason::Protocol(ProtocolError::QuestFlood)), "{reason:?}");
        drop(connection);
        let next = client.get_room_info(2).submit();
        let connection = server.accept();
        connection.answer(&connection.next());
        next.wait().unwrap();
    });
}
