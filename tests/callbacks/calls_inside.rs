//! Calls that callbacks make.

use crossbeam_channel::{Sender, unbounded};
use rtm_server_sdk::{Client, Error};

use super::with_server;
use crate::common::answering::AnsweringServer;
use crate::common::dead_ends::ClosedPort;
use crate::common::fixtures;
use crate::common::watchdog::guarded;
use crate::common::{SOON, receive};

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
fn blocking_calls_inside_callbacks_get_permits_even_if_callbacks_hold_all() {
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

/// The only permit is held by a callback that waits for the very thread that waits for the permit.
#[test]
fn blocking_call_inside_a_callback_does_not_wait_for_later_callbacks() {
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
