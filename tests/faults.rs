//! Each network fault, with each way to make a call. The outcome arrives exactly once, in time and with the right code.
//! It agrees with what the server did, and the next call works.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;
use rtm_server_sdk::{Client, ClientBuilder, Error, KeepAlive, ReconnectPolicy};

use common::answering::AnsweringServer;
use common::dead_ends::{BlackHole, ClosedPort};
use common::fixtures::{self, into};
use common::proxy::{Direction, Fault, FaultProxy};
use common::tally::{CallId, Executed};
use common::watchdog::{guarded, guarded_for};
use common::{SOON, eventually, receive};

use Direction::{ToClient, ToServer};

/// The call succeeds despite the fault.
const OK: i32 = 0;
const CLOSED: i32 = 20_002;
const UNREADABLE: i32 = 20_006;
const NOT_CONNECTED: i32 = 20_012;

const WAIT: Duration = Duration::from_millis(30);

/// The fault of the first connection, and the possible outcomes of its call.
const FAULTS: [(Fault, &[i32]); 26] = [
    (Fault::None, &[OK]),
    (Fault::CloseAtOnce, &[CLOSED]),
    // The reset may be noticed while the connection is still being checked.
    (Fault::ResetAtOnce, &[CLOSED, NOT_CONNECTED]),
    (Fault::Cut(ToServer, 1), &[CLOSED]),
    (Fault::Cut(ToServer, 12), &[CLOSED]),
    (Fault::Cut(ToServer, 60), &[CLOSED]),
    (Fault::Cut(ToClient, 1), &[CLOSED]),
    (Fault::Cut(ToClient, 12), &[CLOSED]),
    (Fault::Cut(ToClient, 16), &[CLOSED]),
    (Fault::Reset(ToServer, 1), &[CLOSED]),
    (Fault::Reset(ToServer, 60), &[CLOSED]),
    (Fault::Reset(ToClient, 1), &[CLOSED]),
    (Fault::Reset(ToClient, 16), &[CLOSED]),
    // Nothing arrives any more, which the keep-alive detects.
    (Fault::Stall(ToServer, 0), &[CLOSED]),
    (Fault::Stall(ToServer, 60), &[CLOSED]),
    (Fault::Stall(ToClient, 0), &[CLOSED]),
    (Fault::Stall(ToClient, 16), &[CLOSED]),
    (Fault::Delay(ToServer, WAIT), &[OK]),
    (Fault::Delay(ToClient, WAIT), &[OK]),
    (Fault::Split(ToServer, 1), &[OK]),
    (Fault::Split(ToClient, 1), &[OK]),
    (Fault::RepeatFrame(ToClient, 0), &[OK]),
    (Fault::RepeatBytes(ToClient, 0, 8), &[CLOSED]),
    (Fault::Flip(ToClient, 0, 0), &[CLOSED]),
    (Fault::Flip(ToClient, 5, 7), &[UNREADABLE]),
    (Fault::Flip(ToClient, 16, 6), &[UNREADABLE]),
];

/// The three ways to make a call. Each returns the outcome.
#[derive(Debug, Clone, Copy)]
enum Way {
    Call,
    Callback,
    Submit,
}

const WAYS: [Way; 3] = [Way::Call, Way::Callback, Way::Submit];

fn make(client: &Client, way: Way, (rid, uid): CallId) -> Result<(), Error> {
    let call = client.add_room_member(rid, uid);
    match way {
        Way::Call => call.call(),
        Way::Submit => call.submit().wait(),
        Way::Callback => {
            let (sender, outcomes) = unbounded();
            call.callback(into(&sender));
            drop(sender);
            let outcome = receive(&outcomes, "a callback");
            assert!(outcomes.recv().is_err());
            outcome
        }
    }
}

fn code(outcome: &Result<(), Error>) -> i32 {
    outcome.as_ref().err().map_or(OK, |error| error.code().value())
}

/// A client that detects a dead server soon, and reconnects at once.
fn builder(address: SocketAddr) -> ClientBuilder {
    // Soon, but long compared with how long a busy machine may delay the proxy.
    let keep_alive = KeepAlive::default().interval(10 * WAIT).timeout(10 * WAIT).tries(2);
    fixtures::builder(address.to_string()).keep_alive(keep_alive).reconnect(ReconnectPolicy::never())
}

#[test]
fn every_fault_ends_in_the_right_outcome_and_the_next_call_works() {
    guarded(|| {
        let executed = Executed::default();
        let server = AnsweringServer::with(executed.answer());
        for (row, (fault, expected)) in FAULTS.into_iter().enumerate() {
            for (column, way) in WAYS.into_iter().enumerate() {
                let what = format!("{fault:?}, {way:?}");
                let proxy = FaultProxy::first(server.address(), fault);
                let client = builder(proxy.address()).build().unwrap();
                let (first, next) = ((row as i64, column as i64), (row as i64, 10 + column as i64));
                let started = Instant::now();
                let outcome = make(&client, way, first);
                assert!(started.elapsed() < SOON, "{what} took {:?}", started.elapsed());
                assert!(expected.contains(&code(&outcome)), "{what}: {outcome:?}");
                if fault == Fault::None {
                    assert_eq!(proxy.struck(), 0);
                } else {
                    eventually("the fault strikes", || proxy.struck() > 0);
                }

                let again = make(&client, way, next);
                assert!(again.is_ok(), "the call after {what}: {again:?}");
                drop((client, proxy));
                executed.check(first, &outcome);
                executed.check(next, &again);
            }
        }
    });
}

#[test]
fn every_fault_ends_all_calls_in_flight() {
    guarded(|| {
        let executed = Executed::default();
        let server = AnsweringServer::with(executed.answer());
        for (row, (fault, expected)) in FAULTS.into_iter().enumerate() {
            let proxy = FaultProxy::first(server.address(), fault);
            let client = builder(proxy.address()).build().unwrap();
            let pending: Vec<_> = (0..100).map(|uid| client.add_room_member(row as i64, uid).submit()).collect();
            let outcomes: Vec<_> = pending.into_iter().map(|pending| pending.wait()).collect();
            // The fault hits the first call. The others end with the connection, or succeed.
            assert!(
                outcomes.iter().all(|outcome| code(outcome) == OK || expected.contains(&code(outcome))),
                "{fault:?}"
            );
            let again = client.add_room_member(row as i64, 100).call();
            assert!(again.is_ok(), "the call after {fault:?}: {again:?}");
            drop((client, proxy));
            for (uid, outcome) in (0..).zip(&outcomes) {
                executed.check((row as i64, uid), outcome);
            }
        }
    });
}

#[test]
fn addresses_without_a_server_end_every_way_of_calling() {
    guarded(|| {
        let (port, hole) = (ClosedPort::new(), BlackHole::new());
        for address in [port.address(), hole.address()] {
            let client = builder(address).connect_timeout(4 * WAIT).build().unwrap();
            for way in WAYS {
                let started = Instant::now();
                let outcome = make(&client, way, (1, 1));
                assert!(started.elapsed() < SOON, "{way:?} took {:?}", started.elapsed());
                assert_eq!(code(&outcome), NOT_CONNECTED, "{address} {way:?}: {outcome:?}");
                assert!(!outcome.unwrap_err().may_have_executed());
            }
        }
    });
}

type Outcomes = Vec<(CallId, Result<(), Error>)>;

/// Threads that call continuously until they are stopped, and the outcomes of their calls.
struct Load {
    stop: Arc<AtomicBool>,
    callers: Vec<thread::JoinHandle<Outcomes>>,
}

impl Load {
    fn start(client: &Client, threads: i64) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let caller = |rid: i64| {
            let (client, stop) = (client.clone(), Arc::clone(&stop));
            thread::spawn(move || {
                let mut outcomes = Vec::new();
                for uid in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let way = WAYS[uid as usize % WAYS.len()];
                    outcomes.push(((rid, uid), make(&client, way, (rid, uid))));
                }
                outcomes
            })
        };
        let callers = (0..threads).map(caller).collect();
        Load { stop, callers }
    }

    fn stop(self) -> Outcomes {
        self.stop.store(true, Ordering::SeqCst);
        self.callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    }
}

#[test]
fn no_call_is_lost_or_repeated_while_the_server_is_killed_and_comes_back() {
    guarded_for(Duration::from_secs(120), || {
        let executed = Executed::default();
        let mut server = AnsweringServer::with(executed.answer());
        let address = server.address();
        let client = builder(address).build().unwrap();
        let load = Load::start(&client, 16);
        for _ in 0..8 {
            let answered = client.stats().answered;
            common::eventually("calls are answered", || client.stats().answered > answered + 200);
            drop(server);
            let failed = client.stats().failed_connect;
            common::eventually("calls fail", || client.stats().failed_connect > failed);
            server = AnsweringServer::at(address, executed.answer());
        }
        let outcomes = load.stop();
        client.close();
        drop(server);
        for (id, outcome) in &outcomes {
            assert!([OK, CLOSED, NOT_CONNECTED].contains(&code(outcome)), "{id:?}: {outcome:?}");
            executed.check(*id, outcome);
        }
        let answered = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count();
        assert!(answered > 8 * 200);
        let stats = client.stats();
        assert_eq!((stats.calls, stats.answered), (outcomes.len() as u64, answered as u64));
        assert_eq!(stats.calls, stats.answered + stats.failed_closed + stats.failed_connect);
    });
}

#[test]
fn no_call_is_lost_or_repeated_while_connections_suffer_every_fault() {
    guarded_for(Duration::from_secs(120), || {
        let executed = Executed::default();
        let server = AnsweringServer::with(executed.answer());
        // Later in the connection than in the table, so that some calls succeed before the fault strikes.
        let later = |fault| match fault {
            Fault::Cut(direction, after) => Fault::Cut(direction, 2_000 + after),
            Fault::Reset(direction, after) => Fault::Reset(direction, 2_000 + after),
            Fault::Stall(direction, after) => Fault::Stall(direction, 2_000 + after),
            Fault::RepeatFrame(direction, index) => Fault::RepeatFrame(direction, 50 + index),
            // Frames without a payload begin at every 17th byte.
            Fault::Flip(direction, offset, bit) => Fault::Flip(direction, 17 * 50 + offset, bit),
            Fault::RepeatBytes(direction, from, to) => Fault::RepeatBytes(direction, 17 * 50 + from, 17 * 50 + to),
            other => other,
        };
        // A connection without a fault, or with one that never ends it, would be the last.
        let breaks = |(_, expected): &(Fault, &[i32])| expected[0] == CLOSED;
        let faults: Vec<Fault> = FAULTS.into_iter().filter(breaks).map(|(fault, _)| later(fault)).collect();
        let rounds = 2 * faults.len();
        let proxy = FaultProxy::start(server.address(), move |k| faults[k % faults.len()]);
        let client = builder(proxy.address()).build().unwrap();
        let load = Load::start(&client, 16);
        common::eventually("every fault has struck twice", || proxy.struck() >= rounds);
        let outcomes = load.stop();
        client.close();
        drop((proxy, server));
        for (id, outcome) in &outcomes {
            assert!([OK, CLOSED, NOT_CONNECTED].contains(&code(outcome)), "{id:?}: {outcome:?}");
            executed.check(*id, outcome);
        }
        let answered = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count();
        assert!(answered > 0 && answered < outcomes.len());
    });
}
