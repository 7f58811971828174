//! Promise 1: every callback runs exactly once, and every `Pending` resolves, on every path.
//!
//! A callback is an `FnOnce`, so it cannot run twice. If it is dropped without running, its channel closes, which fails
//! the waiting test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, unbounded};
use rtm_server_sdk::{Client, Error, Pending};

use common::answering::AnsweringServer;
use common::dead_ends::{BlackHole, ClosedPort};
use common::fixtures::{self, into};
use common::scripted::{Connection, ScriptedServer};
use common::watchdog::guarded;
use common::{eventually, receive, wire};

/// Calls in flight, made in both asynchronous ways.
struct UnderWay {
    callbacks: Receiver<Result<(), Error>>,
    pending: Vec<Pending<()>>,
}

const HALF: usize = 100;
const ALL: usize = 2 * HALF;

impl UnderWay {
    fn start(client: &Client) -> UnderWay {
        UnderWay::start_with(client, Duration::ZERO)
    }

    fn start_with(client: &Client, timeout: Duration) -> UnderWay {
        let (sender, callbacks) = unbounded();
        let mut pending = Vec::new();
        for uid in 0..HALF as i64 {
            client.add_room_member(1, uid).timeout(timeout).callback(into(&sender));
            pending.push(client.add_room_member(2, uid).timeout(timeout).submit());
        }
        UnderWay { callbacks, pending }
    }

    /// Returns the outcome of each call. Fails the test if one has none.
    fn outcomes(self) -> Vec<Result<(), Error>> {
        let callbacks = (0..HALF).map(|_| receive(&self.callbacks, "a callback")).collect::<Vec<_>>();
        let outcomes = callbacks.into_iter().chain(self.pending.into_iter().map(Pending::wait)).collect();
        // All senders are gone, so nothing can follow.
        assert!(self.callbacks.recv().is_err());
        outcomes
    }

    fn all(self, what: &str, matches: impl Fn(&Result<(), Error>) -> bool) {
        for outcome in self.outcomes() {
            assert!(matches(&outcome), "not {what}: {outcome:?}");
        }
    }
}

/// Calls that the server received but did not answer.
fn in_flight() -> (ScriptedServer, Client, Connection, UnderWay) {
    let server = ScriptedServer::start();
    let client = fixtures::client(server.endpoint());
    let calls = UnderWay::start(&client);
    let connection = server.accept();
    connection.take(ALL);
    (server, client, connection, calls)
}

#[test]
fn answered_calls_get_their_answers() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = fixtures::client(server.endpoint());
        UnderWay::start(&client).all("an answer", Result::is_ok);
        let stats = client.stats();
        assert_eq!((stats.calls, stats.answered, stats.in_flight), (ALL as u64, ALL as u64, 0));
    });
}

#[test]
fn refused_calls_get_the_servers_error() {
    guarded(|| {
        let server = AnsweringServer::with(|quest| Some(wire::error_answer(quest.seq(), 200_010, "slow down")));
        let client = fixtures::client(server.endpoint());
        let refused = |outcome: &Result<(), Error>| {
            matches!(outcome, Err(error @ Error::Answer(answer))
                if error.code() == 200_010 && answer.message() == "slow down")
        };
        UnderWay::start(&client).all("the server's error", refused);
    });
}

#[test]
fn unanswered_calls_time_out() {
    guarded(|| {
        let server = AnsweringServer::with(|_| None);
        let client = fixtures::client(server.endpoint());
        let calls = UnderWay::start_with(&client, Duration::from_millis(100));
        calls.all(
            "a timeout",
            |outcome| matches!(outcome, Err(error @ Error::Timeout { .. }) if error.code() == 20_003),
        );
    });
}

#[test]
fn calls_in_flight_end_with_their_connection() {
    guarded(|| {
        let ends: [fn(Connection); 2] = [Connection::close, Connection::reset];
        for end in ends {
            let (_server, _client, connection, calls) = in_flight();
            end(connection);
            calls.all("a closed connection", |outcome| {
                matches!(outcome, Err(error @ Error::ConnectionClosed { .. })
                    if error.code() == 20_002 && error.may_have_executed())
            });
        }
    });
}

#[test]
fn some_answered_and_some_not_when_the_connection_ends() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::client(server.endpoint());
        let calls = UnderWay::start(&client);
        let connection = server.accept();
        for quest in connection.take(ALL).iter().step_by(2) {
            connection.answer(quest);
        }
        connection.close();
        let outcomes = calls.outcomes();
        let answered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let closed = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::ConnectionClosed { .. }))).count();
        assert_eq!((answered, closed), (HALF, HALF));
    });
}

fn is_closed(outcome: &Result<(), Error>) -> bool {
    matches!(outcome, Err(error @ Error::Closed { .. }) if error.code() == 20_015)
}

#[test]
fn closing_the_client_ends_calls_in_flight() {
    guarded(|| {
        let (_server, client, connection, calls) = in_flight();
        client.close();
        calls.all("a closed client", is_closed);
        connection.wait_closed();
        assert!(!client.is_connected());
    });
}

#[test]
fn dropping_the_last_client_ends_calls_in_flight() {
    guarded(|| {
        let (_server, client, connection, calls) = in_flight();
        let other = client.clone();
        drop(client);
        assert!(other.is_connected(), "one clone is left");
        drop(other);
        calls.all("a closed client", is_closed);
        connection.wait_closed();
    });
}

#[test]
fn closing_ends_calls_that_wait_for_a_connection() {
    guarded(|| {
        let hole = BlackHole::new();
        let client = fixtures::client(hole.endpoint());
        let calls = UnderWay::start(&client);
        client.close();
        calls
            .all("a closed client", |outcome| is_closed(outcome) && !outcome.as_ref().unwrap_err().may_have_executed());
    });
}

#[test]
fn calls_on_a_closed_client_fail_in_all_three_ways() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = fixtures::client(server.endpoint());
        client.add_room_member(1, 1).call().unwrap();
        client.close();
        client.close();
        UnderWay::start(&client).all("a closed client", is_closed);
        assert!(is_closed(&client.add_room_member(1, 1).call()));
        assert!(is_closed(&client.connect()));
        assert_eq!(server.received().len(), 1);
    });
}

#[test]
fn calls_fail_with_the_attempt_to_connect() {
    guarded(|| {
        let port = ClosedPort::new();
        let client = fixtures::client(port.endpoint());
        UnderWay::start(&client).all("a failed connection", |outcome| {
            matches!(outcome, Err(error @ (Error::Connect { .. } | Error::NotConnected { .. }))
                if error.code() == 20_012 && !error.may_have_executed())
        });
    });
}

#[test]
fn bad_arguments_are_reported_like_every_other_outcome() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::client(server.endpoint());
        let (sender, callbacks) = unbounded();
        client.set_room_info(1, None, None).callback(into(&sender));
        let pending = client.add_room_ban(None, 1, Some(Duration::MAX)).submit();
        let is_bad = |outcome: &Result<(), Error>| matches!(outcome, Err(error @ Error::InvalidArgument { .. }) if error.code() == 200_034);
        assert!(is_bad(&receive(&callbacks, "a callback")));
        assert!(is_bad(&pending.wait()));
        assert!(is_bad(&client.set_room_info(1, Some(&"x".repeat(65_536)), None).call()));
    });
}

#[test]
fn panic_in_a_callback_leaves_the_others_alone() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = fixtures::client(server.endpoint());
        let (sender, callbacks) = unbounded();
        for uid in 0..200 {
            let run = into(&sender);
            client.add_room_member(1, uid).callback(move |outcome| {
                run(outcome);
                assert!(uid % 2 == 0, "this panic is a part of the test");
            });
        }
        for _ in 0..200 {
            receive(&callbacks, "a callback").unwrap();
        }
        UnderWay::start(&client).all("an answer", Result::is_ok);
    });
}

#[test]
fn job_that_the_executor_drops_is_not_lost() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = fixtures::builder(server.endpoint()).callback_executor(drop).build().unwrap();
        UnderWay::start(&client).all("an answer", Result::is_ok);
    });
}

#[test]
fn panic_in_the_executor_does_not_lose_the_callback() {
    guarded(|| {
        let server = AnsweringServer::start();
        let executor = |_job| panic!("this panic is a part of the test");
        let client = fixtures::builder(server.endpoint()).callback_executor(executor).build().unwrap();
        UnderWay::start(&client).all("an answer", Result::is_ok);
    });
}

#[test]
fn pending_can_be_polled_until_it_resolves() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::client(server.endpoint());
        let mut pending = client.is_ban_of_room(1, 2).submit();
        let connection = server.accept();
        let quest = connection.next();
        assert!(pending.try_wait().is_none());
        connection.answer(&quest);
        let mut outcome = None;
        eventually("the call resolves", || {
            outcome = pending.try_wait();
            outcome.is_some()
        });
        assert!(outcome.unwrap().unwrap());
    });
}

#[test]
fn dropped_pending_abandons_the_answer_not_the_call() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::client(server.endpoint());
        drop(client.add_room_member(1, 2).submit());
        let connection = server.accept();
        let abandoned = connection.next();
        let next = client.get_room_info(1).submit();
        let quest = connection.next();
        connection.answer(&abandoned);
        connection.answer(&quest);
        assert_eq!(next.wait().unwrap().oinfo.as_deref(), Some("o"));
        // Of answers that arrive together, the last is delivered first.
        eventually("nothing is in flight", || client.stats().in_flight == 0);
    });
}

#[test]
fn every_call_that_races_with_a_close_resolves() {
    guarded(|| {
        for round in 0..20 {
            let server = AnsweringServer::start();
            let client = fixtures::client(server.endpoint());
            client.connect().unwrap();
            let (sender, callbacks) = unbounded();
            let start = Arc::new(Barrier::new(5));
            let made = Arc::new(AtomicUsize::new(0));
            let callers: Vec<_> = (0..4)
                .map(|_| {
                    let (client, sender, start, made) =
                        (client.clone(), sender.clone(), Arc::clone(&start), Arc::clone(&made));
                    thread::spawn(move || {
                        start.wait();
                        // Until the close is noticed, and for some calls after it.
                        let mut calls_after = 0;
                        while calls_after < 5 {
                            client.add_room_member(1, 1).callback(into(&sender));
                            made.fetch_add(1, Ordering::SeqCst);
                            let outcome = client.add_room_member(2, 2).submit().wait();
                            assert!(outcome.is_ok() || is_closed(&outcome), "{outcome:?}");
                            calls_after += usize::from(outcome.is_err());
                        }
                    })
                })
                .collect();
            drop(sender);
            start.wait();
            for _ in 0..round {
                thread::yield_now();
            }
            client.close();
            callers.into_iter().for_each(|caller| caller.join().unwrap());
            let outcomes: Vec<_> =
                (0..made.load(Ordering::SeqCst)).map(|_| receive(&callbacks, "a callback")).collect();
            assert!(outcomes.iter().all(|outcome| outcome.is_ok() || is_closed(outcome)));
            assert!(callbacks.recv().is_err());
        }
    });
}

#[test]
fn every_call_that_races_with_lost_connections_resolves() {
    guarded(|| {
        // Ends each connection after a few frames.
        let server = ScriptedServer::start();
        let endpoint = server.endpoint();
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let breaker = thread::spawn(move || {
            let mut connections = 0;
            while !stopping.load(Ordering::SeqCst) {
                let Some(connection) = server.accept_within(Duration::from_millis(10)) else { continue };
                connections += 1;
                for _ in 0..connections % 7 {
                    let Some(quest) = connection.next_within(Duration::from_millis(200)) else { break };
                    _ = connection.try_send(&wire::empty_answer(quest.seq()));
                }
                if connections % 2 == 0 { connection.close() } else { connection.reset() }
            }
        });
        let policy = rtm_server_sdk::ReconnectPolicy::never();
        let client = fixtures::builder(endpoint).reconnect(policy).build().unwrap();
        let mut answered = 0;
        for _ in 0..20 {
            for outcome in UnderWay::start(&client).outcomes() {
                answered += usize::from(outcome.is_ok());
                let expected = matches!(
                    outcome,
                    Ok(()) | Err(Error::ConnectionClosed { .. } | Error::Connect { .. } | Error::NotConnected { .. })
                );
                assert!(expected, "{outcome:?}");
            }
        }
        stop.store(true, Ordering::SeqCst);
        client.close();
        breaker.join().unwrap();
        let stats = client.stats();
        assert_eq!(stats.calls, 20 * ALL as u64);
        assert_eq!(stats.calls, stats.answered + stats.failed_closed + stats.failed_connect);
        assert_eq!((stats.answered, stats.in_flight), (answered as u64, 0));
    });
}

#[test]
fn outcomes_of_one_read_are_all_there_once_the_oldest_is() {
    const CALLS: usize = 900;
    // Whether a thread could notice a missing outcome depends on where the system runs it.
    const ROUNDS: usize = 50;
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::builder(server.endpoint()).build().unwrap();
        let connecting = {
            let client = client.clone();
            thread::spawn(move || client.connect())
        };
        let connection = server.accept();
        connecting.join().unwrap().unwrap();
        for _ in 0..ROUNDS {
            let mut pending: Vec<_> = (0..CALLS as i64).map(|uid| client.add_room_member(1, uid).submit()).collect();
            let quests = connection.take(CALLS);
            let answers: Vec<u8> = quests.iter().flat_map(|quest| wire::empty_answer(quest.seq())).collect();
            let (begun, begins) = unbounded();
            let looking = thread::spawn(move || {
                begun.send(()).unwrap();
                while pending[0].try_wait().is_none() {
                    std::hint::spin_loop();
                }
                pending[CALLS - 1].try_wait().is_some()
            });
            receive(&begins, "the thread that looks");
            // They fit one segment of the loopback.
            connection.send(&answers);
            assert!(looking.join().unwrap(), "a thread that waits for the oldest is woken before all is there");
        }
    });
}
