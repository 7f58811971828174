//! Promise 4: callbacks never stall the connection. They run off the I/O thread, and one may block, panic, or make calls
//! of its own, blocking ones included, with one callback thread.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use rtm_server_sdk::{Client, Error};

use common::answering::AnsweringServer;
use common::dead_ends::ClosedPort;
use common::fixtures::{self, into};
use common::scripted::ScriptedServer;
use common::watchdog::guarded;
use common::{PATIENCE, SOON, receive};

fn with_server() -> (AnsweringServer, Client) {
    let server = AnsweringServer::start();
    let client = fixtures::client(server.endpoint());
    (server, client)
}

/// Keeps the only callback thread busy until the sender is dropped or sends.
fn block_callbacks(client: &Client) -> Sender<()> {
    let (release, released) = bounded::<()>(0);
    let (running, runs) = bounded(1);
    client.add_room_member(1, 1).callback(move |_| {
        _ = running.send(());
        _ = released.recv_timeout(PATIENCE);
    });
    receive(&runs, "the blocking callback");
    release
}

#[test]
fn callback_runs_neither_here_nor_on_the_io_thread() {
    guarded(|| {
        let (_server, client) = with_server();
        let (sender, names) = unbounded();
        let here = thread::current().id();
        client.add_room_member(1, 1).callback(move |_| {
            assert_ne!(thread::current().id(), here);
            _ = sender.send(thread::current().name().map(str::to_owned));
        });
        let name = receive(&names, "a callback that ran elsewhere");
        assert_ne!(name.as_deref(), Some("rtm-io"));
    });
}

/// The outcomes that are known at once are the ones that a careless library delivers inside the function.
#[test]
fn callback_never_runs_inside_the_function_that_takes_it() {
    guarded(|| {
        let (server, client) = with_server();
        let silent = ScriptedServer::start();
        let full = fixtures::builder(silent.endpoint()).max_in_flight(1).build().unwrap();
        let _takes_the_place = full.add_room_member(1, 1).submit();
        let closed = fixtures::client(server.endpoint());
        closed.close();
        let port = ClosedPort::new();
        let refused = fixtures::client(port.endpoint());

        let here = thread::current().id();
        let (sender, outcomes) = unbounded();
        let elsewhere = || {
            let sender = sender.clone();
            move |outcome: Result<(), Error>| _ = sender.send((thread::current().id(), outcome.unwrap_err().code()))
        };
        // The lock would never be got by a callback that runs inside.
        let lock = Arc::new(Mutex::new(()));
        let held = lock.lock().unwrap();
        let locking = || {
            let (lock, run) = (Arc::clone(&lock), elsewhere());
            move |outcome| {
                drop(lock.lock().unwrap());
                run(outcome);
            }
        };
        client.set_room_info(1, None, None).callback(locking());
        full.add_room_member(1, 2).callback(locking());
        closed.add_room_member(1, 3).callback(locking());
        refused.add_room_member(1, 4).callback(locking());
        drop(held);
        let mut codes = Vec::new();
        for _ in 0..4 {
            let (thread, code) = receive(&outcomes, "a callback");
            assert_ne!(thread, here);
            codes.push(code.value());
        }
        codes.sort_unstable();
        assert_eq!(codes, [20_011, 20_012, 20_015, 200_034]);
    });
}

#[test]
fn blocked_callback_does_not_stall_calls() {
    guarded(|| {
        let (_server, client) = with_server();
        let release = block_callbacks(&client);
        for uid in 0..100 {
            client.add_room_member(1, uid).call().unwrap();
        }
        let pending: Vec<_> = (0..100).map(|uid| client.add_room_member(1, uid).submit()).collect();
        pending.into_iter().for_each(|pending| pending.wait().unwrap());
        // Other callbacks wait for the thread, and then run.
        let (sender, outcomes) = unbounded();
        client.add_room_member(1, 1).callback(into(&sender));
        drop(sender);
        assert!(outcomes.recv_timeout(Duration::from_millis(50)).is_err(), "the only callback thread is busy");
        drop(release);
        receive(&outcomes, "the callback behind the blocking one").unwrap();
    });
}

#[test]
fn blocked_callback_does_not_stall_deadlines_and_quests_of_the_server() {
    guarded(|| {
        let server = ScriptedServer::start();
        let client = fixtures::client(server.endpoint());
        let (release, released) = bounded::<()>(0);
        let (running, runs) = bounded(1);
        client.add_room_member(1, 1).callback(move |_| {
            _ = running.send(());
            _ = released.recv_timeout(PATIENCE);
        });
        let connection = server.accept();
        connection.answer(&connection.next());
        receive(&runs, "the blocking callback");

        connection.send(&common::wire::two_way_quest(77, "ping", &common::wire::map([])));
        assert_eq!(connection.next().seq(), 77);
        let outcome = client.get_room_info(1).timeout(Duration::from_millis(50)).call();
        assert!(matches!(outcome, Err(Error::Timeout { .. })));
        drop(release);
    });
}

#[test]
fn panic_in_a_callback_ends_there() {
    guarded(|| {
        let (server, client) = with_server();
        for _ in 0..5 {
            client.add_room_member(1, 1).callback(|_| panic!("this panic is a part of the test"));
            let (sender, outcomes) = unbounded();
            client.add_room_member(1, 2).callback(into(&sender));
            receive(&outcomes, "the callback after the panic").unwrap();
            client.add_room_member(1, 3).call().unwrap();
        }
        assert_eq!(server.accepted(), 1);
    });
}

#[test]
fn panic_whose_value_panics_when_it_is_dropped_ends_there_too() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !thread::panicking() {
                panic!("this panic is a part of the test");
            }
        }
    }
    guarded(|| {
        let (_server, client) = with_server();
        client.add_room_member(1, 1).callback(|_| std::panic::panic_any(Bomb));
        let (sender, outcomes) = unbounded();
        client.add_room_member(1, 2).callback(into(&sender));
        receive(&outcomes, "the callback after the panic").unwrap();
    });
}

/// Panics whenever it is dropped, and so does what that throws, as many times over as it says.
struct NestedBomb(u32);

impl Drop for NestedBomb {
    fn drop(&mut self) {
        if self.0 > 0 {
            std::panic::panic_any(NestedBomb(self.0 - 1));
        }
    }
}

#[test]
fn panics_nested_in_what_was_thrown_end_there_too() {
    guarded(|| {
        let (_server, client) = with_server();
        for depth in 1..4 {
            client.add_room_member(1, 1).callback(move |_| std::panic::panic_any(NestedBomb(depth)));
        }
        let (sender, outcomes) = unbounded();
        client.add_room_member(1, 2).callback(into(&sender));
        receive(&outcomes, "the callback after the panics").unwrap();
    });
}

#[test]
fn blocking_call_inside_a_callback_works_with_one_thread() {
    guarded(|| {
        let (_server, client) = with_server();
        let (sender, outcomes) = unbounded();
        let inner = client.clone();
        client.add_room_member(1, 1).callback(move |outcome: Result<(), Error>| {
            outcome.unwrap();
            let members = inner.get_room_members(1).call();
            let pending = inner.is_ban_of_room(1, 1).submit().wait();
            _ = sender.send((members, pending));
        });
        let (members, banned) = receive(&outcomes, "the callback");
        assert_eq!((members.unwrap(), banned.unwrap()), (vec![1, 2], true));
    });
}

#[test]
fn callback_that_connects_works_with_one_thread() {
    guarded(|| {
        let server = AnsweringServer::start();
        let port = ClosedPort::new();
        let refused = fixtures::client(port.endpoint());
        let other = fixtures::client(server.endpoint());
        let (sender, outcomes) = unbounded();
        let (again, connected) = (refused.clone(), other.clone());
        refused.add_room_member(1, 1).callback(move |_| {
            _ = sender.send((connected.connect(), again.connect()));
        });
        let (connected, refused) = receive(&outcomes, "the callback");
        connected.unwrap();
        assert!(matches!(refused, Err(Error::Connect { .. })));
    });
}

#[test]
fn blocking_calls_inside_callbacks_get_room_though_callbacks_hold_all_of_it() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = fixtures::builder(server.endpoint()).max_in_flight(4).build().unwrap();
        let (sender, outcomes) = unbounded();
        let mut made = 0;
        for uid in 0..200 {
            let (inner, sender) = (client.clone(), sender.clone());
            client.add_room_member(1, uid).callback(move |outcome| match outcome {
                Ok(()) => _ = sender.send(inner.add_room_member(2, uid).call()),
                Err(error) => _ = sender.send(Err(error)),
            });
            made += 1;
        }
        let all: Vec<_> = (0..made).map(|_| receive(&outcomes, "a callback")).collect();
        assert!(all.iter().any(Result::is_ok));
        assert!(all.iter().all(|outcome| matches!(outcome, Ok(()) | Err(Error::QueueFull))), "{all:?}");
    });
}

/// The one place is held by a callback that waits for the very thread that waits for the place.
#[test]
fn blocking_call_inside_a_callback_does_not_wait_for_the_callbacks_behind_it() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = fixtures::builder(server.endpoint()).max_in_flight(1).build().unwrap();
        let (sender, outcomes) = unbounded();
        let inner = client.clone();
        client.add_room_member(1, 1).callback(move |_| {
            let behind = sender.clone();
            inner.add_room_member(1, 2).callback(move |outcome| _ = behind.send(("behind", outcome)));
            _ = sender.send(("call", inner.add_room_member(1, 3).timeout(SOON).call()));
            _ = sender.send(("submit", inner.add_room_member(1, 4).timeout(SOON).submit().wait()));
        });
        for expected in ["call", "submit", "behind"] {
            let (which, outcome) = receive(&outcomes, expected);
            assert_eq!(which, expected);
            outcome.unwrap();
        }
    });
}

fn chain(client: Client, left: usize, sender: Sender<usize>) {
    client.clone().add_room_member(1, left as i64).callback(move |outcome: Result<(), Error>| {
        outcome.unwrap();
        match left {
            0 => _ = sender.send(left),
            _ => chain(client, left - 1, sender),
        }
    });
}

#[test]
fn callbacks_make_calls_with_callbacks() {
    guarded(|| {
        let (_server, client) = with_server();
        let (sender, end) = unbounded();
        chain(client.clone(), 500, sender);
        receive(&end, "the last callback of the chain");
    });
}

#[test]
fn callbacks_run_in_the_order_of_their_answers_with_one_thread() {
    guarded(|| {
        let (_server, client) = with_server();
        let (sender, order) = unbounded();
        for uid in 0..1000 {
            let sender = sender.clone();
            client.add_room_member(1, uid).callback(move |_| _ = sender.send(uid));
        }
        let seen: Vec<i64> = (0..1000).map(|_| receive(&order, "a callback")).collect();
        assert!(seen.is_sorted(), "{seen:?}");
    });
}

#[test]
fn several_callback_threads_run_callbacks_at_once() {
    guarded(|| {
        let server = AnsweringServer::start();
        let client = fixtures::builder(server.endpoint()).callback_threads(3).build().unwrap();
        let (sender, outcomes) = unbounded();
        let barrier = Arc::new(std::sync::Barrier::new(3));
        for uid in 0..3 {
            let (sender, barrier) = (sender.clone(), Arc::clone(&barrier));
            client.add_room_member(1, uid).callback(move |outcome| {
                // Passes only with all three inside.
                barrier.wait();
                _ = sender.send(outcome);
            });
        }
        for _ in 0..3 {
            receive(&outcomes, "a callback").unwrap();
        }
    });
}

type Job = Box<dyn FnOnce() + Send>;

fn with_executor(server: &AnsweringServer) -> (Client, Receiver<Job>) {
    let (sender, jobs) = unbounded();
    let executor = move |job| _ = sender.send(job);
    (fixtures::builder(server.endpoint()).callback_executor(executor).build().unwrap(), jobs)
}

#[test]
fn executor_runs_callbacks_where_it_is_told() {
    guarded(|| {
        let server = AnsweringServer::start();
        let (client, jobs) = with_executor(&server);
        let (sender, outcomes) = unbounded();
        client.is_ban_of_room(1, 2).callback(move |outcome| {
            _ = sender.send((thread::current().id(), outcome));
        });
        let job = receive(&jobs, "a job");
        assert!(outcomes.is_empty(), "the callback ran before its job");
        // The job waits in the caller's hands, and calls go on.
        client.add_room_member(1, 2).call().unwrap();
        job();
        let (thread, outcome) = outcomes.try_recv().unwrap();
        assert_eq!((thread, outcome.unwrap()), (thread::current().id(), true));
    });
}

#[test]
fn blocked_executor_does_not_stall_calls() {
    guarded(|| {
        let server = AnsweringServer::start();
        let (release, released) = bounded::<()>(0);
        let executor = move |job: Job| {
            _ = released.recv_timeout(PATIENCE);
            job();
        };
        let client = fixtures::builder(server.endpoint()).callback_executor(executor).build().unwrap();
        let (sender, outcomes) = unbounded();
        client.add_room_member(1, 1).callback(into(&sender));
        for uid in 0..20 {
            client.add_room_member(1, uid).call().unwrap();
        }
        assert!(outcomes.is_empty());
        drop(release);
        receive(&outcomes, "the callback").unwrap();
    });
}

/// The best of some tries, since a loaded machine may hold up any one of them.
#[test]
fn dropping_a_client_does_not_wait_for_jobs_that_its_own_thread_would_run() {
    guarded(|| {
        let server = AnsweringServer::start();
        let drop_one = || {
            let (client, jobs) = with_executor(&server);
            let (sender, outcomes) = unbounded();
            client.add_room_member(1, 1).callback(into(&sender));
            let job = receive(&jobs, "a job");
            let started = std::time::Instant::now();
            drop(client);
            let elapsed = started.elapsed();
            job();
            receive(&outcomes, "the callback").unwrap();
            elapsed
        };
        let fastest = (0..5).map(|_| drop_one()).min().unwrap();
        assert!(fastest < Duration::from_millis(250), "dropping took {fastest:?}");
    });
}

/// The best of some tries, as above.
#[test]
fn dropping_a_client_does_not_wait_for_those_who_hold_a_pending() {
    guarded(|| {
        let server = AnsweringServer::start();
        let drop_one = || {
            let client = fixtures::client(server.endpoint());
            let pending = client.add_room_member(1, 1).submit();
            let started = std::time::Instant::now();
            drop(client);
            let elapsed = started.elapsed();
            let _ = pending.wait();
            elapsed
        };
        let fastest = (0..5).map(|_| drop_one()).min().unwrap();
        assert!(fastest < Duration::from_millis(250), "dropping took {fastest:?}");
    });
}

#[test]
fn last_client_is_dropped_inside_a_callback() {
    guarded(|| {
        for executor in [false, true] {
            let server = ScriptedServer::start();
            let builder = fixtures::builder(server.endpoint());
            let builder = if executor { builder.callback_executor(|job: Job| job()) } else { builder };
            let client = builder.build().unwrap();
            let (sender, outcomes) = unbounded();
            let last = client.clone();
            client.add_room_member(1, 1).callback(move |outcome| {
                // Another call is in flight when the client goes.
                let (inner_sender, inner) = unbounded();
                last.add_room_member(1, 2).callback(into(&inner_sender));
                drop(last);
                _ = sender.send((outcome, inner));
            });
            drop(client);
            let connection = server.accept();
            connection.answer(&connection.next());
            let (outcome, inner) = receive(&outcomes, "the callback");
            outcome.unwrap();
            assert!(matches!(receive(&inner, "the other callback"), Err(Error::Closed { .. })));
            connection.wait_closed();
        }
    });
}

#[test]
fn client_is_closed_inside_a_callback() {
    guarded(|| {
        let (_server, client) = with_server();
        let (sender, outcomes) = unbounded();
        let inner = client.clone();
        client.add_room_member(1, 1).callback(move |_| {
            inner.close();
            _ = sender.send(inner.add_room_member(1, 2).call());
        });
        assert!(matches!(receive(&outcomes, "the callback"), Err(Error::Closed { .. })));
        assert!(matches!(client.add_room_member(1, 3).call(), Err(Error::Closed { .. })));
    });
}

#[test]
fn closing_does_not_wait_for_a_callback_that_blocks() {
    guarded(|| {
        let (_server, client) = with_server();
        let release = block_callbacks(&client);
        let started = std::time::Instant::now();
        client.close();
        drop(client);
        assert!(started.elapsed() < SOON, "closing took {:?}", started.elapsed());
        drop(release);
    });
}
