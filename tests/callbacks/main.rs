//! Promise 4: callbacks never stall the connection. They run off the I/O thread. A callback may block, panic, or make
//! calls, including blocking ones, even on the only callback thread.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;

mod calls_inside;
mod closing;
mod executor;
mod panics;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Sender, unbounded};
use rtm_server_sdk::{Client, Error};

use common::answering::AnsweringServer;
use common::dead_ends::ClosedPort;
use common::fixtures::{self, into};
use common::receive;
use common::scripted::ScriptedServer;
use common::watchdog::guarded;

fn with_server() -> (AnsweringServer, Client) {
    let server = AnsweringServer::start();
    let client = fixtures::client(server.endpoint());
    (server, client)
}

/// Keeps the only callback thread busy until the sender is dropped or sends.
fn block_callbacks(client: &Client) -> Sender<()> {
    let (release, runs) = fixtures::call_with_blocking_callback(client);
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

/// A careless library delivers outcomes that are known at once inside the function.
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
        // A callback that runs inside the function could never take the lock.
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
        let (release, runs) = fixtures::call_with_blocking_callback(&client);
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
                // Passes only if all three are inside at once.
                barrier.wait();
                _ = sender.send(outcome);
            });
        }
        for _ in 0..3 {
            receive(&outcomes, "a callback").unwrap();
        }
    });
}
