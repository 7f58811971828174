//! Promise 5: over `max_in_flight`, `call` and `submit` wait for room within their own timeout, `callback` gets
//! `QueueFull`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::thread;
use std::time::Duration;

use crossbeam_channel::unbounded;
use rtm_server_sdk::error::Stage;
use rtm_server_sdk::{Client, Error, Pending};

use common::answering::AnsweringServer;
use common::dead_ends::ClosedPort;
use common::fixtures::{self, into};
use common::scripted::{Connection, Options, ScriptedServer};
use common::watchdog::guarded;
use common::wire::{self, Packet};
use common::{eventually, receive};

const SHORT: Duration = Duration::from_millis(100);

/// A client with `room` permits, all of them taken.
fn full(room: usize) -> (ScriptedServer, Client, Connection, Vec<Pending<()>>, Vec<Packet>) {
    let server = ScriptedServer::start();
    let client = fixtures::builder(server.endpoint()).max_in_flight(room).build().unwrap();
    let pending = (0..room as i64).map(|uid| client.add_room_member(1, uid).submit()).collect();
    let connection = server.accept();
    let quests = connection.take(room);
    (server, client, connection, pending, quests)
}

#[test]
fn callback_over_the_limit_gets_queue_full() {
    guarded(|| {
        let (_server, client, connection, _pending, _) = full(2);
        let (sender, outcomes) = unbounded();
        client.add_room_member(1, 9).callback(into(&sender));
        let error = receive(&outcomes, "the callback").unwrap_err();
        assert!(matches!(error, Error::QueueFull), "{error:?}");
        assert_eq!(error.code(), 20_011);
        assert!(!error.may_have_executed());
        assert_eq!(connection.next_within(SHORT), None);
    });
}

#[test]
fn call_and_submit_wait_for_room_within_their_time_and_send_nothing() {
    guarded(|| {
        let (_server, client, connection, pending, quests) = full(2);
        for outcome in [
            client.add_room_member(1, 9).timeout(SHORT).call(),
            client.add_room_member(1, 9).timeout(SHORT).submit().wait(),
        ] {
            let error = outcome.unwrap_err();
            assert!(!error.may_have_executed());
            assert!(matches!(&error, Error::Timeout(timeout) if timeout.stage() == Stage::WaitingForRoom), "{error:?}");
        }
        for quest in &quests {
            connection.answer(quest);
        }
        pending.into_iter().for_each(|pending| pending.wait().unwrap());
        assert_eq!(connection.next_within(SHORT), None);
    });
}

#[test]
fn waiting_calls_continue_once_there_is_a_permit() {
    guarded(|| {
        let (_server, client, connection, _pending, quests) = full(2);
        let callers: Vec<_> = (0..2)
            .map(|uid| {
                let client = client.clone();
                thread::spawn(move || match uid {
                    0 => client.add_room_member(2, uid).call(),
                    _ => client.add_room_member(2, uid).submit().wait(),
                })
            })
            .collect();
        assert_eq!(connection.next_within(SHORT), None, "a call got in over the limit");
        for quest in &quests {
            connection.answer(quest);
            let next = connection.next();
            assert_eq!(next.int("rid"), 2);
            connection.answer(&next);
        }
        callers.into_iter().for_each(|caller| caller.join().unwrap().unwrap());
    });
}

#[test]
fn never_more_than_the_limit_are_in_flight() {
    guarded(|| {
        const LIMIT: usize = 4;
        let (_server, client, connection, pending, mut quests) = full(LIMIT);
        let callers: Vec<_> = (0..16)
            .map(|uid| {
                let client = client.clone();
                thread::spawn(move || (0..20).for_each(|rid| client.add_room_member(rid, uid).call().unwrap()))
            })
            .collect();
        let mut answered = 0;
        while answered < 16 * 20 + LIMIT {
            // All permits are taken, so nothing may arrive until an answer frees some.
            assert!(connection.packets().is_empty());
            let quest = quests.pop().unwrap();
            connection.answer(&quest);
            answered += 1;
            if answered <= 16 * 20 {
                quests.push(connection.next());
            }
        }
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        pending.into_iter().for_each(|pending| pending.wait().unwrap());
        assert_eq!(client.stats().in_flight, 0);
    });
}

/// Takes the quest of a call that timed out. On a busy machine, it may not even have been sent.
fn timed_out(outcome: Result<(), Error>, connection: &Connection) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error:?}");
    if error.may_have_executed() {
        connection.next();
    }
}

#[test]
fn permits_are_released_on_every_path() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::builder(server.endpoint()).max_in_flight(1).build().unwrap();
        let (sender, outcomes) = unbounded();
        // Each step ends a call in another way. The next call would not get a permit if one were lost.
        let call = client.add_room_member(1, 1).submit();
        let connection = server.accept();
        connection.answer(&connection.next());
        call.wait().unwrap();

        let refused = client.add_room_member(1, 2).submit();
        connection.send(&wire::error_answer(connection.next().seq(), 200_010, "no"));
        assert!(matches!(refused.wait(), Err(Error::Answer { .. })));

        let unreadable = client.get_room_info(1).submit();
        connection.send(&wire::answer_of_bytes(connection.next().seq(), 0, &[0xc1]));
        assert!(matches!(unreadable.wait(), Err(Error::Decode { .. })));

        timed_out(client.add_room_member(1, 3).timeout(SHORT).call(), &connection);
        // On a busy machine, the caller may time out slightly before the I/O thread ends the call.
        eventually("the place is given back", || client.stats().in_flight == 0);
        client.add_room_member(1, 4).timeout(SHORT).callback(into(&sender));
        timed_out(receive(&outcomes, "the callback"), &connection);

        assert!(matches!(client.set_room_info(1, None, None).call(), Err(Error::InvalidArgument { .. })));

        drop(client.add_room_member(1, 5).submit());
        connection.answer(&connection.next());

        let cut = client.add_room_member(1, 6).submit();
        connection.next();
        connection.close();
        assert!(matches!(cut.wait(), Err(Error::ConnectionClosed { .. })));

        let last = client.add_room_member(1, 7).submit();
        let connection = server.accept();
        connection.answer(&connection.next());
        last.wait().unwrap();
        assert_eq!(client.stats().in_flight, 0);
    });
}

#[test]
fn failed_connects_release_permits() {
    guarded(|| {
        let port = ClosedPort::new();
        let client = fixtures::builder(port.endpoint()).max_in_flight(1).build().unwrap();
        for _ in 0..20 {
            assert_eq!(client.add_room_member(1, 1).call().unwrap_err().code(), 20_012);
            let (sender, outcomes) = unbounded();
            client.add_room_member(1, 1).callback(into(&sender));
            assert_eq!(receive(&outcomes, "the callback").unwrap_err().code(), 20_012);
        }
        assert_eq!(client.stats().in_flight, 0);
    });
}

#[test]
fn closing_sends_waiting_calls_away() {
    guarded(|| {
        let (_server, client, connection, _pending, _) = full(1);
        let waiting: Vec<_> = (0..4)
            .map(|uid| {
                let client = client.clone();
                thread::spawn(move || client.add_room_member(1, uid).call())
            })
            .collect();
        assert_eq!(connection.next_within(SHORT), None);
        client.close();
        for caller in waiting {
            assert!(matches!(caller.join().unwrap(), Err(Error::Closed { .. })));
        }
    });
}

#[test]
fn callback_makes_room_before_it_runs() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = fixtures::builder(server.endpoint()).max_in_flight(1).build().unwrap();
        let (sender, outcomes) = unbounded();
        let inner = client.clone();
        client.add_room_member(1, 1).callback(move |_| {
            inner.add_room_member(1, 2).callback(into(&sender));
        });
        receive(&outcomes, "the inner callback").unwrap();
    });
}

#[test]
fn callbacks_behind_a_blocked_one_use_no_permits_of_blocking_calls() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = fixtures::builder(server.endpoint()).max_in_flight(2).build().unwrap();
        let (release, runs) = fixtures::call_with_blocking_callback(&client);
        receive(&runs, "the blocking callback");
        let (sender, outcomes) = unbounded();
        for uid in 2..4 {
            client.add_room_member(1, uid).callback(into(&sender));
        }
        // Both are answered, and as many callbacks as possible wait for the only thread.
        client.add_room_member(1, 4).call().unwrap();
        client.add_room_member(1, 5).submit().wait().unwrap();
        eventually("nothing is in flight", || client.stats().in_flight == 0);
        client.add_room_member(1, 6).callback(into(&sender));
        drop(release);
        let codes: Vec<i32> =
            (0..3).map(|_| receive(&outcomes, "a callback").err().map_or(0, |error| error.code().value())).collect();
        assert_eq!(codes, [0, 0, 20_011]);
    });
}

#[test]
fn full_send_buffer_has_its_own_setting_and_stage() {
    guarded(|| {
        let server = ScriptedServer::with_options(Options { paused: true, receive_buffer: Some(4096) });
        let client = fixtures::builder(server.endpoint()).max_unsent(1).build().unwrap();
        client.connect().unwrap();
        let info = "x".repeat(65_535);
        let (sender, outcomes) = unbounded();
        let waits_for_buffer = |rid| {
            let outcome = client.set_room_info(rid, Some(&info), None).timeout(SHORT).submit().try_wait();
            let stage = match outcome {
                Some(Err(Error::Timeout(timeout))) => Some(timeout.stage()),
                _ => None,
            };
            stage == Some(Stage::WaitingForSendBuffer)
        };
        let is_refused = |rid| {
            client.add_room_member(rid, 1).timeout(SHORT).callback(into(&sender));
            matches!(receive(&outcomes, "the callback"), Err(Error::QueueFull))
        };
        // While the kernel's buffers still accept bytes, calls on a busy machine may wait in any stage.
        assert!((0..1_000).any(|rid| waits_for_buffer(rid) && is_refused(rid)), "no server takes 65 MB unread");
    });
}

#[test]
fn queue_is_bounded_if_the_server_stops_reading() {
    guarded(|| {
        let server = ScriptedServer::with_options(Options { paused: true, receive_buffer: Some(4096) });
        let client = fixtures::builder(server.endpoint()).max_in_flight(1_000_000).build().unwrap();
        let info = "x".repeat(65_535);
        let (sender, outcomes) = unbounded();
        // 128 MiB, unless it is stopped.
        for rid in 0..2_000 {
            client.set_room_info(rid, Some(&info), None).callback(into(&sender));
        }
        drop(sender);
        let full = receive(&outcomes, "the callbacks for which there was no room");
        assert!(matches!(full, Err(Error::QueueFull)), "{full:?}");
        eventually("all calls but those that wait are over", || outcomes.len() > 1_000);
        assert!(client.stats().in_flight < 1_000, "{} calls of 64 KiB wait", client.stats().in_flight);
        // The server reads again, and every admitted call gets its answer.
        let connection = server.accept();
        connection.read_on();
        for _ in 0..client.stats().in_flight {
            connection.answer(&connection.next());
        }
        eventually("all calls are over", || client.stats().in_flight == 0);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(Error::QueueFull))));
    });
}
