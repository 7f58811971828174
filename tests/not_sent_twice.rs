//! Promise 6: nothing is sent twice. The library never repeats a call whose bytes may have been sent. An unsent call
//! waits for the connection being made; if that attempt fails, so does the call.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::HashSet;
use std::time::Duration;

use crossbeam_channel::{TryRecvError, unbounded};
use rtm_server_sdk::{Client, Error, ReconnectPolicy};

use common::answering::AnsweringServer;
use common::dead_ends::{BlackHole, ClosedPort};
use common::eventually;
use common::fixtures::{self, sent_and_timed_out};
use common::proxy::{Direction, Fault, FaultProxy};
use common::scripted::{Connection, Options, ScriptedServer};
use common::watchdog::guarded;
use common::wire::Packet;

/// The interval between two checks of what has arrived.
const MOMENT: Duration = Duration::from_millis(5);

fn eager(endpoint: String) -> Client {
    fixtures::builder(endpoint).reconnect(ReconnectPolicy::never()).build().unwrap()
}

/// The salt of a frame identifies its call.
fn salts(packets: &[Packet]) -> HashSet<i64> {
    packets.iter().map(|packet| packet.int("salt")).collect()
}

#[test]
fn call_whose_connection_ended_is_not_repeated() {
    guarded(|| {
        let ends: [fn(Connection); 2] = [Connection::close, Connection::reset];
        for end in ends {
            let server = ScriptedServer::start();
            let client = fixtures::client(server.endpoint());
            let lost: Vec<_> = (0..50).map(|uid| client.add_room_member(1, uid).submit()).collect();
            let connection = server.accept();
            let before = salts(&connection.take(50));
            end(connection);
            for pending in lost {
                let error = pending.wait().unwrap_err();
                assert!(matches!(error, Error::ConnectionClosed { .. }) && error.may_have_executed(), "{error:?}");
            }
            let next = client.add_room_member(2, 1).submit();
            let connection = server.accept();
            let first = connection.next();
            assert_eq!(first.int("rid"), 2, "a lost call came again");
            assert!(!before.contains(&first.int("salt")));
            connection.answer(&first);
            next.wait().unwrap();
            assert_eq!(connection.next_within(Duration::from_millis(100)), None);
        }
    });
}

#[test]
fn quest_that_was_cut_anywhere_is_not_repeated() {
    guarded(|| {
        let server = AnsweringServer::start();
        for cut in [1, 2, 11, 12, 13, 16, 40, 100] {
            let proxy = FaultProxy::first(server.address(), Fault::Cut(Direction::ToServer, cut));
            let client = eager(proxy.endpoint());
            let error = client.add_room_member(1, cut as i64).call().unwrap_err();
            assert!(matches!(error, Error::ConnectionClosed { .. }) && error.may_have_executed(), "{cut}: {error:?}");
            client.add_room_member(2, cut as i64).call().unwrap();
            assert_eq!((proxy.accepted(), proxy.struck()), (2, 1));
            let executed = server.received();
            let repeated = executed.iter().filter(|packet| packet.int("rid") == 1).count();
            assert!(repeated == 0 && executed.len() == 1, "cut at {cut}: the server got {executed:?}");
        }
    });
}

#[test]
fn call_with_a_truncated_answer_is_not_repeated() {
    guarded(|| {
        let server = AnsweringServer::start();
        for cut in [0, 1, 11, 12, 13, 16] {
            let fault = match cut {
                0 => Fault::Reset(Direction::ToClient, 1),
                _ => Fault::Cut(Direction::ToClient, cut),
            };
            let proxy = FaultProxy::first(server.address(), fault);
            let client = eager(proxy.endpoint());
            let error = client.add_room_member(1, 1).call().unwrap_err();
            assert!(matches!(error, Error::ConnectionClosed { .. }) && error.may_have_executed(), "{cut}: {error:?}");
            client.add_room_member(2, 1).call().unwrap();
            let executed: Vec<i64> = server.received().iter().map(|packet| packet.int("rid")).collect();
            assert_eq!(executed, [1, 2], "cut at {cut}");
        }
    });
}

#[test]
fn timed_out_call_is_not_repeated() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::client(server.endpoint());
        sent_and_timed_out(|| client.add_room_member(1, 1).timeout(Duration::from_millis(50)).call());
        let connection = server.accept();
        connection.next();
        connection.close();
        // The client has noticed the end once it has reconnected. An earlier call may go to the connection that has
        // ended.
        let connection = server.accept();
        let next = client.add_room_member(2, 1).submit();
        let first = connection.next();
        assert_eq!(first.int("rid"), 2);
        connection.answer(&first);
        next.wait().unwrap();
    });
}

#[test]
fn calls_made_while_connecting_share_the_connection_and_are_all_sent_once() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = fixtures::client(server.endpoint());
        let threads: Vec<_> = (0..8)
            .map(|uid| {
                let client = client.clone();
                std::thread::spawn(move || {
                    let pending: Vec<_> = (0..50).map(|rid| client.add_room_member(rid, uid).submit()).collect();
                    pending.into_iter().for_each(|pending| pending.wait().unwrap());
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let received = server.received();
        assert_eq!((received.len(), salts(&received).len(), server.accepted()), (400, 400, 1));
    });
}

#[test]
fn calls_that_wait_for_a_connection_fail_with_it() {
    guarded(|| {
        let hole = BlackHole::new();
        let client = fixtures::builder(hole.endpoint()).connect_timeout(Duration::from_millis(200)).build().unwrap();
        let pending: Vec<_> = (0..20).map(|uid| client.add_room_member(1, uid).submit()).collect();
        for pending in pending {
            let error = pending.wait().unwrap_err();
            assert!(matches!(error, Error::Connect { .. }) && !error.may_have_executed(), "{error:?}");
        }
        assert_eq!(client.stats().connect_failures, 1, "one attempt serves all calls");
    });
}

#[test]
fn failed_attempt_is_not_followed_by_another_for_the_same_call() {
    guarded(|| {
        let port = ClosedPort::new();
        let client = fixtures::client(port.endpoint());
        assert!(matches!(client.add_room_member(1, 1).call(), Err(Error::Connect { .. })));
        assert_eq!(client.stats().connect_failures, 1);
    });
}

#[test]
fn unsent_calls_are_reported_as_unsent_and_none_is_sent_twice() {
    guarded(|| {
        let server = ScriptedServer::with_options(Options { paused: true, receive_buffer: Some(4096) });
        let client = eager(server.endpoint());
        let info = "x".repeat(65_535);
        let pending: Vec<_> = (0..200).map(|rid| client.set_room_info(rid, Some(&info), None).submit()).collect();
        let first = server.accept();
        // The connection ends with some calls received, some in transit, and some not sent at all.
        let mut before = 0;
        eventually("the client can send no more", || {
            before == std::mem::replace(&mut before, client.stats().bytes_out) && before > 0
        });
        first.read_on();
        let mut seen = vec![first.next()];
        seen.extend(std::iter::from_fn(|| first.packets().try_recv().ok()).take(5));
        seen.extend(first.packets().try_iter());
        first.reset();
        let (done, is_done) = unbounded::<()>();
        let answering = std::thread::spawn(move || {
            let (mut connections, mut received) = (Vec::new(), Vec::new());
            while is_done.try_recv() == Err(TryRecvError::Empty) {
                connections.extend(server.accept_within(MOMENT).inspect(Connection::read_on));
                for connection in &connections {
                    while let Some(quest) = connection.next_within(MOMENT) {
                        connection.answer(&quest);
                        received.push(quest);
                    }
                }
            }
            received
        });
        let mut answered = HashSet::new();
        let mut cannot_have = HashSet::new();
        for (rid, pending) in (0..200_i64).zip(pending) {
            match pending.wait() {
                Ok(()) => _ = answered.insert(rid),
                Err(error @ Error::ConnectionClosed { .. }) if error.may_have_executed() => {}
                Err(Error::ConnectionClosed { .. }) => _ = cannot_have.insert(rid),
                Err(error) => panic!("{rid}: {error:?}"),
            }
        }
        drop(done);
        let later = answering.join().unwrap();
        let on_first: HashSet<i64> = seen.iter().map(|packet| packet.int("rid")).collect();
        let on_later: HashSet<i64> = later.iter().map(|packet| packet.int("rid")).collect();
        assert_eq!(on_later.len(), later.len(), "a call was sent twice");
        assert_eq!(on_first.intersection(&on_later).collect::<Vec<_>>(), Vec::<&i64>::new(), "a call was sent twice");
        assert_eq!(cannot_have.intersection(&on_first).count(), 0, "an executed call was said to be safe to repeat");
        assert_eq!(on_later, answered);
        assert!(!answered.is_empty() || !cannot_have.is_empty(), "everything was said to have left");
    });
}

/// The first of many calls learns of the end while the outcomes of the others are still to be delivered.
#[test]
fn client_is_not_connected_once_a_call_learns_that_its_connection_ended() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::builder(server.endpoint()).reconnect(ReconnectPolicy::never()).build().unwrap();
        let calls: Vec<_> = (0..5_000).map(|uid| client.add_room_member(1, uid).submit()).collect();
        let connection = server.accept();
        connection.take(calls.len());
        connection.close();
        let mut calls = calls.into_iter();
        let first = calls.next().unwrap().wait();
        assert!(!client.is_connected());
        assert!(matches!(first, Err(Error::ConnectionClosed(_))), "{first:?}");
        assert!(calls.all(|call| matches!(call.wait(), Err(Error::ConnectionClosed(_)))));
    });
}
