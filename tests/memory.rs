//! Promise 7, the part on memory: whatever the peer sends, the memory used stays bounded. Each figure is measured in a
//! separate process.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::process::Command;
use std::thread;
use std::time::Duration;

use crossbeam_channel::unbounded;
use rtm_server_sdk::error::{CloseReason, ProtocolError};
use rtm_server_sdk::{Client, Error, Listen, Push, ReconnectPolicy};

use common::eventually;
use common::fixtures;
use common::process;
use common::scripted::{Options, ScriptedServer};
use common::watchdog::guarded;
use common::wire;

const MIB: usize = 1024 * 1024;
const SHORT: Duration = Duration::from_millis(50);

/// The test whose figure this process measures.
const MEASURED: &str = "RTM_TEST_MEASURED";

/// Runs `body` in a separate process that runs only the test `test`. Fails the test if the process needs more than
/// `most` bytes in addition.
fn within(test: &'static str, most: usize, body: impl FnOnce() + Send + 'static) {
    if std::env::var_os(MEASURED).is_some_and(|measured| measured == test) {
        return guarded(move || {
            let before = process::peak_memory();
            body();
            let grown = process::peak_memory().saturating_sub(before);
            println!("{test}: took {} MiB more, of {} that are in order", grown / MIB, most / MIB);
            assert!(grown <= most, "took {} MiB more, and at most {} are in order", grown / MIB, most / MIB);
        });
    }
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this).args(["--exact", "--nocapture", test]).env(MEASURED, test).output().unwrap();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("in order"), "{told}{errors}");
    told.lines().filter(|line| line.contains("in order")).for_each(|line| println!("{line}"));
}

fn eager(server: &ScriptedServer) -> Client {
    fixtures::builder(server.endpoint()).reconnect(ReconnectPolicy::never()).build().unwrap()
}

#[test]
fn abandoned_answers_take_no_memory() {
    within("abandoned_answers_take_no_memory", 48 * MIB, || {
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
fn undelivered_answers_stay_within_the_limit_and_none_is_lost() {
    const CALLS: usize = 60;
    const ANSWER: usize = 8 * MIB;
    const LIMIT: usize = 64 * MIB;
    // The answer being received may exceed the limit, twice over while its buffer grows. The server holds one.
    within("undelivered_answers_stay_within_the_limit_and_none_is_lost", LIMIT + 5 * ANSWER, || {
        let server = ScriptedServer::start();
        let mut answer = wire::answer(0, &wire::map([("oinfo", "x".repeat(ANSWER).into())]));
        let builder = fixtures::builder(server.endpoint()).reconnect(ReconnectPolicy::never());
        let client = builder.max_undelivered(LIMIT).build().unwrap();
        let pending: Vec<_> = (0..CALLS as i64).map(|rid| client.get_room_info(rid).submit()).collect();
        let connection = server.accept();
        let quests = connection.take(CALLS);
        let answering = thread::spawn(move || {
            for quest in quests {
                answer[12..16].copy_from_slice(&quest.seq().to_le_bytes());
                connection.send(&answer);
            }
            connection
        });
        // As much as possible has arrived, so the client stops reading.
        eventually("the limit is reached", || client.stats().bytes_in as usize > LIMIT);
        // A call behind all that has its own timeout.
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
fn connection_ends_if_the_server_sends_quests_without_reading_answers() {
    within("connection_ends_if_the_server_sends_quests_without_reading_answers", 96 * MIB, || {
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

/// 600 MB of calls, submitted by callers that do not wait.
#[test]
fn calls_to_a_server_that_does_not_read_stay_within_max_unsent() {
    const CALLS: usize = 10_000;
    const LIMIT: usize = 16 * MIB;
    within("calls_to_a_server_that_does_not_read_stay_within_max_unsent", 2 * LIMIT, || {
        let server = ScriptedServer::with_options(Options { paused: true, receive_buffer: Some(4096) });
        let client = fixtures::builder(server.endpoint()).max_unsent(LIMIT).build().unwrap();
        let info = "x".repeat(60_000);
        let (sender, outcomes) = unbounded();
        for rid in 0..CALLS as i64 {
            client.set_room_info(rid, Some(&info), None).timeout(10 * SHORT).callback(fixtures::into(&sender));
        }
        drop(sender);
        let refused = outcomes.iter().inspect(|outcome| assert!(outcome.is_err())).collect::<Vec<_>>();
        assert_eq!(refused.len(), CALLS);
        assert!(refused.iter().any(|outcome| matches!(outcome, Err(Error::QueueFull))));
    });
}

/// 480 MB of events for two listeners, which take none until all have arrived.
#[test]
fn untaken_pushes_stay_within_the_queues() {
    within("untaken_pushes_stay_within_the_queues", 96 * MIB, || {
        let server = ScriptedServer::start();
        let client = eager(&server);
        let starting = {
            let client = client.clone();
            let listen = move || client.listen(Listen::new().all_events()).start().unwrap();
            thread::spawn(move || [listen(), listen()])
        };
        let connection = server.accept();
        let quest = connection.next();
        connection.send(&wire::empty_answer(quest.seq()));
        let listeners = starting.join().unwrap();
        let data = "x".repeat(60_000);
        let event = wire::map([
            ("pid", 1.into()),
            ("event", "login".into()),
            ("uid", 2.into()),
            ("time", 3.into()),
            ("endpoint", "".into()),
            ("data", data.into()),
        ]);
        let push = wire::two_way_quest(1, "pushevent", &event);
        let sent = connection.flood(&push, 480 * MIB) / push.len();
        // It is answered once it was read; the answers come in order.
        let mut answers = 0;
        eventually("every push is answered", || {
            answers += connection.packets().try_iter().count();
            answers >= sent
        });
        client.close();
        for listener in listeners {
            let count = |push| match push {
                Push::Gap(gap) => gap.missed().unwrap_or(0),
                _ => 1,
            };
            assert_eq!(listener.iter().map(count).sum::<u64>() as usize, sent);
        }
    });
}
