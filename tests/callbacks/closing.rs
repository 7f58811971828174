//! Clients that end while callbacks run, and inside callbacks.

use std::time::Duration;

use crossbeam_channel::unbounded;
use rtm_server_sdk::Error;

use super::executor::Job;
use super::{block_callbacks, with_server};
use crate::common::answering::AnsweringServer;
use crate::common::fixtures::{self, into};
use crate::common::scripted::ScriptedServer;
use crate::common::watchdog::guarded;
use crate::common::{SOON, receive};

/// Returns the best of several tries, because a busy machine may delay any one of them.
#[test]
fn dropping_a_client_does_not_wait_for_a_pending() {
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
                // Another call is in flight when the client is dropped.
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
