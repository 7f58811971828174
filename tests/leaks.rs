//! Clients that come and go leave no thread and no descriptor behind. Only one test, because it counts what the whole
//! process holds.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::Duration;

use crossbeam_channel::unbounded;

use common::answering::AnsweringServer;
use common::dead_ends::{BlackHole, ClosedPort};
use common::fixtures::{self, into};
use common::watchdog::guarded_for;
use common::{eventually, process};

/// The threads of clients. Those of the server come and go with its connections.
fn client_threads() -> usize {
    process::threads().iter().filter(|(name, _)| name.starts_with("rtm-")).count()
}

/// Ends a client in each of its possible states.
fn open_and_drop(round: usize, server: &AnsweringServer, port: &ClosedPort, hole: &BlackHole) {
    let (sender, _outcomes) = unbounded();
    match round % 8 {
        0 => drop(fixtures::client(server.endpoint())),
        1 => fixtures::client(server.endpoint()).connect().unwrap(),
        2 => fixtures::client(server.endpoint()).get_room_info(1).call().map(drop).unwrap(),
        3 => fixtures::client(server.endpoint()).get_room_info(1).callback(into(&sender)),
        4 => drop(fixtures::client(server.endpoint()).get_room_info(1).submit()),
        5 => {
            let client = fixtures::client(server.endpoint());
            client.get_room_info(1).call().unwrap();
            client.close();
            client.get_room_info(1).callback(into(&sender));
        }
        6 => drop(fixtures::client(port.endpoint()).get_room_info(1).call().unwrap_err()),
        _ => drop(fixtures::client(hole.endpoint()).get_room_info(1).submit()),
    }
}

#[test]
fn clients_leave_no_thread_and_no_descriptor() {
    guarded_for(Duration::from_secs(120), || {
        let server = AnsweringServer::start();
        let (port, hole) = (ClosedPort::new(), BlackHole::new());
        let live = fixtures::client(server.endpoint());
        live.get_room_info(1).call().unwrap();
        // A thread sets its name only once it runs.
        eventually("the count sees both threads of a live client", || client_threads() == 2);
        let threads = client_threads();
        let descriptors = process::descriptors();

        let most = (0..1_000)
            .map(|round| {
                open_and_drop(round, &server, &port, &hole);
                client_threads()
            })
            .max()
            .unwrap();
        assert!(most < threads + 100, "threads pile up: {most}");
        eventually("the threads of dropped clients end", || client_threads() == threads);
        eventually("the descriptors of dropped clients are closed", || process::descriptors() == descriptors);
        live.get_room_info(1).call().unwrap();
    });
}
